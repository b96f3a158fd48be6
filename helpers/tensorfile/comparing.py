"""Two checkpoints of one model: what can be compared, and the difference, block by block."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from ..validation import Array
from .header import FileError, shown
from .tensors import FLOATS, Tensors

#: A block of rows has at most so many float64 entries.
BLOCK = 4_000_000


def shared(old: Tensors, new: Tensors) -> tuple[list[str], dict[str, str]]:
    """The matrices that can be compared, and all other tensors and why not.

    Raises FileError if there is no matrix in both with one shape.
    """
    left_out = {name: f"only in {shown(old.path)}" for name in old.entries.keys() - new.entries}
    left_out |= {name: f"only in {shown(new.path)}" for name in new.entries.keys() - old.entries}
    names = []
    for name, entry in new.entries.items():
        if name in left_out:
            continue
        if entry.shape != old.entries[name].shape:
            left_out[name] = f"shape {entry.shape}, and {old.entries[name].shape} before"
        elif entry.dtype not in FLOATS or old.entries[name].dtype not in FLOATS:
            left_out[name] = f"type {entry.dtype}"
        elif len(entry.shape) < 2 or 0 in entry.shape:
            left_out[name] = "not a matrix"
        else:
            names.append(name)
    if not names:
        raise FileError(f"{shown(old.path)} and {shown(new.path)} have no matrix in common")
    return names, left_out


def sides(tensors: Tensors, name: str) -> tuple[int, int]:
    """(d, k) of a tensor as a matrix: k is what is not its first axis."""
    shape = tensors.entries[name].shape
    return shape[0], math.prod(shape[1:])


def difference_of_rows(old: Tensors, new: Tensors, name: str) -> Iterator[Array]:
    """The difference of a tensor as a matrix, in float64 and in blocks of its rows."""
    d, k = sides(new, name)
    step = max(1, BLOCK // k)
    for start in range(0, d, step):
        stop = min(start + step, d)
        late, early = (each.read(name, start, stop).astype(np.float64) for each in (new, old))
        yield (late - early).reshape(stop - start, k)
