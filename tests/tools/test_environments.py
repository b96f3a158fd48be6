"""How an environment is made, kept and made anew. Nothing is fetched: installing is played.

Environments here are real but empty; what is installed is one package of two files.
"""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tools import environments

ROOT = environments.ROOT
KIND = environments.Kind(".venv-play", ("-r", "requirements.txt"))
RECORD = "played/__init__.py,,0\nplayed/scripts.js,,4\npip-1.dist-info/RECORD,,\n"

pytestmark = pytest.mark.skipif(os.name == "nt", reason="make is not used on Windows")


def packages(folder):
    (place,) = folder.glob("lib/**/site-packages")
    return place


def install(folder, kind, stop=False):
    """What pip does, for a package that calls itself pip; or half of it."""
    place = packages(folder)
    for name, text in {
        "played/__init__.py": "", "pip-1.dist-info/METADATA": "Name: pip\nVersion: 1\n",
        "pip-1.dist-info/RECORD": RECORD, "played/scripts.js": "move",
    }.items():  # fmt: skip
        if stop and name == "played/scripts.js":
            raise KeyboardInterrupt
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text(text)


def create(folder):
    """An empty environment in a fraction of the time: without pip."""
    command = [sys.executable, "-m", "venv", "--clear", "--without-pip", str(folder)]
    subprocess.run(command, check=True)


@pytest.fixture
def root(tmp_path, monkeypatch):
    """A project with a path that is hard on shells, whose set-up is played."""
    folder = tmp_path / "a b'#%$ü"
    folder.mkdir()
    (folder / "requirements.txt").write_text("played\n")
    monkeypatch.setattr(environments, "ROOT", folder)
    monkeypatch.setattr(environments, "KINDS", {"play": KIND, "lab": KIND})
    monkeypatch.setattr(environments, "create", create)
    monkeypatch.setattr(environments, "install", install)
    return folder


@pytest.fixture
def made(root, capsys):
    """The project, with its environment."""
    environments.make("play")
    assert capsys.readouterr().out.startswith("Installing packages into .venv-play")
    return root


def anew(capsys, asked=False):
    """What is said while the environment is looked at again."""
    environments.make("play", asked)
    return capsys.readouterr().out


def test_what_is_ready_is_left_alone(made, capsys, monkeypatch):
    monkeypatch.setattr(environments, "install", None)
    assert anew(capsys) == ""


def test_a_longer_list_is_installed_into_what_is_there(made, capsys):
    (made / ".venv-play" / "mine").touch()
    (made / "requirements.txt").write_text("played\nmore\n")
    assert anew(capsys).startswith("Installing")
    assert (made / ".venv-play" / "mine").exists()
    assert anew(capsys) == ""


def test_an_interrupted_installation_is_made_anew(root, capsys, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(environments, "install", lambda *which: install(*which, stop=True))
        with pytest.raises(KeyboardInterrupt):
            environments.make("play")
    capsys.readouterr()
    assert "is made anew: an earlier set-up did not end: pip lacks played/scripts.js" in anew(
        capsys
    )
    assert anew(capsys) == ""


@pytest.mark.parametrize("text", ["mo", ""])
def test_a_file_that_was_cut_short_is_noticed(made, capsys, text):
    (made / ".venv-play" / environments.MARK).unlink()
    (packages(made / ".venv-play") / "played" / "scripts.js").write_text(text)
    assert "pip has a damaged played/scripts.js" in anew(capsys)


def test_a_whole_environment_without_a_mark_is_kept(made, capsys):
    """As when a reader made it with pip."""
    (made / ".venv-play" / environments.MARK).unlink()
    (made / ".venv-play" / "mine").touch()
    assert "anew" not in anew(capsys)
    assert (made / ".venv-play" / "mine").exists()


def test_what_is_not_whole_after_installing_is_not_marked(root, monkeypatch):
    monkeypatch.setattr(environments, "problem", lambda *_: "numpy cannot be imported")
    with pytest.raises(environments.CannotBeMade, match="installed, but numpy cannot be imported"):
        environments.make("play")
    assert not (root / ".venv-play" / environments.MARK).exists()


def test_a_moved_folder(made, capsys, monkeypatch):
    moved = made.rename(made.with_name("moved"))
    monkeypatch.setattr(environments, "ROOT", moved)
    assert f"is made anew: it was made in another place, {made}" in anew(capsys)
    assert anew(capsys) == ""


def test_a_python_that_has_gone(made, capsys):
    for python in (made / ".venv-play" / "bin").glob("python*"):
        python.unlink()
        python.symlink_to("/nowhere/python")
    assert "is made anew: its Python does not run any more" in anew(capsys)
    assert anew(capsys) == ""


@pytest.mark.parametrize("version, asked, why", [
    ((3, 9, 18), False, "its Python 3.9.18 is too old"),
    ((3, 10, 1), True, "it has Python 3.10.1, and Python"),
    ((3, 10, 1), False, ""),
])  # fmt: skip
def test_another_python(made, monkeypatch, version, asked, why):
    monkeypatch.setattr(environments, "python_of", lambda folder: version)
    said = environments.why_not(made / ".venv-play", asked)
    assert said.startswith(why)
    assert bool(said) == bool(why)


def test_two_at_once(root, monkeypatch):
    """The second waits for the first, and finds it done."""
    calls = []

    def slowly(*which):
        calls.append(which)
        threading.Event().wait(0.5)
        install(*which)

    monkeypatch.setattr(environments, "install", slowly)
    both = [threading.Thread(target=environments.make, args=["play"]) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()
    assert len(calls) == 1
    assert json.loads((root / ".venv-play" / environments.MARK).read_text())["installed"]


@pytest.mark.parametrize("output, line", [
    ("OSError: [Errno 28] No space left on device", "The disk is full"),
    ("WARNING: Retrying ... NewConnectionError(...)\nERROR: No matching", "is there a network?"),
    ("ERROR: Could not find a version that satisfies numpy (from versions: none)", "a network?"),
    ("noise\nERROR: numpy needs Python 4\nhint", "ERROR: numpy needs Python 4"),
    ("", "no reason was given"),
])  # fmt: skip
def test_what_pip_says_becomes_one_line(output, line):
    said = environments.explained(output)
    assert line in said
    assert "\n" not in said


def test_a_python_without_venv(monkeypatch, tmp_path):
    failed = subprocess.CompletedProcess([], 1, "", "No module named ensurepip")
    monkeypatch.setattr(environments, "run", lambda *_, **__: failed)
    with pytest.raises(environments.CannotBeMade, match="apt install python3-venv"):
        environments.create(tmp_path / "new")


def test_pip_is_the_fall_back_where_uv_fails(monkeypatch, tmp_path):
    said = []

    def run(*command, **_):
        words = [str(word) for word in command]
        said.append(" ".join(words[1:]))
        failed = words[0].endswith("uv")
        return subprocess.CompletedProcess(command, int(failed), "", "uv does not like it")

    monkeypatch.setattr(environments, "run", run)
    environments.install(tmp_path, environments.KINDS["lab"])
    assert [line.split()[-1] for line in said] == [
        "uv", "requirements.txt", "setuptools", "requirements.txt",
    ]  # fmt: skip


def test_every_kind_that_make_asks_for_is_known():
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    named = set(text.partition("\nREADY := ")[2].partition("\n")[0].split())
    assert named == {f"ready-{name}" for name in environments.KINDS}


def make(*arguments):
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("script, line", [
    (None, "does not run here"),
    ("exit 4", "is too old"),
])  # fmt: skip
def test_a_python_that_make_cannot_use(tmp_path, script, line):
    python = Path(tmp_path) / "a python"
    if script:
        python.write_text(f"#!/bin/sh\n{script}\n")
        python.chmod(0o755)
    done = make("lab", f"PYTHON={python}")
    assert done.returncode == 2
    assert f"{python} {line}" in done.stdout
    assert len(done.stdout.splitlines()) == 1
