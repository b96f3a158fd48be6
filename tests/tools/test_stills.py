"""Static figures of pages: their names, and markers that no other figure defines."""

import re

import pytest

from helpers import figures
from tools.site import stills


@pytest.fixture(scope="module")
def drawn():
    """Two figures as a page shows them, with the same markers, one of these in both panels."""
    picture = figures.SpectrumUnderNoise()
    return [stills.markup(picture.draw(noise=noise)) for noise in (0.01, 0.1)]


def ids(markup):
    return re.findall(r' id="([^"]+)"', markup)


def test_a_marker_is_defined_once_on_a_page(drawn):
    found = [each for markup in drawn for each in ids(markup)]
    assert len(found) == len(set(found)) > 2


def test_every_marker_is_that_of_its_own_figure(drawn):
    for markup in drawn:
        used = set(re.findall(r'<use href="#([^"]+)"', markup))
        assert used == set(ids(markup)) != set()


def test_the_title_stands_above_and_the_description_is_the_name(drawn):
    for markup in drawn:
        title, label = re.fullmatch(
            r'<div class="rank-lab-still scroll"><p class="rank-lab-title">([^<]+)</p>'
            r'<div role="img" aria-label="([^"]+)">.*</div></div>',
            markup,
        ).groups()
        assert title.endswith("signals leave a trace.") and label.startswith("At noise ")
