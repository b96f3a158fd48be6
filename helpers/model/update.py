"""The update of a whole model, truncated to rank r in every matrix.

>>> base = {"up": np.zeros((2, 2)), "down": np.zeros((2, 2))}
>>> update = decompose({"up": np.diag([3.0, 1.0]), "down": np.diag([2.0, 2.0])})
>>> apply_update(base, update, rank=1)["up"].tolist()
[[3.0, 0.0], [0.0, 0.0]]
>>> f"{captured_energy(update, rank=1):.3f}"
'0.722'
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from .. import validation
from ..lora.truncation import SVD, svd
from ..validation import Array
from .transformer import Weights

Update = Mapping[str, SVD]


def decompose(update: Weights) -> dict[str, SVD]:
    """The singular value decomposition of every matrix of an update."""
    return {name: svd(matrix) for name, matrix in update.items()}


def apply_update(base: Weights, update: Update, rank: int, scale: float = 1.0) -> dict[str, Array]:
    """The weights with s times the best rank-r approximation of each matrix's update added.

    Parameters
    ----------
    base : dict of str to (d, k) array
    update : dict of str to SVD
    rank : int
        r, at least 0; matrices with fewer singular values keep all they have.
    scale : float
        s, at least 0.

    Returns
    -------
    dict of str to (d, k) array

    Raises
    ------
    ValueError
        If an argument is out of range, or base and update differ in their matrices.

    Examples
    --------
    >>> update = decompose({"up": np.diag([3.0, 1.0])})
    >>> apply_update({"up": np.ones((2, 2))}, update, rank=1, scale=2.0)["up"].tolist()
    [[7.0, 1.0], [1.0, 1.0]]
    """
    rank = validation.integer("rank", rank, 0)
    scale = validation.number("scale", scale, 0)
    if base.keys() != update.keys():
        odd = ", ".join(sorted(base.keys() ^ update.keys()))
        raise ValueError(f"base and update must have the same matrices, only one has {odd}")
    return {
        name: base[name] + parts.truncated(rank).matrix(scale) for name, parts in update.items()
    }


def captured_energy(update: Update, rank: int) -> float:
    """The share of the squared Frobenius norm, over all matrices, that rank r keeps.

    Raises ValueError for an update of zeros, which has nothing to share.
    """
    rank = validation.integer("rank", rank, 0)
    squares = [parts.S.astype(np.float64) ** 2 for parts in update.values()]
    total = sum(float(part.sum()) for part in squares)
    if total == 0:
        raise ValueError("update must not be all zeros: it has no energy to share")
    return sum(float(part[:rank].sum()) for part in squares) / total


def lora_size(base: Weights, rank: int) -> int:
    """How many numbers a LoRA of this rank has, in every matrix: the sum of r (d + k).

    Examples
    --------
    >>> lora_size({"up": np.zeros((4, 8)), "down": np.zeros((8, 4))}, rank=2)
    48
    """
    rank = validation.integer("rank", rank, 1)
    return sum(rank * (d + k) for d, k in (matrix.shape for matrix in base.values()))
