"""Figures as vectors: fragments that say what is drawn, colours for both themes."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex

from helpers.figures import theme
from helpers.figures.vector import Drawing
from tests.support.matrices import contrast
from tests.support.records import NAMES, picture_of, settings

#: Those that moving a control changes: the others are only stored.
MOVING = [name for name in NAMES if name.islower()]


@pytest.fixture(scope="module", params=MOVING)
def drawing(request):
    picture = picture_of(request.param)
    return request.param, Drawing(
        type(picture)().draw(**next(iter(settings(request.param).values())))
    )


def parsed(html):
    """HTML of ours is also XML, once the prefix for links is known."""
    return ElementTree.fromstring(
        f'<div xmlns:xlink="http://www.w3.org/1999/xlink">{html}</div>'
    )  # fmt: skip


def test_it_is_well_formed_and_its_panels_match(drawing):
    _, drawn = drawing
    fixed = parsed(drawn.fixed_html())
    moving = parsed(drawn.moving_html(drawn.fragments()))
    frames = [
        [svg.get("viewBox") for svg in part.findall("./div[@class='rank-lab-panels']/svg")]
        for part in (fixed, moving)
    ]
    assert frames[0] == frames[1] != []
    bars = [ax for ax in drawn.picture.figure.axes if ax.get_label() == "<colorbar>"]
    assert len(frames[0]) == len(drawn.picture.figure.axes) - len(bars)


def test_every_colour_is_a_variable_that_both_themes_have(drawing):
    name, drawn = drawing
    fragments = "".join(fragment.svg for fragment in drawn.fragments())
    images = [image for ax in drawn.picture.figure.axes for image in ax.images]
    # The ends of a colour bar have the colours of its map.
    ends = {to_hex(image.get_cmap()(at)) for image in images for at in (0.0, 1.0)}
    assert set(re.findall(r"#[0-9a-f]{6}\b", drawn.fixed_html())) <= ends, name
    # On a coloured map black and white stay.
    assert set(re.findall(r"#[0-9a-f]{6}\b", fragments)) <= (
        {"#000000", "#ffffff"} if images else set()
    )
    for svg in (drawn.fixed_html(), fragments):
        assert set(re.findall(r"var\(--rank-lab-([\w-]+)\)", svg)) <= set(theme.PALETTE)


def test_fragments_are_the_same_for_the_same_setting_and_else_not(drawing):
    name, drawn = drawing
    chosen = list(settings(name).values())
    first = drawn.fragments()
    drawn.picture.draw(**chosen[-1])
    assert drawn.fragments() != first
    drawn.picture.draw(**chosen[0])
    assert drawn.fragments() == first


@pytest.mark.parametrize("name", sorted(set(theme.PALETTE) - {"paper", "grid", "frame"}))
@pytest.mark.parametrize("side", [0, 1])
def test_contrast_in_both_themes(name, side):
    assert contrast(theme.PALETTE[name][side], theme.PALETTE["paper"][side]) >= 3


def test_a_curve_lies_where_matplotlib_puts_it():
    drawn = Drawing(type(picture_of("error_over_rank"))().draw(rank=8, alpha=16, noise=0.01))
    picture = drawn.picture
    line = picture.lines["style", "alpha/r"]
    fragment = drawn.fragments()[picture.moving.index(line)].svg
    ends = np.array(re.findall(r"[ML] ?(-?[\d.]+) (-?[\d.]+)", fragment), dtype=float)
    wanted = line.axes.transData.transform(line.get_xydata())
    wanted[:, 1] = drawn.height - wanted[:, 1]
    for point in ends[[0, -1]]:
        assert np.abs(wanted - point).max(axis=1).min() < 0.02
