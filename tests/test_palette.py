"""The colours: visible on white, and apart from each other under every colour vision."""

import itertools

import pytest
from colorspacious import cspace_convert, deltaE
from matplotlib.colors import to_rgb

from helpers.figures.picture import COLOURS, GREY, LINES, MARKERS

ALL = {**COLOURS, "grey": GREY}
VISIONS = ("normal", "deuteranomaly", "protanomaly", "tritanomaly")


def luminance(colour):
    """Relative luminance as WCAG 2 defines it."""
    linear = [
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4
        for part in to_rgb(colour)
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("name", ALL)
def test_contrast_on_white(name):
    assert 1.05 / (luminance(ALL[name]) + 0.05) >= 3


def seen(colour, vision):
    """A colour as somebody without one kind of cone sees it."""
    if vision == "normal":
        return to_rgb(colour)
    space = {"name": "sRGB1+CVD", "cvd_type": vision, "severity": 100}
    return cspace_convert(to_rgb(colour), space, "sRGB1")


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("one, other", list(itertools.combinations(ALL, 2)))
def test_told_apart(vision, one, other):
    difference = deltaE(seen(ALL[one], vision), seen(ALL[other], vision), input_space="sRGB1")
    # In CAM02-UCS a difference of 1 is just visible side by side.
    assert difference > 12


def test_shape_says_what_colour_says():
    assert len(set(MARKERS.values())) == len(COLOURS) == len(set(COLOURS.values()))
    for pair in (("style", "facts"), ("alpha/r", "alpha/sqrt(r)")):
        assert len({LINES[name] for name in pair}) == 2
