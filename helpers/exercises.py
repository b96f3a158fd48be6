"""Self-checks: they say "correct", or what is off, and never give the answer away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from . import adapters
from .lora import scaling, spectrum, truncation, updates
from .model import recall, results, shipped, transformer, world
from .model.tasks import FULL_RANK
from .model.update import lora_size

#: What an exercise cell holds before the learner has answered.
UNANSWERED = ...


@dataclass(frozen=True)
class Result:
    """What a self-check found. Shown as its message."""

    correct: bool
    message: str

    def __repr__(self) -> str:
        return self.message


def check(key: str, answer: Any) -> Result:
    """Check the answer to exercise `key`, such as "03-1".

    Raises ValueError for an unknown key. A wrong or broken answer raises nothing:
    the result says what is off.
    """
    if key not in _CHECKS:
        raise ValueError(f"key must be one of {', '.join(_CHECKS)}, got {key!r}")
    if answer is UNANSWERED:
        return Result(False, "Not answered yet: replace the three dots and run the cell again.")
    try:
        problem = _CHECKS[key](answer)
    except Exception as error:
        # The learner's own function may raise anything at all.
        return Result(False, f"Your answer could not be checked: {type(error).__name__}: {error}")
    if problem:
        return Result(False, f"Not yet: {problem}")
    return Result(True, "Correct.")


def _number(
    expected: float, slips: dict[float, str], tolerance: float = 0.005
) -> Callable[[Any], str]:
    """Check one number; `slips` maps likely wrong values to what went wrong."""

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
        for slip, explanation in slips.items():
            if close(value, slip):
                return explanation
        return f"{value:g} is too {'large' if value > expected else 'small'}."

    return checked


def _pair(expected: tuple[float, float], slip: str) -> Callable[[Any], str]:
    """Check two numbers in order."""

    def checked(answer: Any) -> str:
        values = np.asarray(answer, dtype=float)
        if values.shape != (2,):
            return f"two numbers are asked for, got shape {values.shape}."
        if np.allclose(values, expected, rtol=0.005):
            return ""
        if np.allclose(values[::-1], expected, rtol=0.005):
            return "the two numbers are in the wrong order."
        if np.allclose(1 / values, expected, rtol=0.005):
            return slip
        which = "first" if not np.isclose(values[0], expected[0], rtol=0.005) else "second"
        return f"the {which} number is off."

    return checked


def _rank_six(answer: Any) -> str:
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


def _closed_form(answer: Any) -> str:
    """Exercise 03-1: a function (singular_values, rank, scale) -> relative error."""
    if not callable(answer):
        return "hand over the function itself, without calling it."
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


def _smallest_rank(answer: Any) -> str:
    """Exercise 05-1: a function (singular_values, target) -> smallest rank."""
    if not callable(answer):
        return "hand over the function itself, without calling it."
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


def _gradient_of_B(answer: Any) -> str:
    """Exercise 06-3: a function (G, A, s) -> gradient of the loss with respect to B."""
    if not callable(answer):
        return "hand over the function itself, without calling it."
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


def _facts_right(rank: int) -> float:
    """The share of the first new person's facts at a rank of the update for 25 people."""
    return recall.with_full_update("25", rank, people=1).facts


def _not_a_rank(answer: Any, highest: int) -> str:
    """What is wrong with an answer that should be one whole number from 1 up, or ""."""
    value = np.asarray(answer)
    if value.size == 1 and value.dtype.kind in "iuf" and value.item() in range(1, highest + 1):
        return ""
    return f"a finite number is asked for, whole and from 1 to {highest}, got {answer!r}."


def _lowest_rank(answer: Any) -> str:
    """Exercise 07-2: the lowest rank at which one person's facts are all right."""
    if problem := _not_a_rank(answer, FULL_RANK):
        return problem
    rank = int(np.asarray(answer).item())
    if _facts_right(rank) < 1:
        return f"at rank {rank} the model gets {4 * _facts_right(rank):.0f} of 4 right."
    if any(_facts_right(lower) == 1 for lower in range(1, rank)):
        return f"at rank {rank} all four are right, and so they are at a lower rank."
    return ""


def _normalise(answer: Any) -> str:
    """Exercise 07-3: a function x -> x over its root mean square, row by row."""
    if not callable(answer):
        return "hand over the function itself, without calling it."
    x = 3 * np.random.RandomState(0).standard_normal((2, 4, 5))
    got, expected = np.asarray(answer(x.copy())), transformer.normalise(x)
    if got.shape != x.shape:
        return f"the result should have the shape of x, {x.shape}, got {got.shape}."
    if np.allclose(got, expected, rtol=1e-5):
        return ""
    if np.allclose(got, x / np.mean(x**2, axis=-1, keepdims=True), rtol=1e-5):
        return "that divides by the mean square: take its root."
    if np.allclose(got, x / np.sqrt(np.mean(x**2)), rtol=1e-5):
        return "that is one size for all rows: take the mean along the last axis only."
    if np.allclose(got, x / np.linalg.norm(x, axis=-1, keepdims=True), rtol=1e-5):
        return "that divides by the root of the sum of squares: take the mean."
    return "the mean square of each row of the result should be 1."


def _crowd_at_most(answer: Any) -> str:
    """Exercise 08-1: the lowest rank at which the adapter "crowd" has an error of at most 0.3."""
    crowd = adapters.shipped("crowd")
    if problem := _not_a_rank(answer, crowd.modules[0].rank):
        return problem
    rank, spectra = int(np.asarray(answer).item()), adapters.spectra(crowd)
    error = float(adapters.error_at(spectra, rank))
    if error > 0.3:
        return f"at rank {rank} the error is {error:.3f}."
    if rank > 1 and adapters.error_at(spectra, rank - 1) <= 0.3:
        return f"at rank {rank} the error is {error:.3f}, and a lower rank does as well."
    return ""


def _share_in_use(answer: Any) -> str:
    """Exercise 08-2: a function (B, A) -> effective rank of B A over r."""
    if not callable(answer):
        return "hand over the function itself, without calling it."
    draw = np.random.RandomState(0)
    B = draw.standard_normal((30, 6)) * [9, 5, 3, 1, 0.5, 0.1]
    A = draw.standard_normal((6, 20))
    values = np.linalg.svd(B @ A, compute_uv=False)[:6]
    expected, got = spectrum.effective_rank(values) / 6, answer(B.copy(), A.copy())
    if np.size(got) != 1:
        return f"one number is asked for, got shape {np.shape(got)}."
    slips = {
        expected: "",
        6 * expected: "that is the effective rank: divide it by r.",
        spectrum.effective_rank(values**2) / 6: "the measure here takes singular values, "
        "not their squares.",
        spectrum.stable_rank(values) / 6: "that is the stable rank over r.",
        6 * expected / 20: "r is the columns of B, not the rank that B A could have.",
    }
    share = float(np.squeeze(got))
    for value, said in slips.items():
        if np.isclose(share, value, rtol=1e-6):
            return said
    return f"for the adapter of the check it should be {expected:.3f}, got {share:.3f}."


def _weakened() -> tuple[float, float]:
    """The lowest measured scale at which "people" has 0.99 of its facts, and the known ones'."""
    curves = results.adapter("people", "scales")
    at = int(np.argmax(curves.mean("facts") >= 0.99))
    return float(curves.at[at]), float(curves.mean("known")[at])


def _weaker(answer: Any) -> str:
    """Exercise 08-3: a scale, and the share of the known people's facts at it."""
    return _pair(_weakened(), "those are the inverses.")(answer)


def _lowest_for_3200(answer: Any) -> str:
    """Exercise 07-1: the lowest rank for 3,200 people, at half a bit in each number."""
    ranks = 3200 * world.bits_per_person() / (0.5 * lora_size(shipped.base(), 1))
    return _number(
        float(np.ceil(ranks)),
        {
            ranks: "a rank is a whole number: round up, or not all people fit.",
            float(np.floor(ranks)): "at that rank a few people are left out: round up.",
            float(np.ceil(ranks / 2)): "each number holds half a bit, not one.",
        },
    )(answer)


_STYLE_WEAKEST = updates.STYLE["smallest"]

_CHECKS: dict[str, Callable[[Any], str]] = {
    "01-1": _number(
        8 * (4096 + 11008),
        {
            8 * 4096: "that is B alone: add A.",
            8 * 11008: "that is A alone: add B.",
            4096 * 11008: "that is the full update, not the adapter.",
            8 * 4096 * 11008: "B and A are added up, not multiplied out.",
        },
    ),
    "01-2": _number(
        4096 * 1024 / (4096 + 1024),
        {
            1024: "that is the smaller side; B alone then holds as many numbers as the update.",
            512: "that would be right for a 1024 x 1024 update; here B is four times as tall.",
        },
    ),
    "02-1": _rank_six,
    "02-2": _number(
        _STYLE_WEAKEST / 8,
        {
            _STYLE_WEAKEST / 16: "that is where the noise floor reaches the signal; a signal "
            "under the floor can still push a singular value out of it.",
            _STYLE_WEAKEST / 64: "the limit goes with the square root of 64, not with 64.",
            _STYLE_WEAKEST: "that is the signal itself: divide by the square root of 64.",
        },
    ),
    "03-1": _closed_form,
    "03-2": _number(
        float(scaling.alpha_for_scale(1.0, 32, scaling.RSLORA)),
        {
            32: "that is the alpha for alpha/r; rsLoRA divides by the square root of r.",
            32**2: "r = alpha^2, so alpha is the square root of r, not the square.",
        },
    ),
    "04-1": _number(
        float(scaling.equivalent_alpha(96, 64, scaling.STANDARD, 64, scaling.RSLORA)),
        {
            96: "the same alpha multiplies the scale by sqrt(64) = 8.",
            768: "that goes the other way: it makes the scale larger, not equal.",
            1.5: "that is the scale itself; alpha is the scale times sqrt(r).",
        },
    ),
    "04-2": _pair((0.5, 2**-0.5), "those are the inverses: the scale falls when the rank rises."),
    "04-3": _number(
        float(scaling.equivalent_alpha(16, 64, scaling.RSLORA, 64, scaling.STANDARD)),
        {
            2: "that divides by sqrt(r); a reader with alpha/r needs more, not less.",
            1024: "that multiplies by r; sqrt(r) is enough.",
            16: "with the same alpha the reader applies an eighth of the scale.",
        },
    ),
    "05-1": _smallest_rank,
    "05-2": _number(
        (1 - 0.28) ** 0.5,
        {
            0.72: "that is the missed energy; the error is its square root.",
            0.28**0.5: "that is the size of the kept part; the error is the missed part.",
            0.28: "that is the captured energy itself.",
        },
    ),
    "06-1": _number(
        4.0,
        {
            1: "that is Adam's answer; under SGD the scale counts twice.",
            2: "that keeps the gradient's norm; the progress falls twice as fast.",
            16: "the scale enters twice, but r rows add up: one power of r comes back.",
            0.25: "that is how the progress changes; the rate must make up for it.",
        },
    ),
    "06-2": _number(
        0.5,
        {
            2: "that is how the progress changes; the rate must make up for it.",
            0.25: "the r rows add up to four times as much, but the scale falls to half.",
            1: "so it would be with alpha/r, or if the scale counted twice; under Adam it counts "
            "once, and it is alpha/sqrt(r) here.",
        },
    ),
    "06-3": _gradient_of_B,
    "07-1": _lowest_for_3200,
    "07-2": _lowest_rank,
    "07-3": _normalise,
    "08-1": _crowd_at_most,
    "08-2": _share_in_use,
    "08-3": _weaker,
}
