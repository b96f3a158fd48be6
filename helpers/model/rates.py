"""The best learning rate at each rank, by how alpha goes with the rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from .. import validation
from ..lora import scaling
from .forgetting import MATCHED, Row

#: How alpha goes with the rank, by the name of the rule: the scale s at a rank.
RULES: dict[str, Callable[[int], float]] = {
    "alpha/r, alpha = 16": lambda rank: float(scaling.scale(16, rank, scaling.STANDARD)),
    "alpha/sqrt(r), alpha = 16": lambda rank: float(scaling.scale(16, rank, scaling.RSLORA)),
    "alpha/r, alpha = r": lambda rank: float(scaling.scale(rank, rank, scaling.STANDARD)),
    "alpha/r, alpha = 2r": lambda rank: float(scaling.scale(2 * rank, rank, scaling.STANDARD)),
    "alpha/r, alpha = 4r": lambda rank: float(scaling.scale(4 * rank, rank, scaling.STANDARD)),
}


def best_rates(
    rows: Iterable[Row],
    rule: str,
    ranks: Sequence[int],
    worlds: Sequence[int],
    measure: str = "loss",
    level: float = MATCHED,
) -> dict[int, tuple[float, ...]]:
    """For each rank the best learning rate under a rule, in each world.

    Parameters
    ----------
    rows : iterable of mappings
        With "seed", "rank", "scale", "learning_rate", "loss", "facts" and "known".
    measure : str
        "loss" for the lowest loss, "known" for the most known facts among the rates that
        reach `level` of the new facts.

    Returns
    -------
    dict from rank to one rate a world; NaN where no rate reaches the level, or none was run.
    """
    validation.choice("rule", rule, tuple(RULES))
    validation.choice("measure", measure, ("loss", "known"))
    rows, found = list(rows), {}
    for rank in ranks:
        scale = RULES[rule](rank)
        mine = [r for r in rows if r["rank"] == rank and np.isclose(r["scale"], scale)]
        found[rank] = tuple(
            _best([row for row in mine if row["seed"] == world], measure, level) for world in worlds
        )
    return found


def _best(rows: Sequence[Row], measure: str, level: float) -> float:
    if measure == "loss":
        ready = [(row["loss"], row["learning_rate"]) for row in rows if row["loss"] is not None]
    else:
        ready = [(-r["known"], r["learning_rate"]) for r in rows if r["facts"] >= level]
    return float(min(ready)[1]) if ready else float("nan")
