"""Singular values of every module's update, and the rank that each is cut to.

The truncated SVD is the best approximation of its rank (Eckart and Young 1936). Its
error comes from the singular values, before any factor is rounded to the type of a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..lora import products, scaling, truncation
from ..lora.several import Spectrum, Targets
from ..tensorfile import FileError, shown
from ..validation import Array
from . import structures
from .formats import METADATA, unread
from .modules import GROUPED, HADAMARD, PAIR, TUCKER, Adapter, Module

#: Called with how many of how many modules are done.
Progress = Callable[[int, int], None]

#: Float64 factors of one batch take at most so many bytes (or are one module's).
_BATCH_BYTES = 32_000_000


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
    values: Iterable[Array]
    # Modules of one shape share one call of LAPACK.
    for batch in _batches(adapter.modules):
        if not _by_factors(batch[0]):
            values = [structures.values(adapter, batch[0])]
        else:
            values = products.values([adapter.factors(module) for module in batch])
        for module, row in zip(batch, values):
            found[module.name] = _spectrum(module, row, shown(adapter.path))
        if progress is not None:
            progress(len(found), len(adapter.modules))
    return [found[module.name] for module in adapter.modules]


def _spectrum(module: Module, row: Array, where: str) -> Spectrum:
    with np.errstate(over="ignore", invalid="ignore"):
        values = row * module.scale
        norm = values.sum()
    if not np.isfinite(norm):
        raise FileError(f"{where}: module {module.name}: the update is too large for float64")
    return Spectrum(module.name, module.kind, module.shape, module.highest, module.scale, values)


def _by_factors(module: Module) -> bool:
    """Whether the core of two factors is the quickest way to the singular values."""
    small = module.form == HADAMARD and module.highest < min(module.shape)
    return small or module.form in (PAIR, TUCKER, GROUPED)


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


@dataclass(frozen=True)
class Cut:
    """What truncation did to one module.

    Parameters
    ----------
    name : str
    before, rank : int
        Rank of the old and the new factors.
    alpha : float
        The new alpha, under the copy's rule: the scale stays.
    error : float
        Frobenius norm of what was cut over that of the update; 0 for an update of 0.
    norm : float
        Frobenius norm of the update; 0 too for a module that is copied as it is.
    fold : float
        What B is multiplied by, so that one alpha serves several modules; else 1.
    """

    name: str
    before: int
    rank: int
    alpha: float
    error: float
    norm: float
    fold: float = 1.0


def total_error(cuts: Sequence[Cut]) -> float:
    """The relative error over all modules that were cut; 0 if every update is 0.

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
    *,
    max_rank: int | None = None,
    budget: float | None = None,
) -> list[Cut]:
    """The new rank of every module by one of four targets, and what it costs. Writes nothing.

    Modules that are no pair of whole tensors (LoHa, stacked experts) keep their rank.

    Parameters
    ----------
    rank : int
        At most this rank in every module.
    energy : float in (0, 1]
        The lowest rank that keeps this share of the module's energy.
    error : float in [0, 1]
        The lowest rank with at most this relative error.
    max_rank : int
        At most this rank, whatever energy, error or budget ask for.
    budget : int above 1, or float in (0, 1]
        So many parameters over all modules, or this share of those that there are: the ranks
        that keep most of all modules' energy together (`several.ranks_for_budget`).

    Raises
    ------
    FileError
        If no module is a pair of whole tensors.
    ValueError
        If not exactly one target is given, or one is out of range.
    """
    some = replace(adapter, modules=tuple(each for each in adapter.modules if each.plain))
    highest = max((module.rank for module in some.modules), default=0)
    targets = Targets(rank, energy, error, max_rank, budget)
    if not some.modules:
        targets.check(2**31)  # whatever the rank
        odd = adapter.modules[0]
        raise FileError(
            f"{shown(adapter.path)}: no module is a pair of whole tensors, which truncation "
            f"needs; {shown(odd.name)} is not ({odd.form})"
        )
    targets.check(highest)
    found = spectra(some, progress)
    ranks = targets.ranks(found, [sum(each.shape) * each.rank for each in some.modules])
    rows = zip(some.modules, found, ranks)
    # Only these can say alpha/sqrt(r) again; an alpha beside the factors is over r.
    ruled = adapter.source == "peft" or METADATA in adapter.config
    made = {module.name: _cut(module, each, new, ruled) for module, each, new in rows}
    cuts = [
        made.get(each.name) or Cut(each.name, each.rank, each.rank, each.alpha, 0.0, 0.0)
        for each in adapter.modules
    ]
    return cuts if has_others(adapter) else _folded(adapter, cuts)


def has_others(adapter: Adapter) -> bool:
    """Whether there are updates that truncation leaves, and whose settings must stay."""
    return bool(unread(adapter)) or not all(module.plain for module in adapter.modules)


def _folded(adapter: Adapter, cuts: list[Cut]) -> list[Cut]:
    """Scales go into B where that spares loaders an alpha of its own for each module."""
    if adapter.source == "diffusers":
        scales = [module.scale for module in adapter.modules]
        return [replace(c, alpha=float(c.rank), fold=s) for c, s in zip(cuts, scales)]
    if adapter.source != "peft" or len({cut.rank for cut in cuts}) > 1:
        return cuts
    alpha = Counter(cut.alpha for cut in cuts).most_common(1)[0][0]
    return [replace(cut, alpha=alpha, fold=cut.alpha / alpha) for cut in cuts]


def _cut(module: Module, each: Spectrum, rank: int, ruled: bool) -> Cut:
    rule = module.rule if ruled else scaling.STANDARD
    alpha = scaling.equivalent_alpha(module.alpha, module.rank, module.rule, rank, rule)
    return Cut(module.name, module.rank, rank, float(alpha), *error_and_norm(each.values, rank))


def error_and_norm(values: Array, rank: int) -> tuple[float, float]:
    """The relative error of a truncation, 0 for an update of zero, and the update's norm."""
    if values[0] == 0:
        return 0.0, 0.0
    error = float(truncation.scaled_error(values, rank))
    return error, float(values[0] * np.linalg.norm(values / values[0]))
