"""Explorers drawn beforehand: tables have what was drawn, cut so that files stay small."""

import json
from itertools import product

import numpy as np
import pytest

from helpers.explorer import Explorer
from helpers.figures import ErrorOverRank, ScaleOverRank
from tests.support.explorers import FACTORIES, made
from tools.site import bake
from tools.site.classes import Classes


def read(folder, tables, at):
    """{part: string} at these steps: as the page's script reads it, written again."""
    found = {}
    for number, table in enumerate(tables):
        name = "-".join(str(step) for step in (number, *(at[axis] for axis in table["by"])))
        file = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        inside = [axis for axis, _ in table["inside"]]
        shape = [steps for _, steps in table["inside"]]
        row = np.ravel_multi_index([at[axis] for axis in inside], shape) if inside else 0
        numbers = np.reshape(file["at"], (-1, len(table["parts"])))[row]
        for part, chosen, (before, after) in zip(table["parts"], numbers, file["ends"]):
            found[part] = before + file["strings"][chosen] + after
    return found


@pytest.mark.parametrize("largest", [100_000, 1])
def test_files_have_what_is_drawn_at_every_setting(monkeypatch, tmp_path, largest):
    monkeypatch.setattr(bake, "LARGEST", largest)
    monkeypatch.setitem(bake.FEWER, "scales", {"rank": (1, 4, 64), "alpha": (8, 16)})
    explorer = Explorer(ScaleOverRank(), rank=4, alpha=16)
    baked = bake.bake("scales", explorer, tmp_path, Classes())
    rank, alpha = baked.controls
    assert (rank.values, rank.start, rank.of, rank.fewer) == ((1, 4, 64), 1, 12, True)
    assert alpha.values == (8, 16)
    shown = set()
    for at in product(range(3), range(2)):
        settings = {"rank": rank.values[at[0]], "alpha": alpha.values[at[1]]}
        picture = explorer.picture.draw(**settings)
        drawn = [fragment.svg for fragment in baked.drawing.fragments()]
        wanted = dict(enumerate([*drawn, picture.description]))
        stays = {part: string for part, string in enumerate(baked.first) if part in wanted}
        assert {**stays, **read(tmp_path, baked.tables, at)} == wanted
        shown.add(picture.description)
    assert len(shown) == 6
    # Both change the words, one of them each of the curves and cursors.
    axes = {
        tuple(axis for axis, _ in table["inside"]) + tuple(table["by"]) for table in baked.tables
    }
    assert axes == {(0,), (1,), (0, 1)}
    assert any(table["by"] for table in baked.tables) == (largest == 1)


@pytest.mark.parametrize("name", FACTORIES)
def test_every_explorer_leaves_few_enough_combinations(name):
    controls = bake.controls(made(name), bake.FEWER.get(name, {}))
    assert [control.name for control in controls] == list(made(name).controls)


def test_too_many_combinations():
    explorer = Explorer(ErrorOverRank(), rank=4, alpha=16, noise=0.01)
    with pytest.raises(ValueError, match="at most 4,000 combinations, got 15,360"):
        bake.controls(explorer, {})


def test_a_step_that_a_control_has_not():
    explorer = Explorer(ScaleOverRank(), rank=4, alpha=16)
    with pytest.raises(ValueError, match=r"alpha must be among .*, got \[5\]"):
        bake.controls(explorer, {"alpha": (5,)})


def test_styles_become_classes_whatever_else_an_element_has():
    classes = Classes()
    markup = '<svg class="a" style="flex: 1"/><image style="x:y" href="z"/><p>style="no"</p>'
    instead = classes.instead(markup)
    one, other = classes.styles
    assert instead == f'<svg class="{one} a"/><image class="{other}" href="z"/><p>style="no"</p>'
    assert classes.instead('<b style="x:y">') == f'<b class="{other}">'
    assert f".{one}{{flex: 1}}" in classes.css()
