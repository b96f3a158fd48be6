"""The colours: visible on the page, and apart from each other under every colour vision.

Static figures are opaque and white in both themes; explorers stand on the page, light or dark.
That each stands out from both is in test_vector.py.
"""

import itertools

import numpy as np
import pytest
from colorspacious import cspace_convert, deltaE, machado_et_al_2009_matrix
from matplotlib.colors import to_rgb

from helpers.figures.look import COLOURS, GREY, LINES, MARKERS, RANK_COLOURS, RANK_MARKERS
from helpers.figures.recall import _BADGES
from helpers.figures.theme import PALETTE
from tests.support.matrices import contrast

ALL = {**COLOURS, "grey": GREY}
#: On linear RGB. At severity 100 these cones are not weak but missing. For the third kind the
#: model of Machado et al. (2009) stops short of that, so theirs is that of Brettel et al. (1997),
#: as libDaltonLens has worked it out: one matrix on each side of a plane.
VISIONS = {
    "deuteranopia": [machado_et_al_2009_matrix("deuteranomaly", 100)] * 2,
    "protanopia": [machado_et_al_2009_matrix("protanomaly", 100)] * 2,
    "tritanopia": [
        np.array(
            [[1.01277, 0.13548, -0.14826], [-0.01243, 0.86812, 0.14431], [0.07589, 0.805, 0.11911]]
        ),
        np.array(
            [[0.93678, 0.18979, -0.12657], [0.06154, 0.81526, 0.1232], [-0.37562, 1.12767, 0.24796]]
        ),
    ],
}
TRITAN_PLANE = np.array([0.03901, -0.02788, -0.01113])


@pytest.mark.parametrize("colour", [*ALL.values(), *RANK_COLOURS])
def test_contrast_on_white(colour):
    assert contrast(colour, "white") >= 3


@pytest.mark.parametrize("mark", _BADGES)
def test_marked_words_can_be_read(mark):
    """They bring their own background, which is the same in both themes."""
    look = dict(each.split(": ") for each in _BADGES[mark].split("; "))
    assert contrast(look["color"], look["background"]) >= 4.5


def seen(colour, vision):
    """A colour as somebody without one kind of cone sees it."""
    if vision == "normal":
        return to_rgb(colour)
    linear = cspace_convert(to_rgb(colour), "sRGB1", "sRGB1-linear")
    side = VISIONS[vision][0 if linear @ TRITAN_PLANE >= 0 else 1]
    return cspace_convert(np.clip(side @ linear, 0, 1), "sRGB1-linear", "sRGB1")


@pytest.mark.parametrize("vision", VISIONS)
def test_a_missing_cone_leaves_two_dimensions(vision):
    """Of the three of normal vision: dichromacy, where an anomaly would keep all."""
    for side in VISIONS[vision]:
        assert np.linalg.matrix_rank(side, tol=0.001) == 2
        np.testing.assert_allclose(side.sum(axis=1), 1, atol=2e-5)  # grey stays grey


DARK = {light: dark for light, dark in PALETTE.values()}
PAIRS = [*itertools.combinations(ALL.values(), 2), *itertools.combinations(RANK_COLOURS, 2)]
PAIRS += [tuple(DARK[colour.lower()] for colour in pair) for pair in PAIRS]


@pytest.mark.parametrize("vision", ["normal", *VISIONS])
@pytest.mark.parametrize("one, other", PAIRS)
def test_told_apart(vision, one, other):
    difference = deltaE(seen(one, vision), seen(other, vision), input_space="sRGB1")
    # In CAM02-UCS a difference of 1 is just visible side by side.
    assert difference > 12


def test_shape_says_what_colour_says():
    assert len(set(RANK_MARKERS)) == len(RANK_COLOURS) == len(set(RANK_COLOURS))
    assert len(set(MARKERS.values())) == len(COLOURS) == len(set(COLOURS.values()))
    for pair in (("style", "facts"), ("alpha/r", "alpha/sqrt(r)")):
        assert len({LINES[name] for name in pair}) == 2
