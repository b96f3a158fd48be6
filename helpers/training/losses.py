"""What is minimised: the distance to a target update, or to noisy data.

Both losses see only the update dW = s B A. They return their value and their
gradient G = dL/d(dW); the chain rule does the rest (see ``loop``):
dL/dB = s G A^T and dL/dA = s B^T G.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array


class Loss(Protocol):
    """What `train` needs from a loss. `target` is the update that progress is measured along."""

    @property
    def target(self) -> Array: ...

    def evaluate(self, update: Array) -> tuple[Array, Array]: ...

    def floor(self, rank: ArrayLike) -> Array: ...


def _tail_energy(singular_values: Array, rank: ArrayLike) -> Array:
    """Sum of the squared singular values after the first r."""
    n = len(singular_values)
    rank = validation.rank_array("rank", rank, n, " (the smaller side of the update)")
    return np.append(np.cumsum(singular_values[::-1] ** 2)[::-1], 0.0)[rank]


@dataclass(frozen=True)
class MatrixLoss:
    """L = 1/2 ||dW - M||_F^2: learn the update M itself.

    Parameters
    ----------
    target : (d, k) array
        M. Raises ValueError unless it is finite, 2-D and not all zeros.
    """

    target: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "target", _nonzero_target(self.target))

    def evaluate(self, update: Array) -> tuple[Array, Array]:
        """The loss (...) and its gradient dW - M (..., d, k) at updates (..., d, k)."""
        gradient = update - self.target
        return squared_norm(gradient) / 2, gradient

    @cached_property
    def singular_values(self) -> Array:
        """Singular values of M, descending."""
        return np.linalg.svd(self.target, compute_uv=False)

    def floor(self, rank: ArrayLike) -> Array:
        """The smallest loss of any update of rank r: half the energy beyond r (Eckart-Young)."""
        return _tail_energy(self.singular_values, rank) / 2


@dataclass(frozen=True)
class DataLoss:
    """L = 1/(2 n) ||X dW^T - Y||_F^2: learn the update from n noisy examples.

    Parameters
    ----------
    inputs : (n, k) array
        X, one example per row.
    outputs : (n, d) array
        Y: what the update should add to the layer's output, with noise.
    target : (d, k) array
        The true update M. It does not enter the loss; progress is measured along it.

    Raises
    ------
    ValueError
        If an array is not finite and 2-D, the shapes disagree, or M is all zeros.
    """

    inputs: Array
    outputs: Array
    target: Array

    def __post_init__(self) -> None:
        inputs = validation.matrix("inputs", self.inputs)
        outputs = validation.matrix("outputs", self.outputs)
        target = _nonzero_target(self.target)
        wanted = (len(inputs), target.shape[0]), (len(inputs), target.shape[1])
        if (outputs.shape, inputs.shape) != wanted:
            raise ValueError(
                f"inputs (n, k) and outputs (n, d) must fit the target (d, k) = {target.shape}, "
                f"got {inputs.shape} and {outputs.shape}"
            )
        for name, array in (("inputs", inputs), ("outputs", outputs), ("target", target)):
            object.__setattr__(self, name, array)

    def evaluate(self, update: Array) -> tuple[Array, Array]:
        """The loss (...) and its gradient (dW X^T - Y^T) X / n at updates (..., d, k).

        Multiplied out, so that the examples enter once and not at every step.
        """
        moved = update @ self._inputs_squared
        overlap = np.sum(update * (moved - 2 * self._outputs_by_inputs), axis=(-2, -1))
        return (self._outputs_power + overlap) / 2, moved - self._outputs_by_inputs

    @cached_property
    def _inputs_squared(self) -> Array:
        """X^T X / n, (k, k)."""
        return self.inputs.T @ self.inputs / len(self.inputs)

    @cached_property
    def _outputs_by_inputs(self) -> Array:
        """Y^T X / n, (d, k)."""
        return self.outputs.T @ self.inputs / len(self.inputs)

    @cached_property
    def _outputs_power(self) -> float:
        """||Y||_F^2 / n."""
        return float(np.sum(self.outputs**2)) / len(self.inputs)

    def floor(self, rank: ArrayLike) -> Array:
        """The smallest training loss of any update of rank r (reduced-rank regression).

        With X = Q R, what an update can fit of Y is Y^T Q, and there the best rank r
        is again the truncated SVD (Izenman 1975); the rest of Y nothing can fit.
        """
        Q, _ = np.linalg.qr(self.inputs)
        values = np.zeros(min(self.target.shape))
        fitted = np.linalg.svd(self.outputs.T @ Q, compute_uv=False)
        values[: len(fitted)] = fitted
        unfitted = np.sum((self.outputs - Q @ (Q.T @ self.outputs)) ** 2)
        return np.asarray((_tail_energy(values, rank) + unfitted) / (2 * len(self.inputs)))

    def best_update(self, rank: int) -> Array:
        """The update of rank r that fits the examples best, (d, k): `floor` is its loss.

        With X = Q R it is the truncated SVD of Y^T Q, taken back through R (Izenman 1975).
        Raises ValueError where there are fewer examples than inputs.

        Examples
        --------
        >>> data = noisy_data(np.eye(3), 5, 0.0, np.random.RandomState(0))
        >>> bool(np.allclose(data.best_update(3), np.eye(3)))
        True
        """
        rank = validation.integer("rank", rank, 1, min(self.target.shape))
        if len(self.inputs) < self.inputs.shape[1]:
            raise ValueError(
                f"inputs must have at least as many examples as entries, {self.inputs.shape[1]}, "
                f"got {len(self.inputs)}"
            )
        Q, upper = np.linalg.qr(self.inputs)
        U, S, Vt = np.linalg.svd(self.outputs.T @ Q, full_matrices=False)
        fitted = (U[:, :rank] * S[:rank]) @ Vt[:rank]
        return np.asarray(np.linalg.solve(upper, fitted.T).T)


def noisy_data(
    target: ArrayLike, examples: int, noise: float, generator: np.random.RandomState
) -> DataLoss:
    """Examples of a layer whose update is M: X standard normal, Y = X M^T + noise.

    Parameters
    ----------
    target : (d, k) array
        M.
    examples : int
        n, at least 1.
    noise : float
        Standard deviation of the noise on each entry of Y, at least 0.
    generator : numpy.random.RandomState or Generator
        Draws X, then the noise.

    Examples
    --------
    >>> data = noisy_data(np.eye(4), examples=10, noise=0.1, generator=np.random.RandomState(0))
    >>> data.inputs.shape, data.outputs.shape
    ((10, 4), (10, 4))
    """
    target = validation.matrix("target", target)
    n = validation.integer("examples", examples, 1)
    noise = validation.number("noise", noise, 0)
    inputs = generator.standard_normal((n, target.shape[1]))
    errors = generator.standard_normal((n, target.shape[0]))
    return DataLoss(inputs, inputs @ target.T + noise * errors, target)


def _nonzero_target(target: ArrayLike) -> Array:
    target = validation.matrix("target", target)
    if not target.any():
        raise ValueError("target must not be all zeros: no progress can be made along it")
    return target


def squared_norm(array: Array) -> Array:
    """Sum of squares over the last two axes, (...): one BLAS product per run."""
    row = array.reshape(*array.shape[:-2], 1, -1)
    return np.asarray((row @ row.swapaxes(-1, -2))[..., 0, 0])
