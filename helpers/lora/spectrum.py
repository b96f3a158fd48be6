"""What the singular values of an update say about the rank that it uses.

Every function takes the singular values, descending, of an update. Definitions
differ between tools (energy or sigma, squared or not): each docstring says which.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array
from .truncation import energy_split


def captured_energy(singular_values: ArrayLike) -> Array:
    """Share of the sum of squared singular values in the first r, for r = 1 ... n.

    Returns an (n,) array; entry r - 1 belongs to rank r.

    Examples
    --------
    >>> captured_energy([2.0, 1.0, 1.0]).round(3).tolist()
    [0.667, 0.833, 1.0]
    """
    return energy_split(singular_values)[0]


def truncation_error(singular_values: ArrayLike) -> Array:
    """Best relative Frobenius error at rank r, sqrt(1 - E_r), for r = 1 ... n.

    Examples
    --------
    >>> truncation_error([4.0, 3.0]).round(3).tolist()
    [0.6, 0.0]
    """
    return np.sqrt(energy_split(singular_values)[1])


def stable_rank(singular_values: ArrayLike) -> float:
    """||M||_F^2 / sigma_1^2 (Rudelson and Vershynin 2007, arXiv:math/0503442).

    Between 1 and n; ruled by the largest singular value.

    Examples
    --------
    >>> stable_rank([2.0, 1.0, 1.0])
    1.5
    """
    values = validation.singular_values("singular_values", singular_values)
    return float(np.sum((values / values[0]) ** 2))


def effective_rank(singular_values: ArrayLike) -> float:
    """exp of the entropy of p = sigma / sum(sigma) (Roy and Vetterli 2007).

    Between 1 and n. It uses sigma, not sigma squared, so a broad floor of noise
    raises it.

    Examples
    --------
    >>> f"{effective_rank([1.0, 1.0, 1.0, 0.0]):.3f}", f"{effective_rank([2.0, 1.0, 1.0]):.3f}"
    ('3.000', '2.828')
    """
    values = validation.singular_values("singular_values", singular_values)
    p = values[values > 0] / values.sum()
    return float(np.exp(-np.sum(p * np.log(p))))


def participation_ratio(singular_values: ArrayLike) -> float:
    """(sum sigma^2)^2 / sum sigma^4: how many components share the energy.

    Examples
    --------
    >>> participation_ratio([2.0, 1.0, 1.0])
    2.0
    """
    values = validation.singular_values("singular_values", singular_values)
    energy = (values / values[0]) ** 2
    return float(energy.sum() ** 2 / np.sum(energy**2))


def rank_for_energy(singular_values: ArrayLike, target: float) -> int:
    """Smallest rank whose captured energy is at least `target`, in (0, 1].

    To rounding: a component with less than 1e-15 of the energy cannot be asked for.

    Examples
    --------
    >>> rank_for_energy([2.0, 1.0, 1.0], target=0.8)
    2
    """
    return ranks_for_energy(singular_values, [target])[0]


def ranks_for_energy(singular_values: ArrayLike, targets: Sequence[float]) -> list[int]:
    """`rank_for_energy` for several targets at once.

    Examples
    --------
    >>> ranks_for_energy([2.0, 1.0, 1.0], [0.6, 0.8])
    [1, 2]
    """
    wanted = [validation.number("target", target, 0, 1, above=True) for target in targets]
    # A target that is met exactly counts as met, whatever 1 - target rounds to.
    missed = energy_split(singular_values)[1]
    return [int(np.argmax(missed <= 1 - target + 1e-15)) + 1 for target in wanted]


def rank_for_error(singular_values: ArrayLike, target: float) -> int:
    """Smallest rank whose best relative error is at most `target`, in [0, 1].

    Examples
    --------
    >>> rank_for_error([4.0, 3.0], target=0.5)
    2
    """
    target = validation.number("target", target, 0, 1)
    return int(np.argmax(truncation_error(singular_values) <= target)) + 1


def noise_floor(shape: tuple[int, int], noise: float) -> float:
    """About the largest singular value of pure noise: noise (sqrt(d) + sqrt(k)).

    For a d x k matrix of independent entries with standard deviation `noise`
    (Bai and Yin 1993; non-asymptotic: Davidson and Szarek 2001).

    Examples
    --------
    >>> f"{noise_floor((64, 64), noise=0.01):.2f}"
    '0.16'
    """
    d, k = validation.shape("shape", shape)
    return validation.number("noise", noise, 0) * (np.sqrt(d) + np.sqrt(k))


def detection_limit(shape: tuple[int, int], noise: float) -> float:
    """Signals with a singular value below noise (d k)^(1/4) leave no trace.

    Below it the noisy matrix has no singular value outside the noise, however
    clean the eye thinks the plot is (Benaych-Georges and Nadakuditi 2012,
    arXiv:1103.2221). Asymptotic in d and k, for a signal of small rank.

    Examples
    --------
    >>> f"{detection_limit((64, 64), noise=0.01):.2f}"
    '0.08'
    """
    d, k = validation.shape("shape", shape)
    return validation.number("noise", noise, 0) * float(d * k) ** 0.25


def elbow(singular_values: ArrayLike) -> tuple[int, float]:
    """Where a spectrum bends: components before the bend, and how deep it is.

    The bend is the point furthest below the straight line from the first to the
    last singular value (the idea of Satopaa et al. 2011). The depth is that
    distance over the first singular value: near 1 for a cliff, near 0 where
    the spectrum has no elbow and the count means nothing.

    Parameters
    ----------
    singular_values : (n,) array, descending, n at least 3

    Returns
    -------
    (rank, depth) : (int, float)

    Examples
    --------
    >>> rank, depth = elbow([5.0, 4.9, 0.1, 0.1])
    >>> rank, round(depth, 2)
    (2, 0.33)
    """
    values = validation.singular_values("singular_values", singular_values)
    if len(values) < 3:
        raise ValueError(f"singular_values must have at least 3 entries, got {len(values)}")
    below = np.linspace(values[0], values[-1], len(values)) - values
    bend = int(np.argmax(below))
    return bend, float(below[bend] / values[0])
