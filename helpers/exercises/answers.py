"""What answers are compared with: a number, a pair, a rank, a function."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from numbers import Real
from typing import Any

import numpy as np

#: From an answer to what is wrong with it, "" for nothing.
Check = Callable[[Any], str]


#: How far off an answer may be: what is printed with two digits counts.
TOLERANCE = 0.02


def number(
    expected: float, slips: dict[float, str], hint: str = "", tolerance: float = TOLERANCE
) -> Check:
    """Check one number.

    `slips` maps likely wrong values to what went wrong; any other wrong value gets the `hint`.
    """

    def close(value: float, target: float) -> bool:
        return abs(value - target) <= tolerance * max(abs(target), 1e-12)

    def checked(answer: Any) -> str:
        if isinstance(answer, np.ndarray) and answer.size == 1:
            answer = answer.item()
        if not isinstance(answer, (Real, np.number)) or not np.isfinite(float(answer)):
            return f"a finite number is asked for, got {answer!r}."
        value = float(answer)
        if close(value, expected):
            return ""
        near = [slip for slip in slips if close(value, slip)]
        if near:
            return slips[min(near, key=lambda slip: abs(value - slip))]
        return f"{value:g} is too {'large' if value > expected else 'small'}. {hint}".rstrip()

    return checked


def pair(expected: tuple[float, float], slip: str) -> Check:
    """Check two numbers in order, to 2 %: as they are printed."""

    def checked(answer: Any) -> str:
        values = np.asarray(answer, dtype=float)
        if values.shape != (2,):
            return f"two numbers are asked for, got shape {values.shape}."
        if np.allclose(values, expected, rtol=TOLERANCE):
            return ""
        if np.allclose(values[::-1], expected, rtol=TOLERANCE):
            return "the two numbers are in the wrong order."
        if np.allclose(1 / values, expected, rtol=TOLERANCE):
            return slip
        which = "first" if not np.isclose(values[0], expected[0], rtol=TOLERANCE) else "second"
        return f"the {which} number is off."

    return checked


def not_a_rank(answer: Any, highest: int) -> str:
    """What is wrong with an answer that should be one whole number from 1 up, or ""."""
    value = np.asarray(answer)
    if value.size == 1 and value.dtype.kind in "iuf" and value.item() in range(1, highest + 1):
        return ""
    return f"a finite number is asked for, whole and from 1 to {highest}, got {answer!r}."


def function(check: Check) -> Check:
    """A check of a function: it is told apart from what the function returns."""

    @wraps(check)
    def checked(answer: Any) -> str:
        if not callable(answer):
            return "hand over the function itself, without calling it."
        return check(answer)

    return checked
