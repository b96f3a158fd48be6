"""mutmut over modules of helpers, each against the tests that mirror it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from .. import project

FOLDER = project.ROOT / "build" / "mutants"
#: For a module and all its mutants; what is left goes on at the next run.
SECONDS = 1800
CONFIGURED = """[mutmut]
source_paths=helpers/{module}.py
pytest_add_cli_args_test_selection={tests}
pytest_add_cli_args=-p
  no:xdist
also_copy=
  {also}
"""


def modules() -> list[str]:
    """The modules of helpers that have a test of the same name in the same room."""
    found = []
    for file in project.files():
        place = file.relative_to(project.ROOT)
        if place.parts[0] == "helpers" and place.suffix == ".py":
            module = place.relative_to("helpers").with_suffix("")
            if tests_of(module.as_posix()).is_file():
                found.append(module.as_posix())
    return found


def tests_of(module: str) -> Path:
    """The file of tests that mirrors a module."""
    path = Path(module)
    return project.ROOT / "tests" / path.parent / f"test_{path.name}.py"


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
        tests = tests_of(module).relative_to(project.ROOT).as_posix()
        text = CONFIGURED.format(module=module, tests=tests, also="\n  ".join(also))
        (root / "setup.cfg").write_text(text, encoding="utf-8")
    return root


def run(chosen: Sequence[str]) -> int:
    """Run mutmut for each module, and list what survived."""
    for module in chosen or modules():
        root = prepared(module)
        command = [sys.executable, "-m", "mutmut"]
        environment = {**os.environ, "MPLBACKEND": "agg", "COLUMNS": "100"}
        try:
            done = subprocess.run(
                [*command, "run", "--max-children", "2"], cwd=root, env=environment,
                capture_output=True, text=True, timeout=SECONDS,
            )  # fmt: skip
            last = done.stdout.replace("\r", "\n").strip().rpartition("\n")[2]
        except subprocess.TimeoutExpired:
            last = f"stopped after {SECONDS} s"
        listed = subprocess.run([*command, "results"], cwd=root, env=environment,
                                capture_output=True, text=True).stdout  # fmt: skip
        survivors = [line.strip() for line in listed.splitlines() if line.endswith(": survived")]
        print(f"{module}: {len(survivors)} survived; {last}", *survivors, sep="\n  ", flush=True)
    return 0
