"""Singular values of every module's update, without forming one.

B = Q_B R_B and A^T = Q_A R_A give B A = Q_B (R_B R_A^T) Q_A^T: the singular values
of the d x k update are those of the r x r core R_B R_A^T (the product form of the
SVD, e.g. Golub and Van Loan, Matrix Computations, 8.6). Modules of one shape share
one call of LAPACK.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ..validation import Array
from .errors import AdapterError, shown
from .model import Adapter, Module

#: Called with how many of how many modules are done.
Progress = Callable[[int, int], None]

#: Float64 factors of one batch take at most so many bytes (or are one module's).
_BATCH_BYTES = 32_000_000


@dataclass(frozen=True)
class Spectrum:
    """A module's update by its singular values, the multiplier included.

    Parameters
    ----------
    name, kind : str
    shape : (int, int)
        (d, k).
    rank : int
        r of the factors; min(d, k) for the difference of two checkpoints.
    multiplier : float
        1 for the difference of two checkpoints.
    values : (min(d, k, r),) float64 array, descending
        All zero for an update of zero.
    """

    name: str
    kind: str
    shape: tuple[int, int]
    rank: int
    multiplier: float
    values: Array


def cores(B: Array, A: Array) -> tuple[Array, Array]:
    """R_B R_A^T of one or more products, over the returned unit.

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


def spectra(adapter: Adapter, progress: Progress | None = None) -> list[Spectrum]:
    """The spectrum of each module, in the order of the adapter.

    Raises AdapterError if a factor holds NaN or infinity, or an update overflows.
    """
    found: dict[str, Spectrum] = {}
    for batch in _batches(adapter.modules):
        pairs = [adapter.factors(module) for module in batch]
        B, A = (np.stack([pair[i] for pair in pairs]).astype(np.float64) for i in (0, 1))
        del pairs
        core, unit = cores(B, A)
        values = np.linalg.svd(core, compute_uv=False)
        for module, row, size in zip(batch, values, unit):
            found[module.name] = _spectrum(module, row, size, shown(adapter.path))
        if progress is not None:
            progress(len(found), len(adapter.modules))
    return [found[module.name] for module in adapter.modules]


def _spectrum(module: Module, row: Array, unit: float, where: str) -> Spectrum:
    with np.errstate(over="ignore", invalid="ignore"):
        values = row * unit * module.multiplier
        norm = values.sum()
    if not np.isfinite(norm):
        raise AdapterError(f"{where}: module {module.name}: the update is too large for float64")
    return Spectrum(module.name, module.kind, module.shape, module.rank, module.multiplier, values)


def _batches(modules: Sequence[Module]) -> Iterator[list[Module]]:
    """Modules of one shape and rank together, as many as fit."""
    groups: dict[tuple[int, int, int], list[Module]] = {}
    for module in modules:
        groups.setdefault((*module.shape, module.rank), []).append(module)
    for (d, k, rank), group in groups.items():
        size = max(1, _BATCH_BYTES // (8 * (d + k) * rank))
        for start in range(0, len(group), size):
            yield group[start : start + size]
