"""What is made of two: the difference of two checkpoints, as spectra or as an adapter, and sums."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..lora import factored
from ..lora.several import Spectrum
from ..tensorfile import FLOATS, FileError, Tensors, open_checkpoint, shown
from ..validation import Array
from .singular_values import Progress

#: A block of rows of a checkpoint has at most so many float64 entries.
_BLOCK = 4_000_000


def difference(
    before: Path, after: Path, progress: Progress | None = None
) -> tuple[list[Spectrum], dict[str, str]]:
    """Spectra of every matrix that two checkpoints share, and what was left out and why.

    Parameters
    ----------
    before, after : Path
        Each a .safetensors file, an index of shards, or a folder with either.

    Raises FileError if a checkpoint cannot be read, or no matrix is in both with one shape.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> file = shipped.DATA / "small_base.safetensors"
    >>> found, left_out = difference(file, file)
    >>> len(found), float(found[0].values[0]), left_out
    (21, 0.0, {})
    """
    old, new = open_checkpoint(Path(before)), open_checkpoint(Path(after))
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
    found = []
    for name in names:
        found.append(_change(old, new, name))
        if progress is not None:
            progress(len(found), len(names))
    return found, left_out


def _change(old: Tensors, new: Tensors, name: str) -> Spectrum:
    shape = new.entries[name].shape
    d, k = shape[0], math.prod(shape[1:])
    kind = "linear" if len(shape) == 2 else f"conv{len(shape) - 2}d"
    step = max(1, _BLOCK // k)

    def block(start: int) -> Array:
        stop = min(start + step, d)
        late, early = (each.read(name, start, stop).astype(np.float64) for each in (new, old))
        return (late - early).reshape(stop - start, k)

    values = factored.values_of_rows((block(start) for start in range(0, d, step)), (d, k))
    if values is None:
        raise FileError(
            f"{shown(new.path)}: tensor {name}: the difference is too large for float64"
        )
    return Spectrum(name, kind, (d, k), min(d, k), 1.0, values)
