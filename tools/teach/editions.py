"""Editions of a notebook: for learners without solutions, for the instructor solved, for nbgrader.

All three come from the notebook as it is. In the learner's the folded solutions are gone and the
hints stay; in the solved one each exercise is its folded solution, run; in nbgrader's source the
solution stands between its marks, and the self-check is a test that nbgrader counts.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import nbformat

from ..project import ROOT

FOLD = re.compile(
    r"<details><summary>(Hint|Solution)</summary>\n\n(.*?)\n\n?</details>\n?", flags=re.S
)
CODE = re.compile(r"```python\n(.*?)\n```", flags=re.S)
CHECK = re.compile(r'^exercises\.check\("(\d\d-\w+)", (.+)\)$', flags=re.M)
#: What nbgrader replaces, and by what it recognises it.
BEGIN, END = "### BEGIN SOLUTION", "### END SOLUTION"
EDITIONS = ("learner", "solved", "nbgrader")


def exercises(notebook: Any) -> Iterator[tuple[int, str]]:
    """Of each exercise: which cell it is, and its solution's source.

    Raises ValueError for an exercise without a folded solution before the next one.
    """
    places = [i for i, cell in enumerate(notebook.cells) if _is_exercise(cell)]
    for at, end in zip(places, [*places[1:], len(notebook.cells)]):
        for cell in notebook.cells[at + 1 : end]:
            found = [body for name, body in FOLD.findall(cell.source) if name == "Solution"]
            code = CODE.search(found[0]) if found else None
            if code:
                yield at, code[1]
                break
        else:
            raise ValueError(f"no solution is folded under {notebook.cells[at].source!r}")


def _is_exercise(cell: Any) -> bool:
    return "exercise" in cell.metadata.get("tags", [])


def _without_solutions(notebook: Any) -> None:
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = FOLD.sub(
                lambda found: found[0] if found[1] == "Hint" else "", cell.source
            ).strip()
    notebook.cells = [cell for cell in notebook.cells if cell.source]


def learner(notebook: Any) -> Any:
    """The notebook without its solutions; exercises are as empty as in the series."""
    made = copy.deepcopy(notebook)
    list(exercises(made))
    _without_solutions(made)
    return made


def solved(notebook: Any) -> Any:
    """The notebook with each exercise solved, without outputs: it has yet to be run."""
    made = copy.deepcopy(notebook)
    for at, solution in exercises(made):
        made.cells[at].source = solution
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return made


def _graded(key: str, grade: bool, solution: bool, points: int) -> dict[str, Any]:
    return {
        "nbgrader": {
            "schema_version": 3,
            "grade_id": f"{'check' if grade else 'answer'}-{key}",
            "grade": grade,
            "solution": solution,
            "locked": grade,
            "task": False,
            **({"points": points} if grade else {}),
        }
    }


def nbgrader(notebook: Any) -> Any:
    """The source of an assignment: nbgrader makes from it what is released to learners.

    An exercise becomes a cell to answer, its solution between nbgrader's marks, and a cell
    that passes if the self-check does, one point each.
    """
    made = copy.deepcopy(notebook)
    for at, solution in reversed(list(exercises(made))):
        check = CHECK.search(solution)
        if check is None:
            raise ValueError(f"an exercise ends in exercises.check, got {solution!r}")
        key, answer = check[1], check[2]
        imports = "from helpers import exercises\n\n"
        body = solution[: check.start()].replace(imports, "").strip()
        cell = made.cells[at]
        cell.source = f"{BEGIN}\n{body}\n{END}"
        cell.metadata = nbformat.from_dict(_graded(key, False, True, 0))
        test = nbformat.v4.new_code_cell(
            f'{imports}result = exercises.check("{key}", {answer})\nassert result.correct, result',
            metadata=_graded(key, True, False, 1),
        )
        made.cells.insert(at + 1, test)
    _without_solutions(made)
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return made


def write(paths: Sequence[Path], folder: Path, only: str = "") -> list[Path]:
    """Each edition of each notebook, or `only` one, into a folder of its own; the files."""
    made = []
    for path in paths:
        notebook = nbformat.read(path, 4)
        for edition, function in zip(EDITIONS, (learner, solved, nbgrader)):
            if only in ("", edition):
                place = folder / edition / path.relative_to(ROOT / "notebooks")
                place.parent.mkdir(parents=True, exist_ok=True)
                nbformat.write(function(notebook), place)
                made.append(place)
    return made
