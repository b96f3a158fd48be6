"""Intruder dimensions: strong directions of a fine-tuned matrix that its base does not have.

Shuttleworth et al. 2024 (arXiv 2410.21228): a singular vector of the fine-tuned matrix
whose cosine with every singular vector of the base is small. PEFT's
`reduce_intruder_dimension` turns them down in an adapter; `turned_down` is its formula.

>>> import numpy as np
>>> before, new = np.diag([4.0, 3.0, 2.0, 1.0]), np.array([0.5, 0.5, 0.5, 0.5])
>>> intruders(before, before + 20 * np.outer(new, new), level=0.6)
array([0])
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import validation
from ..validation import Array
from .truncation import svd

#: How many of the strongest directions are looked at, and the cosine below which one is new.
TOP, LEVEL = 10, 0.5


def similarity(before: ArrayLike, after: ArrayLike) -> Array:
    """For each singular vector of `after` the largest cosine with one of `before`.

    Parameters
    ----------
    before, after : (d, k) arrays
        The base's matrix and the fine-tuned one; both map from rows to columns, y = x W, so
        the vectors that are compared are the right ones, on the side of the output.

    Returns
    -------
    (min(d, k),) array between 0 and 1, from the largest singular value to the smallest.

    Raises ValueError unless both are matrices of one shape.
    """
    first = validation.matrix("before", before)
    second = validation.matrix("after", after)
    if first.shape != second.shape:
        raise ValueError(f"after must have before's shape {first.shape}, got {second.shape}")
    old, new = svd(first).Vt, svd(second).Vt
    return np.asarray(np.abs(new @ old.T).max(axis=1))


def intruders(
    before: ArrayLike, after: ArrayLike, level: float = LEVEL, top: int = TOP
) -> NDArray[np.intp]:
    """Which of the `top` strongest directions of `after` are intruders.

    Parameters
    ----------
    level : float
        The cosine, between 0 and 1, below which a direction is new.
    top : int
        At least 1; a matrix with fewer directions has all of them looked at.

    Returns
    -------
    Positions in the order of `after`'s singular values, rising.
    """
    validation.number("level", level, 0, 1)
    validation.integer("top", top, 1)
    return np.flatnonzero(similarity(before, after)[:top] < level)


def turned_down(
    before: ArrayLike, after: ArrayLike, dial: float, level: float = LEVEL, top: int = TOP
) -> Array:
    """`after` with each intruder's singular value multiplied by `dial`.

    Parameters
    ----------
    dial : float
        The paper's lambda, at least 0: 1 leaves them as they are, 0 takes them out.

    Returns
    -------
    (d, k) array: after + (dial - 1) sum over intruders of sigma u v.
    """
    validation.number("dial", dial, 0)
    found = intruders(before, after, level, top)
    matrix = validation.matrix("after", after)
    left, values, right = svd(matrix)
    return np.asarray(matrix + (dial - 1) * (left[:, found] * values[found]) @ right[found])
