"""Several updates at once, such as all modules of an adapter: what a rank keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array
from . import spectrum, truncation


@dataclass(frozen=True)
class Spectrum:
    """One module's update by its singular values, the scale s included.

    Parameters
    ----------
    name, kind : str
    shape : (int, int)
        (d, k).
    rank : int
        r of the factors; min(d, k) for the difference of two checkpoints.
    scale : float
        1 for the difference of two checkpoints.
    values : (min(d, k, r),) float64 array, descending
        All zero for an update of zero.
    """

    name: str
    kind: str
    shape: tuple[int, int]
    rank: int
    scale: float
    values: Array


def captured(spectra: Sequence[Spectrum], rank: ArrayLike) -> Array:
    """The share of the energy of all modules that rank r keeps in each, in [0, 1].

    Parameters
    ----------
    spectra : sequence of Spectrum
    rank : int or array of int, at least 1
        A module of lower rank keeps all it has.

    Returns
    -------
    float array of the shape of `rank`; 1 where every update is zero.

    Examples
    --------
    >>> import numpy as np
    >>> one = Spectrum("m", "linear", (9, 9), 2, 1.0, np.array([2.0, 1.0]))
    >>> captured([one, one], [1, 2])
    array([0.8, 1. ])
    """
    kept, _ = _split(spectra, rank)
    return np.asarray(kept.sum(axis=0) if kept.any() else np.ones(kept.shape[1:]))


def error_at(
    spectra: Sequence[Spectrum], rank: ArrayLike, scale: float | Sequence[float] = 1.0
) -> Array:
    """The relative error over all modules, truncated to rank r and scaled by s.

    The root of the sum of `truncation.scaled_error` squared, weighted by each
    module's share of the energy.

    Parameters
    ----------
    spectra : sequence of Spectrum
    rank : int or array of int, at least 1
    scale : float or one float a module, at least 0
        Over the scale that the adapter was trained with: 1 is right.

    Returns
    -------
    float array of the shape of `rank`; 0 where every update is zero.

    Raises
    ------
    ValueError
        If an argument is out of range, or `scale` is neither one nor one a module.

    Examples
    --------
    >>> import numpy as np
    >>> one = Spectrum("m", "linear", (9, 9), 2, 1.0, np.array([4.0, 3.0]))
    >>> float(error_at([one], 1)), float(error_at([one], 2, 0.5))
    (0.6, 0.5)
    """
    kept, missed = _split(spectra, rank)
    given = np.asarray(scale, dtype=float)
    if given.shape not in ((), (len(spectra),)) or not np.all(given >= 0):
        raise ValueError(
            f"scale must be one number or {len(spectra)}, all at least 0, got {scale!r}"
        )
    s = np.broadcast_to(given, len(spectra)).reshape(-1, *[1] * (kept.ndim - 1))
    return np.asarray(np.sqrt(np.sum(truncation.squared_error(kept, missed, s), axis=0)))


def _split(spectra: Sequence[Spectrum], rank: ArrayLike) -> tuple[Array, Array]:
    """What rank r keeps and misses of each module, as shares of the energy of all of them.

    Two arrays of shape (modules, *shape of rank); zeros where every update is zero.
    """
    ranks = validation.rank_array("rank", rank)
    if not spectra:
        raise ValueError("spectra must hold at least one module, got none")
    # The largest singular value is the unit, so that no square overflows or vanishes.
    unit = max(float(each.values[0]) for each in spectra) or 1.0
    energies = np.array([np.sum((each.values / unit) ** 2) for each in spectra])
    kept, missed = (np.zeros((len(spectra), *ranks.shape)) for _ in range(2))
    for i, each in enumerate(spectra):
        if each.values[0] > 0:
            parts = truncation.energy_split(each.values)
            at = np.minimum(ranks, len(each.values)) - 1
            kept[i], missed[i] = (part[at] * energies[i] / energies.sum() for part in parts)
    return kept, missed


def check_targets(
    rank: int | None, energy: float | None, error: float | None, highest: int
) -> None:
    """Raise ValueError unless exactly one target is given, and it is in range.

    Parameters
    ----------
    rank : int in [1, highest], or None
    energy : float in (0, 1], or None
    error : float in [0, 1], or None
    highest : int
        The largest rank that there is.
    """
    given = {"rank": rank, "energy": energy, "error": error}
    if sum(value is not None for value in given.values()) != 1:
        raise ValueError(f"exactly one of rank, energy and error must be given, got {given}")
    if rank is not None:
        validation.integer("rank", rank, 1, highest, " (the adapter's largest)")
    if energy is not None:
        validation.number("energy", energy, 0, 1, above=True)
    if error is not None:
        validation.number("error", error, 0, 1)


def lowest_rank(
    singular_values: Array, rank: int | None, energy: float | None, error: float | None
) -> int:
    """The rank that one target, and one only, asks of an update.

    Parameters
    ----------
    singular_values : (n,) array, descending
        All zero for an update of zero, which needs rank 1 for any energy or error.
    rank : int or None
        At most this rank.
    energy : float or None
        The lowest rank that keeps this share of the energy, see `spectrum.rank_for_energy`.
    error : float or None
        The lowest rank with at most this relative error, see `spectrum.rank_for_error`.
    """
    if rank is not None:
        return min(rank, len(singular_values))
    if singular_values[0] == 0:
        return 1
    if energy is not None:
        return spectrum.rank_for_energy(singular_values, energy)
    if error is None:
        raise ValueError("exactly one of rank, energy and error must be given, got none")
    return spectrum.rank_for_error(singular_values, error)
