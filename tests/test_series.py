"""What every notebook of the series keeps to: short cells, honest minutes, few screens.

`NOT_YET` has those that are not recast yet. Who lands one strikes it off.
"""

import html
import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from tests.support.notebooks import PATHS, code_cells, links, load, tagged
from tests.support.peeks import QUESTION, given_away, plain
from tools import minutes
from tools.claims.text import sentences
from tools.project import ROOT

NOT_YET: set[str] = set()

LINES, MINUTES, SCREENS, EXERCISES = 10, 40, 13, (3, 4)
#: How far the minutes that are stated may be from the estimate, as a ratio.
HONEST = 1.25
ASKS = re.compile(r"\bpredictions\.(?:number|choice|curve)\(")


def long_cells(notebook):
    """Code cells of more lines than hold one idea."""
    code = [cell for cell in minutes.own(notebook) if cell.cell_type == "code"]
    counted = [(minutes.lines_of_code(cell), cell.id) for cell in code]
    return [f"{lines} lines of code in {name}" for lines, name in counted if lines > LINES]


def faulty_recap(notebook):
    """A recap of other than three sentences, or without its one link to the cheat sheet."""
    text = "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = re.search(r"^## Recap\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)
    text = found[1] if found else ""
    count, linked = len(sentences(text)), links(text).count("cheatsheet.md")
    return [f"the recap has {count} sentences, not three"] * (count != 3) + [
        f"the recap has {linked} links to cheatsheet.md, not one"
    ] * (linked != 1)


def dishonest_minutes(notebook):
    """Stated minutes above the limit, or far from the estimate."""
    try:
        stated = minutes.stated(notebook)
    except ValueError as error:
        return [str(error)]
    guess = minutes.minutes(notebook)
    far = not 1 / HONEST <= stated / guess <= HONEST
    return [f"{stated} minutes are stated, {MINUTES} are allowed"] * (stated > MINUTES) + [
        f"{stated} minutes are stated, {guess:.0f} estimated"
    ] * far


def too_many_screens(notebook):
    """More than one sits through."""
    count = minutes.screens(notebook)
    return [f"{count:.1f} screens are estimated, {SCREENS} are allowed"] * (count > SCREENS)


def odd_exercises(notebook):
    """Exercises other than three or four."""
    count = len(tagged(notebook, "exercise"))
    return [f"{count} exercises, not three or four"] * (count not in EXERCISES)


def asks_little(notebook):
    """Fewer than two predictions that count."""
    count = sum(len(ASKS.findall(cell.source)) for cell in code_cells(notebook))
    return [f"{count} predictions, not two or more"] * (count < 2)


def nearest(notebook):
    """For each question its prompt, and the words of the next cell that is not folded.

    What is further down, and pictures, `tests/browser/test_predictions.py` looks for.
    """
    prompt = ""
    for cell, below in zip(notebook.cells, [notebook.cells[i:] for i in range(1, 10**4)]):
        if cell.cell_type == "markdown":
            _, mark, after = cell.source.partition("**Predict.**")
            prompt = after.strip() if mark else prompt
            continue
        for output in cell.outputs:
            if QUESTION.search(output.get("data", {}).get("text/html", "")):
                words = (plain(minutes.FOLD.sub("", each.source)) for each in below)
                yield {"prompt": prompt, "words": next(filter(None, words), ""), "pictures": []}


def gives_away(notebook):
    """Answers in the next cell that is not folded."""
    return [
        f"{' '.join(found)} is told too soon: {prompt}"
        for prompt, found in given_away(notebook, list(nearest(notebook)))
    ]


RULES = (
    long_cells, faulty_recap, dishonest_minutes, too_many_screens, odd_exercises, asks_little,
    gives_away,
)  # fmt: skip


def problems(notebook):
    """Everything that a notebook does not keep to."""
    return [problem for rule in RULES for problem in rule(notebook)]


def minutes_on_the_path(readme):
    """What the README's path says of each notebook, by its number."""
    return dict(re.findall(r"^\| \[(\d\d) [^|]*\| [^|]* \| (\d+) \|$", readme, flags=re.M))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_a_notebook_keeps_to_the_rules(path):
    found = problems(load(path))
    if path.name[:2] in NOT_YET:
        assert found, f"{path.name} keeps to all rules: strike it off NOT_YET"
        pytest.skip(f"not recast yet: {'; '.join(found)}"[:200])
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def test_readme_states_the_same_minutes():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    stated = {path.name[:2]: str(minutes.stated(load(path))) for path in PATHS}
    assert minutes_on_the_path(readme) == stated


def shorter_paths(text):
    """What each of the three shorter paths links, in order; notebook 01 does not link itself."""
    paths = re.findall(r"^- \*\*(45 minutes|Half a day|I only have an adapter)\W*(.*)$", text, re.M)
    return {
        name: [link.split("/")[-1] for link in re.findall(r"\]\(([^)]+)\)", words)
               if "01_setup" not in link]
        for name, words in paths
    }  # fmt: skip


def test_readme_and_notebook_01_give_the_same_shorter_paths():
    readme = shorter_paths((ROOT / "README.md").read_text(encoding="utf-8"))
    first = shorter_paths("\n".join(cell.source for cell in load(PATHS[0]).cells))
    assert len(readme) == 3 and all(readme.values())
    assert first == readme


def test_shorter_paths_are_read_from_either_form():
    assert shorter_paths("- **Half a day**: [01](notebooks/01_setup.ipynb), [04](x/04.ipynb).") == {
        "Half a day": ["04.ipynb"]
    }


def test_not_yet_names_notebooks():
    assert {path.name[:2] for path in PATHS} >= NOT_YET


# The rules themselves, on a notebook that keeps to them all


def question(answer):
    return new_output(
        "display_data",
        {"text/html": '<div class="prediction" data-prediction="{&quot;kind&quot;: '
         '&quot;number&quot;}"><p>Your prediction.</p><details><summary>Show me</summary>'
         f"<p>Measured {answer}.</p></details></div>"},
    )  # fmt: skip


def asking(name, answer):
    code = f'predictions.number("{name}", "how many", found)'
    fold = f'<details class="reading"><summary>Read</summary>\n\nIt is {answer}.\n\n</details>'
    return [
        new_markdown_cell("**Predict.** How many?"),
        new_code_cell(code, outputs=[question(answer)]),
        new_markdown_cell(fold),
    ]


def kept():
    """A notebook of some 12 minutes."""
    return new_notebook(
        cells=[
            new_markdown_cell("# 42 · How many?\n\n**Time:** 13 minutes, of which 9 exercises."),
            *asking("42-a", "0.123"),
            new_markdown_cell("What follows from it is next."),
            *asking("42-b", "0.456"),
            *[new_code_cell("...", metadata={"tags": ["exercise"]}) for _ in range(3)],
            new_markdown_cell(
                "## Recap\n\nOne is 1. Two is 2. Three is 3.\n\n"
                "[The cheat sheet](cheatsheet.md)\n\n## Sources\n\nNone."
            ),
        ]
    )


def test_the_example_keeps_to_the_rules():
    assert problems(kept()) == []


def swap(at, old, new):
    def change(notebook):
        assert old in notebook.cells[at].source
        notebook.cells[at].source = notebook.cells[at].source.replace(old, new)

    return change


def grow(cell):
    return lambda notebook: notebook.cells.insert(1, cell)


@pytest.mark.parametrize(
    "change, problem",
    [
        (grow(new_code_cell("x = 1\n\n" * 11, id="long")), "11 lines of code in long"),
        (swap(-1, "Three is 3.", ""), "2 sentences, not three"),
        (swap(-1, "Three is 3.", "Three is 3. Four is 4."), "4 sentences, not three"),
        (swap(-1, "[The cheat sheet](cheatsheet.md)", ""), "0 links to cheatsheet.md"),
        (swap(0, "**Time:** 13", "Time: 13"), "must say"),
        (swap(0, "13 minutes", "20 minutes"), "20 minutes are stated, 11 estimated"),
        (swap(0, "13 minutes", "8 minutes"), "8 minutes are stated, 11 estimated"),
        (swap(0, "13 minutes", "41 minutes"), "41 minutes are stated, 40 are allowed"),
        (grow(new_markdown_cell("A paragraph.\n\n" * 400)), "screens are estimated"),
        (lambda notebook: notebook.cells.pop(-2), "2 exercises, not three or four"),
        (swap(2, "predictions.number", "print"), "1 predictions, not two"),
        (swap(4, "next", "next, and 0.123"), "0.123 is told too soon: How many?"),
        (swap(4, "What follows", "Measured 0.123. What follows"), "Measured 0.123. is told"),
    ],
)
def test_a_planted_fault_is_found(change, problem):
    notebook = kept()
    change(notebook)
    found = problems(notebook)
    assert any(problem in each for each in found), found


def test_the_path_is_read():
    row = "| [01 Setup](notebooks/01_setup.ipynb) | what LoRA changes | 20 |\n"
    assert minutes_on_the_path(f"text\n\n{row}{row.replace('01', '02').replace('20', '35')}") == {
        "01": "20",
        "02": "35",
    }


def test_screens_count_what_is_shown_and_not_what_is_folded():
    text = "A paragraph of some words.\n\n" * 100
    plain_, folded = (new_notebook(cells=[new_markdown_cell(source)]) for source in (
        text, f"<details><summary>Read</summary>{text}</details>"))  # fmt: skip
    assert minutes.screens(plain_) > 3
    assert minutes.screens(folded) < 0.2
    table = html.escape("<table>") + "<table>" + "<tr><td>1</td></tr>" * 60 + "</table>"
    shown = new_code_cell("x", outputs=[new_output("display_data", {"text/html": table})])
    assert 2 < minutes.screens(new_notebook(cells=[shown])) < 2.6
