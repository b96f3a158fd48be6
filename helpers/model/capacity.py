"""What an adapter holds after long training, and what a fit foretells of other people.

AdamW, LoRA at scale 16, in worlds that nothing was chosen on. In every matrix: learning rate
0.003, 64 texts a step. In query and value: rate and texts a step as the first world chose them.
"""

from __future__ import annotations

import numpy as np

from .. import validation
from ..tables import Table
from . import adaptations
from .comparisons import share
from .forgetting import REPORT

#: By the matrices that are adapted: the rate and how often each person was seen in the runs that
#: a fit compares, and how many people it has not seen.
RATES = {"all": 3e-3, "query, value": 1e-2}
EXPOSURES = {"all": 256, "query, value": 512}
HELD_OUT: dict[str, tuple[int, ...]] = {"all": (800,), "query, value": (64, 96)}


def runs(placement: str) -> list[adaptations.Row]:
    """The long runs in the worlds that report, with "bits" and "exposures", see `adaptations`.

    Parameters
    ----------
    placement : str
        A key of `EXPOSURES`.

    Examples
    --------
    >>> sorted({run["rank"] for run in runs("all")})
    [1, 2, 4]
    """
    validation.choice("placement", placement, tuple(EXPOSURES))
    return [
        run for run in adaptations.capacity()
        if run["placement"] == placement and run["seed"] in REPORT
    ]  # fmt: skip


def bits_fitted(world: int, placement: str = "all") -> float:
    """The bits in each number of an adapter that is full, by a fit without the people held out.

    The mean over adapters that recall fewer than 90 %, at one rate.

    Parameters
    ----------
    world : int
        Its runs alone are looked at, those in which each person was seen `EXPOSURES` times.
    placement : str
        A key of `EXPOSURES`.

    Examples
    --------
    >>> bits_fitted(3) < adaptations.bits_when_full(run for run in runs("all") if run["rank"] == 2)
    True
    """
    mine = [
        run for run in runs(placement)
        if (run["seed"], run["exposures"]) == (world, EXPOSURES[placement])
        and int(run["task"]) not in HELD_OUT[placement]
        and run["learning_rate"] == RATES[placement]
    ]  # fmt: skip
    return adaptations.bits_when_full(mine)


def foretold(run: adaptations.Row) -> float:
    """What `bits_fitted` of a run's own world and placement says that it recalls.

    Examples
    --------
    >>> run = next(run for run in runs("all") if (run["task"], run["rank"]) == ("800", 2))
    >>> foretold(run) < run["facts"]
    True
    """
    bits = bits_fitted(run["seed"], run["placement"])
    return adaptations.predicted_recall(int(run["task"]), run["parameters"], bits)


def table() -> Table:
    """What an adapter holds after long training, and what a fit says of people it has not seen.

    Examples
    --------
    >>> table().headings[:4]
    ('LoRA in', 'people', 'rank', 'each seen')
    """
    rows = []
    for placement, seen in EXPOSURES.items():
        found: dict[tuple[int, int, float, float], list[adaptations.Row]] = {}
        for run in runs(placement):
            key = (int(run["task"]), run["rank"], run["exposures"], run["learning_rate"])
            found.setdefault(key, []).append(run)
        for (people, rank, exposures, rate), each in sorted(found.items()):
            asked = people in HELD_OUT[placement] and exposures == seen
            rows.append((
                placement, f"{people}", f"{rank}", f"{exposures:.0f}", f"{rate:g}",
                *(share(np.array([run[name] for run in each])) for name in ("facts", "bits")),
                share(np.array([foretold(run) for run in each])) if asked else "",
            ))  # fmt: skip
    columns = ("LoRA in", "people", "rank", "each seen", "rate", "facts right", "bits per number",
               "foretold")  # fmt: skip
    return Table(columns, rows)
