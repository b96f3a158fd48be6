"""What SmolLM2 keeps of what it knew, at ranks and scales that have learned equally much.

For each way to train the rate is read from which on it has learned the new facts, and the one
from which on it has lost what it knew. Between two rates that were run, what is right is taken
to be straight over the logarithm of the rate. So no rate is chosen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from .. import validation
from ..tables import Table
from ..validation import Array
from . import comparisons
from .forgetting import CHOOSE, MATCHED, REPORT, Points, along, points
from .shipped import measured

RANKS = (1, 4, 16, 64, 256)
WORLDS = (*CHOOSE, *REPORT)
#: The worlds that have run every rate: windows of rates are read in these.
WHOLE = WORLDS[:5]
#: What is asked: the questions to choose on, those to report on, and these once more with the
#: update turned down to `DIAL`.
ASKED = ("chosen on", "reported", "dialled")
DIAL = 0.75
#: The share of general questions still right at which a model counts as lost.
LOST = 0.2


@lru_cache(maxsize=8)
def mapped(asked: str = "reported", worlds: Sequence[int] = WORLDS) -> Points:
    """Every run, by (rank, scale, learning rate); rank None for all weights.

    Parameters
    ----------
    asked : one of `ASKED`
    worlds : tuple of int

    Examples
    --------
    >>> points = mapped()
    >>> len(points.settings), points.worlds
    (74, (0, 1, 2, 3, 4, 5))
    """
    validation.choice("asked", asked, ASKED)
    rows = []
    for run in measured("pretrained_forgetting")["runs"]:
        (dialled,) = (each for each in run["dials"] if each["dial"] == DIAL)
        values = {
            "chosen on": (run["facts_chosen_on"], run["known_chosen_on"]),
            "reported": (run["facts"], run["known"]),
            "dialled": (dialled["facts"], dialled["known"]),
        }[asked]
        rows.append({**run, **dict(zip(("facts", "known"), values))})
    return points(rows, ("rank", "scale", "learning_rate"), worlds)


def over_rates(
    rank: int | None, scale: float, asked: str = "reported", worlds: Sequence[int] = WORLDS
) -> list[tuple[Array, Array, Array]]:
    """For each world the rates that it has run, rising, with new facts and general questions.

    Raises ValueError where a rank and scale were not run.

    Examples
    --------
    >>> rates, facts, known = over_rates(64, 2.0)[0]
    >>> rates.tolist()
    [0.0003, 0.00056, 0.001, 0.0018, 0.003]
    """
    here = mapped(asked, tuple(worlds)).where(
        lambda r, s, rate: r == rank and math.isclose(s, scale)
    )
    if not here.settings:
        raise ValueError(f"rank and scale must be run together, {rank} and {scale:g} are not")
    rates = np.array([rate for _, _, rate in here.settings])
    return [
        (rates[there], facts[there], known[there])
        for facts, known, there in zip(here.facts, here.known, np.isfinite(here.facts))
    ]


def learned_from(
    rank: int | None, scale: float, asked: str = "reported", worlds: Sequence[int] = WORLDS,
    level: float = MATCHED,
) -> Array:  # fmt: skip
    """(K,): the rate from which on a world has `level` of the new facts.

    The lowest that was run, where that one has them; NaN where none has.

    Examples
    --------
    >>> learned_from(64, 0.25).round(4).tolist()
    [0.0022, 0.0026, 0.001, 0.0015, 0.0017, 0.001]
    """
    return np.array([
        math.exp(along(facts, np.log(rates), level))
        for rates, facts, _ in over_rates(rank, scale, asked, worlds)
    ])  # fmt: skip


def lost_from(
    rank: int | None, scale: float, asked: str = "reported", worlds: Sequence[int] = WORLDS,
    left: float = LOST,
) -> Array:  # fmt: skip
    """(K,): the rate from which on a world has no more than `left` of the general questions.

    NaN where every rate that was run has more.

    Examples
    --------
    >>> lost_from(64, 0.25, worlds=WHOLE).round(4).tolist()
    [0.0049, 0.0043, 0.0047, 0.0037, 0.0033]
    """
    return np.array([
        math.exp(along(1 - known, np.log(rates), 1 - left))
        for rates, _, known in over_rates(rank, scale, asked, worlds)
    ])  # fmt: skip


def kept(
    rank: int | None, scale: float, asked: str = "reported", worlds: Sequence[int] = WORLDS,
    level: float = MATCHED,
) -> Array:  # fmt: skip
    """(K,): the general questions still right at `learned_from`; NaN where there is no such rate.

    Examples
    --------
    >>> kept(None, 1.0).round(2).tolist()
    [0.77, 0.79, 0.72, 0.68, 0.67, 0.77]
    """
    return np.array([
        along(facts, known, level) for _, facts, known in over_rates(rank, scale, asked, worlds)
    ])  # fmt: skip


def mean_rate(rates: Array) -> Array:
    """The mean of rates as their axis has it, of logarithms, over the last axis.

    >>> mean_rate(np.array([1e-4, 1e-2])).round(6)
    np.float64(0.001)
    """
    return np.asarray(np.exp(np.log(rates).mean(axis=-1)))


def scales(rank: int | None) -> tuple[float, ...]:
    """The scales that were run at a rank, rising.

    >>> scales(64), scales(None)
    ((0.25, 2.0, 16.0), (1.0,))
    """
    return tuple(sorted({s for r, s, _ in mapped().settings if r == rank}))


def best_scale(rank: int | None, level: float = MATCHED) -> float:
    """The scale at which most is kept, by the worlds and the questions that choose.

    A world that does not learn so much at a scale keeps nothing there.

    Examples
    --------
    >>> best_scale(16)
    2.0
    """
    means = {
        scale: np.nan_to_num(kept(rank, scale, "chosen on", CHOOSE, level)).mean()
        for scale in scales(rank)
    }
    return max(means, key=lambda scale: means[scale])


def front_table() -> Table:
    """What is left where 97.5 % of the new facts are learned: all weights, and each rank.

    Each rank at its `best_scale`, in the worlds and with the questions that chose nothing; then
    the same with every update turned down to `DIAL`, and read where it then has as many new facts;
    and the small model at its best, in the worlds that chose nothing.

    Examples
    --------
    >>> front_table().rows[0][:3]
    ('all weights', '1', '0.71 (0.67 to 0.77)')
    """
    rows = []
    for rank in (None, *RANKS[::-1]):
        scale = best_scale(rank)
        cells = [comparisons.share(kept(rank, scale, asked, REPORT)) for asked in ASKED[1:]]
        small = "not run"
        if rank in comparisons.TRAINED:
            small = f"{comparisons.kept_by(rank, *comparisons.best(rank)).mean():.2f}"
        rows.append((comparisons.named(rank), f"{scale:g}", *cells, small))
    columns = ("trained", "scale s", "known left", f"turned down to {DIAL:g}", "small model")
    return Table(columns, rows)


def scales_table(ranks: Sequence[int] = (64, 256)) -> Table:
    """Every scale of some ranks: the rate that learns, and what is left there.

    Means over the worlds in `WHOLE`.

    Examples
    --------
    >>> scales_table().rows[0][:2]
    ('64', '0.25')
    """
    rows = []
    for rank in ranks:
        for scale in scales(rank):
            rate = mean_rate(learned_from(rank, scale, worlds=WHOLE))
            left = comparisons.share(kept(rank, scale, worlds=WHOLE))
            rows.append((f"{rank}", f"{scale:g}", f"{rate:.2g}", left))
    return Table(("rank", "scale s", "rate that learns", "known left (over seeds)"), rows)
