"""What the formulas say about one step, and about the largest step.

The first step starts from B = 0, where only B has a gradient, s G A^T:

    SGD    dW = -eta s^2 (G A^T) A             progress  eta s^2 ||G A^T||_F^2
    Adam   dW = -eta s sign(G A^T) A           progress  eta s sum |G A^T|

Both sums run over the r rows of A, which are drawn alike, so they grow with r as
r v (SGD) and r sqrt(v) (Adam), v being the variance of A's entries. That, and the
power of r in s, gives every exponent here. For SGD it is the argument of rsLoRA's
theorem 3.2 (Kalajdzievski 2023, arXiv:2312.03732), which assumes that v leaves r out.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..lora import scaling as scaling_rules
from ..validation import Array
from .init import STARTS
from .losses import Loss
from .optimisers import EPSILON, OPTIMISERS

QUANTITIES = ("progress", "norm")

#: The powers of s, r and v in the size of the first step. The norm's hold for r far
#: below k, where the rows of A are nearly orthogonal and add like r independent terms.
_POWERS = {
    ("progress", "sgd"): (2.0, 1.0, 1.0),
    ("progress", "adam"): (1.0, 1.0, 0.5),
    ("norm", "sgd"): (2.0, 0.5, 1.0),
    ("norm", "adam"): (1.0, 0.5, 0.5),
}


def theory_exponent(
    optimiser: str, scaling: str, quantity: str = "progress", start: str = "kaiming"
) -> float:
    """The power of r in the size of the first step, at fixed alpha and learning rate.

    Parameters
    ----------
    optimiser : "sgd" or "adam"
    scaling : "alpha/r" or "alpha/sqrt(r)"
    quantity : "progress" or "norm"
        <dW, -G> or ||dW||_F.
    start : "kaiming", "gaussian" or "peft_gaussian"
        The last has v = 1/r^2 and so breaks the theorem's assumption.

    Raises
    ------
    ValueError
        If a name is unknown.
    """
    validation.choice("optimiser", optimiser, OPTIMISERS)
    validation.choice("quantity", quantity, QUANTITIES)
    validation.choice("start", start, STARTS)
    power_of_r_in_s = float(np.log2(scaling_rules.scale(1.0, 4, scaling)) / 2)
    in_v = -2.0 if start == "peft_gaussian" else 0.0
    of_s, of_r, of_v = _POWERS[quantity, optimiser]
    return of_s * power_of_r_in_s + of_r + of_v * in_v


def first_update(
    loss: Loss, A: ArrayLike, multiplier: float, learning_rate: float, optimiser: str = "adam"
) -> Array:
    """dW after one step from B = 0, exactly: what `train` gives after one step.

    Adam's first direction is g / (|g| + epsilon) with g = s G A^T: the sign of g but
    where g is no larger than epsilon.

    Parameters
    ----------
    loss : MatrixLoss or DataLoss
    A : (r, k) array
    multiplier, learning_rate : float, above 0
        s and eta.
    optimiser : "sgd" or "adam"

    Returns
    -------
    (d, k) array
    """
    validation.choice("optimiser", optimiser, OPTIMISERS)
    A = validation.matrix("A", A)
    s = validation.number("multiplier", multiplier, 0, above=True)
    eta = validation.number("learning_rate", learning_rate, 0, above=True)
    _, G = loss.evaluate(np.zeros(loss.target.shape))
    g = s * (G @ A.T)
    direction = g if optimiser == "sgd" else g / (np.abs(g) + EPSILON)
    return -eta * s * (direction @ A)


def first_step_sizes(target: ArrayLike, A: ArrayLike, optimiser: str) -> tuple[float, float]:
    """Progress and norm of the first step towards M at s = eta = 1, without forming dW.

    Multiply both by eta s^2 (SGD) or eta s (Adam). With P = M A^T and, for Adam,
    sign(P) in its place in the norm:

        progress   ||P||_F^2 (SGD) or sum |P| (Adam), over ||M||_F^2
        norm       ||P A||_F = sqrt(<P^T P, A A^T>)

    Parameters
    ----------
    target : (d, k) array
    A : (r, k) array
    optimiser : "sgd" or "adam"

    Returns
    -------
    progress, norm : float
    """
    validation.choice("optimiser", optimiser, OPTIMISERS)
    target, A = validation.matrix("target", target), validation.matrix("A", A)
    P = target @ A.T
    direction = P if optimiser == "sgd" else np.sign(P)
    progress = np.sum(direction * P) / np.sum(target**2)
    norm = np.sqrt(np.sum((direction.T @ direction) * (A @ A.T)))
    return float(progress), float(norm)


def stable_rate(largest_singular_value: ArrayLike, multiplier: ArrayLike) -> Array:
    """The learning rate above which SGD cannot settle on any minimum: 1 / (s sigma_1).

    Where s B A fits the target's first component, the loss curves along it by
    s^2 (||a||^2 + ||b||^2) with s ||a|| ||b|| = sigma_1: at least 2 s sigma_1, when
    A and B share the work evenly. Gradient descent leaves a minimum that curves by
    more than 2 / eta. Measured runs blow up a little above it.

    Arrays above 0; they broadcast.
    """
    sigma = validation.positive_array("largest_singular_value", largest_singular_value)
    return np.asarray(1 / (validation.positive_array("multiplier", multiplier) * sigma))
