"""The update of a whole model, truncated to rank r in every matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from .. import validation
from ..validation import Array
from .transformer import Weights


class Parts(NamedTuple):
    """One matrix's update as its singular value decomposition: left diag(values) right."""

    left: Array
    values: Array
    right: Array


Update = Mapping[str, Parts]


def decompose(update: Weights) -> dict[str, Parts]:
    """The decomposition of every matrix of an update."""
    return {
        name: Parts(*np.linalg.svd(matrix, full_matrices=False)) for name, matrix in update.items()
    }


def apply(base: Weights, update: Update, rank: int, scale: float = 1.0) -> dict[str, Array]:
    """The weights with s times the best rank-r part of each matrix's update added.

    Parameters
    ----------
    base : dict of str to (d, k) array
    update : dict of str to Parts
    rank : int
        r, at least 0; matrices with fewer singular values keep all they have.
    scale : float
        s, at least 0.

    Raises
    ------
    ValueError
        If an argument is out of range, or base and update differ in their matrices.
    """
    rank = validation.integer("rank", rank, 0)
    scale = validation.number("scale", scale, 0)
    if base.keys() != update.keys():
        odd = ", ".join(sorted(base.keys() ^ update.keys()))
        raise ValueError(f"base and update must have the same matrices, only one has {odd}")
    return {
        name: base[name] + (left[:, :rank] * (scale * values[:rank])) @ right[:rank]
        for name, (left, values, right) in update.items()
    }


def energy(update: Update, rank: int) -> float:
    """The share of the squared Frobenius norm, over all matrices, that rank r keeps.

    Raises ValueError for an update of zeros, which has nothing to share.
    """
    rank = validation.integer("rank", rank, 0)
    squares = [parts.values.astype(np.float64) ** 2 for parts in update.values()]
    total = sum(float(part.sum()) for part in squares)
    if total == 0:
        raise ValueError("update must not be all zeros: it has no energy to share")
    return sum(float(part[:rank].sum()) for part in squares) / total
