"""Exercises of notebook 06: LoRA in training."""

from __future__ import annotations

from typing import Any

import numpy as np

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


CHECKS: dict[str, Check] = {
    "06-1": number(
        4.0,
        {
            1: "that is Adam's answer; under SGD the scale counts twice.",
            2: "that keeps the gradient's norm; the progress falls twice as fast.",
            16: "the scale enters twice, but r rows add up: one power of r comes back.",
            0.25: "that is how the progress changes; the rate must make up for it.",
        },
    ),
    "06-2": number(
        0.5,
        {
            2: "that is how the progress changes; the rate must make up for it.",
            0.25: "the r rows add up to four times as much, but the scale falls to half.",
            1: "so it would be with alpha/r, or if the scale counted twice; under Adam it counts "
            "once, and it is alpha/sqrt(r) here.",
        },
    ),
    "06-3": gradient_of_B,
}
