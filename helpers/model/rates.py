"""The best learning rate in the small model at each rank, by how alpha goes with the rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from .. import validation
from ..lora import scaling
from ..tables import Table
from ..validation import Array
from . import adaptations
from .forgetting import CHOOSE, MATCHED, RATES, REPORT, Row, neighbours

RANKS = (1, 4, 16, 64)
#: How alpha goes with the rank, by the name of the rule: the scale s at a rank.
RULES: dict[str, Callable[[int], float]] = {
    "alpha/r, alpha = 16": lambda rank: float(scaling.scale(16, rank, scaling.STANDARD)),
    "alpha/sqrt(r), alpha = 16": lambda rank: float(scaling.scale(16, rank, scaling.RSLORA)),
    "alpha/r, alpha = 2r": lambda rank: float(scaling.scale(2 * rank, rank, scaling.STANDARD)),
    "alpha/r, alpha = 4r": lambda rank: float(scaling.scale(4 * rank, rank, scaling.STANDARD)),
}
#: Those with a best rate at every rank: with alpha = 2r no rate teaches rank 1 all the facts.
FOLLOWED = ("alpha/r, alpha = 16", "alpha/sqrt(r), alpha = 16", "alpha/r, alpha = 4r")


def times_root(learning_rate: float, rank: int, scale: float) -> float:
    """A learning rate times the root of s r: what a run bears goes by it (notebook 11).

    >>> times_root(0.01, rank=4, scale=4.0)
    0.04
    """
    return float(learning_rate * (scale * rank) ** 0.5)


def best_rates(
    rows: Iterable[Row],
    rule: str,
    ranks: Sequence[int],
    worlds: Sequence[int],
    measure: str = "known",
    level: float = MATCHED,
) -> dict[int, tuple[float, ...]]:
    """For each rank the best learning rate under a rule, in each world.

    Parameters
    ----------
    rows : iterable of mappings
        With "seed", "rank", "scale", "learning_rate", "loss", "facts" and "known".
    measure : str
        "known" for the most known facts among the rates that reach `level` of the new facts,
        "loss" for the lowest loss at the end.

    Returns
    -------
    dict from rank to one rate a world; NaN where no rate reaches the level, or none was run.
    """
    validation.choice("rule", rule, tuple(RULES))
    validation.choice("measure", measure, ("known", "loss"))
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
        ready = [(-row["known"], row["learning_rate"]) for row in rows if row["facts"] >= level]
    return float(min(ready)[1]) if ready else float("nan")


def medians(rule: str, measure: str = "known", worlds: Sequence[int] = CHOOSE) -> Array:
    """(ranks,): the best rate at each of `RANKS`, median of the worlds that have one.

    NaN where no world has. In the worlds that report not every rate was run, see `asked_again`.

    Examples
    --------
    >>> medians("alpha/r, alpha = 16").tolist()
    [0.003, 0.001, 0.001, 0.001]
    """
    found = best_rates(adaptations.plain_lora(), rule, RANKS, worlds, measure)
    there = [[rate for rate in found[rank] if np.isfinite(rate)] for rank in RANKS]
    return np.array([np.median(each) if each else np.nan for each in there])


def asked_again() -> list[tuple[int, float, float]]:
    """Rank, scale and rate of the runs that ask the worlds that report for the best rate.

    For each rule and rank the best rate of the choosing worlds, the next smaller and the next
    larger one. From the smallest rate on that teaches all, more is forgotten at each larger
    one, so these three tell whether it is the best there too.

    Examples
    --------
    >>> [rate for rank, scale, rate in asked_again() if (rank, scale) == (64, 0.25)]
    [0.0003, 0.001, 0.003]
    """
    found = set()
    for rule, scale in RULES.items():
        for rank, rate in zip(RANKS, medians(rule).tolist()):
            if np.isfinite(rate):
                best = (rank, scale(rank), rate)
                found |= {best, *neighbours(best, (None, None, RATES))}
    return sorted(found)


def times_apart(rules: Sequence[str] = FOLLOWED) -> dict[str, float]:
    """How many times the highest of the ranks' best rates is the lowest, for each rule.

    Examples
    --------
    >>> times_apart()["alpha/r, alpha = 16"]
    3.0
    """
    found = {rule: medians(rule) for rule in rules}
    return {
        rule: float(np.round(np.nanmax(rates) / np.nanmin(rates), 6))
        for rule, rates in found.items()
    }


def best_rates_table(rules: Sequence[str] = FOLLOWED) -> Table:
    """The best learning rate at each rank, and beside it the rate of the lowest loss.

    Best is the rate that keeps most known facts, all new ones learned; "none" where no rate
    of the map learns them. Rank 1 is short of room and wants a larger rate under every rule,
    so what is set against each other is rank 4 and rank 64: in the worlds that choose, and then
    in those that report (`asked_again`).

    Examples
    --------
    >>> best_rates_table().rows[0][:6]
    ('alpha/r, alpha = 16', '0.003', '0.001', '0.001', '0.001', '1')
    """
    rows = []
    for rule in rules:
        best, again = medians(rule), medians(rule, worlds=REPORT)
        lowest = medians(rule, "loss")
        rows.append((rule, *map(_shown, best),
                     *(_shown(np.round(each[1] / each[-1])) for each in (best, again)),
                     f"{_shown(lowest[1])} to {_shown(lowest[-1])}"))  # fmt: skip
    columns = ("rule", *(f"r = {rank}" for rank in RANKS), "r = 4 over r = 64",
               f"in worlds {REPORT[0]} to {REPORT[-1]}", "lowest loss, r = 4 to 64")  # fmt: skip
    return Table(columns, rows)


def _shown(value: float) -> str:
    return f"{value:g}" if np.isfinite(value) else "none"
