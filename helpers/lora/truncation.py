"""Truncating an update to rank r, and what a scale on it costs.

The truncated SVD is the best approximation of rank r in the Frobenius norm
(Eckart and Young 1936; Mirsky 1960). Multiplying it by s gives the relative
error, squared, of (1 - s)^2 E_r + (1 - E_r), where E_r is the share of the
energy (sum of squared singular values) in the first r components.

>>> update = np.diag([3.0, 2.0, 1.0])
>>> B, A = factor(update, rank=1)
>>> f"{relative_error(update, 0.5 * B @ A):.3f}"
'0.720'
>>> f"{scaled_error([3.0, 2.0, 1.0], rank=1, scale=0.5):.3f}"
'0.720'
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array
from . import scaling as scaling_rules


class SVD(NamedTuple):
    """A singular value decomposition, U diag(S) Vt.

    Attributes
    ----------
    U : (d, n) array
        Orthonormal columns.
    S : (n,) array
        Singular values, descending.
    Vt : (n, k) array
        Orthonormal rows.
    """

    U: Array
    S: Array
    Vt: Array

    def truncated(self, rank: int) -> SVD:
        """The first r components; all of them where there are no more."""
        return SVD(self.U[:, :rank], self.S[:rank], self.Vt[:rank])

    def matrix(self, scale: float = 1.0) -> Array:
        """s U diag(S) Vt, of shape (d, k)."""
        return np.asarray((self.U * (scale * self.S)) @ self.Vt)


def svd(matrix: ArrayLike) -> SVD:
    """The decomposition of a (d, k) matrix into min(d, k) components, in its precision.

    Raises ValueError unless it is a finite 2-D array.

    Examples
    --------
    >>> parts = svd(np.diag([3.0, 2.0, 1.0]))
    >>> parts.truncated(2).matrix().diagonal().tolist()
    [3.0, 2.0, 0.0]
    """
    validation.matrix("matrix", matrix)
    return SVD(*np.linalg.svd(np.asarray(matrix), full_matrices=False))


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

    Examples
    --------
    >>> B, A = factor(np.diag([3.0, 2.0, 1.0]), rank=2)
    >>> B.shape, A.shape
    ((3, 2), (2, 3))
    """
    update = validation.matrix("update", update)
    r = validation.integer("rank", rank, 1, min(update.shape), " (the smaller side of the update)")
    U, S, Vt = svd(update).truncated(r)
    return U * S, Vt


def relative_error(update: ArrayLike, approximation: ArrayLike) -> float:
    """Frobenius norm of the difference over the Frobenius norm of the update.

    Both are (d, k). Raises ValueError if the shapes differ or the update is 0.

    Examples
    --------
    >>> f"{relative_error(np.diag([4.0, 3.0]), np.diag([4.0, 0.0])):.1f}"
    '0.6'
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

    Examples
    --------
    >>> captured, missed = energy_split([2.0, 1.0, 1.0])
    >>> captured.round(3).tolist(), missed.round(3).tolist()
    ([0.667, 0.833, 1.0], [0.333, 0.167, 0.0])
    """
    values = validation.singular_values("singular_values", singular_values)
    # Only ratios matter; without the division very large or small values would overflow.
    squared = (values / values[0]) ** 2
    total = squared.sum()
    missed = np.append(np.cumsum(squared[:0:-1])[::-1], 0.0)
    return np.cumsum(squared) / total, missed / total


def squared_error(captured: ArrayLike, missed: ArrayLike, scale: ArrayLike = 1.0) -> Array:
    """(1 - s)^2 E + M: what s times a truncation leaves of an update, squared.

    What the truncation keeps is off by 1 - s, what it drops is missed whole, and the two
    are orthogonal.

    Parameters
    ----------
    captured, missed : float or array, at least 0
        E and M: the energy in the components that are kept and in the others, or the
        shares of it. They broadcast against `scale`.
    scale : float or array, at least 0
        s.

    Returns
    -------
    float array of the broadcast shape, in the unit of the energies.

    Examples
    --------
    >>> float(squared_error(0.75, 0.25, scale=0.0)), float(squared_error(0.75, 0.25))
    (1.0, 0.25)
    """
    captured = validation.non_negative_array("captured", captured)
    missed = validation.non_negative_array("missed", missed)
    scale = validation.non_negative_array("scale", scale)
    return np.asarray((1 - scale) ** 2 * captured + missed)


def scaled_error(singular_values: ArrayLike, rank: ArrayLike, scale: ArrayLike = 1.0) -> Array:
    """Relative error of s times the rank-r truncation, in closed form.

    sqrt((1 - s)^2 E_r + (1 - E_r)), see the module's text.

    Parameters
    ----------
    singular_values : (n,) array, descending
    rank : int or array
        Between 1 and n; broadcasts against `scale`.
    scale : float or array
        s, finite and above 0. At 1 this is the Eckart-Young error.

    Returns
    -------
    float array of the broadcast shape.

    Examples
    --------
    >>> scaled_error([4.0, 3.0], rank=1, scale=[1.0, 2.0]).round(3).tolist()
    [0.6, 1.0]
    """
    captured, missed = energy_split(singular_values)
    rank = validation.rank_array("rank", rank, len(captured), " (the smaller side of the update)")
    scale = validation.positive_array("scale", scale)
    return np.sqrt(squared_error(captured[rank - 1], missed[rank - 1], scale))


def error_plane(
    singular_values: ArrayLike, ranks: ArrayLike, alphas: ArrayLike, rule: str
) -> Array:
    """Relative error at every (rank, alpha), from one set of singular values.

    Parameters
    ----------
    singular_values : (n,) array, descending
    ranks : (R,) int array
    alphas : (K,) array
    rule : "alpha/r" or "alpha/sqrt(r)"

    Returns
    -------
    (R, K) array

    Examples
    --------
    >>> error_plane([4.0, 3.0], ranks=[1, 2], alphas=[1, 2], rule="alpha/r").round(3).tolist()
    [[0.6, 1.0], [0.5, 0.0]]
    """
    high = len(validation.singular_values("singular_values", singular_values))
    note = " (the smaller side of the update)"
    ranks = np.atleast_1d(validation.rank_array("ranks", ranks, high, note))[:, None]
    alphas = np.atleast_1d(validation.positive_array("alphas", alphas))[None, :]
    return scaled_error(singular_values, ranks, scaling_rules.scale(alphas, ranks, rule))


def error_by_reconstruction(update: ArrayLike, rank: int, alpha: float, rule: str) -> float:
    """The article's way: factorise, form s B A, subtract, take norms.

    One SVD per call. Slow and literal: the closed form is checked against it.
    Arguments as for `factor` and `scaling.scale`.

    Examples
    --------
    >>> f"{error_by_reconstruction(np.diag([4.0, 3.0]), rank=1, alpha=2, rule='alpha/r'):.1f}"
    '1.0'
    """
    B, A = factor(update, rank)
    return relative_error(update, scaling_rules.scale(alpha, rank, rule) * (B @ A))
