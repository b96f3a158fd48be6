"""The window of learning rates of SmolLM2 at each rank, by how alpha goes with the rank.

A window runs from the rate that learns the new facts to the one that loses what was known.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import validation
from ..tables import Table
from ..validation import Array
from .comparisons import share
from .pretrained_forgetting import RANKS, WHOLE, kept, learned_from, lost_from, mapped, mean_rate
from .rates import RULES, times_root

#: Those of the rules of alpha that were run at every rank, and the power of the rank with which
#: the rate falls if it goes as one over the root of s r.
FOLLOWED = {
    "alpha/r, alpha = 16": 0.0, "alpha/sqrt(r), alpha = 16": -0.25, "alpha/r, alpha = 2r": -0.5
}  # fmt: skip
#: A rate times the root of s r that lies within most windows.
WITHIN = 0.01


def windows(rule: str) -> Array:
    """(2, ranks, K): for each of `RANKS` and of the worlds in `WHOLE` the window of rates.

    First the rate that learns (`learned_from`), then the one that loses (`lost_from`).

    Examples
    --------
    >>> windows("alpha/r, alpha = 16").shape
    (2, 5, 5)
    """
    validation.choice("rule", rule, tuple(FOLLOWED))
    return np.array([
        [read(rank, RULES[rule](rank), worlds=WHOLE) for rank in RANKS]
        for read in (learned_from, lost_from)
    ])  # fmt: skip


def exponents(rule: str) -> Array:
    """(2, K): the power of the rank with which both ends of a window go, in each world.

    Slopes of straight lines through the logarithms, over `RANKS`.

    Examples
    --------
    >>> exponents("alpha/r, alpha = 2r").mean(axis=-1).round(2).tolist()
    [-0.54, -0.55]
    """
    ends = np.log(windows(rule))
    return np.array([np.polyfit(np.log(RANKS), each, 1)[0] for each in ends])


def serving(rule: str) -> Array:
    """(K,) of truth values: in which worlds one rate lies in the windows of all ranks.

    >>> int(serving("alpha/r, alpha = 16").sum()), int(serving("alpha/r, alpha = 2r").sum())
    (5, 0)
    """
    learned, lost = windows(rule)
    return np.asarray(learned.max(axis=0) < lost.min(axis=0))


def rates_within(rule: str, product: float = WITHIN) -> Array:
    """(ranks,): the rate of each of `RANKS` at which a rate times the root of s r is `product`.

    >>> rates_within("alpha/r, alpha = 16").tolist()
    [0.0025, 0.0025, 0.0025, 0.0025, 0.0025]
    """
    return np.array([product / times_root(1, rank, RULES[rule](rank)) for rank in RANKS])


def share_within(rule: str, product: float = WITHIN) -> float:
    """The share of windows, of all ranks and worlds, that hold a rate times the root of s r.

    >>> share_within("alpha/r, alpha = 16")
    0.84
    """
    learned, lost = windows(rule)
    rates = rates_within(rule, product)[:, None]
    return float(((learned <= rates) & (rates < lost)).mean())


def by_product(but: Sequence[tuple[int, float]] = ()) -> Array:
    """(N, 3): each setting of LoRA by its rate times the root of s r, rising; what is right there.

    Parameters
    ----------
    but : sequence of (rank, scale)
        Left out.

    Returns
    -------
    The product, new facts, and general questions, means over the worlds that have run it.

    Examples
    --------
    >>> by_product()[0].round(4).tolist()
    [0.0025, 0.4861, 0.61]
    """
    points = mapped()
    rows = [
        (times_root(rate, rank, scale), facts, known)
        for (rank, scale, rate), facts, known in zip(
            points.settings, np.nanmean(points.facts, axis=0), np.nanmean(points.known, axis=0)
        )
        if rank is not None and (rank, scale) not in but
    ]
    return np.array(sorted(rows))


def rules_table() -> Table:
    """For each rule and rank the rate that learns the new facts, and what is left there.

    Means over the worlds in `WHOLE`; powers of the rank with their range.

    Examples
    --------
    >>> rules_table().rows[0][1:3]
    ('0.0019: 0.48', '0.0015: 0.53')
    """
    rows = []
    for rule, root in FOLLOWED.items():
        rates = mean_rate(windows(rule)[0])
        left = [kept(rank, RULES[rule](rank), worlds=WHOLE).mean() for rank in RANKS]
        cells = [f"{rate:.2g}: {known:.2f}" for rate, known in zip(rates, left)]
        rows.append((rule, *cells, *map(share, exponents(rule)), f"{root:g}"))
    columns = ("rate that learns: known left", *(f"r = {rank}" for rank in RANKS),
               "power of r, learns", "loses", "by the root of s r")  # fmt: skip
    return Table(columns, rows)
