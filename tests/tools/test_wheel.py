"""The package as it is installed: under a name of its own, with its data and its command."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

import pytest

from tools import project

pytestmark = pytest.mark.project

ROOT = project.ROOT
#: What a notebook needs and the command does not.
NOT_NEEDED = ("matplotlib", "ipywidgets", "safetensors", "helpers")


def run(*command, **more):
    return subprocess.run([str(part) for part in command], capture_output=True, text=True, **more)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, made from a copy without anything from the network."""
    try:
        setuptools = int(version("setuptools").split(".")[0])
    except PackageNotFoundError:
        setuptools = 0
    if setuptools < 77 or not find_spec("pip"):
        pytest.skip("a wheel is built with pip and setuptools 77 or newer (group `test`)")
    copy, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "helpers", copy / "helpers", ignore=ignored)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, copy)
    alone = ("--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    done = run(sys.executable, "-m", "pip", "wheel", *alone, "-w", target, copy, cwd=target)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = target.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Where the command is called from: nothing of the series is in it or above it."""
    return tmp_path_factory.mktemp("elsewhere")


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The folder of programs of an environment that has the wheel and NumPy, no more."""
    environment = tmp_path_factory.mktemp("environment")
    assert run(sys.executable, "-m", "venv", "--without-pip", environment).returncode == 0
    programs = environment / ("Scripts" if os.name == "nt" else "bin")
    command = (sys.executable, "-m", "pip", "--python", programs / "python", "install")
    done = run(*command, "--no-deps", "--no-index", "--disable-pip-version-check", wheel)
    assert done.returncode == 0, done.stdout + done.stderr
    packages = environment / "numpy"
    packages.mkdir()
    numpy = Path(find_spec("numpy").origin).parent
    try:
        for part in (numpy, *numpy.parent.glob("numpy.libs")):
            (packages / part.name).symlink_to(part, target_is_directory=True)
    except OSError as error:
        pytest.skip(f"NumPy cannot be linked into another environment: {error}")
    (place,) = environment.glob("[Ll]ib/**/site-packages")
    (place / "numpy.pth").write_text(f"{packages}\n", encoding="utf-8")
    return programs


def test_it_holds_every_module_and_all_data(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    there = {name.removeprefix("lora_rank_lab/") for name in names if ".dist-info/" not in name}
    files = [file for file in (ROOT / "helpers").rglob("*") if "__pycache__" not in file.parts]
    assert there == {file.relative_to(ROOT / "helpers").as_posix() for file in files
                     if file.is_file()}  # fmt: skip


def test_nothing_else_reaches_the_environment(wheel):
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"lora_rank_lab", f"lora_rank_lab-{project.read_version()}.dist-info"}


def test_its_version_is_the_one_of_the_code(installed, folder):
    say = "import lora_rank_lab, importlib.metadata as m; "
    say += "print(lora_rank_lab.__version__, m.version('lora-rank-lab'))"
    done = run(installed / "python", "-c", say, cwd=folder)
    assert done.stdout.split() == [project.read_version()] * 2


@pytest.mark.parametrize("name", NOT_NEEDED)
def test_the_environment_is_empty(installed, folder, name):
    done = run(installed / "python", "-c", f"import {name}", cwd=folder)
    assert f"No module named '{name}'" in done.stderr


def test_the_command_says_how_it_is_called(installed, folder):
    done = run(installed / "rank-lab", "--help", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("usage: rank-lab ")
    assert "helpers" not in done.stdout
    for name in ("inspect", "bake", "truncate"):
        assert name in done.stdout


def test_the_command_inspects_a_shipped_adapter(installed, folder):
    path = ROOT / "helpers" / "data" / "adapters" / "people"
    done = run(installed / "rank-lab", "inspect", "--json", path, cwd=folder)
    assert done.returncode == 0, done.stderr
    here = run(sys.executable, "-m", "helpers.adapters", "inspect", "--json", path, cwd=ROOT)
    found, wanted = json.loads(done.stdout), json.loads(here.stdout)
    assert found == wanted
    assert found["modules"]


def test_what_is_wrong_is_said_in_one_line(installed, folder):
    done = run(installed / "rank-lab", "inspect", "nothing", cwd=folder)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1)
    assert done.stderr.startswith("rank-lab inspect: ")
