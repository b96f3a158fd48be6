"""The archive for download: it holds the project, and the project works from it."""

import shutil
import subprocess
import sys
import zipfile

import pytest

from tools import project

pytestmark = pytest.mark.project

ROOT = project.ROOT
#: Tests that read files of the whole project; what they need, an archive could lack. What takes
#: seconds and reads no more than these is left to the project itself.
READING = "(test_repository or test_rules or test_pyodide or test_published or test_tables)"
SLOW = "not the_examples_of_a_module and not arrows"


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The archive, made as tools/site/build.py makes it."""
    target = tmp_path_factory.mktemp("archive") / "lora-rank-lab.zip"
    project.archive(target)
    return target


@pytest.fixture(scope="module")
def unpacked(archive, tmp_path_factory):
    """The folder that a reader has after unpacking it."""
    folder = tmp_path_factory.mktemp("un packed")
    with zipfile.ZipFile(archive) as packed:
        for info in packed.infolist():
            path = packed.extract(info, folder)
            (folder / path).chmod(info.external_attr >> 16)
    (series,) = folder.iterdir()
    assert series.name == "lora-rank-lab"
    return series


def python(folder, *arguments):
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


def test_it_holds_what_belongs_to_the_project(unpacked):
    there = {file.relative_to(unpacked) for file in unpacked.rglob("*") if file.is_file()}
    assert there == {file.relative_to(ROOT) for file in project.files()}
    for file in there:
        assert (unpacked / file).read_bytes() == (ROOT / file).read_bytes()
        assert (unpacked / file).stat().st_mode == (ROOT / file).stat().st_mode


def test_the_same_content_gives_the_same_bytes(archive, tmp_path):
    project.archive(tmp_path / archive.name)
    assert (tmp_path / archive.name).read_bytes() == archive.read_bytes()


def test_without_git_the_files_are_those_that_gitignore_does_not_name(unpacked, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(unpacked, copy)
    leftovers = [".venv/bin/python", ".venv-site.lock", "helpers/__pycache__/a.pyc"]
    leftovers += ["experiments/runs/a/b.json", "build/site/a.zip", "notebooks/.ipynb_checkpoints/a"]
    for name in leftovers:
        file = copy / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert [file.relative_to(copy) for file in project.files(copy)] == [
        file.relative_to(unpacked) for file in project.files(unpacked)
    ]
    assert len(project.files(copy)) == len(project.files())


@pytest.mark.long
def test_its_tests_are_found_and_those_that_read_the_project_pass(unpacked):
    """Each test file is imported, and with it whatever it reads at its top."""
    chosen = ["tests", "--ignore=tests/browser", "--ignore=tests/site", "-n", "0"]
    chosen += ["-k", f"{READING} and {SLOW}"]
    done = python(unpacked, "-m", "pytest", "-q", "-p", "no:cacheprovider", *chosen)
    assert done.returncode == 0, done.stdout + done.stderr
