"""Make a virtual environment, or leave it as it is where it is whole: `make` calls this.

    python3 tools/environments.py lab | test | site | experiments | binder | hub

An environment is marked as ready when its packages have been installed *and checked*. Without the
mark it was left half-made, or made by hand: it is kept if it passes the check, and made anew if
not, with a line that says why. Needs Python's own library only.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parent.parent
OLDEST = (3, 10)
MARK = "ready.json"


class Kind(NamedTuple):
    """One set of packages: the folder that it goes into, and what pip is told to install."""

    folder: str
    packages: tuple[str, ...]
    #: Of PyTorch, pip can be told which build to take; uv would not hear of it.
    quick: bool = True
    #: Wheels that are laid beside the packages instead of being installed.
    wheels: tuple[str, ...] = ()


KINDS = {
    "lab": Kind(".venv", ("-r", "requirements.txt")),
    "test": Kind(".venv", ("-r", "requirements.txt", "--group", "test")),
    # The kernel of the browser edition brings an extension that JupyterLab would load as well.
    # Pyodide does not carry the wheels: the site does.
    "site": Kind(".venv-site", ("--group", "site"), wheels=("ipywidgets", "comm")),
    # PyTorch is large and no notebook needs it.
    "experiments": Kind(".venv-experiments", ("--group", "experiments"), quick=False),
    "binder": Kind(".venv-binder", ("--group", "binder")),
    "hub": Kind(".venv-hub", ("--group", "hub")),
}

#: Runs in the environment. Prints what is missing; nothing where it is whole.
CHECK = r"""
import csv, importlib, importlib.metadata, os, sys, sysconfig
names = set()
for package in importlib.metadata.distributions(path=[sysconfig.get_path("purelib")]):
    name = package.metadata["Name"] if package.metadata else None
    names.add(name)
    # From Python 3.12 on, package.files passes over what is missing.
    record = package.read_text("RECORD")
    if not name or not record:
        sys.exit(f"{name or 'a package'} is half installed")
    for file, _, told in csv.reader(record.splitlines()):
        size = None
        try:
            size = os.stat(package.locate_file(file)).st_size
        except OSError:
            if not file.endswith(".pyc"):
                sys.exit(f"{name} lacks {file}")
        if size is not None and told and size != int(told):
            sys.exit(f"{name} has a damaged {file}")
if "pip" not in names:
    sys.exit("pip is missing")
share = os.path.join(sys.prefix, "share", "jupyter")
for module, parts in {
    "numpy": [], "matplotlib.pyplot": [], "PIL.Image": [], "nbval": [],
    "ipywidgets": ["labextensions/@jupyter-widgets/jupyterlab-manager/package.json"],
    "jupyterlab": ["lab/static/index.html",
                   "lab/themes/@jupyterlab/theme-light-extension/index.css"],
}.items() if sys.argv[1:] == ["notebooks"] else ():
    try:
        importlib.import_module(module)
    except Exception as error:
        sys.exit(f"{module} cannot be imported ({error})")
    for part in parts:
        if not os.path.isfile(os.path.join(share, part)):
            sys.exit(f"{module} lacks {part}")
"""


FULL = "The disk is full: make room (1 GB will do), and run the same command again."
#: How pip says that it reaches nobody.
OFFLINE = (
    "NewConnectionError", "NameResolutionError", "ConnectTimeoutError", "Connection refused",
    "ProxyError", "Network is unreachable", "Temporary failure in name resolution",
    "Failed to establish a new connection", "(from versions: none)",
)  # fmt: skip


class CannotBeMade(Exception):
    """Says in one line what is in the way, and what can be done."""


#: The lock while an environment is made. What is run meanwhile holds it, too: an installer that
#: outlives a `make` that was killed is waited for.
LOCKS: list[int] = []


def run(*command: str | Path, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command in the project's folder and keep what it says."""
    return subprocess.run(
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, errors="replace",
        pass_fds=tuple(LOCKS), **more,
    )  # fmt: skip


def wanted(kind: Kind) -> str:
    """Changes when the list of packages does."""
    content = repr(kind)
    if "-r" in kind.packages:
        content += (ROOT / "requirements.txt").read_text("utf-8")
    if "--group" in kind.packages:
        _, _, after = (ROOT / "pyproject.toml").read_text("utf-8").partition("[dependency-groups]")
        content += after.partition("\n[")[0]
    return hashlib.sha256(content.encode()).hexdigest()


def mark_of(folder: Path) -> dict[str, Any]:
    """What the environment's mark says; empty without one."""
    try:
        mark = json.loads((folder / MARK).read_text("utf-8"))
        return mark if isinstance(mark, dict) else {}
    except (OSError, ValueError):
        return {}


def python_of(folder: Path) -> tuple[int, ...] | None:
    """The version of the environment's Python; None if it does not run."""
    say = "import sys; print(*sys.version_info[:3])"
    try:
        done = run(folder / "bin" / "python", "-I", "-S", "-c", say, timeout=60)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return tuple(map(int, done.stdout.split())) if done.returncode == 0 else None


def why_not(folder: Path, asked: bool) -> str:
    """Why an environment that is there cannot be used; empty if it can."""
    version = python_of(folder)
    if version is None:
        return "its Python does not run any more"
    found = ".".join(map(str, version))
    if version < OLDEST:
        return f"its Python {found} is too old"
    if asked and version != sys.version_info[:3]:
        return f"it has Python {found}, and Python {this_python()} is asked for"
    mark = mark_of(folder)
    if mark and mark.get("folder") != str(folder.resolve()):
        return f"it was made in another place, {mark.get('folder')}"
    return ""


def this_python() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def problem(folder: Path, kind: Kind) -> str:
    """What the check of the installed packages finds; empty if all is there."""
    notebooks = ["notebooks"] if kind.folder == ".venv" else []
    done = run(folder / "bin" / "python", "-c", CHECK, *notebooks)
    if done.returncode == 0:
        return ""
    return (done.stderr.strip().splitlines() or ["the check of its packages failed"])[-1]


def explained(output: str) -> str:
    """pip's complaint in one line."""
    if "No space left on device" in output or "Disk quota exceeded" in output:
        return FULL
    if any(sign in output for sign in OFFLINE):
        return "Packages cannot be fetched: is there a network? Then run the same command again."
    lines = [line for line in output.strip().splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR")]
    return f"The packages cannot be installed: {(errors or lines or ['no reason was given'])[-1]}"


def create(folder: Path) -> None:
    """An empty environment, in place of whatever was there."""
    # This script may run in the very environment that it removes.
    base = getattr(sys, "_base_executable", None) or sys.executable
    if run(base, "-c", "import ensurepip, venv").returncode:
        raise CannotBeMade(
            f"{base} cannot make virtual environments: on Debian and Ubuntu, "
            f"apt install python3-venv; elsewhere name another Python: make PYTHON=python3.12 ..."
        )
    if folder.is_symlink():  # to a disk that is gone, say; what it leads to stays
        folder.unlink()
    elif folder.is_file():
        raise CannotBeMade(f"{folder} is a file: move it away, and run the same command again.")
    done = run(base, "-m", "venv", "--clear", folder)
    if done.returncode:
        raise CannotBeMade(explained(done.stdout + done.stderr))


def install(folder: Path, kind: Kind) -> None:
    """Install the packages: with uv, which took a third of the time, or else with pip."""
    python = folder / "bin" / "python"
    command = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip: list[str | Path] = [python, *command]
    if kind.quick:
        uv = folder / "bin" / "uv"
        done = run(uv, "--version") if uv.exists() else run(*pip, "uv")
        if done.returncode == 0:
            if run(uv, "pip", "install", "--python", python, *kind.packages).returncode == 0:
                return
        elif explained(done.stderr) == FULL or any(sign in done.stderr for sign in OFFLINE):
            raise CannotBeMade(explained(done.stderr))
    # Older ones know no dependency groups.
    for what in (["--upgrade", "pip", "setuptools"], kind.packages):
        done = run(*pip, *what)
        if done.returncode:
            raise CannotBeMade(explained(done.stdout + done.stderr))


def lay_wheels(folder: Path, kind: Kind) -> None:
    """Download the wheels that are laid beside the packages."""
    target = folder / "wheels"
    shutil.rmtree(target, ignore_errors=True)
    command = ["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    done = run(folder / "bin" / "python", *command, "--dest", target, *kind.wheels)
    if done.returncode:
        raise CannotBeMade(explained(done.stdout + done.stderr))


@contextlib.contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Let nobody else make the same environment meanwhile.

    The lock goes with the process and what it has started.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    with open(f"{folder}.lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"{folder.name} is being made by another `make`: waiting for it.", flush=True)
            fcntl.flock(lock, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks
        LOCKS.append(lock.fileno())
        try:
            yield
        finally:
            LOCKS.remove(lock.fileno())


def make(name: str, asked: bool = False) -> None:
    """Have the environment ready. Raises CannotBeMade with one line that says why not."""
    kind = KINDS[name]
    folder, now = ROOT / kind.folder, wanted(kind)

    def ready() -> bool:
        # A list of more packages holds those of a shorter one.
        done = mark_of(folder).get("installed", {})
        return done.get(name) == now and not why_not(folder, asked)

    if ready():
        return
    with alone(folder):
        if ready():
            return
        installed = mark_of(folder).get("installed", {})
        if folder.exists() or folder.is_symlink():
            why = why_not(folder, asked)
            if not why and not mark_of(folder):
                why = problem(folder, kind)
                why = f"an earlier set-up did not end: {why}" if why else ""
            if why:
                print(f"{folder.name} is made anew: {why}.", flush=True)
                installed = {}
                create(folder)
        else:
            create(folder)
        print(f"Installing packages into {folder.name}, which takes a minute ...", flush=True)
        (folder / MARK).unlink(missing_ok=True)
        install(folder, kind)
        if kind.wheels:
            lay_wheels(folder, kind)
        if why := problem(folder, kind):
            raise CannotBeMade(
                f"{folder.name} was installed, but {why}: run the same command again."
            )
        if name == "test":
            installed["lab"] = wanted(KINDS["lab"])
        mark = {"folder": str(folder.resolve()), "installed": {**installed, name: now}}
        part = folder / f"{MARK}.part"
        part.write_text(json.dumps(mark), "utf-8")
        part.replace(folder / MARK)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=KINDS)
    parser.add_argument("--asked", action="store_true", help="this Python and no other")
    given = parser.parse_args(arguments)
    try:
        make(given.name, given.asked)
    except CannotBeMade as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        print(FULL if error.errno == errno.ENOSPC else error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Stopped; the next `make` goes on from here.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
