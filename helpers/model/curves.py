"""Measured shares over one setting, one row per seed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..validation import Array


@dataclass(frozen=True)
class Curves:
    """Measured shares over one setting.

    Attributes
    ----------
    at : (N,) array
        The setting: ranks, scales or learning rates, rising.
    seeds : tuple of int
        The K seeds.
    values : dict of str to (K, N) array
        Such as "facts" and "style", between 0 and 1.
    """

    at: Array
    seeds: tuple[int, ...]
    values: dict[str, Array]

    def mean(self, name: str) -> Array:
        """Over the seeds, (N,)."""
        return np.asarray(np.nanmean(self.values[name], axis=0))

    def spread(self, name: str) -> float:
        """The largest distance between two seeds at one setting."""
        values = self.values[name]
        return float(np.max(np.nanmax(values, axis=0) - np.nanmin(values, axis=0)))

    def reaches(self, name: str, level: float) -> Array:
        """(K,): for each seed the lowest setting from which on all are at `level` or above.

        NaN where even the last setting is below.
        """
        enough = np.logical_and.accumulate((self.values[name] >= level)[:, ::-1], axis=1)[:, ::-1]
        return np.where(enough.any(axis=1), self.at[enough.argmax(axis=1)], np.nan)


def from_rows(rows: Iterable[dict[str, Any]], setting: str, names: Iterable[str]) -> Curves:
    """Curves of the values under `names`, over the values under `setting`.

    Parameters
    ----------
    rows : iterable of dict
        Each with "seed" and `setting`; a name that a row lacks is NaN.
    setting : str
        Such as "rank".
    names : iterable of str

    Examples
    --------
    >>> rows = [{"seed": 0, "rank": 4, "facts": 0.9}, {"seed": 0, "rank": 1, "facts": 0.2}]
    >>> curves = from_rows(rows, "rank", ["facts"])
    >>> curves.at.tolist(), curves.mean("facts").tolist()
    ([1.0, 4.0], [0.2, 0.9])
    """
    rows = list(rows)
    at = sorted({row[setting] for row in rows})
    seeds = tuple(sorted({row["seed"] for row in rows}))
    values = {name: np.full((len(seeds), len(at)), np.nan) for name in names}
    for row in rows:
        for name, array in values.items():
            array[seeds.index(row["seed"]), at.index(row[setting])] = row.get(name, np.nan)
    return Curves(np.array(at, dtype=float), seeds, values)
