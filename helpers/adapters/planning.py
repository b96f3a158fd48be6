"""The rank that each module is cut to, and the error that it costs, in closed form.

The truncated SVD is the best approximation of its rank (Eckart and Young 1936);
its relative error is that of `lora.truncation.scaled_error` at scale 1. Both come
from the singular values, before any factor is rounded to the type of a file.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from .. import validation
from ..lora import scaling, spectrum, truncation
from .model import Adapter, Module
from .spectra import Progress, Spectrum, spectra
from .tensor_names import BIAS


@dataclass(frozen=True)
class Cut:
    """What truncation did to one module.

    Parameters
    ----------
    name : str
    before, rank : int
        Rank of the old and the new factors.
    alpha : float
        The new alpha, under the old rule: the multiplier stays.
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
    """The relative error over all modules together; 0 if every update is 0."""
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
    """The new rank of every module, and what it costs. Writes nothing.

    Parameters
    ----------
    rank : int
        At most this rank in every module.
    energy : float in (0, 1]
        The lowest rank that keeps this share of the module's energy.
    error : float in [0, 1]
        The lowest rank with at most this relative error.
        Exactly one of the three must be given.
    """
    given = {"rank": rank, "energy": energy, "error": error}
    if sum(value is not None for value in given.values()) != 1:
        raise ValueError(f"exactly one of rank, energy and error must be given, got {given}")
    if rank is not None:
        high = max(module.rank for module in adapter.modules)
        rank = validation.integer("rank", rank, 1, high, " (the adapter's largest)")
    if energy is not None:
        energy = validation.number("energy", energy, 0, 1, above=True)
    if error is not None:
        error = validation.number("error", error, 0, 1)
    cuts = [
        _cut(module, each, _rank(each, rank, energy, error))
        for module, each in zip(adapter.modules, spectra(adapter, progress))
    ]
    # A bias of B is scaled as well, and it is copied as it is.
    folds = adapter.source == "peft" and BIAS not in adapter.ignored.values()
    return _with_one_alpha(cuts) if folds else cuts


def _with_one_alpha(cuts: list[Cut]) -> list[Cut]:
    """Modules of one rank get one alpha, so that no reader has to heed alpha_pattern."""
    if len({cut.rank for cut in cuts}) > 1:
        return cuts
    alpha = Counter(cut.alpha for cut in cuts).most_common(1)[0][0]
    return [replace(cut, alpha=alpha, fold=cut.alpha / alpha) for cut in cuts]


def _rank(each: Spectrum, rank: int | None, energy: float | None, error: float | None) -> int:
    if rank is not None:
        return min(rank, len(each.values))
    if each.values[0] == 0:
        return 1
    if energy is not None:
        return spectrum.rank_for_energy(each.values, energy)
    assert error is not None
    return spectrum.rank_for_error(each.values, error)


def _cut(module: Module, each: Spectrum, rank: int) -> Cut:
    alpha = scaling.equivalent_alpha(module.alpha, module.rank, module.rule, rank, module.rule)
    error, norm, largest = 0.0, 0.0, each.values[0]
    if largest > 0:
        error = float(truncation.scaled_error(each.values, rank))
        norm = float(largest * np.linalg.norm(each.values / largest))
    return Cut(module.name, module.rank, rank, float(alpha), error, norm)
