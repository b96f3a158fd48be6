"""Exercises of notebooks 06 and 07: LoRA in training."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..figures.training import TrainingRun
from ..training.sweeps import HABITS, TWICE
from .answers import Check, number


def own_rule(answer: Any) -> str:
    """Exercise 06-1: the powers of the rank in a stable scale, A's variance 1/r: SGD, Adam."""
    values = np.asarray(answer, dtype=float)
    if values.shape != (2,):
        return f"two powers are asked for, got shape {values.shape}."
    if np.allclose(values, (0, -0.5)):
        return ""
    if np.allclose(values, (-0.5, 0)):
        return "the two numbers are in the wrong order."
    if np.allclose(values, (-0.5, -1)):
        return "those are the rules for an A of fixed size; here A shrinks as well."
    if np.allclose(values, (0.5, 0)):
        return "those are for a variance of 1/r^2, PEFT's gaussian start; here it is 1/r."
    if np.isclose(values[0], 0) and np.isclose(values[1], 0.5):
        return "the sign of the second: p + 1/2 should be 0."
    return f"the {'second' if np.isclose(values[0], 0) else 'first'} number is off."


def equal_length(answer: Any) -> str:
    """Exercise 06-3: the powers of the rank in a scale that keeps the step's length: SGD, Adam."""
    values = np.asarray(answer, dtype=float)
    if values.shape != (2,):
        return f"two powers are asked for, got shape {values.shape}."
    if np.allclose(values, (-0.25, -0.5)):
        return ""
    if np.allclose(values, (-0.5, -0.25)):
        return "the two numbers are in the wrong order."
    if np.allclose(values, (-0.5, -1)):
        return "those keep the progress; the length has half a power of the rank less."
    if np.isclose(values[0], -0.5):
        return "under SGD the scale counts twice: 2 p + 1/2 should be 0."
    return f"the {'second' if np.isclose(values[0], -0.25) else 'first'} number is off."


def same_run(answer: Any) -> str:
    """Exercise 07-1: by what B's rate, decay and epsilon are multiplied for 4 times the scale."""
    values = np.asarray(answer, dtype=float)
    if values.shape != (3,):
        return f"three factors are asked for, rate, decay and epsilon, got shape {values.shape}."
    rate, decay, epsilon = (float(value) for value in values)
    if np.allclose(values, (4, 0.25, 0.25)):
        return ""
    if np.allclose(values, (0.25, 4, 4)):
        return "that turns rsLoRA's run into LoRA's: which of the two has the larger scale?"
    if np.isclose(rate, 8):
        return "8 is the ratio at rank 64; the rank is 16 here."
    if not np.isclose(rate, 4):
        return (
            f"the rate of B should grow as the scale does, from 1 to 4; you multiply by {rate:g}."
        )
    if np.allclose((decay, epsilon), 1):
        return (
            "close, and not the very same run: at 4 times the rate the decay pulls 4 times harder."
        )
    if not np.isclose(decay, 0.25):
        return "each step shrinks B by its rate times its decay: that product should not change."
    return "B's gradient is 4 times smaller at scale 1, and epsilon is compared with it."


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
    "06-3": equal_length,
    "07-1": same_run,
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
