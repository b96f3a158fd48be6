"""Planted faults: the list is in order, caught is told from survived, a sample is caught."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from tools.mutants import __main__ as command
from tools.mutants import faults, generated, mutated, running
from tools.project import ROOT

pytestmark = pytest.mark.project

LISTED = faults.read()
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="faults are tried in forked children")


def test_three_hundred_faults_of_every_kind_are_listed():
    kinds = Counter(fault.kind for fault in LISTED)
    assert len(LISTED) >= 300
    assert set(kinds) >= {
        "archive", "axis", "cheatsheet", "ci", "claim", "colour", "copy", "data", "exercise",
        "label", "legend", "limit", "makefile", "marker", "notebook", "order", "package",
        "range", "readme", "series", "setup", "site", "start", "tick", "title", "words", "workflow",
    }  # fmt: skip


def test_nearly_all_of_them_can_still_be_planted():
    """One in ten may be stale: a sentence that is rewritten takes its fault along later."""
    found = faults.stale(LISTED)
    assert len(found) <= len(LISTED) / 10, "\n".join(found)


def test_those_of_the_sample_can_be_planted():
    sample = [fault for fault in LISTED if fault.sample]
    assert len(sample) == 20
    assert len({fault.kind for fault in sample}) >= 10
    assert faults.stale(sample) == []


def test_the_tests_that_should_notice_exist():
    for fault in LISTED:
        for each in fault.tests:
            assert (ROOT / each.partition("::")[0]).exists(), fault


@pytest.mark.long
@forks
def test_a_sample_of_planted_faults_is_caught(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "tools.mutants", "sample", "--trust", "--anew"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


# The runner, on a tree of its own

LIST = """
kind = "sum"
file = "helpers/adding.py"
tests = ["tests/test_adding.py"]

[[fault]]
old = "return a + b"
new = "return a - b"

[[fault]]
old = "a plus b"
new = "a and b"
survives = "nobody reads it"

[[fault]]
old = "return a + b"
new = "while True: pass"
"""


@pytest.fixture
def tree(tmp_path):
    for name, content in {
        "helpers/__init__.py": "",
        "helpers/adding.py": '"""a plus b"""\n\n\ndef add(a, b):\n    return a + b\n',
        "tests/test_adding.py": "from helpers.adding import add\n\n\ndef test_it_adds():\n"
        "    assert add(1, 2) == 3\n",
        "list/list.toml": LIST,
    }.items():
        path = tmp_path / "tree" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return tmp_path / "tree"


@forks
def test_caught_survived_and_stopped_are_told_apart(tree):
    listed = faults.read(tree / "list")
    assert faults.stale(listed, tree) == []
    before = (tree / "helpers" / "adding.py").read_bytes()
    assert running.tried(listed[0].tests, tree).verdict == "survived"
    caught, survived = (running.run(fault, tree) for fault in listed[:2])
    assert (caught.verdict, caught.by) == ("caught", "tests/test_adding.py::test_it_adds")
    assert survived.verdict == "survived"
    with faults.planted(listed[2], tree):
        hung = running.tried(listed[2].tests, tree, seconds=2)
    assert (hung.verdict, hung.by) == ("stopped", "ran for more than 2 s")
    assert (tree / "helpers" / "adding.py").read_bytes() == before
    found = {fault.key: vars(each) for fault, each in zip(listed, (caught, survived, hung))}
    assert command.report(listed, found) == [
        "sum: {'caught': 1, 'stopped': 1, 'survived, with a reason': 1}",
        "3 faults: {'caught': 1, 'stopped': 1, 'survived, with a reason': 1}",
        f"stopped: {listed[2]} ran for more than 2 s",
    ]
    assert running.tried(("tests/no_such.py",), tree).verdict != "survived"


RUN = """
import signal, sys, time
from pathlib import Path
from tools.mutants import running

# A shell starts what goes to the background without it.
signal.signal(signal.SIGINT, signal.default_int_handler)
running.project.files = lambda: []
running._child = lambda *_: time.sleep(60)
if sys.argv[1:]:
    running.project.ROOT = Path(sys.argv[1])
with running.copied() as root:
    print(root.parent, flush=True)
    running.tried((), root)
"""


@forks
def test_a_dead_runs_tree_is_removed_by_the_next_and_a_live_ones_never(tmp_path):
    started = []

    def begun(*root):
        run = subprocess.Popen(
            [sys.executable, "-c", RUN, *root], cwd=ROOT, stdout=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(tmp_path)},
        )  # fmt: skip
        started.append(run)
        return run, Path(run.stdout.readline().strip())

    def ended(run, number):
        run.send_signal(number)
        run.wait(20)

    try:
        (live, of_live), (killed, of_killed) = begun(), begun()
        elsewhere, of_elsewhere = begun("/another/checkout")
        ended(killed, signal.SIGKILL)
        ended(elsewhere, signal.SIGKILL)
        assert of_killed.is_dir(), "a killed run has no time to tidy"
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            run, own = begun()
            assert own.is_dir()
            assert not of_killed.exists()
            assert of_live.is_dir() and of_elsewhere.is_dir()
            ended(run, number)
            assert run.returncode
            assert not own.exists(), number
        assert live.poll() is None
    finally:
        for run in started:
            run.kill()
            run.wait()
            run.stdout.close()


def test_a_kill_while_results_are_written_leaves_those_from_before(tmp_path, monkeypatch):
    monkeypatch.setattr(command, "RESULTS", tmp_path / "build" / "mutants.json")
    command._keep({"a": {"verdict": "caught"}})
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            command._keep({})
    assert command.results() == {"a": {"verdict": "caught"}}


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ('tests = ["tests/test_adding.py"]', "tests = []", "a fault has tests"),
        ('new = "a and b"', 'new = "a plus b"', "changes something"),
        ('new = "a and b"', 'news = "a and b"', "unexpected keyword argument 'news'"),
        ('kind = "sum"', 'kinds = "sum"', r"has \['kinds'\]"),
        ('new = "while True: pass"', 'new = "return a - b"', "listed twice"),
    ],
)
def test_an_odd_list_is_named(tree, old, new, problem):
    assert old in LIST
    (tree / "list" / "list.toml").write_text(LIST.replace(old, new), encoding="utf-8")
    with pytest.raises(ValueError, match=problem):
        faults.read(tree / "list")


def test_words_that_are_gone_are_stale(tree):
    (tree / "helpers" / "adding.py").write_text("a plus b, a plus b", encoding="utf-8")
    assert [line[:24] for line in faults.stale(faults.read(tree / "list"), tree)] == [
        "stands 0 times, not once", "stands 2 times, not once", "stands 0 times, not once",
    ]  # fmt: skip


def test_in_a_notebook_the_words_are_those_of_its_cells():
    fault = faults.Fault(
        "notebook",
        "notebooks/03_standard_vs_rslora.ipynb",
        "## Recap\n\n",
        "## Recap\n\nNot ",
        ("x",),
    )
    text = (ROOT / fault.file).read_text(encoding="utf-8")
    changed = faults._changed(fault, text)
    assert len(changed.splitlines()) == len(text.splitlines())
    pairs = zip(text.splitlines(), changed.splitlines())
    (line,) = (new for old, new in pairs if old != new)
    assert line.lstrip().startswith('"Not ')


def test_modules_are_mutated_beside_the_tests_that_mirror_them():
    found = generated.modules()
    assert {"lora/scaling", "training/loop", "adapters/peft", "validation"} <= set(found)
    assert len(found) > 60
    assert set(generated.BESIDE) <= set(found)
    tests = [file for module in found for file in generated.tests_of(module)]
    assert [file for file in tests if not file.is_file()] == []


MUTATED = """
def x_half__mutmut_orig(x):
    validation.number("x", x, 0, " (so many)")
    if x > 9:
        raise ValueError(f"x is {x}")
    return x / 2

def x_half__mutmut_1(x):
    validation.number("XXxXX", x, 0)
    if x > 9:
        raise ValueError(f"x is {x}")
    return x / 2

def x_half__mutmut_2(x):
    validation.number("x", x, 0, " (so many)")
    if x > 9:
        raise ValueError(None)
    return x / 2

def x_half__mutmut_3(x):
    validation.number("x", x, 1, " (so many)")
    if x > 9:
        raise ValueError(f"x is {x}")
    return x / 2

def x_half__mutmut_4(x):
    validation.number("x", x, 0, " (so many)")
    if x >= 9:
        raise ValueError(f"x is {x}")
    return x / 2

def x_said__mutmut_orig():
    return {"key": "A sentence of words"}, ValueError("no")

def x_said__mutmut_1():
    return {"key": "XXA sentence of wordsXX"}, ValueError("no")

def x_said__mutmut_2():
    return {"key": "A SENTENCE OF WORDS"}, ValueError(None)

def x_said__mutmut_3():
    return {"KEY": "A sentence of words"}, ValueError("no")

def x_said__mutmut_4():
    return {"key": None}, ValueError("no")
"""


def test_what_changes_the_words_of_an_error_or_a_sentences_case_alone_is_left_out():
    assert mutated.only_words(MUTATED) == {
        "x_half__mutmut_1", "x_half__mutmut_2", "x_said__mutmut_1", "x_said__mutmut_2",
    }  # fmt: skip


def excusing(old, new):
    return faults.Fault("generated", "helpers/half.py", old, new, ("tests",), "a reason")


def test_a_written_reason_is_of_one_mutant():
    """By what it changes, since numbers of mutants shift; the layout of its lines may differ."""
    assert mutated.with_reason(MUTATED, [excusing("x > 9", "x >= 9")]) == {"x_half__mutmut_4"}
    assert mutated.with_reason(MUTATED, [excusing("x > 9", "(x) >= (9)")]) == {"x_half__mutmut_4"}
    assert mutated.with_reason(MUTATED, [excusing("x > 9", "x > 10"), excusing("y", "z")]) == set()


@pytest.mark.parametrize(
    "code, excused, verdict",
    [
        (0, False, "survived"), (0, True, "survived, with a reason"),
        (33, True, "survived, with a reason"), (33, False, "no test reaches it"),
        (1, False, "caught"), (1, True, "caught, and a reason says that it cannot be"),
        (None, True, "not run"), (36, False, "stopped"),
    ],
)  # fmt: skip
def test_what_came_out_for_a_mutant(code, excused, verdict):
    assert generated._verdict(code, excused) == verdict


def test_reasons_are_written_for_words_that_stand_there():
    written = generated.reasons()
    assert faults.stale(written) == []
    assert [each for each in written if len(each.survives) < 20] == []
    assert {each.file for each in written} <= {f"helpers/{m}.py" for m in generated.modules()}


STARTED = """
import os, pathlib, subprocess, sys, time
pids = os.getpid(), subprocess.Popen(["sleep", "60"]).pid
pathlib.Path(sys.argv[1]).write_text(f"{pids[0]} {pids[1]}")
time.sleep(60)
"""
STARTING = f"""
import signal, sys
from pathlib import Path
from tools.mutants import generated

signal.signal(signal.SIGINT, signal.default_int_handler)
command = [sys.executable, "-c", {STARTED!r}, sys.argv[1]]
print(generated.ended_with_us(command, Path(), float(sys.argv[2])))
"""


def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


@pytest.mark.skipif(sys.platform != "linux", reason="a child ends with its parent on Linux alone")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, None])
def test_mutmut_ends_with_the_run_that_started_it_or_when_its_time_is_over(tmp_path, number):
    def within_seconds(condition):
        end = time.monotonic() + 20
        while not condition() and time.monotonic() < end:
            time.sleep(0.05)
        assert condition()

    said = tmp_path / "pids"
    run = subprocess.Popen(
        [sys.executable, "-c", STARTING, said, "60" if number else "1"], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    within_seconds(lambda: said.is_file() and " " in said.read_text())
    child, grandchild = map(int, said.read_text().split())
    if number:
        run.send_signal(number)
    printed, _ = run.communicate(timeout=20)
    within_seconds(lambda: not alive(child))
    if number == signal.SIGKILL:  # the child could not tell it: mutmut limits the time of its own
        os.kill(grandchild, signal.SIGKILL)
    else:
        within_seconds(lambda: not alive(grandchild))
        assert printed == ("" if number else "stopped after 1 s\n")


def test_a_sample_of_mutants_is_the_same_at_every_run():
    names = [f"m{number}" for number in range(100)]
    found = generated.sampled(names, 12, "lora/scaling")
    assert found == generated.sampled(names[::-1], 12, "lora/scaling")
    assert len(set(found)) == 12
    assert generated.sampled(names, None, "lora/scaling") == names
