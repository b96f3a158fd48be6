"""Titles state what was drawn: on made-up numbers, where it would be the other way round."""

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest

from helpers import figures
from helpers.figures.forgetting import Rows
from helpers.figures.pretrained_windows import PretrainedWindows
from helpers.figures.rates import Windows
from helpers.figures.results import TruncatedOrTrained, Ways
from helpers.figures.spectrum import Curves as Spectra
from helpers.model import pretrained_windows as windows
from helpers.model.comparisons import KINDS, Way
from helpers.model.results import Curves


def title(kind, numbers):
    """What a figure says of numbers; nothing is drawn."""
    return object.__new__(kind).finding(numbers)


@pytest.mark.parametrize("name", sorted(set(figures.__all__) - {"Picture"}))
def test_every_figure_has_one(name):
    assert "finding" in vars(getattr(figures, name))


def test_what_serves_all_ranks():
    keys = [(name, habit) for name in ("adam", "sgd") for habit in ("alpha/r", "alpha = 2r")]
    shared = dict.fromkeys(keys, 0.1)
    said = "One learning rate serves all ranks in {} of 4 cases"
    assert title(figures.RateWindows, Windows("style", {}, {}, shared)) == said.format(4) + "."
    shared["adam", "alpha = 2r"] = float("nan")
    assert title(figures.RateWindows, Windows("style", {}, {}, shared)) == (
        f"{said.format(3)}: not with alpha = 2r under Adam."
    )


def test_who_goes_equally_far():
    pulls = {
        (optimiser, habit, rank): 1.0 / rank if habit == "alpha/r" else 1.0
        for optimiser in ("sgd", "adam")
        for habit in ("alpha/r", "alpha/sqrt(r)")
        for rank in (4, 16)
    }
    assert title(figures.Crew, SimpleNamespace(each=pulls)) == (
        "4 and 16 rowers go equally far only with alpha/r under SGD and alpha/r under Adam."
    )


def test_what_is_kept():
    ways = [
        Way(rank, kind, np.array(known), (3, 4))
        for rank, kind, known in (
            (64, KINDS[0], [0.6, 0.8]), (64, KINDS[1], [0.3, 0.5]), (1, KINDS[1], [0.9, 0.9]),
        )
    ]  # fmt: skip
    assert title(figures.KeptByWay, Rows(tuple(ways))) == (
        "Turned down after training, rank 64 keeps 0.40 of what was known, not 0.70."
    )
    picture = figures.KeptByWay()
    known = picture.numbers().ways
    assert "Open marks" not in picture.place(Rows(known))
    chosen = replace(known[0], worlds=(0, 1, 2))
    assert "Open marks: worlds in which" in picture.place(Rows((chosen, *known[1:])))


def test_which_rank_is_needed():
    numbers = Spectra(8, 0.0, 0.5, {}, {"style": 40, "facts": 2})
    assert title(figures.SpectrumEnergyError, numbers) == (
        "For 50 % of the energy, style needs rank 40 and facts rank 2."
    )


def test_truncated_or_trained_keeps_which_is_which():
    ranks = np.array([1.0, 2.0, 4.0])
    curves = {
        ("100", way): Curves(ranks, (0,), {"facts": np.array([shares])})
        for way, shares in (("trained", [0.1, 0.2, 0.95]), ("truncated", [0.1, 0.92, 1.0]))
    }
    assert title(TruncatedOrTrained, Ways(curves)) == (
        "For 90 % of the facts of 100 people: rank 4 if trained, rank 2 if truncated."
    )


@pytest.mark.parametrize(
    ("seeds", "said"),
    [
        ((5, 0, 0), "Only alpha/r at alpha = 16 has {}"),
        ((5, 1, 0), "In every seed alpha/r at alpha = 16 has {}"),
        ((5, 0, 5), "Only alpha/r at alpha = 16 and alpha/r at alpha = 2r have {}"),
        ((4, 1, 0), "With none of these rules every seed has {}"),
    ],
)
def test_which_rules_have_one_rate_for_all_ranks(monkeypatch, seeds, said):
    serving = {rule: np.arange(5) < count for rule, count in zip(windows.FOLLOWED, seeds)}
    monkeypatch.setattr(windows, "serving", serving.get)
    span = "one learning rate that serves all ranks from 1 to 256."
    assert title(PretrainedWindows, SimpleNamespace(windows=serving)) == said.format(span)


@pytest.mark.parametrize(
    ("scales", "errors", "said"),
    [
        ((2.0, 4.0), (0.2, 0.9, 0.1), "alpha/sqrt(r) makes the error of style 9 times the lowest"),
        ((2.0, 4.0), (0.9, 0.2, 0.1), "alpha/r makes the error of style 9 times the lowest"),
        ((1.0, 1.0), (0.1, 0.1, 0.1), "both rules give the scale 1, which has the lowest error"),
        ((2.0, 4.0), (1.0, 3.0, 1e-16), "scale 1 has no error, alpha/sqrt(r) one of 3.00"),
    ],
)
def test_which_rule_is_further_off(scales, errors, said):
    series = ("alpha/r", "alpha/sqrt(r)", "best")
    at_rank = {
        (name, each): error for name in ("style", "facts") for each, error in zip(series, errors)
    }
    numbers = SimpleNamespace(rank=8, at_rank=at_rank, scales=dict(zip(series, (*scales, 1.0))))
    assert said in title(figures.ErrorOverRank, numbers)


# Names at curves, in place of a legend


def boxes(texts):
    return [text.get_window_extent() for text in texts]


def apart(texts):
    """Names lie in their panels and on no other."""
    found = boxes(texts)
    for i, (text, box) in enumerate(zip(texts, found)):
        frame = text.axes.bbox.padded(1)
        assert frame.x0 <= box.x0 and box.x1 <= frame.x1, text.get_text()
        assert frame.y0 <= box.y0 and box.y1 <= frame.y1, text.get_text()
        assert not any(box.overlaps(other) for other in found[i + 1 :]), text.get_text()


def nearest(text, lines):
    """The line whose points, on the page, come nearest to a name's box."""

    def away(line):
        points = line.axes.transData.transform(line.get_xydata())
        dense = np.concatenate([np.linspace(one, other, 50) for one, other in pairwise(points)])
        box = text.get_window_extent()
        low, high = np.array([box.x0, box.y0]), np.array([box.x1, box.y1])
        return np.linalg.norm(np.maximum(0, np.maximum(low - dense, dense - high)), axis=1).min()

    return min(lines, key=away)


def test_names_of_the_first_step():
    picture = figures.FirstStep().draw(start="kaiming", width=64)
    symbols = {"alpha/r": r"$\alpha/r$,", "alpha/sqrt(r)": r"$\alpha/\sqrt{r}$,"}
    for optimiser in ("sgd", "adam"):
        lines = {key: line for key, line in picture.theory.items() if key[0] == optimiser}
        apart([picture.names[key] for key in lines])
        for key, line in lines.items():
            assert nearest(picture.names[key], lines.values()) is line
            assert picture.names[key].get_text().startswith(symbols.get(key[1], r"$\alpha = 2r$,"))


def test_names_of_truncated_and_trained():
    picture = TruncatedOrTrained().draw()
    apart(list(picture.names.values()))
    lines = {way: picture.lines["saga", way].line for way in picture.names}
    for way, text in picture.names.items():
        assert text.get_text() == way
        assert nearest(text, lines.values()) is lines[way]


def test_names_of_the_string():
    picture = figures.StringOnSpectrum().draw(noise=0.01)
    apart([*picture.names.values(), picture.depths["style"]])
    lines = {"string": picture.strings["style"], "singular values": picture.curves["style"]}
    for what, text in picture.names.items():
        assert nearest(text, lines.values()) is lines[what]
