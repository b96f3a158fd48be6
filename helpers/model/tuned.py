"""Each rank at its best: the settings that were tried, and the one that was chosen.

Chosen in the worlds of `forgetting.CHOOSE`, among the rates of `forgetting.RATES`; reported in
the worlds of `forgetting.REPORT`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..validation import Array
from . import adaptations
from .forgetting import CHOOSE, MATCHED, REPORT, Points, choose

#: The ranks of the map, None for all weights: from what keeps most to what keeps least.
TRAINED = (None, 64, 16, 4, 1)


def named(rank: int | None) -> str:
    """A rank in words.

    >>> named(16), named(None)
    ('rank 16', 'all weights')
    """
    return "all weights" if rank is None else f"rank {rank}"


def tried(rank: int | None, worlds: Sequence[int] = REPORT, finer: bool = False) -> Points:
    """Every run with nothing else changed, by (scale, learning rate), under AdamW.

    Parameters
    ----------
    rank : int or None
        Of the LoRA; None for all weights.
    worlds : sequence of int
    finer : bool
        Rates between the map's own too.

    Examples
    --------
    >>> [rate for _, rate in tried(None).settings]
    [3e-05, 0.0001, 0.0003, 0.001, 0.003]
    """
    if rank is not None:
        return adaptations.lora(rank, worlds, finer)
    adamw = adaptations.full(worlds, finer).where(lambda optimiser, rate: optimiser == "adamw")
    settings = tuple((1.0, rate) for _, rate in adamw.settings)
    return Points(settings, adamw.worlds, adamw.facts, adamw.known)


def best(rank: int | None, finer: bool = False) -> tuple[float, float]:
    """The (scale, learning rate) that keeps most known facts in the choosing worlds.

    Of those with `MATCHED` of the new facts, at the map's own rates, which are as fine for
    every rank; with `finer` at those between them too.

    Examples
    --------
    >>> best(64), best(None)
    ((16.0, 3e-05), (1.0, 0.0001))
    """
    found = choose(tried(rank, CHOOSE, finer))
    if found is None:
        raise ValueError(f"rank must be one whose runs learn the new facts, got {rank}")
    return found


def most_known(rank: int | None) -> float:
    """What `best` keeps of the known facts, mean over the choosing worlds.

    >>> round(most_known(16), 2)
    0.67
    """
    points = tried(rank, CHOOSE)
    return float(np.nanmean(points.known[:, points.settings.index(best(rank))]))


def setting(rank: int | None, scale: float, learning_rate: float) -> tuple[Array, Array]:
    """New and known facts, (K, 1) each, of one setting in the reporting worlds, at any rate.

    Raises ValueError where it was not run.
    """
    here = tried(rank, finer=True).where(lambda *each: each == (scale, learning_rate))
    if not here.settings:
        raise ValueError(
            f"scale and learning_rate must be run, ({scale:g}, {learning_rate:g}) is not"
        )
    return here.facts, here.known


def kept_by(rank: int | None, scale: float, learning_rate: float) -> Array:
    """(K,): the known facts that one setting keeps in the reporting worlds.

    >>> kept_by(64, 2.0, 3e-4).round(2).tolist()
    [0.62, 0.68, 0.66]
    """
    return setting(rank, scale, learning_rate)[1][:, 0]


def learned(rank: int | None, worlds: Sequence[int] = CHOOSE) -> Points:
    """Runs that have `MATCHED` of the new facts, means over the worlds, as `tried` has them.

    Examples
    --------
    >>> [rate for _, rate in learned(None).settings]
    [0.0001, 0.0003, 0.001, 0.003]
    """
    points = tried(rank, worlds).whole()
    enough = dict(zip(points.settings, points.facts.mean(axis=0) >= MATCHED))
    return points.where(lambda *each: bool(enough[each]))
