"""The stored notebooks: run in order, clean, linked, described, and solvable."""

import ast
import html
import json
import re
import sys
from itertools import pairwise

import nbformat
import pytest

from helpers import exercises
from tests.support.explorers import made
from tests.support.notebooks import (
    APPENDICES,
    EVERY,
    FOLDER,
    PATHS,
    WIDGET_VIEW,
    claims_name,
    code_cells,
    exercise_key,
    folded,
    headings,
    links,
    load,
    markdown_cells,
    needed,
    numbers_without_a_source,
    outputs,
    problem_with_link,
    shows_a_picture,
    solution,
    tagged,
    texts,
)
from tools import notebooks
from tools.teach import editions


@pytest.fixture(params=EVERY, ids=lambda path: path.name)
def path(request):
    return request.param


@pytest.fixture
def notebook(path):
    return load(path)


def test_the_series_is_complete():
    numbers = [path.name[:2] for path in PATHS]
    assert numbers[:5] == ["01", "02", "03", "04", "05"]
    assert numbers == [f"{i:02d}" for i in range(1, len(PATHS) + 1)]
    assert all(re.fullmatch(r"\d\d_[a-z0-9_]+\.ipynb", path.name) for path in PATHS)


# What is stored


def test_format(path, notebook):
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor) >= (4, 5)
    # From the file itself: nbformat mends double ids while it reads.
    ids = [cell["id"] for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    assert len(set(ids)) == len(ids)


def test_metadata_belongs_to_no_machine(notebook):
    metadata = notebook.metadata
    assert "widgets" not in metadata
    assert metadata.kernelspec.name == "python3"
    assert "version" not in metadata.language_info


def test_every_code_cell_has_run_in_order(notebook):
    cells = code_cells(notebook)
    assert all(cell.source.strip() for cell in cells)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    for cell in cells:
        for output in cell.outputs:
            assert output.get("execution_count", cell.execution_count) == cell.execution_count


def test_outputs_hold_no_error_and_no_warning(notebook):
    for output in outputs(notebook):
        assert output.output_type != "error"
        assert output.get("name") != "stderr"


def test_outputs_belong_to_no_machine(notebook):
    for output in outputs(notebook):
        for text in texts(output):
            assert not re.search(r"/work/|/root/|/home/|/Users/|/tmp/|[A-Z]:\\", text)
            assert not re.search(r"\b0x[0-9a-fA-F]{4,}", text)


def test_widget_views_are_empty(notebook):
    for output in outputs(notebook):
        view = output.get("data", {}).get(WIDGET_VIEW)
        assert view is None or view["model_id"] == ""


def test_outputs_are_compared(notebook):
    for cell in notebook.cells:
        assert "NBVAL" not in cell.source
        assert not any(tag.startswith("nbval") for tag in cell.metadata.get("tags", []))


def test_no_line_ends_in_a_semicolon(notebook):
    lines = [line for cell in code_cells(notebook) for line in cell.source.splitlines()]
    assert [line for line in lines if line.rstrip().endswith(";")] == []


# How it is laid out


def test_bootstrap_is_first_and_the_same_everywhere(notebook):
    (cell,) = tagged(notebook, "bootstrap")
    assert cell is code_cells(notebook)[0]
    assert cell.source == tagged(load(PATHS[0]), "bootstrap")[0].source


def neighbours(path):
    """Where a notebook's navigation leads: to both sides, or from an appendix back."""
    if path in APPENDICES:
        link = f"appendix/{path.name}"
        return [
            f"../{other.name}" for other in PATHS
            if any(found.partition("#")[0] == link
                   for cell in markdown_cells(load(other)) for found in links(cell.source))
        ]  # fmt: skip
    at = PATHS.index(path)
    return [PATHS[i].name for i in (at - 1, at + 1) if 0 <= i < len(PATHS)]


def test_navigation(path, notebook):
    under_the_title, at_the_end = tagged(notebook, "navigation")
    assert under_the_title is notebook.cells[1]
    assert at_the_end is notebook.cells[-1]
    assert neighbours(path)
    for cell in (under_the_title, at_the_end):
        assert cell.cell_type == "markdown"
        assert [link for link in links(cell.source) if "://" not in link] == neighbours(path)


def test_headings(path, notebook):
    found = [each for cell in markdown_cells(notebook) for each in headings(cell.source)]
    (title,) = [text for level, text in found if level == 1]
    assert headings(notebook.cells[0].source)[0] == (1, title)
    assert title.endswith("?") or path in APPENDICES
    levels = [level for level, _ in found]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_links_lead_somewhere(path, notebook):
    problems = [
        f"{target} {problem}"
        for cell in markdown_cells(notebook)
        for target in links(cell.source)
        if (problem := problem_with_link(path, target))
    ]
    assert problems == []


# Figures and explorers


def test_every_figure_has_alt_text_and_the_same_sentence_under_it(notebook):
    for cell in code_cells(notebook):
        for image, after in zip(cell.outputs, [*cell.outputs[1:], None]):
            if "image/png" in image.get("data", {}):
                alt = image.metadata["image/png"]["alt"]
                assert alt
                assert after is not None
                assert after.data["text/plain"] == alt


def figures_before(notebook, cell):
    """Names that are called where a picture shows, between the explorer above and `cell`."""
    called = set()
    for earlier in code_cells(notebook):
        if earlier is cell:
            return called
        if shows_a_picture(notebook, earlier):
            called.update(re.findall(r"\b([A-Z]\w+)\(", earlier.source))
        if "explorer" in earlier.metadata.get("tags", []):
            called = set()
    raise AssertionError("the cell is not in the notebook")


def test_every_explorer_stands_under_its_static_figure(notebook):
    for cell in code_cells(notebook):
        names = re.findall(r"\bexplorers\.(\w+)\(\w*\)", cell.source)
        assert bool(names) == ("explorer" in cell.metadata.get("tags", []))
        for name in names:
            shown = type(made(name).picture).__name__
            assert shown in figures_before(notebook, cell)
            controls = f"Explorer with {', '.join(made(name).controls)}: "
            views = [each.data for each in cell.outputs if WIDGET_VIEW in each.get("data", {})]
            assert [each for each in views if controls in each["text/plain"]]


# Predictions

ASKED = re.compile(r'predictions\.(?:number|choice|curve)\(\s*"(\d\d-[a-z])"')
WITH_PREDICTIONS = [path for path in PATHS if "predictions.card(" in path.read_text("utf-8")]


def test_the_first_five_notebooks_ask():
    assert [path.name[:2] for path in WITH_PREDICTIONS][:5] == ["01", "02", "03", "04", "05"]


@pytest.fixture(params=WITH_PREDICTIONS, ids=lambda path: path.name)
def asking(request):
    return load(request.param)


def test_every_prompt_leads_to_a_question_and_then_to_a_folded_reading(asking):
    """Between a prompt and its question stands code only, and after it nothing but the fold."""
    waiting = False
    for cell, after in zip(asking.cells, asking.cells[1:]):
        prompts = cell.source.count("**Predict.**") if cell.cell_type == "markdown" else 0
        if prompts:
            assert not waiting
            assert prompts == 1
            assert re.search(r"\*\*Predict\.\*\*[^\n]*\s*$", cell.source), cell.source
            waiting = True
        elif waiting:
            assert cell.cell_type == "code"
            if ASKED.search(cell.source):
                assert "reading" in after.metadata.get("tags", [])
                waiting = False
            else:
                assert cell.outputs == []
    assert not waiting


def test_questions_are_lettered_in_order_and_counted_by_a_card_at_the_end(asking):
    sources = [cell.source for cell in code_cells(asking)]
    number = re.search(r"^# (\d\d)", asking.cells[0].source)[1]
    keys = [key for source in sources for key in ASKED.findall(source)]
    assert keys == [f"{number}-{letter}" for letter in "abcdefghij"[: len(keys)]]
    assert sources[-1] == f'predictions.card("{number}")'


def test_a_question_takes_ten_lines_at_most(asking):
    for cell in code_cells(asking):
        if ASKED.search(cell.source):
            assert sum(bool(line.strip()) for line in cell.source.splitlines()) <= 10, cell.source


def test_what_is_measured_is_computed(asking):
    """No call hands over a number or a word that is typed in."""
    for cell in code_cells(asking):
        for call in ast.walk(ast.parse(cell.source)):
            is_question = isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute)
            if is_question and call.func.attr in ("number", "choice", "curve"):
                assert not isinstance(call.args[2], ast.Constant), cell.source
                assigned = [
                    line.value for line in ast.parse(cell.source).body
                    if isinstance(line, ast.Assign)
                    and getattr(line.targets[0], "id", "") == getattr(call.args[2], "id", None)
                ]  # fmt: skip
                assert not any(isinstance(value, ast.Constant) for value in assigned)


def test_a_reading_is_one_closed_fold(asking):
    readings = tagged(asking, "reading")
    assert readings
    for cell in readings:
        assert re.fullmatch(
            r'<details class="reading"><summary>[^<]+</summary>\n\n.*\n\n</details>',
            cell.source, flags=re.S,
        )  # fmt: skip
        assert cell.source.count("<details") == 1
        assert "\n## " not in cell.source  # a heading in a fold leads nowhere


def test_a_folded_picture_is_described_by_its_question(asking):
    for before, cell in pairwise(asking.cells):
        found = notebooks.ATTACHED.findall(cell.source)
        assert len(found) == len(cell.get("attachments", {}))
        for alt in found:
            (output,) = before.outputs
            words = html.unescape(re.sub(r"<[^>]*>", " ", output.data["text/html"]))
            assert alt
            assert alt in words


# Numbers in the prose


def test_every_number_in_the_prose_is_in_an_output_or_bound(path, notebook):
    missing = [
        f"{path.name}: {number} in: {sentence}"
        for number, sentence in numbers_without_a_source(notebook, claims_name(path))
    ]
    if missing:
        pytest.fail("no stored output or claim has\n" + "\n".join(missing), pytrace=False)


# Exercises


def test_exercise_cells(path, notebook):
    for cell in code_cells(notebook):
        tags = cell.metadata.get("tags", [])
        assert ("exercises.check(" in cell.source) == ("exercise" in tags)
        if "exercise" in tags:
            assert exercise_key(cell), f"does not end in exercises.check: {cell.source}"
            assert exercise_key(cell).startswith(f"{path.name[:2]}-")
            (output,) = cell.outputs
            assert output.data["text/plain"].startswith("Not answered yet")


def test_each_exercise_has_a_hint_and_a_solution(notebook):
    for cell in tagged(notebook, "exercise"):
        summaries = [summary for summary, _ in folded(notebook, cell)]
        assert summaries == ["Hint", "Solution"]
        replacement = solution(notebook, cell).rstrip()
        assert replacement.splitlines()[-1] == cell.source.rstrip().splitlines()[-1]
        assert "..." not in replacement


def test_every_self_check_is_used_once():
    with pytest.raises(ValueError) as caught:
        exercises.check("no such key", 1)
    known = str(caught.value).removeprefix("key must be one of ").split(", got ")[0].split(", ")
    used = [exercise_key(cell) for path in PATHS for cell in tagged(load(path), "exercise")]
    assert sorted(used) == sorted(known)


def run(source, namespace):
    """Run a cell as a notebook does; return the value of its last line, if it has one."""
    tree = ast.parse(source)
    last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "<cell>", "exec"), namespace)
    if last is not None:
        return eval(compile(ast.Expression(last.value), "<cell>", "eval"), namespace)
    return None


@pytest.mark.parametrize("path", [path for path in EVERY if tagged(load(path), "exercise")],
                         ids=lambda path: path.name)  # fmt: skip
def test_the_solutions_are_correct(path, monkeypatch):
    """The edition that `make teach` solves: each exercise, after the cells that this needs.

    nbval runs all cells, with the exercises as they are asked, so no other needs an answer.
    """
    monkeypatch.chdir(path.parent)
    monkeypatch.setattr(sys, "path", list(sys.path))
    namespace = {"__name__": "__main__"}
    notebook = load(path)
    sources = {cell.id: cell.source for cell in code_cells(editions.solved(notebook))}
    asked = {cell.id: exercise_key(cell) for cell in tagged(notebook, "exercise")}
    for name in needed(sources, asked):
        result = run(sources[name], namespace)
        if name in asked:
            assert isinstance(result, exercises.Result)
            assert result.correct, f"{asked[name]}: {result.message}"


def test_the_hurried_way_to_ones_own_adapter(monkeypatch):
    """Notebook 10's first three code cells take an adapter, by its path, and judge it."""
    notebook = load(next(path for path in PATHS if path.name.startswith("10")))
    monkeypatch.chdir(FOLDER)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = sorted(FOLDER.parent.iterdir())
    namespace = {"__name__": "__main__"}
    for cell in code_cells(notebook)[:3]:
        theirs = "path = 'no/such/adapter'"
        run(re.sub(r"^path = None.*$", theirs, cell.source, flags=re.M), namespace)
    assert "Not read:" in namespace["drop"].said
    given = FOLDER.parent / "helpers" / "data" / "adapters" / "crowd"
    assert namespace["drop"].named(given) is namespace["drop"].adapter
    assert "Save the mended copy" in namespace["drop"].said
    assert sorted(FOLDER.parent.iterdir()) == before
