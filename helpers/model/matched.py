"""The first runs compared where learning is equal: each way at the setting that keeps most.

A share of known facts says nothing without the share of new facts beside it, and both go
with the learning rate. So here each way is taken at the setting that keeps most known
facts, among those that have at least `MATCHED` of the new ones (`forgetting`).
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import validation
from ..lora import scaling
from ..validation import Array
from . import results
from .forgetting import MATCHED, keeps_most
from .results import ALPHA, SWEEP, Curves

#: The ranks of the sweeps over the learning rate.
SWEPT_RANKS = {"adamw": (1, 4, 16, 64), "sgd": (4, 16, 64)}


@dataclass(frozen=True)
class Kept:
    """One way of learning the same facts, at the setting that keeps most of the known ones.

    Attributes
    ----------
    way, setting : str
    facts, known : (K,) arrays
        New and known facts, a value for each seed.
    """

    way: str
    setting: str
    facts: Array
    known: Array

    def row(self) -> tuple[str, str, str, str]:
        """Way, setting, new facts, and known facts with their range over the seeds.

        Examples
        --------
        >>> import numpy as np
        >>> Kept("rank 8", "dial 0.5", np.array([1.0, 0.98]), np.array([0.4, 0.6])).row()
        ('rank 8', 'dial 0.5', '0.99', '0.50 (0.40 to 0.60)')
        """
        low, high = self.known.min(), self.known.max()
        known = f"{self.known.mean():.2f} ({low:.2f} to {high:.2f})"
        return self.way, self.setting, f"{self.facts.mean():.2f}", known


def _kept(way: str, curves: Curves, setting: str, level: float) -> list[Kept]:
    """At most one row; `setting` names a place by its value, as "dial {:g}" does."""
    at = keeps_most(curves.mean("facts"), curves.mean("known"), level)
    if at is None:
        return []
    facts, known = (curves.values[name][:, at] for name in ("facts", "known"))
    return [Kept(way, setting.format(curves.at[at]), facts, known)]


def over_rates(optimiser: str, level: float = MATCHED) -> list[Kept]:
    """100 people: each rank and rule at the learning rate that keeps most known facts.

    Parameters
    ----------
    optimiser : "adamw" or "sgd"
    level : float
        The least share of new facts. Ranks that no rate brings there are left out.

    Examples
    --------
    >>> over_rates("sgd")[0].row()
    ('rank 4, s = 4', 'rate 0.3', '1.00', '0.26 (0.25 to 0.27)')
    """
    found = []
    for rank in SWEPT_RANKS[validation.choice("optimiser", optimiser, tuple(SWEPT_RANKS))]:
        for rule in scaling.RULES if rank > 1 else scaling.RULES[:1]:
            curves = results.over_rates(optimiser, rule == scaling.RSLORA, rank)
            s = float(scaling.scale(ALPHA[SWEEP], rank, rule))
            found += _kept(f"rank {rank}, s = {s:g}", curves, "rate {:g}", level)
    return found


def cut_or_dialled(level: float = MATCHED) -> list[Kept]:
    """100 people: updates as trained, cut to a lower rank, and turned down by a dial.

    The full update, the adapters of rank 16 and 64, and the one trained at rank 8, all
    at the learning rates of their recipes.

    Examples
    --------
    >>> cut_or_dialled()[0].row()
    ('all weights', 'as trained', '1.00', '0.51 (0.47 to 0.54)')
    """
    ways = {
        "all weights": lambda side: results.truncated("100", side),
        "rank 16": lambda side: results.adapter("people", side),
        "rank 64": lambda side: results.adapter("wide", side),
    }
    found = []
    for way, curves_of in ways.items():
        scales = curves_of("scales")
        found += _kept(way, _only(scales, 1.0), "as trained", level)
        found += _kept(way, curves_of("ranks"), "cut to {:g}", level)
        found += _kept(way, scales, "dial {:g}", level)
    return [*found, *_kept("rank 8", _only(results.trained("100"), 8.0), "as trained", level)]


def _only(curves: Curves, setting: float) -> Curves:
    at = curves.at == setting
    values = {name: array[:, at] for name, array in curves.values.items()}
    return Curves(curves.at[at], curves.seeds, values)
