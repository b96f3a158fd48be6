"""Paths: their sections are there, and the guide's minutes are in step with the notebooks."""

import re

import nbformat
import pytest

from tests.support.notebooks import load
from tools.minutes import minutes, own
from tools.notebooks import NOTEBOOKS
from tools.project import ROOT
from tools.teach import paths, sections

yaml = pytest.importorskip("yaml", reason="PyYAML comes with Jupyter, which is not installed here")
PATHS = paths.read()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebooks_sections_hold_all_of_it(path):
    """Nothing is lost where a notebook is divided; a title cell has no section."""
    notebook = load(path)
    made = sections.of(notebook, path.name[:2])
    title = nbformat.v4.new_notebook(cells=own(notebook)[:1])
    assert sum(each.minutes for each in made) == pytest.approx(
        minutes(notebook) - minutes(title), abs=0.5
    )
    text = "\n".join(cell.source for cell in notebook.cells)
    headings = re.findall(r"^## (.+)$", text, flags=re.M)
    assert [*(each.name for each in made), "Sources"] == headings
    asked = sum(len(each.predictions) for each in made)
    assert asked == text.count("**Predict.**")


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.key)
def test_a_path_fits_its_room(path):
    assert path.takes <= path.minutes + 2, "too long: leave a part out in teaching/paths.toml"
    assert path.takes >= 0.9 * path.minutes
    order = sorted(part.late for part in path.parts if part.late)
    assert order == list(range(1, len(order) + 1))
    first = next(part for part in path.parts if not part.what)
    assert not first.late, "the first minutes are the last to go"
    assert any("Break" in part.what for part in path.parts) or path.minutes < 60


def test_what_a_path_says_of_itself_is_so():
    """Three hours with a long break; six hours, exercises in every block."""
    minutes = {path.key: path.minutes for path in PATHS}
    assert (minutes["half-day"], minutes["day"]) == (3 * 60, 6 * 60)
    half, day = (path.parts for path in PATHS if path.key in ("half-day", "day"))
    assert max(part.minutes for part in half if part.what == "Break") >= 20
    assert [part.minutes for part in day if part.what == "Lunch"] == [60]
    blocks = [[]]
    for part in day:
        blocks = [*blocks, []] if part.what in ("Break", "Lunch") else blocks
        blocks[-1] += part.exercises
    assert len(blocks) == 4
    assert all(blocks)


def test_the_guides_tables_say_what_is_computed():
    """Names exactly, minutes within two: a sentence more in a notebook changes nothing here."""
    stored = paths.README.read_text(encoding="utf-8")
    anew = paths.written(stored, PATHS)
    numbers = re.compile(r"\b\d+(:\d\d)? \||About \d+ minutes")
    said = "run: python -m tools.teach.paths"
    assert numbers.sub("N", stored) == numbers.sub("N", anew), said
    row = re.compile(r"^\| \d+:\d\d \| .*? \| (\d+) \|", flags=re.M)
    for old, new in zip(row.findall(stored), row.findall(anew), strict=True):
        assert abs(int(old) - int(new)) <= 2, said


@pytest.mark.parametrize(
    "part, said",
    [(dict(notebook="01", section="Nowhere"), "has no section 'Nowhere'"),
     (dict(notebook="99", section="What is LoRA?"), "notebook must be one of"),
     (dict(notebook="01", section="Exercises", exercises=("04-1",)), "04-1 must be in")],
)  # fmt: skip
def test_a_part_that_is_not_there_is_named(part, said):
    with pytest.raises(ValueError, match=said):
        assert paths.Part(**part).takes


def test_of_exercises_only_the_chosen_ones_count():
    whole = sections.find("01", "Exercises")
    two = paths.Part(notebook="01", section="Exercises", exercises=("01-1", "01-2"))
    assert two.takes == round(whole.minutes / 2)


def test_the_form_asks_for_what_the_table_needs():
    form = yaml.safe_load((ROOT / ".github/ISSUE_TEMPLATE/taught.yml").read_text("utf-8"))
    asked = {each["id"]: each for each in form["body"] if "id" in each}
    assert {"path", "room", "minutes"} <= {
        name for name, each in asked.items() if each.get("validations", {}).get("required")
    }
    names = [path.name for path in PATHS]
    assert asked["path"]["attributes"]["options"] == [*names, "Another one"]
    assert len(asked) == len([each for each in form["body"] if each["type"] != "markdown"])
