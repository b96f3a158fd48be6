"""Plant, test, take out again."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.metadata
import os
import re
import resource
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .. import project
from . import faults

#: Packages that tests import: loaded once, so that each fault pays for its tests alone.
AHEAD = (
    "numpy.random", "matplotlib.pyplot", "matplotlib.backends.backend_agg", "ipywidgets",
    "nbformat", "hypothesis", "pytest", "pdb", "IPython", "safetensors.numpy",
)  # fmt: skip
_PREFIX, _MARK = "mutants-", "of-a-run"
_PR_SET_PDEATHSIG = 1
#: Of the processor; a fault that waits has four times as long.
SECONDS = 300
_RED = re.compile(r"^(?:FAILED|ERROR) (\S+?\.(?:py|ipynb)(?:::.*?)?)(?: - .*)?$", re.M)


@dataclass(frozen=True)
class Outcome:
    """What the tests did, and the processor's seconds that it took."""

    verdict: str  # caught, survived or stopped
    by: str
    seconds: float


@contextmanager
def copied() -> Iterator[Path]:
    """A copy of the project's files, as git knows them, to plant in.

    A run that is told to end takes its copy along. One that is killed cannot: the next does.
    """
    with _folder() as folder:
        root = folder / "tree"
        for file in project.files():
            place = root / file.relative_to(project.ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, place)
        yield root


@contextmanager
def _folder() -> Iterator[Path]:
    """A folder of a run's own. As long as the run lives it holds the lock on the mark inside."""
    import fcntl  # where there is no fork there is none of it

    outside = Path(tempfile.gettempdir()).resolve()
    # Nobody sweeps between the making of a folder and the lock on its mark.
    with (outside / f"{_PREFIX}{os.getuid()}.lock").open("w") as gate:
        fcntl.flock(gate, fcntl.LOCK_EX)
        for mark in outside.glob(f"{_PREFIX}*/{_MARK}"):
            _sweep(mark)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=outside))
        held = (folder / _MARK).open("w", encoding="utf-8")
        fcntl.flock(held, fcntl.LOCK_EX)
        held.write(str(project.ROOT))
        held.flush()
    try:
        with held, _ended_by_signals():
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(mark: Path) -> None:
    """Remove a run's folder if the run was of this project and lives no more."""
    import fcntl

    with contextlib.suppress(OSError), mark.open(encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if file.read() == str(project.ROOT):
            shutil.rmtree(mark.parent, ignore_errors=True)


@contextmanager
def _ended_by_signals() -> Iterator[None]:
    """A request to end becomes an exception, so that what was begun is put away."""

    def end(number: int, frame: object) -> None:
        sys.exit(128 + number)

    before = {number: signal.signal(number, end) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def load_ahead() -> None:
    """Import what no fault changes."""
    os.environ.setdefault("MPLBACKEND", "agg")
    for name in AHEAD:
        importlib.import_module(name)
    for plugin in importlib.metadata.entry_points(group="pytest11"):
        plugin.load()


def tried(tests: Sequence[str], root: Path, seconds: float = SECONDS) -> Outcome:
    """Run tests in a tree, in a child that has our packages ahead and none of our modules."""
    report = root.parent / "report.txt"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    child = os.fork()
    if not child:
        end_with_parent()
        os._exit(_child(tests, root, report, seconds))
    try:
        _, status = os.waitpid(child, 0)
    except BaseException:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        raise
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    code = os.waitstatus_to_exitcode(status)
    text = report.read_text(encoding="utf-8", errors="replace")
    red = _RED.findall(text)
    if code == 0:
        return Outcome("survived", "", spent)
    if code in (-signal.SIGALRM, -signal.SIGPROF):
        return Outcome("stopped", f"ran for more than {seconds:g} s", spent)
    if not red:  # no such test, or pytest itself broke: that tells nothing of the fault
        return Outcome("stopped", text.strip().rpartition("\n")[2], spent)
    return Outcome("caught", red[0], spent)


def end_with_parent() -> None:
    """In the child: it holds the parent's lock too, and is nothing without it."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if sys.platform == "linux":  # elsewhere it lives on until its tests are done
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _child(tests: Sequence[str], root: Path, report: Path, seconds: float) -> int:
    """In the child: everything that is printed goes to the report."""
    for timer, stop, last in (
        (signal.ITIMER_PROF, signal.SIGPROF, seconds),
        (signal.ITIMER_REAL, signal.SIGALRM, 4 * seconds),
    ):
        signal.signal(stop, signal.SIG_DFL)
        signal.setitimer(timer, last)
    file = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    for stream in (1, 2):
        os.dup2(file, stream)
    # The parent's may be someone's who keeps what is printed.
    sys.stdout = sys.stderr = open(1, "w", encoding="utf-8", closefd=False)
    os.chdir(root)
    ours = ("helpers", "tests", "tools", "experiments")
    for name in [name for name in sys.modules if name.split(".")[0] in ours]:
        del sys.modules[name]
    sys.path[:] = [str(root), *(each for each in sys.path if each not in ("", str(project.ROOT)))]
    import pytest

    options = ["-x", "-q", "-rfE", "--tb=no", "--no-header", "-p", "no:cacheprovider"]
    options += ["-p", "no:xdist"]
    if not all(each.startswith("notebooks/") for each in tests):
        options += ["--hypothesis-profile=unshrunk"]  # tests/conftest.py has it
    if any(each.endswith(".ipynb") for each in tests):
        options += ["--nbval", "--nbval-cell-timeout=120"]
    code = int(pytest.main([*options, *tests]))
    sys.stdout.flush()
    sys.stderr.flush()
    return code


def run(fault: faults.Fault, root: Path) -> Outcome:
    """Whether the tests of a fault notice it."""
    with faults.planted(fault, root):
        return tried(fault.tests, root)
