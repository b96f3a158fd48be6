"""The difference of two checkpoints, matrix by matrix.

The singular values of D = after - before are the roots of the eigenvalues of
D^T D, or D D^T, whichever is smaller. D is read in blocks of rows, in float64.
The roots are right to about 1e-8 of the largest singular value, not to 1e-16 as
an SVD of D would be: below the rounding of any checkpoint, and several times faster.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from ..validation import Array
from .errors import AdapterError, shown
from .files import FLOATS, Tensors
from .shards import open_checkpoint
from .spectra import Progress, Spectrum

#: A block of rows has at most so many float64 entries.
_BLOCK = 4_000_000


def difference(
    before: Path, after: Path, progress: Progress | None = None
) -> tuple[list[Spectrum], dict[str, str]]:
    """Spectra of every matrix that two checkpoints share, and what was left out and why.

    Parameters
    ----------
    before, after : Path
        Each a .safetensors file, an index of shards, or a folder with either.

    Raises
    ------
    AdapterError
        If a checkpoint cannot be read, none of the matrices is in both, or a
        matrix has two shapes.
    """
    old, new = open_checkpoint(Path(before)), open_checkpoint(Path(after))
    left_out = {name: f"only in {shown(old.path)}" for name in old.entries.keys() - new.entries}
    left_out |= {name: f"only in {shown(new.path)}" for name in new.entries.keys() - old.entries}
    names = []
    for name, entry in new.entries.items():
        if name in left_out:
            continue
        if entry.shape != old.entries[name].shape:
            raise AdapterError(
                f"{shown(new.path)}: tensor {name} has shape {entry.shape}, and "
                f"{old.entries[name].shape} in {shown(old.path)}"
            )
        if entry.dtype not in FLOATS or old.entries[name].dtype not in FLOATS:
            left_out[name] = f"type {entry.dtype}"
        elif len(entry.shape) < 2 or 0 in entry.shape:
            left_out[name] = "not a matrix"
        else:
            names.append(name)
    if not names:
        raise AdapterError(f"{shown(old.path)} and {shown(new.path)} have no matrix in common")
    found = []
    for name in names:
        found.append(_spectrum(old, new, name))
        if progress is not None:
            progress(len(found), len(names))
    return found, left_out


def _spectrum(old: Tensors, new: Tensors, name: str) -> Spectrum:
    shape = new.entries[name].shape
    d, k = shape[0], math.prod(shape[1:])
    kind = "linear" if len(shape) == 2 else f"conv{len(shape) - 2}d"
    step = max(1, _BLOCK // k)

    def block(start: int) -> Array:
        stop = min(start + step, d)
        late, early = (each.read(name, start, stop).astype(np.float64) for each in (new, old))
        return (late - early).reshape(stop - start, k)

    starts = range(0, d, step)
    with np.errstate(over="ignore", invalid="ignore"):
        if d < k:
            whole = np.concatenate([block(start) for start in starts])
            gram = whole @ whole.T
        else:
            gram = sum(((b := block(start)).T @ b for start in starts), np.zeros((k, k)))
    if not np.all(np.isfinite(gram)):
        raise AdapterError(
            f"{shown(new.path)}: tensor {name}: the difference is too large for float64"
        )
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[::-1], 0))
    return Spectrum(name, kind, (d, k), min(d, k), 1.0, values)
