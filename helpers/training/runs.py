"""The runs that notebook 06 shows: the article's two updates, trained, and kept.

Each call trains once and remembers the result, so that a table and a figure of the
same runs pay once.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from .. import validation
from ..lora import updates
from .losses import MatrixLoss
from .optimisers import OPTIMISERS
from .sweeps import Sweep, sweep

SEEDS = (0, 1, 2)
ALPHA = updates.ARTICLE_ALPHA

#: All ranks at one small learning rate, the same for every rank.
FIXED_RANKS = (1, 2, 4, 8, 16, 32, 64)
FIXED_RATE = {"sgd": 1e-3, "adam": 3e-4}
FIXED_STEPS = 200

#: A few ranks over learning rates from too small to too large, half a decade apart.
GRID_RANKS = (1, 4, 16, 64)
GRID_RATES = dict.fromkeys(OPTIMISERS, tuple(10.0 ** np.arange(-3.5, 0.6, 0.5)))
GRID_STEPS = 100


@lru_cache(maxsize=32)
def article_loss(update: str, noise: float = updates.ARTICLE_NOISE) -> MatrixLoss:
    """The loss whose target is the article's "style" or "facts" at a noise level."""
    validation.choice("update", update, updates.NAMES)
    return MatrixLoss(updates.article_updates()[update].matrix(noise))


@lru_cache(maxsize=8)
def fixed_rate(update: str, optimiser: str) -> Sweep:
    """Every rank at one learning rate, both scalings, three seeds."""
    validation.choice("optimiser", optimiser, OPTIMISERS)
    rate = FIXED_RATE[optimiser]
    return sweep(article_loss(update), FIXED_RANKS, rate, optimiser, ALPHA, SEEDS, FIXED_STEPS)


@lru_cache(maxsize=8)
def rate_grid(update: str, optimiser: str) -> Sweep:
    """A few ranks over the grid of learning rates, both scalings, three seeds."""
    validation.choice("optimiser", optimiser, OPTIMISERS)
    rates = GRID_RATES[optimiser]
    return sweep(article_loss(update), GRID_RANKS, rates, optimiser, ALPHA, SEEDS, GRID_STEPS)
