"""Exercises of notebooks 01 to 05: one update, its truncation, its scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..lora import scaling, spectrum, truncation, updates
from .answers import Check, function, number, pair


def rank_six(answer: Any) -> str:
    """Exercise 02-1: a 32 x 48 update of true rank 6, free of noise."""
    if isinstance(answer, updates.SimulatedUpdate):
        return "that is the object; its method matrix(noise) gives the array."
    matrix = np.asarray(answer, dtype=float)
    if matrix.shape != (32, 48):
        return f"the update should have shape (32, 48), got {matrix.shape}."
    values = np.linalg.svd(matrix, compute_uv=False)
    rank = int(np.sum(values > 1e-10 * values[0]))
    if rank == 32:
        return "every singular value is above 0: is the noise 0?"
    if rank != 6:
        return f"the true rank should be 6, got {rank}."
    return ""


def _spectrum_of(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A small random update and its singular values, for checking functions."""
    update = np.random.RandomState(seed).standard_normal((9, 7))
    return update, np.linalg.svd(update, compute_uv=False)


@function
def closed_form(answer: Any) -> str:
    """Exercise 03-1: a function (singular_values, rank, scale) -> relative error."""
    for seed, rank, s in ((0, 3, 1.0), (1, 5, 0.5), (2, 2, 3.0), (3, 7, 2.0)):
        update, values = _spectrum_of(seed)
        B, A = truncation.factor(update, rank)
        expected = truncation.relative_error(update, s * (B @ A))
        got = float(answer(values, rank, s))
        if np.isclose(got, expected, rtol=1e-9):
            continue
        if np.isclose(got, expected**2, rtol=1e-9):
            return "that is the squared error: take the square root."
        if s != 1:
            return (
                f"right at scale 1, but at rank {rank} and scale {s:g} the true error is "
                f"{expected:.4f} and yours {got:.4f}: what does the scale do to the kept part?"
            )
        return (
            f"at rank {rank} and scale 1 the true error is {expected:.4f} and yours {got:.4f}: "
            "which singular values are missed?"
        )
    return ""


@function
def smallest_rank(answer: Any) -> str:
    """Exercise 05-1: a function (singular_values, target) -> smallest rank."""
    for seed in range(4):
        _, values = _spectrum_of(seed)
        for target in (0.3, 0.5, 0.9, 0.99):
            expected = spectrum.rank_for_energy(values, target)
            got = answer(values, target)
            if got == expected:
                continue
            if got == expected - 1:
                return "one too low: index 0 belongs to rank 1."
            sums = np.cumsum(values) / values.sum()
            if got == int(np.argmax(sums >= target)) + 1:
                return "energy is the sum of the squared singular values, not of the values."
            return f"for a target of {target:g} the answer is not {got}."
    return ""


_STYLE_WEAKEST = updates.STYLE["smallest"]

CHECKS: dict[str, Check] = {
    "01-1": number(
        8 * (4096 + 11008),
        {
            8 * 4096: "that is B alone: add A.",
            8 * 11008: "that is A alone: add B.",
            4096 * 11008: "that is the full update, not the adapter.",
            8 * 4096 * 11008: "B and A are added up, not multiplied out.",
        },
    ),
    "01-2": number(
        4096 * 1024 / (4096 + 1024),
        {
            1024: "that is the smaller side; B alone then holds as many numbers as the update.",
            512: "that would be right for a 1024 x 1024 update; here B is four times as tall.",
        },
    ),
    "02-1": rank_six,
    "02-2": number(
        _STYLE_WEAKEST / 8,
        {
            _STYLE_WEAKEST / 16: "that is where the noise floor reaches the signal; a signal "
            "under the floor can still push a singular value out of it.",
            _STYLE_WEAKEST / 64: "the limit goes with the square root of 64, not with 64.",
            _STYLE_WEAKEST: "that is the signal itself: divide by the square root of 64.",
        },
    ),
    "03-1": closed_form,
    "03-2": number(
        float(scaling.alpha_for_scale(1.0, 32, scaling.RSLORA)),
        {
            32: "that is the alpha for alpha/r; rsLoRA divides by the square root of r.",
            32**2: "r = alpha^2, so alpha is the square root of r, not the square.",
        },
    ),
    "04-1": number(
        float(scaling.equivalent_alpha(96, 64, scaling.STANDARD, 64, scaling.RSLORA)),
        {
            96: "the same alpha multiplies the scale by sqrt(64) = 8.",
            768: "that goes the other way: it makes the scale larger, not equal.",
            1.5: "that is the scale itself; alpha is the scale times sqrt(r).",
        },
    ),
    "04-2": pair((0.5, 2**-0.5), "those are the inverses: the scale falls when the rank rises."),
    "04-3": number(
        float(scaling.equivalent_alpha(16, 64, scaling.RSLORA, 64, scaling.STANDARD)),
        {
            2: "that divides by sqrt(r); a loader with alpha/r needs more, not less.",
            1024: "that multiplies by r; sqrt(r) is enough.",
            16: "with the same alpha the loader applies an eighth of the scale.",
        },
    ),
    "05-1": smallest_rank,
    "05-2": number(
        (1 - 0.28) ** 0.5,
        {
            0.72: "that is the missed energy; the error is its square root.",
            0.28**0.5: "that is the size of the kept part; the error is the missed part.",
            0.28: "that is the captured energy itself.",
        },
    ),
}
