"""How an environment is made, kept and made anew. Nothing is fetched: installing is played.

Environments here are real but empty; what is installed is one package of two files.
"""

import errno
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

pytestmark = [
    pytest.mark.project,
    pytest.mark.skipif(os.name == "nt", reason="make is not used on Windows"),
]


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


#: What Python does from 3.12 on, for those before it.
NEWER = """
import importlib.metadata as m
files = m.Distribution.files.fget
m.Distribution.files = property(lambda self: [
    each for each in files(self) or () if each.locate().exists()
])
"""


@pytest.mark.parametrize("python", ["", NEWER], ids=["this", "newer"])
def test_an_interrupted_installation_is_made_anew(root, capsys, monkeypatch, python):
    monkeypatch.setattr(environments, "CHECK", python + environments.CHECK)
    with monkeypatch.context() as patch:
        patch.setattr(environments, "install", lambda *which: install(*which, stop=True))
        with pytest.raises(KeyboardInterrupt):
            environments.make("play")
    capsys.readouterr()
    assert "is made anew: an earlier set-up did not end: pip lacks played/scripts.js" in anew(
        capsys
    )
    assert anew(capsys) == ""


@pytest.mark.parametrize("text", ["mo", "", "moved"])
def test_a_file_of_another_size_is_noticed(made, capsys, text):
    (made / ".venv-play" / environments.MARK).unlink()
    (packages(made / ".venv-play") / "played" / "scripts.js").write_text(text)
    assert "pip has a damaged played/scripts.js" in anew(capsys)


@pytest.mark.parametrize("file, text, why", [
    ("METADATA", "Name: other\nVersion: 1\n", "pip is missing"),
    ("METADATA", "", "a package is half installed"),
    ("RECORD", "", "pip is half installed"),
])  # fmt: skip
def test_a_package_that_is_not_there_is_noticed(made, capsys, file, text, why):
    (made / ".venv-play" / environments.MARK).unlink()
    (packages(made / ".venv-play") / "pip-1.dist-info" / file).write_text(text)
    assert f"is made anew: an earlier set-up did not end: {why}" in anew(capsys)


def test_what_notebooks_need_is_imported_and_looked_for(made):
    folder, kind = made / ".venv-play", environments.Kind(".venv", ())
    assert environments.problem(folder, KIND) == ""
    assert environments.problem(folder, kind).startswith("numpy cannot be imported (")
    modules = "numpy matplotlib/__init__ matplotlib/pyplot PIL/__init__ PIL/Image nbval ipywidgets"
    for name in f"{modules} jupyterlab".split():
        file = packages(folder) / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.touch()
    share = folder / "share" / "jupyter"
    for name, module in {
        "labextensions/@jupyter-widgets/jupyterlab-manager/package.json": "ipywidgets",
        "lab/static/index.html": "jupyterlab",
        "lab/themes/@jupyterlab/theme-light-extension/index.css": "jupyterlab",
    }.items():
        assert environments.problem(folder, kind) == f"{module} lacks {name}"
        (share / name).parent.mkdir(parents=True)
        (share / name).touch()
    assert environments.problem(folder, kind) == ""


def test_an_empty_folder_is_made_anew(root, capsys):
    (root / ".venv-play").mkdir()
    assert "is made anew: its Python does not run any more" in anew(capsys)


@pytest.mark.parametrize("text", ["{", "[]", ""])
def test_a_mark_that_cannot_be_read_is_none(made, capsys, text):
    mark = made / ".venv-play" / environments.MARK
    mark.write_text(text)
    assert "anew" not in anew(capsys)
    assert json.loads(mark.read_text())["installed"]


def test_while_packages_are_installed_there_is_no_mark(made, capsys, monkeypatch):
    """So whoever stops there finds the packages checked the next time."""
    (made / "requirements.txt").write_text("played\nmore\n")

    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(environments, "install", stop)
        with pytest.raises(KeyboardInterrupt):
            environments.make("play")
    assert not (made / ".venv-play" / environments.MARK).exists()


def test_kinds_that_share_a_folder(made, capsys):
    """One does not forget the other, until the folder is made anew."""
    environments.make("lab")
    capsys.readouterr()
    assert anew(capsys) == ""
    for python in (made / ".venv-play" / "bin").glob("python*"):
        python.unlink()
    assert "anew" in anew(capsys)
    environments.make("lab")
    assert capsys.readouterr().out.startswith("Installing")


def test_whoever_has_the_tests_packages_can_open_the_series(root, capsys, monkeypatch):
    more = environments.Kind(KIND.folder, (*KIND.packages, "more"))
    monkeypatch.setitem(environments.KINDS, "test", more)
    environments.make("test")
    capsys.readouterr()
    environments.make("lab")
    assert capsys.readouterr().out == ""


def test_a_changed_group_is_installed(root):
    kind, file = environments.Kind("x", ("--group", "a")), root / "pyproject.toml"
    file.write_text('[dependency-groups]\na = ["b"]\n[tool]\nline = 1\n')
    before = environments.wanted(kind)
    file.write_text('[dependency-groups]\na = ["b"]\n[tool]\nline = 2\n')
    assert environments.wanted(kind) == before
    file.write_text('[dependency-groups]\na = ["c"]\n[tool]\nline = 1\n')
    assert environments.wanted(kind) != before


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


INSTALLING = """
import sys, pathlib
from tools import environments
with environments.alone(pathlib.Path(sys.argv[1])):
    environments.run(sys.executable, "-c", "import sys, time; from pathlib import Path; "
                     "Path(sys.argv[1], 'begun').touch(); time.sleep(1); "
                     "Path(sys.argv[1], 'done').touch()", sys.argv[1])
"""


def test_an_installer_that_outlives_a_killed_make_is_waited_for(tmp_path):
    command = [sys.executable, "-c", INSTALLING, str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT) as first:
        while not (tmp_path / "begun").exists():
            assert first.poll() is None
            threading.Event().wait(0.02)
        first.kill()
    assert not (tmp_path / "done").exists()
    with environments.alone(tmp_path):
        assert (tmp_path / "done").exists()


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


def played(monkeypatch, answer):
    """Commands are not run: `answer` says what their words give. Returns those words."""
    said = []

    def run(*command, **_):
        said.append(" ".join(map(str, command)))
        return subprocess.CompletedProcess(command, *answer(said[-1]))

    monkeypatch.setattr(environments, "run", run)
    return said


def test_without_a_network_pip_is_not_tried_after_uv(monkeypatch, tmp_path):
    said = played(monkeypatch, lambda _: (1, "", "NewConnectionError"))
    with pytest.raises(environments.CannotBeMade, match="is there a network"):
        environments.install(tmp_path, environments.KINDS["lab"])
    assert len(said) == 1


def test_what_pip_cannot_install_is_said(monkeypatch, tmp_path):
    said = played(monkeypatch, lambda _: (1, "", "ERROR: numpy needs Python 4"))
    with pytest.raises(environments.CannotBeMade, match="numpy needs Python 4"):
        environments.install(tmp_path, environments.KINDS["experiments"])
    assert not any("uv" in line.split() for line in said)


@pytest.mark.parametrize("there", [True, False])
def test_a_link_in_its_place_is_taken_away_and_a_file_is_not(monkeypatch, tmp_path, there):
    """venv refuses both for good. What a link leads to stays."""
    done = subprocess.CompletedProcess([], 0, "", "")
    monkeypatch.setattr(environments, "run", lambda *_, **__: done)
    link, file, away = (tmp_path / name for name in ("link", "file", "away"))
    if there:
        away.mkdir()
        (away / "mine").touch()
    link.symlink_to(away)
    file.touch()
    environments.create(link)
    assert not link.is_symlink()
    assert (away / "mine").exists() == there
    with pytest.raises(environments.CannotBeMade, match="file is a file: move it away"):
        environments.create(file)
    assert file.exists()


def test_an_environment_that_cannot_be_created(monkeypatch, tmp_path):
    played(monkeypatch, lambda words: (int("--clear" in words), "", "No space left on device"))
    with pytest.raises(environments.CannotBeMade, match="The disk is full"):
        environments.create(tmp_path / "new")


def test_wheels_are_laid_in_place_of_older_ones(monkeypatch, root):
    kind = KIND._replace(wheels=("one", "two"))
    monkeypatch.setitem(environments.KINDS, "play", kind)
    monkeypatch.setattr(environments, "problem", lambda *_: "")
    old = root / ".venv-play" / "wheels" / "old.whl"
    lay = environments.lay_wheels
    laid = []
    monkeypatch.setattr(environments, "lay_wheels", lambda *which: laid.append(which))
    environments.make("play")
    assert laid == [(root / ".venv-play", kind)]
    old.parent.mkdir()
    old.touch()
    said = played(monkeypatch, lambda _: (0, "", ""))
    lay(*laid[0])
    assert not old.exists()
    assert said[0].endswith(f"--dest {old.parent} one two")
    played(monkeypatch, lambda _: (1, "", "ProxyError"))
    with pytest.raises(environments.CannotBeMade, match="is there a network"):
        lay(*laid[0])


@pytest.mark.parametrize("error, code, line", [
    (environments.CannotBeMade("no room"), 1, "no room"),
    (OSError(errno.ENOSPC, "no room"), 1, environments.FULL),
    (OSError(errno.EACCES, "not yours"), 1, "[Errno 13] not yours"),
    (KeyboardInterrupt(), 130, "Stopped; the next `make` goes on from here."),
    (None, 0, ""),
])  # fmt: skip
def test_what_make_is_told(monkeypatch, capsys, error, code, line):
    def make(name, asked):
        assert (name, asked) == ("lab", True)
        if error is not None:
            raise error

    monkeypatch.setattr(environments, "make", make)
    assert environments.main(["lab", "--asked"]) == code
    assert capsys.readouterr().err.strip() == line


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
