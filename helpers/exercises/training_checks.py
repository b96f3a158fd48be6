"""Exercises of notebooks 06 and 07: LoRA in training."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..figures.training import TrainingRun
from ..training.sweeps import HABITS, TWICE
from .answers import Check, function, number


@function
def gradient_of_B(answer: Any) -> str:
    """Exercise 06-3: a function (G, A, s) -> gradient of the loss with respect to B."""
    stream = np.random.RandomState(0)
    target, A = stream.standard_normal((5, 4)), stream.standard_normal((2, 4))
    B, s, step = stream.standard_normal((5, 2)), 1.5, 1e-6

    def loss(moved: Any) -> float:
        return float(np.sum((s * moved @ A - target) ** 2) / 2)

    expected = np.zeros_like(B)
    for index in np.ndindex(*B.shape):
        change = np.zeros_like(B)
        change[index] = step
        expected[index] = (loss(B + change) - loss(B - change)) / (2 * step)
    got = np.asarray(answer(s * B @ A - target, A, s), dtype=float)
    if got.shape != B.shape:
        return f"the gradient should have the shape of B, {B.shape}, got {got.shape}."
    if np.allclose(got, expected, rtol=1e-5, atol=1e-6):
        return ""
    if np.allclose(s * got, expected, rtol=1e-5, atol=1e-6):
        return "the scale is missing: B is multiplied by s before it meets A."
    if np.allclose(-got, expected, rtol=1e-5, atol=1e-6):
        return "that is the direction to step in; the gradient points the other way."
    return "finite differences of the loss give another gradient."


def own_rule(answer: Any) -> str:
    """Exercise 06-1: the powers of the rank in a stable scale, A drawn as 1/r: SGD, Adam."""
    values = np.asarray(answer, dtype=float)
    if values.shape != (2,):
        return f"two powers are asked for, got shape {values.shape}."
    if np.allclose(values, (0.5, 0)):
        return ""
    if np.allclose(values, (0, 0.5)):
        return "the two numbers are in the wrong order."
    if np.allclose(values, (-0.5, -1)):
        return "those are the rules for an A of fixed size; here A shrinks as well."
    if np.allclose(values, (-0.5, 0)):
        return "the sign of the first: 2 p - 1 should be 0."
    if np.isclose(values[0], 1):
        return "under SGD the scale counts twice: 2 p - 1 should be 0."
    return f"the {'second' if np.isclose(values[0], 0.5) else 'first'} number is off."


#: The run of exercise 07-3, which spikes, and the place of alpha = 2r in it.
BROKEN: dict[str, Any] = {
    "rank": 64, "alpha": 8, "learning_rate": 0.1, "optimiser": "adam", "update": "style",
    "change": "plain",
}  # fmt: skip


def mended(answer: Any) -> str:
    """Exercise 07-3: one other setting, with which alpha = 2r neither spikes nor is too slow."""
    if not isinstance(answer, dict) or len(answer) != 1:
        return 'one setting is asked for, such as {"learning_rate": 0.5}.'
    ((name, value),) = answer.items()
    if name not in BROKEN or name == "update":
        names = [each for each in BROKEN if each != "update"]
        return f"the setting should be one of {', '.join(names)}, got {name!r}."
    if name == "alpha":
        return "with alpha = 2r the rank sets alpha: nothing has changed."
    run = TrainingRun().numbers(**{**BROKEN, name: value})
    place = HABITS.index(TWICE)
    if run.peaks[place] > 1.0001:
        return f"the loss rises to {run.peaks[place]:.3g} times its start."
    if run.loss[place][-1] > 0.001:
        return f"no spike, and a loss of {run.loss[place][-1]:.2g} at the end: 0.001 is asked for."
    return ""


CHECKS: dict[str, Check] = {
    "06-1": own_rule,
    "06-2": number(
        -0.5,
        {
            0.5: "that is the power of the progress; the scale must make up for it.",
            -1: "that is Adam's: there the progress goes as r s, and here as the norm of P.",
            0: "the scale has dropped out of line 1; it still comes in with line 2.",
        },
    ),
    "06-3": gradient_of_B,
    "07-1": number(
        128.0,
        {
            2: "that goes the other way: LoRA's scale is the smaller one.",
            16: "with the same alpha the scales differ by sqrt(64).",
            1024: "that multiplies by r; sqrt(r) is enough.",
            0.0024: "a rate moves both factors; the scale moves B alone.",
        },
    ),
    "07-2": number(
        0.25,
        {
            4: "that is how the progress changes; the rate must make up for it.",
            1: "so it would be with alpha/r and alpha fixed; here the scale stays at 2.",
            0.5: "that keeps the length of the step; the progress goes as r s, not as its root.",
            0.0625: "under Adam the scale counts once, and it does not change here.",
        },
    ),
    "07-3": mended,
}
