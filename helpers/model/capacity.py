"""What an adapter holds after long training, and what a fit foretells of other people.

AdamW, LoRA at scale 16, in worlds that nothing was chosen on. In every matrix: learning rate
0.003, 64 texts a step, and as the first world chose them. In query and value as it chose them.
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
#: The adapter that is trained for longest: its matrices, people, rank and rate.
SMALLEST = ("query, value", 48, 1, 1e-2)
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
        found: dict[tuple[int, int, float, float, int], list[adaptations.Row]] = {}
        for run in runs(placement):
            key = (int(run["task"]), run["rank"], run["exposures"], run["learning_rate"])
            found.setdefault((*key, run["batch"]), []).append(run)
        for (people, rank, exposures, rate, batch), each in sorted(found.items()):
            asked = people in HELD_OUT[placement] and exposures == seen
            rows.append((
                placement, f"{people}", f"{rank}", f"{exposures:.0f}", f"{rate:g}", f"{batch}",
                *(share(np.array([run[name] for run in each])) for name in ("facts", "bits")),
                share(np.array([foretold(run) for run in each])) if asked else "",
            ))  # fmt: skip
    columns = ("LoRA in", "people", "rank", "each seen", "rate", "texts a step", "facts right",
               "bits per number", "foretold")  # fmt: skip
    return Table(columns, rows)


def seen_longer() -> dict[int, dict[int, adaptations.Row]]:
    """The smallest adapter's runs by how often each of its people was seen, then by world.

    Query and value, rank 1, 48 people, at one rate; each number of times is twice the one before.

    Examples
    --------
    >>> list(seen_longer())[:2]
    [512, 1024]
    """
    found: dict[int, dict[int, adaptations.Row]] = {}
    for run in sorted(runs(SMALLEST[0]), key=lambda run: (run["exposures"], run["seed"])):
        recipe = (run["placement"], int(run["task"]), run["rank"], run["learning_rate"])
        if recipe == SMALLEST:
            found.setdefault(round(run["exposures"]), {})[run["seed"]] = run
    return found


def gains() -> dict[int, list[float]]:
    """By what share bits per number grew when people were seen twice as often, in each world.

    By how often they were then seen; of worlds that have both runs.

    Examples
    --------
    >>> min(gains()[1024]) > 0
    True
    """
    found = seen_longer()
    return {
        seen: [run["bits"] / found[seen // 2][world]["bits"] - 1 for world, run in each.items()
               if world in found[seen // 2]]
        for seen, each in found.items() if seen // 2 in found
    }  # fmt: skip


def plateau() -> Table:
    """Whether bits per number still grow, each time that people are seen twice as often.

    Examples
    --------
    >>> plateau().headings
    ('each seen', 'worlds', 'facts right', 'bits per number', 'more than at half')
    """
    more = gains()
    rows = []
    for seen, each in seen_longer().items():
        grown = 100 * np.array(more.get(seen, []))
        rows.append((
            f"{seen}", f"{len(each)}",
            *(share(np.array([run[name] for run in each.values()])) for name in ("facts", "bits")),
            ", ".join(f"{one:.1f} %" for one in grown),
        ))  # fmt: skip
    columns = ("each seen", "worlds", "facts right", "bits per number", "more than at half")
    return Table(columns, rows)
