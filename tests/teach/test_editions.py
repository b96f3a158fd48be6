"""Editions of the notebooks: nothing is solved for learners, everything for instructors."""

import re

import nbformat
import pytest

from helpers import exercises
from tests.support.notebooks import PATHS, load, tagged
from tools.teach import editions


@pytest.fixture(params=PATHS, ids=lambda path: path.name)
def notebook(request):
    return load(request.param)


def sources(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def test_a_learner_gets_hints_and_no_solution(notebook):
    made = editions.learner(notebook)
    nbformat.validate(made)
    assert "<summary>Solution</summary>" not in sources(made)
    assert sources(made).count("<summary>Hint</summary>") == len(tagged(notebook, "exercise"))
    assert [cell.source for cell in tagged(made, "exercise")] == [
        cell.source for cell in tagged(notebook, "exercise")
    ]
    kept = [cell for cell in made.cells if cell.cell_type == "code"]
    assert len(kept) == sum(cell.cell_type == "code" for cell in notebook.cells)


def test_the_solved_one_has_each_solution_in_its_place(notebook):
    made = editions.solved(notebook)
    nbformat.validate(made)
    for cell in tagged(made, "exercise"):
        assert "..." not in cell.source
        assert cell.source in sources(notebook)


def test_nbgrader_gets_an_answer_and_a_check_for_each_exercise(notebook):
    made = editions.nbgrader(notebook)
    nbformat.validate(made)
    graded = [cell for cell in made.cells if "nbgrader" in cell.metadata]
    assert len(graded) == 2 * len(tagged(notebook, "exercise"))
    for answer, check in zip(graded[::2], graded[1::2]):
        assert answer.metadata.nbgrader.solution
        assert not answer.metadata.nbgrader.grade
        assert answer.source.startswith(editions.BEGIN)
        assert answer.source.endswith(editions.END)
        assert check.metadata.nbgrader.points == 1
        key = re.search(r'check\("(\d\d-\w+)"', check.source)[1]
        assert answer.metadata.nbgrader.grade_id == f"answer-{key}"
        assert check.metadata.nbgrader.grade_id == f"check-{key}"
        assert check.source.endswith("assert result.correct, result")
    ids = [cell.metadata.nbgrader.grade_id for cell in graded]
    assert len(set(ids)) == len(ids)


def test_nbgraders_cells_run():
    """Of one notebook: the solution passes its check, and an empty answer does not."""
    made = editions.nbgrader(load(PATHS[3]))
    answer, check = (cell for cell in made.cells if "nbgrader" in cell.metadata and "-1" in
                     cell.metadata.nbgrader.grade_id)  # fmt: skip
    space = {"np": __import__("numpy")}
    exec(answer.source, space)
    exec(check.source, space)
    name = re.search(r'check\("[\w-]+", (\w+)\)', check.source)[1]
    with pytest.raises(AssertionError):
        exec(check.source, {name: ..., "exercises": exercises})


def test_an_exercise_without_a_solution_is_named():
    cell = nbformat.v4.new_code_cell("x = ...", metadata={"tags": ["exercise"]})
    notebook = nbformat.v4.new_notebook(cells=[cell, nbformat.v4.new_markdown_cell("no fold")])
    with pytest.raises(ValueError, match=r"no solution is folded under 'x = \.\.\.'"):
        editions.learner(notebook)
