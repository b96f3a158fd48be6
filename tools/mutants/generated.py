"""mutmut over modules of helpers, each against the tests that mirror it."""

from __future__ import annotations

import ast
import json
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from .. import project

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
_READING = ("reading", "structures", "field", "peft", "singular_values")
#: Modules that no file of tests mirrors, and the files that hold them.
ELSEWHERE = {
    "adapters/assembly": tuple(f"adapters/test_{name}" for name in _READING),
    "adapters/formats": tuple(f"adapters/test_{name}" for name in _READING),
    "adapters/modules": tuple(f"adapters/test_{name}" for name in _READING),
    "adapters/patterns": ("adapters/test_peft", "adapters/test_field"),
    "adapters/scales": tuple(f"adapters/test_{name}" for name in _READING),
    "adapters/tensor_names": tuple(f"adapters/test_{name}" for name in _READING),
    "adapters/copying/checkpoints": ("adapters/copying/test_copies",
                                     "adapters/copying/test_copy_cases"),
    "tensorfile/header": ("tensorfile/test_tensors", "tensorfile/test_writing"),
    "figures/svg": ("figures/test_vector",),
}  # fmt: skip
#: mutmut's exit codes of a mutant's tests, beside pytest's own.
VERDICTS = {0: "survived", 1: "caught", 3: "caught", 33: "no test reaches it"}


def modules() -> list[str]:
    """The modules of helpers that tests hold by themselves, each in a file that is named here."""
    found = []
    for file in project.files():
        place = file.relative_to(project.ROOT)
        if place.parts[0] == "helpers" and place.suffix == ".py":
            module = place.relative_to("helpers").with_suffix("").as_posix()
            if all(tests.is_file() for tests in tests_of(module)):
                found.append(module)
    return found


def tests_of(module: str) -> list[Path]:
    """The files of tests that hold a module: the one that mirrors it, or those named above."""
    path = Path(module)
    named = ELSEWHERE.get(module, (f"{path.parent.as_posix()}/test_{path.name}",))
    return [project.ROOT / "tests" / f"{name}.py" for name in named]


def prepared(module: str) -> Path:
    """A copy of the tree in which mutmut changes one module; made once, so that it can go on."""
    root = FOLDER / module
    if not (root / "setup.cfg").is_file():
        shutil.rmtree(root, ignore_errors=True)
        for file in project.files():
            place = root / file.relative_to(project.ROOT)
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(file, place)
        also = sorted(each.name for each in root.iterdir())
        tests = [each.relative_to(project.ROOT).as_posix() for each in tests_of(module)]
        text = CONFIGURED.format(
            module=module, tests="\n  ".join(tests), also="\n  ".join(also)
        )  # fmt: skip
        (root / "setup.cfg").write_text(text, encoding="utf-8")
    return root


def only_words(text: str) -> set[str]:
    """Mutants, by their functions' names, that change what an error says and nothing else.

    That is a change inside `raise`, or of the name that a check is given to call its argument.
    """
    functions = {
        node.name: node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    found = set()
    for name, node in functions.items():
        stem, mark, number = name.rpartition("__mutmut_")
        original = functions.get(f"{stem}__mutmut_orig")
        if mark and number.isdigit() and original is not None:
            if _without_words(node) == _without_words(original):
                found.add(name)
    return found


def _without_words(function: ast.FunctionDef | ast.AsyncFunctionDef) -> str:
    """A function's code, but for its name, what it raises, and the names that checks are given."""

    class Words(ast.NodeTransformer):
        def visit_Raise(self, node: ast.Raise) -> ast.AST:
            return ast.Raise()

        def visit_Call(self, node: ast.Call) -> ast.AST:
            self.generic_visit(node)
            if ast.unparse(node.func).startswith("validation.") and node.args:
                node.args[0] = ast.Constant("")
            return node

    copied = ast.parse(ast.unparse(function)).body[0]
    assert isinstance(copied, ast.FunctionDef | ast.AsyncFunctionDef)
    copied.name = ""
    return ast.unparse(Words().visit(copied))


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


def _mutmut(root: Path, *arguments: str) -> tuple[str, ...]:
    """Run mutmut in a tree; the last lines that it printed."""
    environment = {**os.environ, "MPLBACKEND": "agg", "COLUMNS": "100"}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "mutmut", "run", "--max-children", "1", *arguments],
            cwd=root, env=environment, capture_output=True, text=True, timeout=SECONDS,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return (f"stopped after {SECONDS} s",)
    printed = f"{done.stdout}\n{done.stderr}".replace("\r", "\n").strip().splitlines()
    return tuple(printed[-12:])


def _reported(module: str, size: int | None) -> Iterator[str]:
    """Try a module's mutants that have no result yet; counts, and each survivor."""
    root = prepared(module)
    if not _results(root, module):
        # It has to have made its mutants before some of them can be named.
        last = _mutmut(root, "none of them")
        if not _results(root, module):
            yield from (f"{module}: mutmut made no mutants", *last)
            return
    every = _results(root, module)
    text = (root / "mutants" / "helpers" / f"{module}.py").read_text(encoding="utf-8")
    words = only_words(text)
    names = [name for name in every if name.rpartition(".")[2] not in words]
    chosen = sampled(names, size, module)
    left = [name for name in chosen if every[name] is None]
    last = _mutmut(root, *left) if left else ()
    found = _results(root, module)
    verdicts = {
        name: "not run" if found[name] is None else VERDICTS.get(found[name] or 0, "stopped")
        for name in chosen
    }
    counts = dict(sorted(Counter(verdicts.values()).items()))
    yield (
        f"{module}: {len(every)} mutants, {len(every) - len(names)} of them in an error's words; "
        f"{len(chosen)} tried: {counts}"
    )
    yield from (f"{name}: {verdict}" for name, verdict in verdicts.items() if verdict != "caught")
    if "not run" in counts:
        yield from last


def run(chosen: Sequence[str], size: int | None = None) -> int:
    """Run mutmut for each module, over all of its mutants or so many; list what survived."""
    for module in chosen or modules():
        print("\n  ".join(_reported(module, size)), flush=True)
    return 0
