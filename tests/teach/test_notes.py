"""Notes: nothing that a notebook asks is without its note, and no note is left over."""

import re

import pytest

from tests.support.notebooks import load, outputs, texts
from tools.notebooks import NOTEBOOKS
from tools.teach import notes, paths
from tools.teach.sections import series

EVERY = notes.every()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_prediction_and_exercise_has_its_note(path):
    number = path.name[:2]
    parts = series()[number]
    assert {*EVERY[number].predictions} == {key for each in parts for key in each.predictions}
    assert {*EVERY[number].exercises} == {key for each in parts for key in each.exercises}
    ids = {cell["id"] for cell in load(path).cells}
    assert {each.cell for each in EVERY[number].argued} <= ids
    assert EVERY[number].argued
    assert EVERY[number].stuck
    assert len(EVERY[number].demo) >= 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_what_to_say_then_has_no_number_that_the_notebook_lacks(path):
    found = load(path)
    shown = [text for output in outputs(found) for text in texts(output)]
    text = "\n".join([*(cell.source for cell in found.cells), *shown])
    for note in EVERY[path.name[:2]].predictions.values():
        for number in re.findall(r"\d+\.\d+", note.say):
            assert number in text, f"{note.key} says {number}"


def test_pages_have_all_of_it(tmp_path):
    made = {path.name: path.read_text("utf-8") for path in notes.write(tmp_path)}
    assert len(made) == len(NOTEBOOKS) + len(paths.read())
    for number, each in EVERY.items():
        page = made[f"{number}.md"]
        for note in [*each.predictions.values(), *each.exercises.values()]:
            assert f"**{note.key}**" in page
            assert note.wrong in page
        assert all(argued.answer in page for argued in each.argued)
    for path in paths.read():
        sheet = made[f"path_{path.key}.md"]
        for part in path.parts:
            for key in () if part.what else part.found.predictions:
                assert EVERY[part.notebook].predictions[key].say in sheet


def test_a_note_without_its_idea_is_named(tmp_path):
    (tmp_path / "01.toml").write_text(
        'goal = "g"\nstuck = []\ndemo = []\n[[prediction]]\nkey = "01-a"\nsay = "s"\nwrong = "w"\n'
    )
    with pytest.raises(ValueError, match="a prediction has idea, key, say, wrong"):
        notes.read(tmp_path / "01.toml")
