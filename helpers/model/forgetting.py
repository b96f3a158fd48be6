"""What is learned against what is forgotten: settings chosen in some worlds, reported in others.

A run is a point: its new facts and its known facts, those of people known before. One point
beats another only where it has at least as much of both, so methods are compared by their
fronts, or by the known facts that are kept at equal new facts; never by single points.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import validation
from ..validation import Array

#: The least share of new facts, mean over the seeds: 0.98 as it is printed.
MATCHED = 0.975
#: Settings are chosen in these worlds and reported in the others.
CHOOSE, REPORT = (0, 1, 2), (3, 4, 5)
#: AdamW's learning rates of the map, in the order in which they were run. Settings are chosen
#: among these; rates between them were run later, to see whether the choice decides the order.
RATES = (1e-3, 3e-4, 1e-4, 3e-3, 1e-2, 3e-5, 1e-5)

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Points:
    """Runs by setting and world; NaN where a world has no run of a setting.

    Attributes
    ----------
    settings : tuple of N tuples
        The values of the keys that `points` was given.
    worlds : tuple of K ints
    facts, known : (K, N) arrays
        New facts and known facts, between 0 and 1.
    """

    settings: tuple[tuple[Any, ...], ...]
    worlds: tuple[int, ...]
    facts: Array
    known: Array

    def where(self, keep: Callable[..., bool]) -> Points:
        """Those settings for which `keep(*setting)` is true."""
        places = [i for i, setting in enumerate(self.settings) if keep(*setting)]
        chosen = tuple(self.settings[i] for i in places)
        return Points(chosen, self.worlds, self.facts[:, places], self.known[:, places])

    def whole(self) -> Points:
        """The settings that every world has run."""
        measured = np.asarray(np.isfinite(self.facts).all(axis=0))
        kept = {setting for setting, there in zip(self.settings, measured.tolist()) if there}
        return self.where(lambda *setting: setting in kept)


def points(rows: Iterable[Row], keys: Sequence[str], worlds: Sequence[int]) -> Points:
    """The runs of some worlds, by the values of `keys`.

    Parameters
    ----------
    rows : iterable of mappings
        With "seed", "facts", "known" and the keys. Rows of other worlds are left out.
    keys : sequence of str
        What makes a setting, such as ("rank", "scale", "learning_rate").
    worlds : sequence of int

    Raises ValueError where two rows are of one setting and world.
    """
    found: dict[tuple[Any, ...], dict[int, Row]] = {}
    for row in rows:
        if row["seed"] not in worlds:
            continue
        setting = tuple(row[key] for key in keys)
        if row["seed"] in found.setdefault(setting, {}):
            raise ValueError(f"rows must have one run of a setting and world, {setting} has more")
        found[setting][row["seed"]] = row
    settings = tuple(sorted(found, key=lambda s: tuple((v is None, v or 0) for v in s)))
    facts, known = (
        np.array(
            [[found[s][w][name] if w in found[s] else np.nan for s in settings] for w in worlds],
            dtype=float,
        ).reshape(len(worlds), len(settings))
        for name in ("facts", "known")
    )
    return Points(settings, tuple(worlds), facts, known)


def choose(chosen_on: Points, level: float = MATCHED) -> tuple[Any, ...] | None:
    """The setting that keeps most known facts, of those that reach `level` of the new facts.

    Both as means over the worlds; only settings that every world has run are looked at.
    None where no setting reaches the level.
    """
    ready = chosen_on.whole()
    place = keeps_most(ready.facts.mean(axis=0), ready.known.mean(axis=0), level)
    return None if place is None else ready.settings[place]


def keeps_most(facts: ArrayLike, known: ArrayLike, level: float = MATCHED) -> int | None:
    """The place that has most known facts, of those with at least `level` of the new facts.

    None where no place has so many new facts; one that is not measured (NaN) has not.

    Examples
    --------
    >>> keeps_most([1.0, 0.98, 0.5], [0.4, 0.8, 0.9])
    1
    """
    validation.number("level", level, 0, 1)
    enough = np.asarray(facts, dtype=float) >= level
    if not enough.any():
        return None
    return int(np.argmax(np.where(enough, np.asarray(known, dtype=float), -1.0)))


def neighbours(
    setting: tuple[Any, ...], axes: Sequence[Sequence[float] | None]
) -> list[tuple[Any, ...]]:
    """The settings one step away, along each axis that is given, in the order of the axes.

    Parameters
    ----------
    axes : one sequence for each value of the setting
        The values that it may have, its own among them or not; None for one that stays.
    """
    found = []
    for i, axis in enumerate(axes):
        if axis is None:
            continue
        steps = sorted({*axis, setting[i]})
        place = steps.index(setting[i])
        for step in (place - 1, place + 1):
            if 0 <= step < len(steps):
                found.append((*setting[:i], steps[step], *setting[i + 1 :]))
    return found


def front(facts: ArrayLike, known: ArrayLike) -> NDArray[np.bool_]:
    """Which points no other beats: no other has as much of both, and more of one.

    Parameters
    ----------
    facts, known : (N,) arrays

    Returns
    -------
    (N,) array of truth values. Equal points do not beat each other.

    Examples
    --------
    >>> front([1.0, 0.9, 0.9], [0.4, 0.8, 0.7]).tolist()
    [True, True, False]
    """
    both = np.stack([np.asarray(facts, dtype=float), np.asarray(known, dtype=float)], axis=-1)
    at_least = (both[:, None] >= both[None]).all(axis=-1)
    more = (both[:, None] > both[None]).any(axis=-1)
    return np.asarray(~(at_least & more).any(axis=0))


def known_at(facts: ArrayLike, known: ArrayLike, level: float = MATCHED) -> float:
    """The most known facts among points with at least `level` of the new facts; NaN for none.

    Examples
    --------
    >>> known_at([1.0, 0.98, 0.5], [0.4, 0.8, 0.9])
    0.8
    """
    place = keeps_most(facts, known, level)
    return float("nan") if place is None else float(np.asarray(known)[place])


def along(facts: ArrayLike, known: ArrayLike, level: float = MATCHED) -> float:
    """The known facts where the new ones first reach `level`, along a dial that is turned up.

    Parameters
    ----------
    facts, known : (N,) arrays
        In the order of the dial. Between two of its settings both are taken to be straight.

    NaN where the level is not reached.

    Examples
    --------
    >>> along([0.5, 1.0], [0.9, 0.7], level=0.75)
    0.8
    """
    x, y = np.asarray(facts, dtype=float), np.asarray(known, dtype=float)
    enough = x >= validation.number("level", level, 0, 1)
    if not enough.any():
        return float("nan")
    i = int(np.argmax(enough))
    if i == 0:
        return float(y[0])
    return float(y[i - 1] + (level - x[i - 1]) / (x[i] - x[i - 1]) * (y[i] - y[i - 1]))


def kept(of: Points, levels: ArrayLike) -> Array:
    """(K, L): for each world and level the known facts that a method keeps, see `known_at`."""
    wanted = np.atleast_1d(np.asarray(levels, dtype=float))
    return np.array([[known_at(f, k, x) for x in wanted] for f, k in zip(of.facts, of.known)])


def verdict(first: ArrayLike, second: ArrayLike, least: float = 0.0) -> str:
    """Whether the first keeps more than the second, in every world: "more", "less" or "open".

    Parameters
    ----------
    first, second : (K,) arrays
        Known facts at matched new facts, a value for each world.
    least : float
        What a difference must exceed in each world to count.

    "open" where the worlds differ in sign, or a value is not there.

    Examples
    --------
    >>> verdict([0.9, 0.8], [0.7, 0.7]), verdict([0.9, 0.6], [0.7, 0.7])
    ('more', 'open')
    """
    apart = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    if np.all(apart > least):
        return "more"
    return "less" if np.all(apart < -least) else "open"
