"""Singular values of every module's update, and the rank that each is cut to.

The truncated SVD is the best approximation of its rank (Eckart and Young 1936). Its
error comes from the singular values, before any factor is rounded to the type of a file.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..lora import factored, scaling, truncation
from ..lora.several import Spectrum, check_targets, lowest_rank
from ..tensorfile import FLOATS, FileError, Tensors, open_checkpoint, shown
from ..validation import Array
from . import structures
from .modules import HADAMARD, PAIR, TUCKER, Adapter, Module
from .tensor_names import BIAS

#: Called with how many of how many modules are done.
Progress = Callable[[int, int], None]

#: Float64 factors of one batch take at most so many bytes (or are one module's).
_BATCH_BYTES = 32_000_000
#: A block of rows of a checkpoint has at most so many float64 entries.
_BLOCK = 4_000_000


def spectra(adapter: Adapter, progress: Progress | None = None) -> list[Spectrum]:
    """The spectrum of each module, in the order of the adapter.

    Raises FileError if a factor holds NaN or infinity, or an update overflows.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> found = spectra(shipped.adapter("people"))
    >>> len(found), found[0].values.shape
    (21, (16,))
    """
    found: dict[str, Spectrum] = {}
    # Modules of one shape share one call of LAPACK.
    for batch in _batches(adapter.modules):
        if not _by_factors(batch[0]):
            row = structures.values(adapter, batch[0])
            found[batch[0].name] = _spectrum(batch[0], row, 1.0, shown(adapter.path))
            continue
        pairs = [adapter.factors(module) for module in batch]
        B, A = (np.stack([pair[i] for pair in pairs]).astype(np.float64) for i in (0, 1))
        del pairs
        core, unit = factored.core(B, A)
        values = np.linalg.svd(core, compute_uv=False)
        for module, row, size in zip(batch, values, unit):
            found[module.name] = _spectrum(module, row, size, shown(adapter.path))
        if progress is not None:
            progress(len(found), len(adapter.modules))
    return [found[module.name] for module in adapter.modules]


def _spectrum(module: Module, row: Array, unit: float, where: str) -> Spectrum:
    with np.errstate(over="ignore", invalid="ignore"):
        values = row * unit * module.scale
        norm = values.sum()
    if not np.isfinite(norm):
        raise FileError(f"{where}: module {module.name}: the update is too large for float64")
    return Spectrum(module.name, module.kind, module.shape, module.highest, module.scale, values)


def _by_factors(module: Module) -> bool:
    """Whether the core of two factors is the quickest way to the singular values."""
    small = module.form == HADAMARD and module.highest < min(module.shape)
    return small or module.form in (PAIR, TUCKER)


def _batches(modules: Sequence[Module]) -> Iterator[list[Module]]:
    """Modules of one shape and rank together, as many as fit; one by one where no core helps."""
    groups: dict[tuple[int, int, int, bool], list[Module]] = {}
    for module in modules:
        key = (*module.shape, module.highest, _by_factors(module))
        groups.setdefault(key, []).append(module)
    for (d, k, rank, together), group in groups.items():
        size = max(1, _BATCH_BYTES // (8 * (d + k) * rank)) if together else 1
        for start in range(0, len(group), size):
            yield group[start : start + size]


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


@dataclass(frozen=True)
class Cut:
    """What truncation did to one module.

    Parameters
    ----------
    name : str
    before, rank : int
        Rank of the old and the new factors.
    alpha : float
        The new alpha, under the old rule: the scale stays.
    error : float
        Frobenius norm of what was cut over that of the update; 0 for an update of 0.
    norm : float
        Frobenius norm of the update.
    fold : float
        What B is multiplied by, so that modules of one rank share one alpha; else 1.
    """

    name: str
    before: int
    rank: int
    alpha: float
    error: float
    norm: float
    fold: float = 1.0


def total_error(cuts: list[Cut]) -> float:
    """The relative error over all modules together; 0 if every update is 0.

    Examples
    --------
    >>> cuts = [Cut("a", 8, 4, 1.0, 0.6, 1.0), Cut("b", 8, 8, 1.0, 0.0, 0.0)]
    >>> total_error(cuts)
    0.6
    """
    norms, errors = (np.array([getattr(cut, key) for cut in cuts]) for key in ("norm", "error"))
    if norms.max() == 0:
        return 0.0
    norms = norms / norms.max()
    return float(np.linalg.norm(norms * errors) / np.linalg.norm(norms))


def plan(
    adapter: Adapter,
    rank: int | None = None,
    energy: float | None = None,
    error: float | None = None,
    progress: Progress | None = None,
) -> list[Cut]:
    """The new rank of every module by one of three targets, and what it costs. Writes nothing.

    Parameters
    ----------
    rank : int
        At most this rank in every module.
    energy : float in (0, 1]
        The lowest rank that keeps this share of the module's energy.
    error : float in [0, 1]
        The lowest rank with at most this relative error.
    """
    for odd in (module for module in adapter.modules if not module.plain):
        raise FileError(
            f"{shown(adapter.path)}: module {odd.name} is no pair of whole tensors ({odd.form})"
        )
    check_targets(rank, energy, error, max(module.rank for module in adapter.modules))
    cuts = [
        _cut(module, each, lowest_rank(each.values, rank, energy, error))
        for module, each in zip(adapter.modules, spectra(adapter, progress))
    ]
    # A bias of B is scaled too, and copied as it is.
    folds = adapter.source == "peft" and BIAS not in adapter.ignored.values()
    return _with_one_alpha(cuts) if folds else cuts


def _with_one_alpha(cuts: list[Cut]) -> list[Cut]:
    """Modules of one rank get one alpha, so that no loader has to heed alpha_pattern."""
    if len({cut.rank for cut in cuts}) > 1:
        return cuts
    alpha = Counter(cut.alpha for cut in cuts).most_common(1)[0][0]
    return [replace(cut, alpha=alpha, fold=cut.alpha / alpha) for cut in cuts]


def _cut(module: Module, each: Spectrum, rank: int) -> Cut:
    alpha = scaling.equivalent_alpha(module.alpha, module.rank, module.rule, rank, module.rule)
    error, norm, largest = 0.0, 0.0, each.values[0]
    if largest > 0:
        error = float(truncation.scaled_error(each.values, rank))
        norm = float(largest * np.linalg.norm(each.values / largest))
    return Cut(module.name, module.rank, rank, float(alpha), error, norm)
