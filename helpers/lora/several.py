"""Several updates at once, such as all modules of an adapter: what a rank keeps of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array
from . import spectrum, truncation


@dataclass(frozen=True)
class Spectrum:
    """One module's update by its singular values, the scale s included.

    Parameters
    ----------
    name, kind : str
    shape : (int, int)
        (d, k).
    rank : int
        r of the factors; min(d, k) for the difference of two checkpoints.
    scale : float
        1 for the difference of two checkpoints.
    values : (min(d, k, r),) float64 array, descending
        All zero for an update of zero.
    """

    name: str
    kind: str
    shape: tuple[int, int]
    rank: int
    scale: float
    values: Array


def captured(spectra: Sequence[Spectrum], rank: ArrayLike) -> Array:
    """The share of the energy of all modules that rank r keeps in each, in [0, 1].

    Parameters
    ----------
    spectra : sequence of Spectrum
    rank : int or array of int, at least 1
        A module of lower rank keeps all it has.

    Returns
    -------
    float array of the shape of `rank`; 1 where every update is zero.

    Examples
    --------
    >>> import numpy as np
    >>> one = Spectrum("m", "linear", (9, 9), 2, 1.0, np.array([2.0, 1.0]))
    >>> captured([one, one], [1, 2])
    array([0.8, 1. ])
    """
    kept, _ = _split(spectra, rank)
    return np.asarray(kept.sum(axis=0) if kept.any() else np.ones(kept.shape[1:]))


def error_at(
    spectra: Sequence[Spectrum], rank: ArrayLike, scale: float | Sequence[float] = 1.0
) -> Array:
    """The relative error over all modules, truncated to rank r and scaled by s.

    The root of the sum of `truncation.scaled_error` squared, weighted by each
    module's share of the energy.

    Parameters
    ----------
    spectra : sequence of Spectrum
    rank : int or array of int, at least 1
    scale : float or one float a module, at least 0
        Over the scale that the adapter was trained with: 1 is right.

    Returns
    -------
    float array of the shape of `rank`; 0 where every update is zero.

    Raises
    ------
    ValueError
        If an argument is out of range, or `scale` is neither one nor one a module.

    Examples
    --------
    >>> import numpy as np
    >>> one = Spectrum("m", "linear", (9, 9), 2, 1.0, np.array([4.0, 3.0]))
    >>> float(error_at([one], 1)), float(error_at([one], 2, 0.5))
    (0.6, 0.5)
    """
    kept, missed = _split(spectra, rank)
    given = np.asarray(scale, dtype=float)
    if given.shape not in ((), (len(spectra),)) or not np.all(given >= 0):
        raise ValueError(
            f"scale must be one number or {len(spectra)}, all at least 0, got {scale!r}"
        )
    s = np.broadcast_to(given, len(spectra)).reshape(-1, *[1] * (kept.ndim - 1))
    return np.asarray(np.sqrt(np.sum(truncation.squared_error(kept, missed, s), axis=0)))


def _split(spectra: Sequence[Spectrum], rank: ArrayLike) -> tuple[Array, Array]:
    """What rank r keeps and misses of each module, as shares of the energy of all of them.

    Two arrays of shape (modules, *shape of rank); zeros where every update is zero.
    """
    ranks = validation.rank_array("rank", rank)
    if not spectra:
        raise ValueError("spectra must hold at least one module, got none")
    # The largest singular value is the unit, so that no square overflows or vanishes.
    unit = max(float(each.values[0]) for each in spectra) or 1.0
    energies = np.array([np.sum((each.values / unit) ** 2) for each in spectra])
    kept, missed = (np.zeros((len(spectra), *ranks.shape)) for _ in range(2))
    for i, each in enumerate(spectra):
        if each.values[0] > 0:
            parts = truncation.energy_split(each.values)
            at = np.minimum(ranks, len(each.values)) - 1
            kept[i], missed[i] = (part[at] * energies[i] / energies.sum() for part in parts)
    return kept, missed


@dataclass(frozen=True)
class Targets:
    """What truncation aims at: one of rank, energy, error and budget, and a highest rank.

    Parameters
    ----------
    rank : int at least 1
        At most this rank in every update.
    energy : float in (0, 1]
        The lowest rank that keeps this share of an update's energy.
    error : float in [0, 1]
        The lowest rank with at most this relative error.
    max_rank : int at least 1
        At most this rank, whatever energy, error or budget ask for.
    budget : int above 1, or float in (0, 1]
        So many parameters over all updates, or this share of those that there are.
    """

    rank: int | None = None
    energy: float | None = None
    error: float | None = None
    max_rank: int | None = None
    budget: float | None = None

    def check(self, highest: int) -> None:
        """Raise ValueError unless the targets are in range; `highest` is the largest rank."""
        given = {key: getattr(self, key) for key in ("rank", "energy", "error", "budget")}
        if sum(value is not None for value in given.values()) != 1:
            raise ValueError(
                f"exactly one of rank, energy, error and budget must be given, got {given}"
            )
        if self.rank is not None:
            validation.integer("rank", self.rank, 1, highest, " (the adapter's largest)")
        if self.max_rank is not None:
            validation.integer("max_rank", self.max_rank, 1)
        if self.energy is not None:
            validation.number("energy", self.energy, 0, 1, above=True)
        if self.error is not None:
            validation.number("error", self.error, 0, 1)
        if self.budget is not None:
            validation.number("budget", self.budget, 0, above=True)

    def ranks(self, spectra: Sequence[Spectrum], sizes: Sequence[int]) -> list[int]:
        """The rank of each update; `sizes` are their parameters now, for a share of them.

        Raises ValueError if a budget is below rank 1 in every update.
        """
        if self.budget is not None:
            budget = self.budget * sum(sizes) if self.budget <= 1 else self.budget
            return ranks_for_budget(spectra, int(budget), self.max_rank)
        found = [lowest_rank(each.values, self.rank, self.energy, self.error) for each in spectra]
        return [min(rank, self.max_rank or rank) for rank in found]


def lowest_rank(
    singular_values: Array, rank: int | None, energy: float | None, error: float | None
) -> int:
    """The rank that one target, and one only, asks of an update.

    Parameters
    ----------
    singular_values : (n,) array, descending
        All zero for an update of zero, which needs rank 1 for any energy or error.
    rank : int or None
        At most this rank.
    energy : float or None
        The lowest rank that keeps this share of the energy, see `spectrum.rank_for_energy`.
    error : float or None
        The lowest rank with at most this relative error, see `spectrum.rank_for_error`.
    """
    if rank is not None:
        return min(rank, len(singular_values))
    if singular_values[0] == 0:
        return 1
    if energy is not None:
        return spectrum.rank_for_energy(singular_values, energy)
    if error is None:
        raise ValueError("exactly one of rank, energy and error must be given, got none")
    return spectrum.rank_for_error(singular_values, error)


def ranks_for_budget(
    spectra: Sequence[Spectrum], budget: int, max_rank: int | None = None
) -> list[int]:
    """The ranks that keep most energy of all updates together, for so many parameters.

    A component of a d x k update costs d + k parameters and keeps its squared singular value.
    Those that keep most for a parameter come first, over all updates at once; until one no
    longer fits, no ranks of this size keep more (Everett 1963). The next ones that fit follow.

    Parameters
    ----------
    spectra : sequence of Spectrum
    budget : int
        At least d + k summed over the updates: each keeps rank 1.
    max_rank : int at least 1, or None
        The highest rank that any update may have.

    Raises ValueError if an argument is out of range.

    Examples
    --------
    >>> import numpy as np
    >>> large, small = (Spectrum("m", "linear", (9, 9), 2, 1.0, np.array(each))
    ...                 for each in ([4.0, 3.0], [2.0, 1.0]))
    >>> ranks_for_budget([large, small], 54)
    [2, 1]
    """
    costs = np.array([sum(each.shape) for each in spectra], dtype=np.int64)
    least = int(costs.sum())
    validation.integer("budget", budget, least, note=" (rank 1 in every module)")
    if max_rank is not None:
        validation.integer("max_rank", max_rank, 1)
    unit = max(float(each.values[0]) for each in spectra) or 1.0
    tails = [(each.values[1:max_rank] / unit) ** 2 for each in spectra]
    owners = np.repeat(np.arange(len(spectra)), [len(tail) for tail in tails])
    worth = np.concatenate(tails) / costs[owners]
    ranks, left = [1] * len(spectra), int(budget) - least
    # Stable: of equal ones the first, so that a module's components stay in their order.
    for at in np.argsort(-worth, kind="stable"):
        owner = int(owners[at])
        if worth[at] > 0 and costs[owner] <= left:
            ranks[owner] += 1
            left -= int(costs[owner])
    return ranks
