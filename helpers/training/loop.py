"""Training B and A by hand-written gradients, many runs at once.

dW = s B A, G = dL/d(dW), and by the chain rule

    dL/dB = s G A^T        dL/dA = s B^T G

B starts at zero and A at random, as in LoRA (Hu et al. 2021, arXiv:2106.09685).
"""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import validation
from ..validation import Array
from .losses import Loss, squared_norm
from .optimisers import EPSILON, Optimiser
from .optimisers import optimiser as make_optimiser

#: A run whose loss passes this many times its first loss is stopped: it diverged.
BLOW_UP = 1e6
#: Runs that share one matrix product. More would leave the processor's cache.
BATCH = 8
#: What is recorded at every step.
SERIES = ("loss", "progress", "norm", "gradient_A", "gradient_B")


@dataclass(frozen=True)
class History:
    """What happened in one or many runs, at steps 0 (before training) to T.

    `...` is the shape of the runs, () for a single one. From the step at which a run
    diverged on, all its series are inf: no NaN, and a log axis simply stops there.

    Attributes
    ----------
    loss : (..., T + 1) array
    progress : (..., T + 1) array
        <dW, M> / ||M||_F^2: 0 at the start, 1 when all of the target is learned.
    norm : (..., T + 1) array
        ||dW||_F.
    gradient_A, gradient_B : (..., T + 1) arrays
        Frobenius norms of the gradients.
    diverged_at : (...) int array
        The step at which a run diverged, -1 where it did not.
    A, B : (..., r, k) and (..., d, r) arrays
        The factors at the end; those of a diverged run are zero.
    target_norm : float
        ||M||_F.
    """

    loss: Array
    progress: Array
    norm: Array
    gradient_A: Array
    gradient_B: Array
    diverged_at: NDArray[np.int64]
    A: Array
    B: Array
    target_norm: float

    @property
    def error(self) -> Array:
        """(..., T + 1): ||dW - M||_F / ||M||_F, from the norm and the progress."""
        finite = np.isfinite(self.norm)
        norm, progress = (np.where(finite, x, 0.0) for x in (self.norm, self.progress))
        squared = (norm / self.target_norm) ** 2 - 2 * progress + 1
        return np.where(finite, np.sqrt(np.maximum(squared, 0.0)), np.inf)

    @property
    def diverged(self) -> NDArray[np.bool_]:
        """Which runs diverged."""
        return self.diverged_at >= 0


def gradients(loss: Loss, A: Array, B: Array, scale: float | Array) -> tuple[Array, ...]:
    """One forward and one backward pass through dW = s B A.

    Parameters
    ----------
    loss : MatrixLoss or DataLoss
    A : (..., r, k) array
    B : (..., d, r) array
    scale : float or array that broadcasts against A and B
        s.

    Returns
    -------
    value : (...) array
        L.
    update : (..., d, k) array
        dW.
    gradient_A : (..., r, k) array
        s B^T G.
    gradient_B : (..., d, r) array
        s G A^T.

    Examples
    --------
    >>> from helpers.training import MatrixLoss
    >>> A, B = np.eye(1, 2), np.ones((2, 1))
    >>> value, update, gradient_A, gradient_B = gradients(MatrixLoss(np.eye(2)), A, B, 2.0)
    >>> float(value), gradient_A.tolist(), gradient_B.tolist()
    (3.0, [[6.0, -2.0]], [[2.0], [4.0]])
    """
    update = scale * B @ A
    value, G = loss.evaluate(update)
    return value, update, *factor_gradients(G, A, B, scale)


def factor_gradients(G: Array, A: Array, B: Array, scale: float | Array) -> tuple[Array, Array]:
    """The chain rule through dW = s B A: (s B^T G, s G A^T), the gradients at A and at B.

    G = dL/d(dW) is (..., d, k); the rest as for `gradients`.

    Examples
    --------
    At B = 0, where LoRA starts, A has no gradient:

    >>> G, A, B = np.ones((2, 3)), np.ones((1, 3)), np.zeros((2, 1))
    >>> factor_gradients(G, A, B, 0.5)
    (array([[0., 0., 0.]]), array([[1.5],
           [1.5]]))
    """
    return (scale * B).swapaxes(-1, -2) @ G, scale * (G @ A.swapaxes(-1, -2))


def train(
    loss: Loss,
    A: ArrayLike,
    scale: ArrayLike,
    learning_rate: ArrayLike,
    optimiser: str = "adam",
    steps: int = 100,
    ratio_B: float = 1.0,
    epsilon: float = EPSILON,
    decay: float = 0.0,
    clip: float = np.inf,
) -> History:
    """Train B from zero and A from the given values, on the full loss.

    The leading axes of `A`, `scale` and `learning_rate` broadcast: each element
    is one run, and a run's numbers do not depend on the others it shares a call with
    (up to rounding).

    Parameters
    ----------
    loss : MatrixLoss or DataLoss
    A : (..., r, k) array
        Initial values, see `init_A`. The array is not changed.
    scale : float or (...) array
        s, above 0: ``scaling.scale(alpha, rank, scaling)``.
    learning_rate : float or (...) array
        eta, above 0.
    optimiser : "sgd" or "adam"
    steps : int
        T, at least 1.
    ratio_B : float, above 0
        The learning rate of B over that of A (LoRA+, Hayou et al. 2024,
        arXiv:2402.12354). Under Adam the scale s is exactly such a ratio: s B takes
        the place of B, and Adam's steps do not depend on the size of gradients.
    epsilon : float, above 0
        Adam's; SGD has none.
    decay : float
        Weight decay as in AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101): each step
        shrinks both factors by their rate times this.
    clip : float, above 0
        The gradients of A and B, read as one list of numbers, are scaled down to this length
        where they are longer.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        If an argument is out of range or the shapes disagree.

    Examples
    --------
    >>> from helpers.training import MatrixLoss, init_A
    >>> A = init_A(np.random.RandomState(0), rank=4, width=4)
    >>> run = train(MatrixLoss(np.eye(4)), A, 1.0, 0.1, "adam", steps=200)
    >>> run.loss.shape, float(run.loss[0]), bool(run.loss[-1] < 1e-3)
    ((201,), 2.0, True)
    """
    d, k = loss.target.shape
    A = np.asarray(A, dtype=np.float64)
    if A.ndim < 2 or A.shape[-1] != k or not np.all(np.isfinite(A)):
        raise ValueError(f"A must be finite and of shape (..., r, {k}), got shape {A.shape}")
    rank = validation.integer(
        "rank (rows of A)", A.shape[-2], 1, min(d, k), " (the smaller side of the update)"
    )
    scale = validation.positive_array("scale", scale)
    learning_rate = validation.positive_array("learning_rate", learning_rate)
    steps = validation.integer("steps", steps, 1)
    ratio_B = validation.number("ratio_B", ratio_B, 0, above=True)
    epsilon = validation.number("epsilon", epsilon, 0, above=True)
    decay = validation.number("decay", decay, 0)
    if not clip > 0:
        raise ValueError(f"clip must be above 0, got {clip!r}")
    optimisers = make_optimiser(optimiser, epsilon), make_optimiser(optimiser, epsilon)
    try:
        runs = np.broadcast_shapes(A.shape[:-2], scale.shape, learning_rate.shape)
    except ValueError:
        raise ValueError(
            f"A's leading axes {A.shape[:-2]}, scale {scale.shape} and "
            f"learning_rate {learning_rate.shape} must broadcast"
        ) from None
    A = np.broadcast_to(A, (*runs, rank, k)).reshape(-1, rank, k)
    s, eta = (np.broadcast_to(x, runs).reshape(-1, 1, 1) for x in (scale, learning_rate))
    batches = [
        _train_batch(
            loss, A[part], s[part], eta[part], deepcopy(optimisers), steps, ratio_B, decay, clip
        )
        for part in (slice(i, i + BATCH) for i in range(0, len(A), BATCH))
    ]
    whole = {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}
    shaped = {name: part.reshape(runs + part.shape[1:]) for name, part in whole.items()}
    return History(**shaped, target_norm=float(np.linalg.norm(loss.target)))


def _train_batch(
    loss: Loss, A: Array, s: Array, eta: Array, optimisers: tuple[Optimiser, Optimiser],
    steps: int, ratio_B: float, decay: float, clip: float,
) -> dict[str, Any]:  # fmt: skip
    """Train the runs along the first axis; returns the fields of `History`."""
    target = loss.target.ravel()
    count, rank, _ = A.shape
    A, B = A.copy(), np.zeros((count, len(loss.target), rank))
    final_A, final_B = np.zeros_like(A), np.zeros_like(B)
    series = np.full((len(SERIES), count, steps + 1), np.inf)
    diverged_at = np.full(count, -1)
    optimiser_A, optimiser_B = optimisers
    running = np.arange(count)
    target_power = target @ target
    limit = BLOW_UP * loss.evaluate(np.zeros(loss.target.shape))[0]
    # Overflow is what divergence is; it is recorded, not warned about.
    with np.errstate(over="ignore", invalid="ignore"):
        for step in range(steps + 1):
            value, update, gradient_A, gradient_B = gradients(loss, A, B, s)
            stable = value <= limit  # False for NaN as well
            if not stable.all():
                diverged_at[running[~stable]] = step
                running, value, update = running[stable], value[stable], update[stable]
                gradient_A, gradient_B = gradient_A[stable], gradient_B[stable]
                A, B, s, eta = A[stable], B[stable], s[stable], eta[stable]
                optimiser_A.keep_only(stable)
                optimiser_B.keep_only(stable)
                if running.size == 0:
                    break
            progress = update.reshape(len(running), -1) @ target / target_power
            sizes = (np.sqrt(squared_norm(array)) for array in (update, gradient_A, gradient_B))
            series[:, running, step] = value, progress, *sizes
            if step < steps:
                if clip < np.inf:
                    length = np.sqrt(squared_norm(gradient_A) + squared_norm(gradient_B))
                    shorter = np.minimum(1, clip / np.maximum(length, 1e-300))[:, None, None]
                    gradient_A, gradient_B = shorter * gradient_A, shorter * gradient_B
                A -= eta * (optimiser_A.direction(gradient_A) + decay * A)
                B -= (eta * ratio_B) * (optimiser_B.direction(gradient_B) + decay * B)
    final_A[running], final_B[running] = A, B
    return dict(zip(SERIES, series), diverged_at=diverged_at, A=final_A, B=final_B)
