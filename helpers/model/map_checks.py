"""What tries to break the map's findings: neighbours, finer rates, SGD, the identities.

Tables for the appendix *The map*. "Chosen" is what the worlds of `forgetting.CHOOSE` chose; what
is shown ran in the worlds of `forgetting.REPORT`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..tables import Table
from ..validation import Array
from . import adaptations
from .comparisons import share
from .forgetting import CHOOSE, MATCHED, REPORT, Points, choose
from .tuned import TRAINED, best, named, setting, tried

#: Sizes of an update that more than one rank has reached, for `sizes`.
SIZES = ((8, 10), (13, 17))


def _there(values: Array) -> Array:
    return np.asarray(values[np.isfinite(values)])


def around(ranks: Sequence[int | None] = TRAINED) -> Table:
    """At each other scale the rate that keeps most with the new facts, beside the chosen setting.

    Of the rates of the map that every world that reports has run.

    Parameters
    ----------
    ranks : sequence of int or None
        Of the LoRA; None for all weights.

    Examples
    --------
    >>> around([64]).rows[0][:4]
    ('rank 64', 'chosen', '16', '3e-05')
    """
    columns = ("trained", "", "scale s", "rate", "new facts", "known facts", "against the chosen")
    return Table(columns, [row for rank in ranks for row in _around(rank)])


def _around(rank: int | None) -> list[tuple[str, ...]]:
    points, chosen = tried(rank), best(rank)
    kept = points.known[:, points.settings.index(chosen)]
    rows = []
    for scale in sorted({each for each, _ in points.settings}):
        here = points.where(lambda s, _, at=scale: s == at)
        found = chosen if scale == chosen[0] else choose(here)
        if found is None:
            continue
        place = here.settings.index(found)
        facts, known = here.facts[:, place], here.known[:, place]
        what, apart = "chosen" if found == chosen else "", known - kept
        against = "" if what else f"{apart.min():+.2f} to {apart.max():+.2f}"
        rows.append((named(rank), what, *(f"{each:g}" for each in found), share(facts),
                     share(known), against))  # fmt: skip
    return sorted(rows, key=lambda row: row[1] == "")


def finer(ranks: Sequence[int | None] = TRAINED) -> Table:
    """Each rank at its best with rates between the map's own, in the worlds that report.

    Chosen in the others, as `best` is; beside it what was chosen at the map's own rates.

    Examples
    --------
    >>> finer([64]).rows[0][:4]
    ('rank 64', '16, 3e-05', '0.81 (0.78 to 0.83)', '16, 1.7e-05')
    """
    rows = []
    for rank in ranks:
        row: tuple[str, ...] = (named(rank),)
        for each in (best(rank), best(rank, finer=True)):
            facts, known = (values[:, 0] for values in setting(rank, *each))
            row = (*row, "{:g}, {:g}".format(*each), share(known))
        rows.append((*row, share(facts)))
    columns = ("trained", "of the grid: scale, rate", "known facts",
               "finer: scale, rate", "known facts there", "new facts there")  # fmt: skip
    return Table(columns, rows)


def keeps_more(rank: int | None) -> list[tuple[float, float]]:
    """Settings with the new facts that keep more than the chosen one, in every world.

    Rates between the map's own are among them.

    Examples
    --------
    >>> (16.0, 1e-4) in keeps_more(64)
    False
    """
    return _keeping_more(tried(rank, finer=True), best(rank))


def _keeping_more(points: Points, chosen: tuple[float, float]) -> list[tuple[float, float]]:
    points = points.whole()
    kept = points.known[:, points.settings.index(chosen)]
    enough = points.facts.mean(axis=0) >= MATCHED
    more = (points.known > kept[:, None]).all(axis=0)
    return [each for each, good in zip(points.settings, enough & more) if good]


def sizes() -> Table:
    """Whether the size of an update says what it keeps, over all runs that have the new facts.

    The size is the Frobenius norm of the update of all matrices, s B A, together; where it is
    smaller more is kept if the rank correlation is near -1.

    Examples
    --------
    >>> sizes().rows[1][0], float(sizes().rows[1][2]) < -0.9
    ('rank 64', True)
    """
    every = [row for row in adaptations.map_rows() if row.get("norm") and row["facts"] >= MATCHED]
    rows = []
    for rank in TRAINED:
        norm, known = np.array(
            [(row["norm"], row["known"]) for row in every if row["rank"] == rank]
        ).T
        inside = [known[(low <= norm) & (norm < high)] for low, high in SIZES]
        means = (share(each) if each.size else "none" for each in inside)
        rows.append((named(rank), f"{len(norm)}", f"{_in_order(norm, known):.2f}", *means))
    columns = ("trained", "runs", "size against known facts: rank correlation",
               *(f"known facts at a size of {low} to {high}" for low, high in SIZES))  # fmt: skip
    return Table(columns, rows)


def _in_order(first: Array, second: Array) -> float:
    """Spearman's rank correlation."""
    places = np.stack([np.argsort(np.argsort(each)) for each in (first, second)]).astype(float)
    centred = places - places.mean(axis=1, keepdims=True)
    return float(np.prod(centred, axis=0).sum() / (centred**2).sum(axis=1).prod() ** 0.5)


def optimisers() -> Table:
    """All weights under AdamW and SGD, each at its best rate, in the worlds that report.

    Examples
    --------
    >>> [row[0] for row in optimisers().rows]
    ['adamw', 'sgd']
    """
    rows = []
    for optimiser in ("adamw", "sgd"):
        chosen, reported = (_over(optimiser, worlds) for worlds in (CHOOSE, REPORT))
        rate = choose(chosen)
        if rate is None:
            raise ValueError(f"optimiser must have a rate that learns, {optimiser} has none")
        here = reported.where(lambda *each, rate=rate: each == rate)
        cells = [share(_there(each.ravel())) if each.size else "not run"
                 for each in (here.facts, here.known)]  # fmt: skip
        rows.append((optimiser, f"{rate[1]:g}", *cells))
    return Table(("all weights", "rate", "new facts", "known facts"), rows)


def _over(optimiser: str, worlds: tuple[int, ...]) -> Points:
    return adaptations.full(worlds).where(lambda name, rate: name == optimiser)


def identities() -> Table:
    """Scale s against scale 1 under one more condition: foretold, found, and how far apart.

    Examples
    --------
    >>> {row[1] for row in identities().rows} == {"same", "apart"}
    True
    """
    found: dict[str, list[adaptations.Row]] = {}
    for row in adaptations.identities():
        found.setdefault(row["pair"], []).append(row)
    said, rows = {True: "same", False: "apart"}, []
    for pair, runs in found.items():
        apart = [run["difference"] for run in runs]
        size = "0" if max(apart) == 0 else f"{min(apart):.1g} to {max(apart):.1g}"
        verdicts = {said[run["found"]] for run in runs}
        rows.append((pair, said[runs[0]["predicted"]], ", ".join(sorted(verdicts)), size))
    columns = ("scale 4 against scale 1", "foretold", "found", "apart, of the update")
    return Table(columns, sorted(rows, key=lambda row: (row[1] == row[2], row[1])))
