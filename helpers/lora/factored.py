"""Updates that are products of factors: singular values and truncation without forming a product.

B = Q_B R_B and A^T = Q_A R_A give B A = Q_B (R_B R_A^T) Q_A^T: the singular values of
the d x k product are those of the r x r core R_B R_A^T (the product form of the SVD,
e.g. Golub and Van Loan, Matrix Computations, 8.6).
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..validation import Array
from .truncation import svd


def core(B: Array, A: Array) -> tuple[Array, Array]:
    """R_B R_A^T of one or more products B A, over the returned unit.

    Parameters
    ----------
    B : (..., d, r) float64 array
    A : (..., r, k) float64 array

    Returns
    -------
    core : (..., min(d, r), min(k, r)) array
    unit : (...) array
        The factors are divided by their largest entries first, so that no
        entry of the core overflows or vanishes; this is what to multiply by.
    """
    sizes = [np.abs(each).max(axis=(-2, -1), keepdims=True) for each in (B, A)]
    B, A = (each / np.where(size > 0, size, 1) for each, size in zip((B, A), sizes))
    R_B = np.linalg.qr(B, mode="r")
    R_A = np.linalg.qr(np.swapaxes(A, -1, -2), mode="r")
    with np.errstate(over="ignore"):
        return R_B @ np.swapaxes(R_A, -1, -2), (sizes[0] * sizes[1])[..., 0, 0]


def lower(B: Array, A: Array, rank: int) -> tuple[Array, Array]:
    """Factors of the best approximation of B A of this rank, in float64.

    Parameters
    ----------
    B : (d, r) array
    A : (r, k) array
    rank : int
        Between 1 and min(d, r, k).

    Returns
    -------
    (d, rank) and (rank, k) arrays with equal norms. Of a product of zero: zeros, and
    the first rows of A, so that it can be trained on.
    """
    B, A = B.astype(np.float64), A.astype(np.float64)
    sizes = [float(np.abs(each).max()) for each in (B, A)]
    if min(sizes) == 0:
        return np.zeros((len(B), rank)), A[:rank]
    Q_B, R_B = np.linalg.qr(B / sizes[0])
    Q_A, R_A = np.linalg.qr(A.T / sizes[1])
    U, S, Vt = svd(R_B @ R_A.T).truncated(rank)
    root = np.sqrt(S) * np.sqrt(sizes[0]) * np.sqrt(sizes[1])
    return (Q_B @ U) * root, root[:, None] * (Vt @ Q_A.T)


def values_of_rows(blocks: Iterable[Array], shape: tuple[int, int]) -> Array | None:
    """Singular values of a d x k matrix that comes in blocks of its rows, descending.

    The roots of the eigenvalues of D^T D, or D D^T, whichever is smaller. They are right
    to about 1e-8 of the largest, not to 1e-16 as an SVD of D would be: below the rounding
    of any checkpoint, and several times faster.

    Returns
    -------
    (min(d, k),) array, or None where a square is too large for float64
    """
    d, k = shape
    with np.errstate(over="ignore", invalid="ignore"):
        if d < k:
            whole = np.concatenate(list(blocks))
            gram = whole @ whole.T
        else:
            gram = sum((block.T @ block for block in blocks), np.zeros((k, k)))
    if not np.all(np.isfinite(gram)):
        return None
    return np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0))
