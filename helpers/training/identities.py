"""What "a scale is the ratio of two learning rates" leaves out, and what bends the exponents.

With B' = s B, training at scale s is training at scale 1 in which B' has

    SGD    s^2 times the learning rate
    AdamW  s times the learning rate, its weight decay over s, its epsilon over s

and A keeps what it had. Nothing else is the same run; one learning rate for both factors
is another knob.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..tables import Table
from ..validation import Array
from .init import init_A
from .loop import gradients, train
from .losses import Loss
from .optimisers import EPSILON, Adam
from .sweeps import HABITS, article_loss, scale_under
from .theory import log_slope

#: At which ranks the exponents are measured, unless said otherwise.
RANKS = (2, 4, 8, 16, 32, 64)


def adamw(
    loss: Loss,
    A: ArrayLike,
    scale: float,
    rates: tuple[float, float],
    decays: tuple[float, float] = (0.0, 0.0),
    epsilons: tuple[float, float] = (EPSILON, EPSILON),
    steps: int = 100,
) -> Array:
    """The update after training by AdamW, with every setting given for A and for B.

    AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101) shrinks each factor by its
    rate times its decay at every step, beside Adam's step.

    Parameters
    ----------
    loss : MatrixLoss or DataLoss
    A : (r, k) array
        Where A starts; B starts at zero.
    scale : float, above 0
        s.
    rates, decays, epsilons : pairs of float, for A and for B
    steps : int

    Returns
    -------
    (d, k) array
        s B A at the end.

    Examples
    --------
    Scale 4 is scale 1 with other settings for B:

    >>> from helpers.training import MatrixLoss
    >>> loss, A = MatrixLoss(np.eye(4)), np.eye(2, 4)
    >>> one = adamw(loss, A, 4.0, (0.01, 0.01), (0.1, 0.1))
    >>> other = adamw(loss, A, 1.0, (0.01, 0.04), (0.1, 0.025), (1e-8, 1e-8 / 4))
    >>> bool(np.allclose(one, other, rtol=0, atol=1e-12))
    True
    """
    s = validation.number("scale", scale, 0, above=True)
    A = validation.matrix("A", A).copy()
    B = np.zeros((len(loss.target), len(A)))
    adams = [Adam(epsilon) for epsilon in epsilons]
    for _ in range(validation.integer("steps", steps, 1)):
        _, _, gradient_A, gradient_B = gradients(loss, A, B, s)
        moves = [adam.direction(g) for adam, g in zip(adams, (gradient_A, gradient_B))]
        A -= rates[0] * (moves[0] + decays[0] * A)
        B -= rates[1] * (moves[1] + decays[1] * B)
    return np.asarray(s * B @ A)


def twins(scale: float = 2.0, decay: float = 0.1, steps: int = 200) -> Table:
    """How far a run at scale 1 is from one at `scale`, by what B is given to make up for it.

    On the article's facts, rank 64, AdamW at 3e-4, from one start.

    Examples
    --------
    >>> twins(steps=5).rows[0]
    ('rate x 2, decay / 2, epsilon / 2', 'the same run')
    """
    loss, rate, s = article_loss("facts"), 3e-4, f"{scale:g}"
    A = init_A(np.random.RandomState(0), 64, 64)
    whole = adamw(loss, A, scale, (rate, rate), (decay, decay), steps=steps)
    changes = {
        f"rate x {s}, decay / {s}, epsilon / {s}": (scale, 1 / scale, 1 / scale),
        f"rate x {s}, decay / {s}": (scale, 1 / scale, 1),
        f"rate x {s}": (scale, 1, 1),
        "nothing": (1, 1, 1),
    }
    rows = []
    for label, (r, d, e) in changes.items():
        settings = (rate, r * rate), (decay, d * decay), (EPSILON, e * EPSILON)
        apart = np.linalg.norm(adamw(loss, A, 1.0, *settings, steps=steps) - whole)
        apart /= np.linalg.norm(whole)
        rows.append((label, f"{apart:.0e}" if apart > 1e-9 else "the same run"))
    return Table(
        ("scale 1, and for B", f"distance from the run at scale {s}, over its length"), rows
    )


def second_step(
    update: str = "style",
    ranks: Sequence[int] = (4, 64),
    alpha: float = 8,
    learning_rate: float = 0.1,
    steps: int = 100,
) -> Table:
    """How long the update is after one step of Adam and after two, and the highest loss.

    Lengths are over the target's, losses over that at the start. In the first step only B
    moves; in the second A has moved too, and r moved columns meet r moved rows, which adds
    up to about s r times the squared rate where they pull the same way.

    Examples
    --------
    >>> second_step(ranks=(64,)).rows[-1]
    ('rank 64, alpha = 2r', '128', '1.5', '4.2', '16.8')
    """
    loss, rows = article_loss(update), []
    for rank in ranks:
        A = init_A(np.random.RandomState(0), rank, loss.target.shape[1])
        scales = [scale_under(habit, alpha, rank) for habit in HABITS]
        run = train(loss, A, scales, learning_rate, "adam", steps)
        length, peaks = run.norm / run.target_norm, run.loss.max(axis=-1) / run.loss[:, 0]
        rows += [
            (f"rank {rank}, {habit}", f"{s * rank:g}", f"{one:.1f}", f"{two:.1f}", f"{peak:.1f}")
            for habit, s, (one, two), peak in zip(HABITS, scales, length[:, 1:3], peaks)
        ]
    lengths = ("length after step 1", "after step 2")
    return Table(("Adam on " + update, "s times r", *lengths, "highest loss"), rows)


def first_step_exponent(
    target: ArrayLike,
    scales: Sequence[float],
    optimiser: str = "adam",
    size: float = 1.0,
    noise: float = 0.0,
    clipped: bool = False,
    init: str = "kaiming",
    ranks: Sequence[int] = RANKS,
    seeds: Sequence[int] = range(10),
) -> float:
    """The power of the rank in the first step's mean progress, under less tidy conditions.

    Parameters
    ----------
    target : (d, k) array
        M.
    scales : as many floats as there are ranks
        s at each rank.
    optimiser : "sgd" or "adam"
    size : float
        The gradient is multiplied by this: far below Adam's epsilon over its entries,
        Adam is SGD with a large learning rate.
    noise : float
        Standard deviation of noise in every entry of the gradient, over the root of the
        mean square of the gradient's own entries.
    clipped : bool
        Whether B's gradient is scaled to length 1 first.
    init : see `init_A`
    ranks : whole numbers
    seeds : whole numbers

    Examples
    --------
    With alpha = 2r the scale is 2 at every rank, and the progress goes as r:

    >>> M = np.random.RandomState(0).standard_normal((64, 64))
    >>> round(first_step_exponent(M, [2.0] * 6), 1)
    1.0
    """
    target = validation.matrix("target", target)
    validation.choice("optimiser", optimiser, ("sgd", "adam"))
    if len(scales) != len(ranks):
        raise ValueError(f"scales must be one for each of {len(ranks)} ranks, got {len(scales)}")
    progress = np.empty((len(seeds), len(ranks)))
    for i, seed in enumerate(seeds):
        generator = np.random.RandomState(seed)
        blur = noise * np.sqrt(np.mean(target**2)) * generator.standard_normal(target.shape)
        for j, (rank, s) in enumerate(zip(ranks, scales)):
            A = init_A(generator, rank, target.shape[1], init)
            step = size * s * (target + blur) @ A.T
            if clipped:
                step /= np.linalg.norm(step)
            if optimiser == "adam":
                step = step / (np.abs(step) + EPSILON)
            progress[i, j] = s * np.sum((step @ A) * target)
    return float(log_slope(ranks, progress.mean(axis=0)))


def conditions_table(ranks: Sequence[int] = RANKS) -> Table:
    """Powers of the rank in the first step's progress, tidy and less tidy, on the article's facts.

    Examples
    --------
    >>> conditions_table().rows[-1]
    ('Adam, gradients times 1e-10', '-1.0', '0.0', '1.0')
    """
    target = article_loss("facts").target
    conditions: dict[str, dict[str, Any]] = {
        "SGD": {"optimiser": "sgd"},
        "SGD, A drawn as 1/r": {"optimiser": "sgd", "init": "peft_gaussian"},
        "Adam": {},
        "Adam, noise of 10 times the gradient": {"noise": 10},
        "Adam, A drawn as 1/r": {"init": "peft_gaussian"},
        "Adam, gradients times 1e-10": {"size": 1e-10},
    }
    scales = {habit: [scale_under(habit, 16, rank) for rank in ranks] for habit in HABITS}
    rows = []
    for name, settings in conditions.items():
        powers = (
            first_step_exponent(target, each, **settings, ranks=ranks) for each in scales.values()
        )
        rows.append((name, *(f"{round(power, 1) + 0.0:.1f}" for power in powers)))
    return Table(("power of the rank in the progress", *HABITS), rows)
