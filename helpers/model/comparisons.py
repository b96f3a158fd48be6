"""What the map of new and known facts says, as short lists and tables for a notebook.

Settings were chosen in the worlds of `forgetting.CHOOSE` and are reported in those of
`forgetting.REPORT`; a row that could be made from the former alone says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .. import validation
from ..tables import Table
from ..validation import Array
from . import adaptations, results
from .forgetting import CHOOSE, MATCHED, REPORT, Points, kept
from .tuned import TRAINED, best, learned, named, setting, tried
from .tuned import kept_by as kept_by  # a notebook finds all of it here
from .tuned import most_known as most_known
from .verdicts import PREDICTIONS, turned_down

#: What can be done with an update after it was trained, or while it is.
KINDS = ("as trained", "turned down", "cut, then turned down", "old data mixed in")
#: The lowest cut of an update from which a dial still reaches the level of new facts.
CUTS = {None: 32, 64: 16}


@dataclass(frozen=True)
class Way:
    """One way to have learned the new facts, and the known facts that are left.

    Attributes
    ----------
    rank : int or None
        Of the LoRA; None for all weights.
    kind : one of `KINDS`
    known : (K,) array
        A value for each world.
    worlds : tuple of K ints
    """

    rank: int | None
    kind: str
    known: Array
    worlds: tuple[int, ...]

    @property
    def trained(self) -> str:
        """What was trained, such as "rank 64"."""
        return named(self.rank)


def ways() -> list[Way]:
    """Each way at its best setting, at `MATCHED` of the new facts or more.

    As trained and with old data: what the run keeps. Turned down: along the dial, where just
    so many new facts are left. Ranks without a run in the reporting worlds are shown as
    trained in the choosing ones, and their `worlds` say so.

    Examples
    --------
    >>> most = max(ways(), key=lambda way: way.known.mean())
    >>> most.trained, most.kind
    ('all weights', 'turned down')
    """
    found = []
    for rank in TRAINED:
        chosen = best(rank)
        for worlds in (REPORT, CHOOSE):
            here = tried(rank, worlds).where(lambda *each, s=chosen: each == s)
            if here.settings and np.isfinite(here.facts).all():
                found.append(Way(rank, KINDS[0], _enough(here, worlds), tuple(worlds)))
                break
        found.append(Way(rank, KINDS[1], turned_down(rank), REPORT))
        if rank in CUTS:
            found.append(Way(rank, KINDS[2], turned_down(rank, cut=CUTS[rank]), REPORT))
        mixed = adaptations.mixed(rank).where(lambda scale, rate, share: share == 0.1)
        if mixed.settings:
            found.append(Way(rank, KINDS[3], kept(mixed, MATCHED)[:, 0], REPORT))
    return [way for way in found if np.isfinite(way.known).all()]


def _enough(points: Points, worlds: Sequence[int]) -> Array:
    """(K,): the known facts of one setting whose mean of the new facts reaches the level."""
    enough = points.facts.mean() >= MATCHED
    return points.known[:, 0] if enough else np.full(len(worlds), np.nan)


def share(values: Array) -> str:
    """A mean and, where there are several values, the lowest and the highest.

    >>> share(np.array([0.9, 0.96])), share(np.array([0.5]))
    ('0.93 (0.90 to 0.96)', '0.50')
    """
    mean = f"{np.mean(values):.2f}"
    return mean if len(values) == 1 else f"{mean} ({np.min(values):.2f} to {np.max(values):.2f})"


def _done(way: Way) -> str:
    """What was done, with the rank of a cut and the share of old data."""
    if way.kind == KINDS[2]:
        return f"cut to {CUTS[way.rank]}, then turned down"
    return "10 % old data mixed in" if way.kind == KINDS[3] else way.kind


def said(way: Way) -> str:
    """A way in words.

    >>> said(ways()[0])
    'all weights, as trained'
    """
    return f"{way.trained}, {_done(way)}"


def full_over_rates() -> Table:
    """All weights under AdamW, over the learning rates that learn, in the choosing worlds.

    Examples
    --------
    >>> full_over_rates().rows[1]
    ('known facts left', '0.91', '0.80', '0.56', '0.19')
    """
    points = learned(None)
    columns = [f"rate {rate:g}" for _, rate in points.settings]
    values = {
        "new facts": points.facts.mean(axis=0),
        "known facts left": points.known.mean(axis=0),
        "lowest world": points.known.min(axis=0),
        "highest world": points.known.max(axis=0),
    }
    rows = [(name, *(f"{value:.2f}" for value in each)) for name, each in values.items()]
    return Table(("all weights", *columns), rows)


def scales_at(rank: int, settings: Sequence[tuple[float, float]]) -> Table:
    """Some pairs of scale and learning rate at one rank, in the reporting worlds.

    Parameters
    ----------
    rank : int
    settings : sequence of (scale, learning rate)

    Examples
    --------
    >>> scales_at(64, [(2.0, 3e-4)]).rows
    [('2', '0.0003', '1.00', '0.65 (0.62 to 0.68)')]
    """
    rows = []
    for pair in settings:
        facts, known = (each[:, 0] for each in setting(rank, *pair))
        rows.append((*(f"{value:g}" for value in pair), f"{facts.mean():.2f}", share(known)))
    columns = (f"rank {rank}: scale s", "learning rate", "new facts")
    return Table((*columns, "known facts left (range)"), rows)


def old_data() -> Table:
    """Old data mixed in, by its share: new facts, and known ones that were not mixed in.

    Examples
    --------
    >>> old_data().rows[-1][:2]
    ('rank 64', '10 %')
    """
    rows = []
    for rank in TRAINED:
        points = adaptations.mixed(rank).whole()
        for each, facts, known in zip(points.settings, points.facts.T, points.known.T):
            rows.append((named(rank), f"{100 * each[-1]:g} %", f"{facts.mean():.2f}", share(known)))
    return Table(("trained", "old data", "new facts", "known facts left (range)"), rows)


def held(people: Sequence[str] = ("100", "400", "1600"), highest: int = 16) -> Table:
    """What an adapter of a rank held after training: facts right, and bits in each number.

    Parameters
    ----------
    people : sequence of str
        Numbers of people that `results.trained` has.
    highest : int
        Ranks above are left out.

    Examples
    --------
    >>> held(("100",), highest=1).rows
    [('100', '128', '1', '6,728', '0.95', '0.35')]
    """
    rows = []
    for count in people:
        curves, seen = results.trained(count), f"{results.exposures(count):.0f}"
        facts, sizes = curves.mean("facts"), curves.mean("parameters")
        bits = results.bits_per_parameter(int(count), facts, sizes)
        rows += [
            (count, seen, f"{rank:g}", f"{size:,.0f}", f"{right:.2f}", f"{each:.2f}")
            for rank, size, right, each in zip(curves.at, sizes, facts, bits)
            if rank <= validation.integer("highest", highest, 1)
        ]
    columns = ("people", "each seen", "rank", "numbers in it", "facts right", "bits per number")
    return Table(columns, rows)


def claims() -> Table:
    """Published claims, what was compared, and the verdicts here, those that hold first.

    Examples
    --------
    >>> claims().headings
    ('claim or habit', 'source', 'compared here', 'verdict')
    """
    order = {"holds": 0, "fails": 1, "open": 2}
    rows = [
        (each.claim, each.source, each.test, each.verdict())
        for each in sorted(PREDICTIONS, key=lambda each: order[each.verdict()])
    ]
    return Table(("claim or habit", "source", "compared here", "verdict"), rows)


def verdicts_counted(verdict: str) -> int:
    """How many of the claims have this verdict: "holds", "fails" or "open".

    >>> sum(map(verdicts_counted, ("holds", "fails", "open"))) == len(PREDICTIONS)
    True
    """
    validation.choice("verdict", verdict, ("holds", "fails", "open"))
    return sum(each.verdict() == verdict for each in PREDICTIONS)
