"""What an adapter of a rank holds after long training, and what fits foretell of more people.

AdamW, LoRA in all matrices, scale 16, learning rate 0.003, 64 texts a step; in worlds that
nothing was chosen on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..tables import Table
from . import adaptations
from .comparisons import share

#: How often each person was seen in the runs that the fit of the capacity compares.
EXPOSURES = 256
#: The number of people that the fit has not seen.
HELD_OUT = 800


def bits_fitted(world: int, rank: int | None = None) -> float:
    """What a fit says of the bits in each number of an adapter, without the people held out.

    Parameters
    ----------
    world : int
        Its runs alone are looked at, those in which each person was seen `EXPOSURES` times.
    rank : int or None
        None: the mean over adapters that are full, which recall fewer than 90 %. A rank: the
        most that an adapter of this rank held, full or not, so a floor; NaN where none ran.

    Examples
    --------
    >>> bits_fitted(3) < bits_fitted(3, rank=2)
    True
    """
    runs = [run for run in adaptations.capacity()
            if (run["seed"], run["exposures"]) == (world, EXPOSURES)
            and int(run["task"]) != HELD_OUT]  # fmt: skip
    if rank is None:
        return adaptations.bits_when_full(runs)
    return max((run["bits"] for run in runs if run["rank"] == rank), default=float("nan"))


def table() -> Table:
    """What a rank holds after long training, and what two fits say of people they have not seen.

    A fit is made and asked in each world by itself.

    Examples
    --------
    >>> table().headings[:3]
    ('people', 'rank', 'each seen')
    """
    found: dict[tuple[int, int, float], list[adaptations.Row]] = {}
    for run in adaptations.capacity():
        found.setdefault((int(run["task"]), run["rank"], run["exposures"]), []).append(run)
    rows = []
    for (people, rank, exposures), runs in sorted(found.items()):
        asked = people == HELD_OUT and exposures == EXPOSURES
        rows.append((
            f"{people}", f"{rank}", f"{exposures:.0f}",
            *(share(np.array([run[name] for run in runs])) for name in ("facts", "bits")),
            *(_foretold(runs, each) if asked else "" for each in (None, rank)),
        ))  # fmt: skip
    columns = ("people", "rank", "each seen", "facts right", "bits per number",
               "foretold: one figure", "foretold: by rank, at least")  # fmt: skip
    return Table(columns, rows)


def _foretold(runs: Sequence[adaptations.Row], rank: int | None) -> str:
    """What a fit says of the recall in the worlds of some runs of the people held out."""
    said = np.array([
        adaptations.predicted_recall(HELD_OUT, run["parameters"], bits)
        for run in runs for bits in [bits_fitted(run["seed"], rank)] if np.isfinite(bits)
    ])  # fmt: skip
    return share(said) if said.size else "no run"
