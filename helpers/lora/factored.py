"""Updates that are products of factors: singular values and truncation without forming a product.

B = Q_B R_B and A^T = Q_A R_A give B A = Q_B (R_B R_A^T) Q_A^T: the singular values of
the d x k product are those of the r x r core R_B R_A^T (the product form of the SVD,
e.g. Golub and Van Loan, Matrix Computations, 8.6).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

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


def tucker(mid: Array, A: Array) -> Array:
    """The right side of a Tucker product: the sum over j of mid[i, j, ...] A[j, k].

    Parameters
    ----------
    mid : (r, q, ...) array
    A : (q, k) array

    Returns
    -------
    (r, k ...) float64 array, as a convolution's inputs x kernel
    """
    return np.einsum("ij...,jk->ik...", mid.astype(np.float64), A.astype(np.float64))


def in_blocks(B: Array, rank: int) -> Array:
    """B of a convolution in groups as a whole matrix: each group's rows see its share of A's.

    Parameters
    ----------
    B : (d, rank / groups) array
    rank : int

    Returns
    -------
    (d, rank) array

    Examples
    --------
    >>> in_blocks(np.ones((4, 1)), 2).tolist()
    [[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [0.0, 1.0]]
    """
    groups = rank // B.shape[1]
    blocks = np.zeros((groups, len(B) // groups, groups, B.shape[1]), B.dtype)
    blocks[range(groups), :, range(groups)] = B.reshape(groups, -1, B.shape[1])
    return blocks.reshape(len(B), rank)


def hadamard(B1: Array, A1: Array, B2: Array, A2: Array) -> tuple[Array, Array]:
    """B and A with B A = (B1 A1) * (B2 A2), entry by entry.

    Each column of B is the product of one of B1 and one of B2, each row of A likewise:
    the rank is at most the product of both.

    Parameters
    ----------
    B1, B2 : (d, p) and (d, q) arrays
    A1, A2 : (p, k) and (q, k) arrays

    Returns
    -------
    (d, p q) and (p q, k) float64 arrays

    Examples
    --------
    >>> B, A = hadamard(np.ones((3, 1)), 2 * np.ones((1, 4)), np.ones((3, 2)), np.ones((2, 4)))
    >>> B.shape, A.shape, float((B @ A)[0, 0])
    ((3, 2), (2, 4), 4.0)
    """
    B1, A1, B2, A2 = (each.astype(np.float64) for each in (B1, A1, B2, A2))
    B = (B1[:, :, None] * B2[:, None, :]).reshape(len(B1), -1)
    return B, (A1[:, None, :] * A2[None, :, :]).reshape(-1, A1.shape[1])


def kronecker_values(first: Array, second: Array) -> Array:
    """Singular values of the Kronecker product of two matrices: all products of theirs, descending.

    Parameters
    ----------
    first, second : (a, b) and (c, d) arrays

    Examples
    --------
    >>> kronecker_values(np.diag([2.0, 1.0]), np.diag([5.0, 3.0])).tolist()
    [10.0, 6.0, 5.0, 3.0]
    """
    values = [np.linalg.svd(each, compute_uv=False) for each in (first, second)]
    return np.sort(np.outer(*values), axis=None)[::-1]


def values_of_rows(blocks: Iterable[Array], shape: tuple[int, int]) -> Array | None:
    """Singular values of a d x k matrix that comes in blocks of its rows, descending.

    The roots of the eigenvalues of D^T D, or D D^T, whichever is smaller. They are right
    to about 1e-8 of the largest, not to 1e-16 as an SVD of D would be: below the rounding
    of any checkpoint, and several times faster.

    Returns
    -------
    (min(d, k),) array, or None where a square is too large for float64
    """
    gram = _gram(blocks, shape)
    if gram is None:
        return None
    return np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0))


def lower_of_rows(
    blocks: Callable[[], Iterable[Array]], shape: tuple[int, int], rank: int
) -> tuple[Array, Array] | None:
    """Factors of the best approximation of this rank of a matrix that comes in blocks of its rows.

    Parameters
    ----------
    blocks : function
        Called twice; each time it gives the blocks from the first row on.
    shape : (int, int)
        (d, k).
    rank : int
        Between 1 and min(d, k).

    Returns
    -------
    (d, rank) and (rank, k) float64 arrays with equal norms, or None where a square is too large
    for float64

    Examples
    --------
    >>> B, A = lower_of_rows(lambda: [np.diag([3.0, 2.0, 1.0])], (3, 3), rank=1)
    >>> (B @ A).round(9).diagonal().tolist()
    [3.0, 0.0, 0.0]
    """
    gram = _gram(blocks(), shape)
    if gram is None:
        return None
    top = np.linalg.eigh(gram)[1][:, ::-1][:, :rank]
    if shape[0] < shape[1]:  # the eigenvectors are U: U^T D is diag(S) V^T
        other, start = np.zeros((rank, shape[1])), 0
        for block in blocks():
            other += top[start : start + len(block)].T @ block
            start += len(block)
    else:  # they are V: D V is U diag(S)
        other = np.concatenate([block @ top for block in blocks()]).T
    root = np.sqrt(np.linalg.norm(other, axis=1))[:, None]
    other = other / np.where(root > 0, root, 1)
    top = root * top.T
    return (top.T, other) if shape[0] < shape[1] else (other.T, top)


def _gram(blocks: Iterable[Array], shape: tuple[int, int]) -> Array | None:
    """D^T D or D D^T of a matrix in blocks of its rows, whichever is smaller; None if too large."""
    d, k = shape
    with np.errstate(over="ignore", invalid="ignore"):
        if d < k:
            whole = np.concatenate(list(blocks))
            gram = whole @ whole.T
        else:
            gram = sum((block.T @ block for block in blocks), np.zeros((k, k)))
    return gram if np.all(np.isfinite(gram)) else None


@dataclass(frozen=True)
class Widening:
    """How a rank is raised with zeros, along an axis of (before x rank x after) entries.

    `before` and `after` are 1 for a factor, and count experts where their factors are stacked.

    Examples
    --------
    >>> Widening(axis=0, before=1, rank=1, after=1, new=2)(np.ones((1, 3))).tolist()
    [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    """

    axis: int
    before: int
    rank: int
    after: int
    new: int

    def shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """The shape that an array of this shape becomes."""
        count = self.before * self.new * self.after
        return (*shape[: self.axis], count, *shape[self.axis + 1 :])

    def __call__(self, array: Array) -> Array:
        """The array with zeros for the new entries."""
        head, tail = array.shape[: self.axis], array.shape[self.axis + 1 :]
        split = array.reshape(*head, self.before, self.rank, self.after, *tail)
        widths = [(0, 0)] * split.ndim
        widths[self.axis + 1] = (0, self.new - self.rank)
        return np.pad(split, widths).reshape(self.shape(array.shape))
