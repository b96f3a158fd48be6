"""Several updates cut at once: one rank for all, or each to its own, and what that costs."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .. import validation
from .several import Spectrum


def common_rank(spectra: Sequence[Spectrum], error: float) -> int:
    """The lowest rank for all modules at which the relative error over all is at most `error`.

    Examples
    --------
    >>> one = Spectrum("m", "linear", (9, 9), 3, 1.0, np.array([4.0, 3.0, 0.1]))
    >>> common_rank([one], 0.61), common_rank([one], 0.5)
    (1, 2)
    """
    validation.number("error", error, 0, 1)
    unit = max(float(each.values[0]) for each in spectra) or 1.0
    energy = np.zeros(max(len(each.values) for each in spectra))
    for each in spectra:
        energy[: len(each.values)] += (each.values / unit) ** 2
    missed = np.append(np.cumsum(energy[:0:-1])[::-1], 0.0)
    return int(np.argmax(missed <= error**2 * energy.sum())) + 1


def cut_error(spectra: Sequence[Spectrum], ranks: Sequence[int]) -> float:
    """The relative error over all modules, each truncated to its own rank; 0 if all are zero.

    Examples
    --------
    >>> one = Spectrum("m", "linear", (9, 9), 2, 1.0, np.array([4.0, 3.0]))
    >>> cut_error([one, one], [1, 2])
    0.4242640687119285
    """
    unit = max(float(each.values[0]) for each in spectra) or 1.0
    squares = [(each.values / unit) ** 2 for each in spectra]
    lost = sum(float(each[rank:].sum()) for each, rank in zip(squares, ranks, strict=True))
    return math.sqrt(lost / (sum(float(each.sum()) for each in squares) or 1.0))
