"""Exercises of notebooks 01 to 05: one update, its truncation, its scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..lora import scaling, spectrum, truncation, updates
from .answers import TOLERANCE, Check, function, not_a_rank, number


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


def chess_boards(answer: Any) -> str:
    """Exercise 01-3: the ranks of a chess board of +1 and -1, and of one of 1 and 0."""
    values = np.asarray(answer)
    if values.shape != (2,):
        return f"two ranks are asked for, got shape {values.shape}."
    board = np.indices((8, 8)).sum(axis=0) % 2
    expected = [int(np.linalg.matrix_rank(each)) for each in (2 * board - 1, board)]
    for got, right, which in zip(values.tolist(), expected, ("+1 and -1", "1 and 0")):
        if problem := not_a_rank(got, 8):
            return problem
        if got > right:
            return (
                f"the board of {which} can be woven from fewer than {got} plaids: look at how "
                "one row follows from another."
            )
        if got < right:
            return f"{got} is too few for the board of {which}: it has two kinds of rows."
    return ""


def same_spectrum(answer: Any) -> str:
    """Exercise 02-4: another matrix with the singular values of the style update."""
    style = updates.article_updates()["style"].matrix()
    matrix = np.asarray(answer, dtype=float)
    if matrix.shape != style.shape:
        return f"it should have shape {style.shape}, got {matrix.shape}."
    if np.allclose(matrix, style, rtol=0, atol=1e-9):
        return "that is the style update itself: find another matrix."
    values = np.linalg.svd(matrix, compute_uv=False)
    expected = updates.article_singular_values("style")
    if np.allclose(values, expected, rtol=1e-6, atol=1e-9):
        return ""
    at = int(np.argmax(np.abs(values - expected) > 1e-6 * expected)) + 1
    return (
        f"its singular value number {at} is {values[at - 1]:.4f}, that of style "
        f"{expected[at - 1]:.4f}: which changes of a matrix keep all lengths?"
    )


def one_file_for_all(answer: Any) -> str:
    """Exercise 04-3: the alpha and the flag with which both kinds of loaders are right."""
    if not isinstance(answer, (tuple, list)) or [isinstance(each, bool) for each in answer] != [
        False,
        True,
    ]:
        return f"an alpha, and True or False, are asked for, such as (8, True), got {answer!r}."
    alpha, flag = answer
    trained = scaling.scale(8, 16, scaling.RSLORA)
    loaders = {
        "reads the flag": scaling.RSLORA if flag else scaling.STANDARD,
        "ignores the flag": scaling.STANDARD,
    }
    for loader, rule in loaders.items():
        share = float(scaling.scale(alpha, 16, rule) / trained)
        if abs(share - 1) > TOLERANCE:
            return f"a server that {loader} then applies {100 * share:.4g} % of the strength."
    return ""


@function
def best_scale(answer: Any) -> str:
    """Exercise 03-4: a function (update, approximation) -> the scale with the smallest error."""
    stream = np.random.RandomState(5)
    update = stream.standard_normal((9, 7))
    B, A = truncation.factor(update, 3)
    for approximation in (stream.standard_normal((9, 7)) + update, 4 * (B @ A), B @ A):
        # Independent of the formula: the error is a parabola in the scale.
        scales = np.array([-1.0, 0.0, 1.0])
        a, b, _ = np.polyfit(scales, [np.sum((update - s * approximation) ** 2) for s in scales], 2)
        expected, got = -b / (2 * a), float(answer(update.copy(), approximation.copy()))
        if np.isclose(got, expected, rtol=1e-6):
            continue
        if np.isclose(got, np.linalg.norm(update) / np.linalg.norm(approximation), rtol=1e-6):
            return "that makes both equally long; the error is smallest at another scale."
        if np.isclose(got, 1 / expected, rtol=1e-6):
            return "that is the inverse: what must the approximation be multiplied by?"
        return (
            f"for the update of the check the best scale is {expected:.4f}, got {got:.4f}: set "
            "the slope of the squared error to 0."
        )
    return ""


def fools_the_spectrum(answer: Any) -> str:
    """Exercise 05-4: singular values, or a matrix, of high effective rank and low use."""
    given = np.asarray(answer, dtype=float)
    values = np.sort(given)[::-1] if given.ndim == 1 else np.linalg.svd(given, compute_uv=False)
    effective = spectrum.effective_rank(values)
    energy = spectrum.captured_energy(values)[min(2, len(values)) - 1]
    if energy < 0.95:
        return (
            f"the first two components hold {100 * energy:.1f} % of the energy: make them stronger."
        )
    if effective <= 20:
        return (
            f"the effective rank is {effective:.1f}: it adds up values and not their squares, so "
            "a long tail of small ones is cheap."
        )
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
#: Where alpha/r and alpha/sqrt(r) are as far below and above 1: their sum is 2.
_BREAK_EVEN = 2 / (1 / 16 + 1 / 4)

CHECKS: dict[str, Check] = {
    "01-1": number(
        8 * (4096 + 11008),
        {
            8 * 4096: "that is B alone: add A.",
            8 * 11008: "that is A alone: add B.",
            4096 * 11008: "that is the full update, not the adapter.",
            8 * 4096 * 11008: "B and A are added up, not multiplied out.",
        },
        "B is 4096 x 8 and A is 8 x 11008: count the entries of each.",
    ),
    "01-2": number(
        4096 * 1024 / (4096 + 1024),
        {
            1024: "that is the smaller side; B alone then holds as many numbers as the update.",
            512: "that would be right for a 1024 x 1024 update; here B is four times as tall.",
        },
        "Set r times the sum of both sides equal to their product.",
    ),
    "01-3": chess_boards,
    "02-1": rank_six,
    "02-2": number(
        _STYLE_WEAKEST / 8,
        {
            _STYLE_WEAKEST / 16: "that is where the noise floor reaches the signal; a signal "
            "under the floor can still push a singular value out of it.",
            _STYLE_WEAKEST / 64: "the limit goes with the square root of 64, not with 64.",
            _STYLE_WEAKEST: "that is the signal itself: divide by the square root of 64.",
        },
        "The signal drowns where noise times the square root of 64 reaches it.",
    ),
    "02-3": number(
        1.6,
        {
            0.8: "that is the limit in a 64 x 64 matrix: this one has four times the side.",
            3.2: "four times the side is twice the limit: it goes with the square root.",
            25.6: "the limit goes with the square root of the side, not with the side.",
        },
        "The limit is the noise times the square root of the side.",
    ),
    "02-4": same_spectrum,
    "03-1": closed_form,
    "03-2": number(
        float(scaling.scale(32, 16, scaling.RSLORA)),
        {
            2: "that is alpha/r, and its error would be 1.",
            7: "that is how far the scale is from 1.",
            50: "(1 - s)^2 is 49: take the root.",
            -6: "that solves the equation too, but a scale is positive.",
        },
        "The squared error is half of (1 - s)^2, plus one half.",
    ),
    "03-3": number(
        _BREAK_EVEN,
        {
            16: "there alpha/r is 1 and has the smallest error of all; the other's is larger.",
            4: "there alpha/sqrt(r) is 1 and has the smallest error; the other's is larger.",
            8: "there the scales are 0.5 and 2: one is 0.5 away from 1, the other 1.",
            10: "halfway between 4 and 16 is not where both scales are equally far from 1.",
        },
        "The error depends on how far a scale is from 1: one must lie as far below as the other "
        "above.",
    ),
    "03-4": best_scale,
    "04-1": number(
        float(scaling.equivalent_alpha(96, 64, scaling.STANDARD, 64, scaling.RSLORA)),
        {
            96: "the same alpha multiplies the scale by sqrt(64) = 8.",
            768: "that goes the other way: it makes the scale larger, not equal.",
            1.5: "that is the scale itself; alpha is the scale times sqrt(r).",
        },
        "Write down the scale that you have, and then the alpha that gives it under rsLoRA.",
    ),
    "04-2": number(
        0.5,
        {
            0: "that is alpha = 2r under alpha/r: rsLoRA divides by the root alone.",
            -0.5: "that is rsLoRA with a fixed alpha; here alpha rises with the rank.",
            1: "that is alpha; the rule still divides it by the root.",
            2: "that is the factor in alpha = 2r; the power of r is asked for.",
        },
        "Put alpha = 2r into alpha/sqrt(r), and count the powers of r.",
    ),
    "04-3": one_file_for_all,
    "05-1": smallest_rank,
    "05-2": number(
        (1 - 0.9**2) ** 0.5,
        {
            2 * 0.1**0.5: "the two losses are perpendicular: their squares add up, not they.",
            0.2**0.5: "the second cut loses a tenth of what was left, not of the whole.",
            0.1**0.5: "that is the error of one cut.",
            0.19: "that is the missed energy; the error is its square root.",
            0.81: "that is the energy that is kept.",
        },
        "Error squared and captured energy add up to 1.",
    ),
    "05-3": number(
        ((9 * 0.1 + 1 * 0.9) / (9 + 1)) ** 0.5,
        {
            (0.1**0.5 + 0.9**0.5) / 2: "that is the mean of the two errors: it counts both "
            "matrices alike, and the first holds nine tenths of the energy.",
            0.9 * 0.1**0.5 + 0.1 * 0.9**0.5: "energies add up, errors do not: add first, then "
            "take the root.",
            0.5**0.5: "that is the mean of the two shares: weigh them by the energies.",
            0.18: "that is the missed energy; the error is its square root.",
            0.82: "that is the energy that is kept.",
        },
        "The missed energy of both, over the energy of both, is the square of the error.",
    ),
    "05-4": fools_the_spectrum,
}
