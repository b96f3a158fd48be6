"""The measured settings of a LoRA under AdamW, and the one that is nearest to any other.

100 new people, LoRA in all matrices, 400 steps of 32 texts: the part of the map that rank,
rule, alpha and learning rate span. A setting is read in the worlds in which none was chosen,
`forgetting.REPORT`, where those have run it, so that it has one number wherever it is quoted.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .. import validation
from ..validation import Array
from . import adaptations
from .forgetting import CHOOSE, MATCHED, REPORT, choose

#: A setting is near where rank, scale and learning rate are each within this factor.
NEAR = 2.0


@dataclass(frozen=True)
class Measured:
    """One setting and what came out.

    Attributes
    ----------
    rank, scale, learning_rate
    facts, known : (K,) arrays
        New and known facts, a value for each of `worlds`.
    worlds : tuple of K ints
        The reporting ones; or, where not all of them have run it, the choosing ones; or those
        that have.
    """

    rank: int
    scale: float
    learning_rate: float
    facts: Array
    known: Array
    worlds: tuple[int, ...]

    @property
    def learned(self) -> bool:
        """Whether the mean share of new facts is 0.98 as it is printed."""
        return bool(self.facts.mean() >= MATCHED)

    def steps_to(self, rank: float, scale: float, learning_rate: float) -> Array:
        """(3,): how far off a setting is in rank, scale and learning rate, in doublings."""
        mine = np.array([self.rank, self.scale, self.learning_rate])
        return np.abs(np.log2(mine / [rank, scale, learning_rate]))


@lru_cache(maxsize=1)
def measured() -> tuple[Measured, ...]:
    """Every measured setting, in the order of rank, scale and learning rate.

    Examples
    --------
    >>> sorted({each.rank for each in measured()})
    [1, 4, 16, 64]
    """
    found: dict[tuple[int, float, float], dict[int, tuple[float, float]]] = {}
    for row in adaptations.plain_lora(finer=True):
        key = (row["rank"], row["scale"], row["learning_rate"])
        found.setdefault(key, {})[row["seed"]] = (row["facts"], row["known"])
    return tuple(_read(key, found[key]) for key in sorted(found))


def _read(key: tuple[int, float, float], runs: dict[int, tuple[float, float]]) -> Measured:
    whole = (worlds for worlds in (REPORT, CHOOSE) if set(worlds) <= set(runs))
    worlds = next(whole, tuple(sorted(runs)))
    facts, known = np.array([runs[world] for world in worlds], dtype=float).T
    return Measured(*key, facts, known, worlds)


def nearest(rank: int, scale: float, learning_rate: float) -> tuple[Measured, bool]:
    """The nearest measured setting, and whether it is near.

    The distance is the sum of the three in doublings; near is `NEAR` in each.

    Examples
    --------
    >>> found, near = nearest(64, 2.0, 3.2e-4)
    >>> found.rank, found.scale, found.learning_rate, near
    (64, 2.0, 0.0003, True)
    >>> nearest(64, 2.0, 1.0)[1]
    False
    """
    validation.integer("rank", rank, 1)
    asked = (rank, validation.number("scale", scale, 1e-9, 1e9),
             validation.number("learning_rate", learning_rate, 1e-9, 1e9))  # fmt: skip
    found = min(measured(), key=lambda each: float(each.steps_to(*asked).sum()))
    return found, bool((found.steps_to(*asked) <= np.log2(NEAR) + 1e-9).all())


def over_rates(rank: int, scale: float) -> list[Measured]:
    """The measured settings of one rank and scale, by learning rate.

    Examples
    --------
    >>> [each.learning_rate for each in over_rates(64, 2.0)]
    [3e-05, 0.0001, 0.0003, 0.001, 0.003, 0.01]
    """
    return [each for each in measured() if (each.rank, each.scale) == (rank, scale)]


def exactly(rank: int, scale: float, learning_rate: float) -> Measured:
    """The measured setting with these values. Raises ValueError if it was not run.

    Examples
    --------
    >>> float(exactly(64, 2.0, 3e-4).facts.mean().round(2))
    1.0
    """
    for each in over_rates(rank, scale):
        if each.learning_rate == learning_rate:
            return each
    raise ValueError(
        f"the setting must be one that was run, got rank {rank}, scale {scale:g}, rate "
        f"{learning_rate:g}"
    )


def keeps_most(rank: int, scale: float | None = None) -> Measured:
    """Of a rank's settings that learned all, the one that keeps most known facts.

    Chosen in the choosing worlds, among the map's own rates, so that no rank and scale is tuned
    more finely than another. Raises ValueError where none learned all.

    Examples
    --------
    >>> keeps_most(64, 0.25).learning_rate
    0.001
    """
    mine = adaptations.lora(rank, CHOOSE).where(lambda s, _: scale in (None, s))
    chosen = choose(mine)
    if chosen is None:
        raise ValueError(f"rank must be one that learned all facts, got {rank} at scale {scale}")
    return exactly(rank, *chosen)
