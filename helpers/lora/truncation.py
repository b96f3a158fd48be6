"""Truncating an update to rank r, and what a scale on it costs.

The truncated SVD is the best approximation of rank r in the Frobenius norm
(Eckart and Young 1936; Mirsky 1960). Multiplying it by s gives the relative
error, squared, of (1 - s)^2 E_r + (1 - E_r), where E_r is the share of the
energy (sum of squared singular values) in the first r components.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array
from . import scaling as scaling_rules


def factor(update: ArrayLike, rank: int) -> tuple[Array, Array]:
    """The two LoRA factors of the best rank-r approximation.

    Parameters
    ----------
    update : (d, k) array
    rank : int
        r, between 1 and min(d, k).

    Returns
    -------
    B : (d, r) array
        U_r diag(S_r).
    A : (r, k) array
        V_r^T. ``B @ A`` is the truncated SVD.

    Raises
    ------
    ValueError
        If `update` is not a finite 2-D array or `rank` is out of range.
    """
    update = validation.matrix("update", update)
    r = validation.integer("rank", rank, 1, min(update.shape), " (the smaller side of the update)")
    U, S, Vt = np.linalg.svd(update, full_matrices=False)
    return U[:, :r] * S[:r], Vt[:r]


def relative_error(update: ArrayLike, approximation: ArrayLike) -> float:
    """Frobenius norm of the difference over the Frobenius norm of the update.

    Both are (d, k). Raises ValueError if the shapes differ or the update is 0.
    """
    update = validation.matrix("update", update)
    approximation = validation.matrix("approximation", approximation)
    if update.shape != approximation.shape:
        raise ValueError(
            f"approximation must have the update's shape {update.shape}, got {approximation.shape}"
        )
    size = np.linalg.norm(update)
    if size == 0:
        raise ValueError("update must not be all zeros: its relative error is undefined")
    return float(np.linalg.norm(update - approximation) / size)


def energy_split(singular_values: ArrayLike) -> tuple[Array, Array]:
    """Captured and missed share of the energy at every rank.

    Parameters
    ----------
    singular_values : (n,) array, descending

    Returns
    -------
    captured, missed : (n,) arrays
        Entry r - 1 belongs to rank r. `missed` is summed from the small end, so
        it is exactly 0 at full rank instead of a rounding error.
    """
    values = validation.singular_values("singular_values", singular_values)
    # Only ratios matter; without the division very large or small values would overflow.
    squared = (values / values[0]) ** 2
    total = squared.sum()
    missed = np.append(np.cumsum(squared[:0:-1])[::-1], 0.0)
    return np.cumsum(squared) / total, missed / total


def scaled_error(singular_values: ArrayLike, rank: ArrayLike, multiplier: ArrayLike = 1.0) -> Array:
    """Relative error of s times the rank-r truncation, in closed form.

    sqrt((1 - s)^2 E_r + (1 - E_r)), see the module's text.

    Parameters
    ----------
    singular_values : (n,) array, descending
    rank : int or array
        Between 1 and n; broadcasts against `multiplier`.
    multiplier : float or array
        s, finite and above 0. At 1 this is the Eckart-Young error.

    Returns
    -------
    float array of the broadcast shape.
    """
    captured, missed = energy_split(singular_values)
    rank = validation.rank_array("rank", rank, len(captured), " (the smaller side of the update)")
    multiplier = validation.positive_array("multiplier", multiplier)
    return np.sqrt((1 - multiplier) ** 2 * captured[rank - 1] + missed[rank - 1])


def error_plane(
    singular_values: ArrayLike, ranks: ArrayLike, alphas: ArrayLike, scaling: str
) -> Array:
    """Relative error at every (rank, alpha), from one set of singular values.

    Parameters
    ----------
    singular_values : (n,) array, descending
    ranks : (R,) int array
    alphas : (K,) array
    scaling : "alpha/r" or "alpha/sqrt(r)"

    Returns
    -------
    (R, K) array
    """
    high = len(validation.singular_values("singular_values", singular_values))
    note = " (the smaller side of the update)"
    ranks = np.atleast_1d(validation.rank_array("ranks", ranks, high, note))[:, None]
    alphas = np.atleast_1d(validation.positive_array("alphas", alphas))[None, :]
    return scaled_error(singular_values, ranks, scaling_rules.scale(alphas, ranks, scaling))


def error_by_reconstruction(update: ArrayLike, rank: int, alpha: float, scaling: str) -> float:
    """The article's way: factorise, form s B A, subtract, take norms.

    One SVD a call. Slow and literal: the closed form is checked against it.
    """
    B, A = factor(update, rank)
    return relative_error(update, scaling_rules.scale(alpha, rank, scaling) * (B @ A))
