"""The four exponents, measured: how the first step grows or shrinks with the rank."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..lora.scaling import SCALINGS, scale
from ..validation import Array
from .init import start_A
from .optimisers import OPTIMISERS
from .theory import QUANTITIES, first_step_sizes, theory_exponent


@dataclass(frozen=True)
class Exponent:
    """One measured exponent beside what the theory says.

    Attributes
    ----------
    theory : float
    slope : float
        Of log(mean over seeds) against log(rank): the theory is about this mean.
    seed_slopes : (K,) array
        Of log(value) against log(rank), for each seed alone.
    values : (K, R) array
        The size of the first step, by seed and rank, at alpha = eta = 1.
    """

    theory: float
    slope: float
    seed_slopes: Array
    values: Array

    @property
    def spread(self) -> float:
        """Standard deviation of the slope from seed to seed."""
        return float(np.std(self.seed_slopes, ddof=1))


def gaussian_target(
    width: int, rank: int | None = None
) -> Callable[[np.random.RandomState], Array]:
    """A recipe for random square targets: of full rank, or a product of two factors.

    Parameters
    ----------
    width : int
        Rows and columns.
    rank : int or None
        None draws all entries independently.
    """
    width = validation.integer("width", width, 1)
    if rank is None:
        return lambda generator: generator.standard_normal((width, width))
    n = validation.integer("rank", rank, 1, width, " (the width)")
    return lambda generator: (
        generator.standard_normal((width, n)) @ generator.standard_normal((n, width))
    )


def measure_exponents(
    target: ArrayLike | Callable[[np.random.RandomState], Array],
    ranks: Sequence[int] = (2, 4, 8, 16, 32, 64),
    seeds: Sequence[int] = range(10),
    start: str = "kaiming",
) -> dict[tuple[str, str, str], Exponent]:
    """Slopes of log(first step) against log(rank), for every optimiser and scaling.

    Alpha and the learning rate multiply all ranks alike, so no slope depends on them.

    Parameters
    ----------
    target : (d, k) array, or function of a generator
        M, or a recipe that draws one for each seed.
    ranks : whole numbers, at least two different ones
    seeds : whole numbers, at least two
        Each draws its target, if any, and then one A a rank.
    start : "kaiming", "gaussian" or "peft_gaussian"

    Returns
    -------
    dict from (quantity, optimiser, scaling) to Exponent
        Quantities are "progress" (<dW, M> / ||M||_F^2) and "norm" (||dW||_F).

    Raises
    ------
    ValueError
        If there are too few ranks or seeds, or one is out of range.
    """
    rank_array = validation.rank_array("ranks", ranks)
    if len(set(rank_array.tolist())) < 2:
        raise ValueError(f"ranks must hold two different ranks or more, got {ranks!r}")
    if len(seeds) < 2:
        raise ValueError(f"seeds must hold two or more, for the spread, got {seeds!r}")
    sizes = np.empty((len(OPTIMISERS), len(QUANTITIES), len(seeds), len(rank_array)))
    for i, seed in enumerate(seeds):
        generator = np.random.RandomState(seed)
        M = validation.matrix("target", target(generator) if callable(target) else target)
        validation.rank_array("ranks", ranks, min(M.shape), " (the smaller side of the target)")
        for j, rank in enumerate(rank_array):
            A = start_A(generator, int(rank), M.shape[1], start)
            for k, optimiser in enumerate(OPTIMISERS):
                sizes[k, :, i, j] = first_step_sizes(M, A, optimiser)
    found = {}
    for k, optimiser in enumerate(OPTIMISERS):
        for q, quantity in enumerate(QUANTITIES):
            for scaling in SCALINGS:
                s = scale(1.0, rank_array, scaling)
                values = sizes[k, q] * (s**2 if optimiser == "sgd" else s)
                found[quantity, optimiser, scaling] = Exponent(
                    theory_exponent(optimiser, scaling, quantity, start),
                    float(log_slope(rank_array, values.mean(axis=0))),
                    log_slope(rank_array, values),
                    values,
                )
    return found


def log_slope(x: ArrayLike, y: ArrayLike) -> Array:
    """Least-squares slope of log(y) against log(x), along y's last axis.

    Parameters
    ----------
    x : (R,) array, above 0
    y : (..., R) array, above 0

    Returns
    -------
    (...) array
    """
    log_x = np.log(validation.positive_array("x", x))
    log_y = np.log(validation.positive_array("y", y))
    centred = log_x - log_x.mean()
    return np.asarray(log_y @ centred / (centred @ centred))
