"""What tries to break the map's findings: neighbours, SGD, long training, the identities.

Tables for the appendix *The map*. "Chosen" is what the worlds of `forgetting.CHOOSE` chose; what
is shown ran in the worlds of `forgetting.REPORT`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..tables import Table
from ..validation import Array
from . import adaptations
from .comparisons import TRAINED, best, named, share, tried
from .forgetting import CHOOSE, MATCHED, REPORT, Points, choose

#: How often each person was seen in the runs that the fit of the capacity compares.
EXPOSURES = 256
#: The number of people that the fit has not seen.
HELD_OUT = 800


def _there(values: Array) -> Array:
    return np.asarray(values[np.isfinite(values)])


def around(ranks: Sequence[int | None] = TRAINED) -> Table:
    """Scales and rates beside the chosen ones that have the new facts too, and what they keep.

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
    for setting, facts, known in zip(points.settings, points.facts.T, points.known.T):
        if np.mean(_there(facts)) < MATCHED:
            continue
        apart = _there(known - kept)
        what = "chosen" if setting == chosen else ""
        against = "" if what else f"{apart.min():+.2f} to {apart.max():+.2f}"
        values = (f"{value:g}" for value in setting)
        rows.append(
            (named(rank), what, *values, share(_there(facts)), share(_there(known)), against)
        )
    return sorted(rows, key=lambda row: row[1] == "")


def keeps_more(rank: int | None) -> list[tuple[float, float]]:
    """Settings with the new facts that keep more than the chosen one, in every world.

    Examples
    --------
    >>> (16.0, 1e-4) in keeps_more(64)
    False
    """
    points = tried(rank).whole()
    kept = points.known[:, points.settings.index(best(rank))]
    enough = points.facts.mean(axis=0) >= MATCHED
    more = (points.known > kept[:, None]).all(axis=0)
    return [each for each, good in zip(points.settings, enough & more) if good]


def most_kept(rank: int | None) -> Array:
    """(K,): known facts at the setting that keeps most in the reporting worlds themselves.

    Chosen there, so it flatters: an upper end for what `best` reports.

    Examples
    --------
    >>> bool(most_kept(64).mean() >= most_kept(16).mean())
    True
    """
    points = tried(rank).whole()
    found = choose(points)
    if found is None:
        raise ValueError(f"rank must be one whose runs learn the new facts, got {rank}")
    return np.asarray(points.known[:, points.settings.index(found)])


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


def bits_fitted() -> float:
    """Bits in each number of adapters that are full, without the people that are held out.

    Runs in which each person was seen `EXPOSURES` times and fewer than 90 % are recalled.

    Examples
    --------
    >>> 0.3 < bits_fitted() < 1.5
    True
    """
    return adaptations.bits_when_full(run for run in _comparable() if int(run["task"]) != HELD_OUT)


def _comparable() -> list[adaptations.Row]:
    return [run for run in adaptations.capacity() if run["exposures"] == EXPOSURES]


def capacity() -> Table:
    """What a rank holds after long training, and what the fit says of people it has not seen.

    Examples
    --------
    >>> capacity().headings[:3]
    ('people', 'rank', 'each seen')
    """
    bits, rows = bits_fitted(), []
    for run in sorted(adaptations.capacity(), key=lambda run: (int(run["task"]), run["rank"])):
        people, size = int(run["task"]), run["parameters"]
        foretold = people == HELD_OUT and run["exposures"] == EXPOSURES
        said = f"{adaptations.predicted_recall(people, size, bits):.2f}" if foretold else ""
        rows.append((f"{people}", f"{run['rank']}", f"{run['exposures']:.0f}",
                     f"{run['scale']:g}, {run['learning_rate']:g}", f"{run['facts']:.2f}",
                     f"{run['bits']:.2f}", said))  # fmt: skip
    columns = ("people", "rank", "each seen", "scale, rate", "facts right", "bits per number",
               "foretold")  # fmt: skip
    return Table(columns, rows)


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
