"""What the formulas say about the first step and the largest step, and the first step measured.

The first step starts from B = 0, where only B has a gradient, s G A^T:

    SGD    dW = -eta s^2 (G A^T) A             progress  eta s^2 ||G A^T||_F^2
    Adam   dW = -eta s sign(G A^T) A           progress  eta s sum |G A^T|

Both sums run over the r rows of A, which are drawn alike, so they grow with r as
r v (SGD) and r sqrt(v) (Adam), v being the variance of A's entries. That, and the
power of r in s, gives every exponent here. For SGD it is the argument of rsLoRA's
theorem 3.2 (Kalajdzievski 2023, arXiv:2312.03732), which assumes that v leaves r out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..lora import updates
from ..lora.scaling import RULES, scale
from ..tables import Table
from ..validation import Array
from .init import INITS, init_A
from .optimisers import OPTIMISERS

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
    optimiser: str, rule: str, quantity: str = "progress", init: str = "kaiming"
) -> float:
    """The power of r in the size of the first step, at fixed alpha and learning rate.

    Parameters
    ----------
    optimiser : "sgd" or "adam"
    rule : "alpha/r" or "alpha/sqrt(r)"
    quantity : "progress" or "norm"
        <dW, -G> or ||dW||_F.
    init : "kaiming", "gaussian" or "peft_gaussian"
        The last has v = 1/r^2 and so breaks the theorem's assumption.

    Raises
    ------
    ValueError
        If a name is unknown.

    Examples
    --------
    >>> theory_exponent("sgd", "alpha/r"), theory_exponent("adam", "alpha/sqrt(r)")
    (-1.0, 0.5)
    """
    validation.choice("optimiser", optimiser, OPTIMISERS)
    validation.choice("quantity", quantity, QUANTITIES)
    validation.choice("init", init, INITS)
    power_of_r_in_s = float(np.log2(scale(1.0, 4, rule)) / 2)
    in_v = -2.0 if init == "peft_gaussian" else 0.0
    of_s, of_r, of_v = _POWERS[quantity, optimiser]
    return of_s * power_of_r_in_s + of_r + of_v * in_v


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

    Examples
    --------
    >>> first_step_sizes(np.eye(4), np.eye(2, 4), "sgd")
    (0.5, 1.4142135623730951)
    """
    validation.choice("optimiser", optimiser, OPTIMISERS)
    target, A = validation.matrix("target", target), validation.matrix("A", A)
    P = target @ A.T
    direction = P if optimiser == "sgd" else np.sign(P)
    progress = np.sum(direction * P) / np.sum(target**2)
    norm = np.sqrt(np.sum((direction.T @ direction) * (A @ A.T)))
    return float(progress), float(norm)


def stable_rate(largest_singular_value: ArrayLike, scale: ArrayLike) -> Array:
    """The learning rate above which SGD cannot settle on any minimum: 1 / (s sigma_1).

    Where s B A fits the target's first component, the loss curves along it by
    s^2 (||a||^2 + ||b||^2) with s ||a|| ||b|| = sigma_1: at least 2 s sigma_1, when
    A and B share the work evenly. Gradient descent leaves a minimum that curves by
    more than 2 / eta. Measured runs blow up a little above it.

    Arrays above 0; they broadcast.

    Examples
    --------
    >>> float(stable_rate(5.0, 2.0))
    0.1
    """
    sigma = validation.positive_array("largest_singular_value", largest_singular_value)
    return np.asarray(1 / (validation.positive_array("scale", scale) * sigma))


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

    @property
    def said(self) -> str:
        """The slope with its spread, such as "-1.00 ± 0.03"."""
        return f"{self.slope + 0.0:.2f} ± {self.spread:.2f}".replace("-0.00", "0.00")


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

    Examples
    --------
    >>> gaussian_target(8, rank=2)(np.random.RandomState(0)).shape
    (8, 8)
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
    init: str = "kaiming",
) -> dict[tuple[str, str, str], Exponent]:
    """Slopes of log(first step) against log(rank), for every optimiser and scaling.

    Alpha and the learning rate multiply all ranks alike, so no slope depends on them.

    Parameters
    ----------
    target : (d, k) array, or function of a generator
        M, or a recipe that draws one for each seed.
    ranks : whole numbers, at least two different ones
    seeds : whole numbers, at least two
        Each draws its target, if there is a recipe, and then one A per rank.
    init : "kaiming", "gaussian" or "peft_gaussian"

    Returns
    -------
    dict from (quantity, optimiser, scaling) to Exponent
        Quantities are "progress" (<dW, M> / ||M||_F^2) and "norm" (||dW||_F).

    Raises
    ------
    ValueError
        If there are too few ranks or seeds, or one is out of range.

    Examples
    --------
    >>> found = measure_exponents(gaussian_target(64))
    >>> found["progress", "adam", "alpha/sqrt(r)"].theory
    0.5
    >>> f"{found['progress', 'adam', 'alpha/sqrt(r)'].slope:.1f}"
    '0.5'
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
            A = init_A(generator, int(rank), M.shape[1], init)
            for k, optimiser in enumerate(OPTIMISERS):
                sizes[k, :, i, j] = first_step_sizes(M, A, optimiser)
    exponents = {}
    for k, optimiser in enumerate(OPTIMISERS):
        for q, quantity in enumerate(QUANTITIES):
            for rule in RULES:
                s = scale(1.0, rank_array, rule)
                values = sizes[k, q] * (s**2 if optimiser == "sgd" else s)
                exponents[quantity, optimiser, rule] = Exponent(
                    theory_exponent(optimiser, rule, quantity, init),
                    float(log_slope(rank_array, values.mean(axis=0))),
                    log_slope(rank_array, values),
                    values,
                )
    return exponents


def log_slope(x: ArrayLike, y: ArrayLike) -> Array:
    """Least-squares slope of log(y) against log(x), along y's last axis.

    Parameters
    ----------
    x : (R,) array, above 0
    y : (..., R) array, above 0

    Returns
    -------
    (...) array

    Examples
    --------
    >>> float(log_slope([1, 2, 4], [3, 12, 48]).round(6))
    2.0
    """
    log_x = np.log(validation.positive_array("x", x))
    log_y = np.log(validation.positive_array("y", y))
    centred = log_x - log_x.mean()
    return np.asarray(log_y @ centred / (centred @ centred))


def doubled() -> Table:
    """What a doubled rank does to the first step, and the rate that makes up for it.

    With alpha kept, and with alpha = 2r. Progress and length change by powers of two, see
    `theory_exponent`; with alpha = 2r, which keeps s, both optimisers have the powers of r alone.

    Examples
    --------
    >>> doubled().rows[2]
    ('Adam', 'alpha = 2r', 'x 2.00', 'x 1.41', 'x 0.50')
    """
    rows = []
    for optimiser, name in (("adam", "Adam"), ("sgd", "SGD")):
        powers = {
            rule: [theory_exponent(optimiser, rule, quantity) for quantity in QUANTITIES]
            for rule in RULES
        }
        powers["alpha = 2r"] = [_POWERS[quantity, optimiser][1] for quantity in QUANTITIES]
        for rule, (progress, norm) in powers.items():
            factors = (2**progress, 2**norm, 2**-progress)
            rows.append((name, rule, *(f"x {factor:.2f}" for factor in factors)))
    changes = ("first step's progress", "its length", "rate that keeps the progress")
    return Table(("rank doubles", "alpha", *changes), rows)


def first_gradients(ranks: Sequence[int] = (1, 4, 16, 64)) -> Table:
    """Norm of B's first gradient towards the article's facts, alpha 16, over the rank.

    Means of ten seeds, and the power of the rank.

    Examples
    --------
    >>> first_gradients().rows[1]
    ('alpha/sqrt(r)', '17.0', '17.7', '17.4', '17.5', '0.00')
    """
    target = updates.article_updates()["facts"].matrix(updates.ARTICLE_NOISE)
    rows = []
    for rule in RULES:
        norms = []
        for rank in ranks:
            starts = (init_A(np.random.RandomState(seed), rank, 64) for seed in range(10))
            each = [np.linalg.norm(target @ A.T) for A in starts]
            norms.append(float(scale(updates.ARTICLE_ALPHA, rank, rule) * np.mean(each)))
        slope = float(log_slope(ranks, norms)) + 0.0
        rows.append((rule, *(f"{norm:.1f}" for norm in norms), f"{slope:.2f}"))
    return Table(("first gradient of B", *(f"r = {rank}" for rank in ranks), "power of r"), rows)


def exponents_table() -> Table:
    """Powers of the rank in the first step's progress and length, for four targets.

    Examples
    --------
    >>> exponents_table().rows[0]
    ('progress: theory', '-1', '0', '0', '0.5')
    """
    article = {
        name: update.matrix(updates.ARTICLE_NOISE)
        for name, update in updates.article_updates().items()
    }
    targets: dict[str, Any] = {
        "random, width 64": gaussian_target(64),
        "random, width 512": gaussian_target(512),
        **{name: article[name] for name in ("facts", "style")},
    }
    found = {
        name: measure_exponents(target, seeds=range(30 if name == "style" else 10))
        for name, target in targets.items()
    }
    keys, rows = [(optimiser, rule) for optimiser in OPTIMISERS for rule in RULES], []
    for quantity, word in zip(QUANTITIES, ("progress", "length")):
        theory = (f"{theory_exponent(*key, quantity):g}" for key in keys)
        rows.append((f"{word}: theory", *theory))
        rows += [
            (f"{word}: {name}", *(each[(quantity, *key)].said for key in keys))
            for name, each in found.items()
        ]
    columns = (f"{optimiser}, {rule}" for optimiser, rule in keys)
    return Table(("power of the rank in the", *columns), rows)
