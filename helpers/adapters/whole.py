"""All modules together: how much a rank keeps of an adapter, and the error of a scale on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..lora.truncation import squared_error
from ..validation import Array
from .spectra import Spectrum


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
    """
    kept = np.sum(_kept(spectra, rank), axis=0)
    total = np.sum(_squares(spectra))
    return np.asarray(kept / total if total > 0 else np.ones_like(kept))


def error_at(
    spectra: Sequence[Spectrum], rank: ArrayLike, scale: float | Sequence[float] = 1.0
) -> Array:
    """The relative error over all modules, truncated to rank r and scaled by s.

    The sum over modules of `lora.truncation.scaled_error`, squared and weighted by energy.

    Parameters
    ----------
    spectra : sequence of Spectrum
    rank : int or array of int, at least 1
    scale : float or one float a module, at least 0
        Over the multiplier that the adapter was trained with: 1 is right.

    Returns
    -------
    float array of the shape of `rank`; 0 where every update is zero.

    Raises
    ------
    ValueError
        If an argument is out of range, or `scale` is neither one nor one a module.
    """
    kept, squares = _kept(spectra, rank), _squares(spectra)
    given = np.asarray(scale, dtype=float)
    if given.shape not in ((), (len(spectra),)) or not np.all(given >= 0):
        raise ValueError(
            f"scale must be one number or {len(spectra)}, all at least 0, got {scale!r}"
        )
    s = np.broadcast_to(given, len(spectra)).reshape(-1, *[1] * (kept.ndim - 1))
    missed = squares.reshape(s.shape) - kept
    total = squares.sum()
    error = np.sum(squared_error(kept, np.maximum(missed, 0), s), axis=0)
    return np.asarray(np.sqrt(error / total) if total > 0 else np.zeros_like(error))


def _squares(spectra: Sequence[Spectrum]) -> Array:
    """(modules,): each one's energy, in units that neither overflow nor vanish."""
    unit = _unit(spectra)
    return np.array([np.sum((each.values / unit) ** 2) for each in spectra])


def _kept(spectra: Sequence[Spectrum], rank: ArrayLike) -> Array:
    """(modules, *shape of rank): what rank r keeps of each module's energy."""
    ranks, unit = validation.rank_array("rank", rank).astype(int), _unit(spectra)
    sums = [np.cumsum((each.values / unit) ** 2) for each in spectra]
    return np.array([part[np.minimum(ranks, len(part)) - 1] for part in sums])


def _unit(spectra: Sequence[Spectrum]) -> float:
    if not spectra:
        raise ValueError("spectra must hold at least one module, got none")
    return max(float(each.values[0]) for each in spectra) or 1.0
