"""SGD and Adam: from a gradient to the direction that the learning rate multiplies."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .. import validation
from ..validation import Array

OPTIMISERS = ("sgd", "adam")

#: Adam's usual constants (Kingma and Ba 2014, and PyTorch's defaults).
BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class Optimiser(Protocol):
    """One parameter's optimiser. The parameter then moves by -learning_rate * direction."""

    def direction(self, gradient: Array) -> Array: ...

    def keep_only(self, runs: Array) -> None: ...


class SGD:
    """Plain gradient descent: the direction is the gradient."""

    def direction(self, gradient: Array) -> Array:
        """The gradient itself."""
        return gradient

    def keep_only(self, runs: Array) -> None:
        """SGD has no state, so there is nothing to drop."""


class Adam:
    """Adam with bias correction (Kingma and Ba 2014, arXiv:1412.6980, algorithm 1).

    m = beta_1 m + (1 - beta_1) g          m^ = m / (1 - beta_1^t)
    v = beta_2 v + (1 - beta_2) g^2        v^ = v / (1 - beta_2^t)
    direction = m^ / (sqrt(v^) + epsilon)

    At t = 1 it is g / (|g| + epsilon): the sign of the gradient.
    """

    def __init__(self, epsilon: float = EPSILON) -> None:
        self.epsilon = epsilon
        self.step = 0
        # Numbers and not arrays of double precision, which single precision would turn into.
        self.mean: Any = 0.0
        self.square: Any = 0.0

    def direction(self, gradient: Array) -> Array:
        """Take in the next gradient; same shape out."""
        self.step += 1
        self.mean = BETA_1 * self.mean + (1 - BETA_1) * gradient
        self.square = BETA_2 * self.square + (1 - BETA_2) * gradient**2
        mean = self.mean / (1 - BETA_1**self.step)
        square = self.square / (1 - BETA_2**self.step)
        return mean / (np.sqrt(square) + self.epsilon)

    def keep_only(self, runs: Array) -> None:
        """Drop the state of all runs but these, a mask or positions along the first axis."""
        self.mean, self.square = self.mean[runs], self.square[runs]


def optimiser(name: str, epsilon: float = EPSILON) -> Optimiser:
    """A fresh "sgd" or "adam". Raises ValueError for another name."""
    return Adam(epsilon) if validation.choice("optimiser", name, OPTIMISERS) == "adam" else SGD()
