"""mutmut over modules of helpers, each against the tests that mirror it."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import project
from . import faults, mutated, running

FOLDER = project.ROOT / "build" / "mutants"
#: For a module and all its mutants; what is left goes on at the next run.
SECONDS = 1800
CONFIGURED = """[mutmut]
source_paths=helpers/{module}.py
pytest_add_cli_args=
  -p
  no:xdist
  --hypothesis-profile=unshrunk
pytest_add_cli_args_test_selection=
  {tests}
also_copy=
  {also}
"""
#: The examples in a module's docstrings, as tests: mutmut knows no other kind.
EXAMPLES = "tests/test_examples.py"
EXAMPLES_TEXT = '''"""The examples of the module that is mutated here."""

import pytest

from tests.support import examples


@pytest.mark.parametrize("example", examples.of("helpers.{name}"), ids=lambda each: each.name)
def test_example(example):
    assert examples.failures([example]) == ""
'''
_READING = ("reading", "structures", "field", "peft", "singular_values")
_COPYING = tuple(f"copying/test_{name}" for name in ("copies", "copy_cases", "combining"))
#: Files that hold a module beside the one that mirrors it, or where none does.
BESIDE = {
    "adapters/assembly": tuple(f"adapters/test_{name}" for name in _READING),
    "adapters/copying/checkpoints": ("adapters/copying/test_combining", "adapters/test_damage",
                                     "adapters/copying/test_commands",
                                     "adapters/test_singular_values"),
    "adapters/copying/commands": ("adapters/test_main",),
    "adapters/copying/copies": ("adapters/copying/test_copy_cases", "adapters/copying/test_served"),
    "adapters/formats": tuple(
        f"adapters/{name}" for name in (*_COPYING, "copying/test_served", "test_reading")
    ),
    "adapters/modules": tuple(f"adapters/test_{name}" for name in _READING),
    "adapters/patterns": ("adapters/test_peft", "adapters/test_field"),
    "adapters/peft": (*(f"adapters/{name}" for name in (*_COPYING, "test_damage")),
                      "adapters/test_structures", "adapters/test_field"),
    "adapters/reading": ("adapters/test_damage", "adapters/test_field"),
    "adapters/scales": tuple(f"adapters/test_{name}" for name in _READING),
    "adapters/singular_values": ("adapters/copying/test_copies", "adapters/test_structures",
                                 "adapters/copying/test_copy_cases", "adapters/test_damage"),
    "adapters/structures": ("adapters/copying/test_copy_cases", "adapters/copying/test_served"),
    "adapters/tensor_names": tuple(f"adapters/test_{name}" for name in _READING),
    "figures/svg": ("figures/test_vector",),
    "lora/factored": ("adapters/copying/test_copy_cases", "adapters/test_structures",
                      "adapters/test_singular_values"),
    "lora/several": ("adapters/test_singular_values", "adapters/copying/test_copies"),
    "tensorfile/header": ("tensorfile/test_tensors", "tensorfile/test_writing",
                          "adapters/test_reading", "adapters/test_damage"),
    "tensorfile/tensors": ("adapters/test_damage", "adapters/test_singular_values"),
    "tensorfile/writing": (*(f"adapters/{name}" for name in _COPYING),
                           "adapters/copying/test_served", "test_hardening"),
}  # fmt: skip
#: Modules whose tests are skipped without a package.
NEEDS = {"tensorfile/gguf_files": "gguf"}
#: mutmut's exit codes of a mutant's tests, beside pytest's own.
VERDICTS = {0: "survived", 1: "caught", 3: "caught", 33: "no test reaches it"}
EXCUSED = "survived, with a reason"
CAUGHT_AFTER_ALL = "caught, and a reason says that it cannot be"


def every_module() -> list[str]:
    """The modules of helpers."""
    places = (file.relative_to(project.ROOT) for file in project.files())
    return [
        place.relative_to("helpers").with_suffix("").as_posix()
        for place in places
        if place.parts[0] == "helpers" and place.suffix == ".py"
    ]


def modules() -> list[str]:
    """Those that tests hold by themselves, each in a file that is named here."""
    return [module for module in every_module() if tests_of(module)]


def tests_of(module: str) -> list[Path]:
    """The files of tests that hold a module: the one that mirrors it, and those named above."""
    path = project.ROOT / "tests" / module
    mirror = path.with_name(f"test_{path.name}.py")
    named = [project.ROOT / "tests" / f"{name}.py" for name in BESIDE.get(module, ())]
    return [mirror] * mirror.is_file() + named


def prepared(module: str) -> Path:
    """A copy of the tree in which mutmut changes one module; made once, so that it can go on."""
    root = FOLDER / module
    if not (root / "setup.cfg").is_file():
        shutil.rmtree(root, ignore_errors=True)
        for file in project.files():
            place = root / file.relative_to(project.ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, place)
        text = EXAMPLES_TEXT.format(name=module.replace("/", ".").removesuffix(".__init__"))
        (root / EXAMPLES).write_text(text, encoding="utf-8")
        also = sorted(each.name for each in root.iterdir())
        tests = [each.relative_to(project.ROOT).as_posix() for each in tests_of(module)]
        tests.append(EXAMPLES)
        text = CONFIGURED.format(
            module=module, tests="\n  ".join(tests), also="\n  ".join(also)
        )  # fmt: skip
        (root / "setup.cfg").write_text(text, encoding="utf-8")
    return root


def sampled(names: Sequence[str], size: int | None, module: str) -> list[str]:
    """A fixed part of a module's mutants: the same at every run, drawn anew for no module."""
    if size is None or size >= len(names):
        return list(names)
    return random.Random(module).sample(sorted(names), size)


def _results(root: Path, module: str) -> dict[str, int | None]:
    """What came out so far by a mutant's name, None for what did not run; empty before mutmut."""
    file = root / "mutants" / "helpers" / f"{module}.py.meta"
    if not file.is_file():
        return {}
    return json.loads(file.read_text(encoding="utf-8"))["exit_code_by_key"]


def _mutmut(root: Path, *arguments: str) -> list[str]:
    """Run mutmut in a tree; the last lines that it printed."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *arguments]
    return ended_with_us(command, root, SECONDS).splitlines()[-12:]


def ended_with_us(command: Sequence[str], folder: Path, seconds: float) -> str:
    """Run a command; what it printed. Neither it nor what it started outlives its time or ours."""
    process = subprocess.Popen(
        command, cwd=folder, env={**os.environ, "MPLBACKEND": "agg", "COLUMNS": "100"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        start_new_session=True, preexec_fn=running.end_with_parent,
    )  # fmt: skip
    try:
        printed, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        return f"stopped after {seconds:g} s"
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return printed.replace("\r", "\n").strip()


def _reported(module: str, size: int | None) -> Iterator[str]:
    """Try a module's mutants that have no result yet; counts, and each survivor."""
    package = NEEDS.get(module)
    if package and importlib.util.find_spec(package) is None:
        yield f"{module}: not tried, since its tests are skipped without the package {package}"
        return
    root = prepared(module)
    if not _results(root, module):
        # It has to have made its mutants before some of them can be named.
        last = _mutmut(root, "none of them")
        if not _results(root, module):
            yield from (f"{module}: mutmut made no mutants", *last)
            return
    every = _results(root, module)
    file = f"helpers/{module}.py"
    text = (root / "mutants" / file).read_text(encoding="utf-8")
    words = mutated.only_words(text)
    excused = mutated.with_reason(text, [each for each in reasons() if each.file == file])
    names = [name for name in every if name.rpartition(".")[2] not in words]
    chosen = sampled(names, size, module)
    left = [name for name in chosen if every[name] is None]
    last = _mutmut(root, *left) if left else []
    found = _results(root, module)
    verdicts = {name: _verdict(found[name], name.rpartition(".")[2] in excused) for name in chosen}
    counts = dict(sorted(Counter(verdicts.values()).items()))
    yield (
        f"{module}: {len(every)} mutants, {len(every) - len(names)} of them in an error's words; "
        f"{len(chosen)} tried: {counts}"
    )
    said = ("caught", EXCUSED)
    yield from (f"{name}: {verdict}" for name, verdict in verdicts.items() if verdict not in said)
    if "not run" in counts:
        yield from last


def _verdict(code: int | None, excused: bool) -> str:
    """What came out for a mutant, by mutmut's exit code, and whether a reason is written for it."""
    verdict = "not run" if code is None else VERDICTS.get(code, "stopped")
    if not excused or verdict == "not run":
        return verdict
    return CAUGHT_AFTER_ALL if verdict == "caught" else EXCUSED


def reasons() -> list[faults.Fault]:
    """The faults of mutmut's that may survive, with the words that they change."""
    return faults.read(mutated.REASONS)


def run(chosen: Sequence[str], size: int | None = None) -> int:
    """Run mutmut for each module, over all of its mutants or so many; list what survived.

    1 if a reason is written for words that are gone.
    """
    for module in chosen or modules():
        print("\n  ".join(_reported(module, size)), flush=True)
    if not chosen:
        others = [each for each in every_module() if not tests_of(each)]
        print(f"Not tried, since no file of tests is of one alone: {', '.join(others)}")
    gone = faults.stale(reasons())
    print(*(f"a reason {each}" for each in gone), sep="\n")
    return int(bool(gone))
