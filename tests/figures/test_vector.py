"""Figures as vectors: fragments that say what is drawn, colours for both themes."""

import base64
import io
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text
from PIL import Image

from helpers.figures import svg, theme
from helpers.figures.vector import Drawing, Fragment
from tests.support.matrices import contrast
from tests.support.records import NAMES, colour, picture_of, settings

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
    for part in (drawn.fixed_html(), fragments):
        assert set(re.findall(r"var\(--rank-lab-([\w-]+)\)", part)) <= set(theme.PALETTE)


def test_fragments_are_the_same_for_the_same_setting_and_else_not(drawing):
    name, drawn = drawing
    chosen = list(settings(name).values())
    drawn.picture.draw(**chosen[0])  # another test may have moved it
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


def to_segments(points, corners):
    """Of each point, the distance to the nearest part of a line."""
    start, end = corners[:-1], corners[1:]
    along = end - start
    length = np.maximum((along**2).sum(axis=1), 1e-12)
    shares = np.clip(((points[:, None] - start) * along).sum(axis=2) / length, 0, 1)
    return np.linalg.norm(points[:, None] - (start + shares[..., None] * along), axis=2).min(axis=1)


def points_in(svg, pattern):
    found = re.findall(pattern, svg)
    return np.array(found, dtype=float).reshape(-1, 2)


#: The variable for what the record calls a colour, where the two names differ.
VARIABLES = {"alpha/r": "standard", "alpha/sqrt(r)": "rslora", "black": "ink", "white": "paper"}


def wrong_line(line, svg, height):
    """What of a line is not as its artist says: colour, curve, markers."""
    shown = np.asarray(line.get_transform().transform(line.get_xydata()), dtype=float)
    shown = shown[np.isfinite(shown).all(axis=1)]
    frame = line.axes.bbox.padded(0.01)
    inside = np.array([frame.contains(*point) for point in shown], dtype=bool)
    shown[:, 1] = height - shown[:, 1]
    name = colour(line.get_color())
    said = f"var(--rank-lab-{VARIABLES.get(name, name)})"
    if line.axes.images and name == "white":
        said = "#ffffff"  # on a map
    found = [] if said in svg or not inside.any() else ["colour"]
    if line.get_linestyle() != "None" and inside.sum() > 1:
        corners = points_in(svg, r"[ML](-?[\d.]+) (-?[\d.]+)")
        near = len(corners) > 1 and to_segments(shown[inside], corners).max() < 0.5
        found += [] if near else ["curve"]
    if line.get_marker() not in ("None", "", None):
        one = points_in(svg, r"translate\((-?[\d.]+) (-?[\d.]+)\)")
        many = points_in(svg, r'<use [^>]*x="(-?[\d.]+)" y="(-?[\d.]+)"')
        places = many if len(many) else one
        same = len(places) == len(shown) and np.allclose(places, shown, atol=0.5)
        found += [] if same else ["markers"]
    return found


def wrong_image(image, svg):
    data = base64.b64decode(re.search(r"base64,([^\"]+)", svg)[1])
    pixels = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=int)
    wanted = image.to_rgba(image.get_array(), bytes=True)[..., :3].astype(int)
    wanted = wanted[::-1] if image.origin == "lower" else wanted
    there = ~np.ma.getmaskarray(np.ma.masked_invalid(image.get_array()))
    there = there[::-1] if image.origin == "lower" else there
    same = pixels.shape == wanted.shape and np.abs(pixels - wanted)[there].max() < 12
    return [] if same else ["pixels"]


def wrong(drawn):
    """Where the fragments are not what the artists say, which is what the record holds."""
    found = []
    fragments = drawn.fragments()
    for i, (artist, fragment) in enumerate(zip(drawn.picture.moving, fragments, strict=True)):
        if isinstance(artist, Line2D):
            said = wrong_line(artist, fragment.svg, drawn.height)
        elif isinstance(artist, AxesImage):
            said = wrong_image(artist, fragment.svg)
        elif isinstance(artist, Text):
            said = [] if artist.get_text() in fragment.svg else ["text"]
        left, _, width, _ = drawn.panels[fragment.panel].frame
        middle = (artist.axes.bbox.x0 + artist.axes.bbox.x1) / 2
        said += [] if left < middle < left + width else ["panel"]
        found += [f"{i} {artist}: {each}" for each in said]
    return found


def test_the_page_gets_what_the_artists_say(drawing):
    """The record says what artists hold; this, that it arrives: all of it, and where it belongs."""
    name, drawn = drawing
    for chosen in list(settings(name).values())[-2:]:
        drawn.picture.draw(**chosen)
        assert wrong(drawn) == [], chosen


def exchanged_colours(planted):
    swapped = {"ink": "grey", "style": "facts", "standard": "rslora", "rslora": "standard"}
    names = {colour: swapped.get(name, name) for colour, name in theme._NAMES.items()}
    planted.setattr(theme, "_NAMES", names)


def an_empty_panel(planted):
    moving = Drawing._moving
    planted.setattr(
        Drawing,
        "_moving",
        lambda self, artist: "" if self._at[artist.axes] else moving(self, artist),
    )


def another_curve(planted):
    write = svg._hundredths

    def bent(points):
        found = write(points)
        if len(found) > 40:
            found[20][1] += 300
        return found

    planted.setattr(svg, "_hundredths", bent)


def the_other_panel(planted):
    fragments = Drawing.fragments
    planted.setattr(
        Drawing, "fragments",
        lambda self: [Fragment(1 - each.panel, each.svg) for each in fragments(self)],
    )  # fmt: skip


@pytest.mark.parametrize(
    "fault", [exchanged_colours, an_empty_panel, another_curve, the_other_panel]
)
def test_a_fault_on_the_way_to_the_page_is_found(fault, monkeypatch):
    picture = type(picture_of("error_over_rank"))().draw(rank=8, alpha=16, noise=0.01)
    drawn = Drawing(picture)
    assert wrong(drawn) == []
    fault(monkeypatch)
    assert wrong(drawn) != []
