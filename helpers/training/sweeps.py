"""Training at every rank and learning rate, with both scalings from the same A.

At the end the sweeps that notebook 07 shows: the article's two updates. Each trains
once per process, so that a table and a figure of the same runs pay once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import validation
from ..lora import updates
from ..lora.scaling import RULES, scale
from ..tables import Table
from ..validation import Array
from .init import init_A
from .loop import History, train
from .losses import Loss, MatrixLoss
from .optimisers import OPTIMISERS


def compare(
    loss: Loss,
    rank: int,
    alpha: float,
    learning_rate: ArrayLike,
    optimiser: str = "adam",
    seeds: Sequence[int] = (0,),
    steps: int = 100,
    init: str = "kaiming",
    ratio_B: float = 1.0,
    rules: Sequence[str] = RULES,
) -> History:
    """Train one rank under both scalings, from the same starting A for each seed.

    Parameters
    ----------
    loss : MatrixLoss or DataLoss
    rank : int
        r, between 1 and the smaller side of the target.
    alpha : float, above 0
    learning_rate : float or (L,) array, above 0
    optimiser, steps : see `train`
    seeds : whole numbers
        Each draws its own A.
    init : see `init_A`
    ratio_B : see `train`
    scalings : some of `RULES`

    Returns
    -------
    History with runs of shape (S, L, K): scaling (as in `scalings`), rate, seed.

    Examples
    --------
    >>> run = compare(MatrixLoss(np.eye(4)), 2, 16, [0.01, 0.1], "adam", seeds=(0, 1, 2), steps=5)
    >>> run.loss.shape
    (2, 2, 3, 6)
    """
    d, k = loss.target.shape
    rank = validation.integer("rank", rank, 1, min(d, k), " (the smaller side of the update)")
    if len(seeds) == 0:
        raise ValueError("seeds must hold at least one seed, got none")
    A = [init_A(np.random.RandomState(seed), rank, k, init) for seed in seeds]
    s = np.array([scale(alpha, rank, rule) for rule in rules])
    rates = np.atleast_1d(validation.positive_array("learning_rate", learning_rate))
    return train(loss, A, s[:, None, None], rates[:, None], optimiser, steps, ratio_B)


@dataclass(frozen=True)
class Sweep:
    """Losses of all runs of a sweep. Axes: S scalings, R ranks, L rates, K seeds, steps.

    Attributes
    ----------
    ranks : (R,) int array
    learning_rates : (L,) array, rising
    loss : (S, R, L, K, T + 1) array
        inf from the step at which a run diverged.
    error : (S, R, L, K, T + 1) array
        ||dW - M||_F / ||M||_F, the error relative to the target.
    floor : (R,) array
        The smallest loss that the rank allows.
    """

    ranks: NDArray[np.int64]
    learning_rates: Array
    loss: Array
    error: Array
    floor: Array

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """(S, R, L, K): which runs diverged."""
        return np.isinf(self.loss[..., -1])

    def unlearned(self, step: int = -1) -> Array:
        """(S, R, L, K): how much of what the rank can learn is left to learn.

        (loss - floor) / (loss at step 0 - floor): 1 at the start, 0 at the best that
        the rank allows, so that ranks can be compared. inf for a diverged run.
        """
        floor = self.floor[:, None, None]
        return np.maximum(self.loss[..., step] - floor, 0) / (self.loss[..., 0] - floor)

    def tuned(self, step: int = -1) -> Array:
        """(S, R): what is left unlearned at the best rate (mean over seeds)."""
        return self.unlearned(step).mean(axis=-1).min(axis=-1)

    def shared(self, step: int = -1) -> tuple[Array, Array]:
        """(S,), (S,): the one rate that serves all ranks best, and what it leaves.

        What it leaves is what is unlearned (mean over seeds) at the rank that it serves
        worst. Small if the scaling lets one learning rate carry over from rank to rank.
        """
        worst = self.unlearned(step).mean(axis=-1).max(axis=1)
        return self.learning_rates[worst.argmin(axis=-1)], worst.min(axis=-1)

    def needed_rate(self, left: float = 0.1, step: int = -1) -> Array:
        """(S, R, K): the smallest rate that leaves at most `left` unlearned.

        Interpolated between neighbours on the grid, in both logarithms. NaN where no
        rate does, or where already the smallest on the grid does.
        """
        left = validation.number("left", left, 0, 1, above=True)
        remaining = np.moveaxis(self.unlearned(step), 2, -1)
        enough = remaining <= left
        upper = np.argmax(enough, axis=-1)
        crosses = enough.any(axis=-1) & (upper > 0)
        lower = np.maximum(upper - 1, 0)
        high, low = (
            np.take_along_axis(remaining, i[..., None], axis=-1)[..., 0] for i in (lower, upper)
        )
        log_rate = np.log(self.learning_rates)
        rate = np.full(crosses.shape, np.nan)
        # 0 has no logarithm: what is learned to the floor counts as 1e-12.
        log_high, log_low = np.log(high[crosses]), np.log(np.maximum(low[crosses], 1e-12))
        part = (log_high - np.log(left)) / (log_high - log_low)
        first, last = log_rate[lower[crosses]], log_rate[upper[crosses]]
        rate[crosses] = np.exp(first + part * (last - first))
        return rate

    def spiking_rate(self, above: float = 1.1) -> Array:
        """(S, R, K): the smallest rate on the grid at which the loss rises above its start.

        Above so many times the loss at step 0, at any step; inf where none does.
        """
        above = validation.number("above", above, 1, above=True)
        rises = self.loss.max(axis=-1) > above * self.loss[..., 0]
        return np.where(rises, self.learning_rates[:, None], np.inf).min(axis=2)

    def diverging_rate(self) -> Array:
        """(S, R, K): the smallest rate on the grid that diverged; inf where none did."""
        rates = self.learning_rates[:, None]
        return np.where(self.diverged, rates, np.inf).min(axis=2)


def sweep(
    loss: Loss,
    ranks: Sequence[int],
    learning_rates: ArrayLike,
    optimiser: str = "adam",
    alpha: ArrayLike = 16,
    seeds: Sequence[int] = (0, 1, 2),
    steps: int = 100,
    init: str = "kaiming",
    rules: Sequence[str] = RULES,
) -> Sweep:
    """`compare` at every rank and learning rate.

    The runs of one rank share their matrix products; ranks take turns, because
    padding them to one shape would cost more than it saves (see tools/bench/training.py).

    Parameters
    ----------
    loss : MatrixLoss or DataLoss
    ranks : (R,) whole numbers, between 1 and the smaller side of the target
    learning_rates : float or (L,) array, above 0 and rising
    alpha : float or (R,) array, above 0
        One for all ranks, or one for each, such as twice the rank.
    optimiser, seeds, steps, init, scalings : as for `compare`

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> swept = sweep(MatrixLoss(np.eye(4)), (1, 4), [0.01, 0.1], seeds=(0,), steps=50)
    >>> swept.loss.shape, bool(np.all(swept.tuned() < 0.1))
    ((2, 2, 2, 1, 51), True)
    """
    high = min(loss.target.shape)
    rank_array = np.atleast_1d(
        validation.rank_array("ranks", ranks, high, " (the smaller side of the update)")
    )
    rates = np.atleast_1d(validation.positive_array("learning_rates", learning_rates))
    if rates.ndim != 1 or np.any(np.diff(rates) <= 0):
        raise ValueError(f"learning_rates must rise, got {learning_rates!r}")
    alphas = np.broadcast_to(validation.positive_array("alpha", alpha), rank_array.shape)
    runs = [
        compare(loss, int(r), float(a), rates, optimiser, seeds, steps, init, rules=rules)
        for r, a in zip(rank_array, alphas)
    ]
    return Sweep(
        rank_array,
        rates,
        np.stack([run.loss for run in runs], axis=1),
        np.stack([run.error for run in runs], axis=1),
        loss.floor(rank_array),
    )


#: The common habit beside the two rules: it keeps the scale at 2.
TWICE = "alpha = 2r"
HABITS = (*RULES, TWICE)
SEEDS = (0, 1, 2)
ALPHA = updates.ARTICLE_ALPHA

#: A few ranks over learning rates from too small to too large, half a decade apart.
GRID_RANKS = (1, 4, 16, 64)
GRID_RATES = {
    "sgd": tuple(10.0 ** np.arange(-3.5, 0.6, 0.5)),
    "adam": tuple(10.0 ** np.arange(-3.5, 0.1, 0.5)),
}
GRID_STEPS = 100


@lru_cache(maxsize=32)
def article_loss(update: str, noise: float = updates.ARTICLE_NOISE) -> MatrixLoss:
    """The loss whose target is the article's "style" or "facts" at a noise level.

    Examples
    --------
    >>> article_loss("facts").target.shape, f"{article_loss('style').singular_values[0]:.2f}"
    ((64, 64), '4.99')
    """
    validation.choice("update", update, updates.NAMES)
    return MatrixLoss(updates.article_updates()[update].matrix(noise))


@lru_cache(maxsize=8)
def rate_grid(update: str, optimiser: str) -> Sweep:
    """A few ranks over the grid of learning rates, for each of `HABITS`, three seeds.

    Examples
    --------
    >>> grid = rate_grid("style", "sgd")
    >>> grid.loss.shape, grid.ranks.tolist()
    ((3, 4, 9, 3, 101), [1, 4, 16, 64])
    """
    validation.choice("optimiser", optimiser, OPTIMISERS)
    loss, rates = article_loss(update), np.array(GRID_RATES[optimiser])
    losses, errors = [], []
    for rank in GRID_RANKS:
        # Where two habits give one scale, such as alpha/sqrt(r) and 2r at rank 64, one run does.
        under = [scale_under(habit, ALPHA, rank) for habit in HABITS]
        scales, which = np.unique(under, return_inverse=True)
        A = [init_A(np.random.RandomState(seed), rank, loss.target.shape[1]) for seed in SEEDS]
        run = train(loss, A, scales[:, None, None], rates[:, None], optimiser, GRID_STEPS)
        losses.append(run.loss[which])
        errors.append(run.error[which])
    ranks = np.array(GRID_RANKS)
    return Sweep(ranks, rates, np.stack(losses, 1), np.stack(errors, 1), loss.floor(ranks))


def scale_under(habit: str, alpha: float, rank: int) -> float:
    """The scale at a rank under one of `HABITS`; with alpha = 2r it is 2, whatever alpha.

    Examples
    --------
    >>> scale_under("alpha/r", 16, 8), scale_under("alpha = 2r", 16, 8)
    (2.0, 2.0)
    """
    validation.choice("habit", habit, HABITS)
    return 2.0 if habit == TWICE else float(scale(alpha, rank, habit))


def tuned_table() -> Table:
    """What each habit leaves to learn with the rate tuned rank by rank, and with one for all.

    Examples
    --------
    >>> tuned_table().headings[2]
    'left, each rank tuned'
    """
    rows = []
    for optimiser in reversed(OPTIMISERS):
        for update in updates.NAMES:
            grid = rate_grid(update, optimiser)
            tuned, (rate, worst) = grid.tuned().max(axis=-1), grid.shared()
            rows += [
                (f"{optimiser}, {update}", habit, f"{100 * tuned[i]:.1f} %", f"{rate[i]:.2g}",
                 f"{100 * worst[i]:.1f} %")
                for i, habit in enumerate(HABITS)
            ]  # fmt: skip
    shared = ("best rate for all ranks", "left there, worst rank")
    return Table(("optimiser, update", "alpha", "left, each rank tuned", *shared), rows)
