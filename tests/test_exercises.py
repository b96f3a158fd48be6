"""The self-checks: right answers, each slip, non-answers, and nothing that raises."""

import math

import numpy as np
import pytest

from helpers import exercises
from helpers.lora import updates
from tests.support.adapter_figures import record
from tests.support.adapter_figures import updates as updates_of


def rank_six(shape=(32, 48), rank=6, noise=0.0):
    stream = np.random.RandomState(1)
    low = stream.standard_normal((shape[0], rank)) @ stream.standard_normal((rank, shape[1]))
    return low + noise * stream.standard_normal(shape)


def closed_form(values, rank, scale):
    values = np.asarray(values)
    missed = np.sum(values[rank:] ** 2) + (1 - scale) ** 2 * np.sum(values[:rank] ** 2)
    return math.sqrt(missed / np.sum(values**2))


def smallest_rank(values, target, power=2, start=1):
    energy = np.asarray(values) ** power
    return next(
        rank + start - 1
        for rank in range(1, len(energy) + 1)
        if energy[:rank].sum() >= target * energy.sum()
    )


def projected(update, approximation):
    return np.sum(update * approximation) / np.sum(approximation * approximation)


def effective(B, A, power=1):
    """Of the dense product."""
    values = np.linalg.svd(B @ A, compute_uv=False)[: B.shape[1]] ** power
    shares = values / values.sum()
    return math.exp(-np.sum(shares * np.log(shares)))


def stable(B, A):
    values = np.linalg.svd(B @ A, compute_uv=False)
    return np.sum(values**2) / values[0] ** 2


def lowest_of_crowd():
    """From dense matrices."""
    whole = updates_of("crowd").values()
    squares = [np.linalg.svd(each, compute_uv=False) ** 2 for each in whole]
    total = sum(each.sum() for each in squares)
    return next(
        rank for rank in range(1, 17)
        if sum(each[rank:].sum() for each in squares) <= 0.09 * total
    )  # fmt: skip


def weakened():
    runs = [run["scales"] for run in record()["runs"] if run["name"] == "people"]
    for rows in zip(*runs):
        facts, known = (np.mean([row[key] for row in rows]) for key in ("facts", "known"))
        if facts >= 0.99:
            return rows[0]["scale"], known
    raise AssertionError


RIGHT = {
    "01-1": 8 * 4096 + 8 * 11008,
    "01-2": 819.2,
    "01-3": (1, 2),
    "01-4": 5,
    "02-1": rank_six(),
    "02-2": 0.0625,
    "02-3": 1.6,
    "02-4": updates.article_updates()["style"].matrix()[::-1],
    "03-1": closed_form,
    "03-2": 8,
    "03-3": 6.4,
    "03-4": projected,
    "04-1": 12,
    "04-2": 0.5,
    "04-3": (32, False),
    "04-4": {"A": 4, "B": None, "C": None, "D": 1 / 4},
    "05-1": smallest_rank,
    "05-2": math.sqrt(0.1 + 0.09),
    "05-3": math.sqrt(0.18),
    "05-4": [1.0, 1.0, *[0.04] * 62],
    "06-1": (0, -0.5),
    "06-2": -0.5,
    "06-3": (-0.25, -0.5),
    "07-1": (4, 0.25, 0.25),
    "07-2": 0.25,
    "07-3": {"learning_rate": 0.03},
    "08-1": 24,
    "08-2": "facts",
    "08-3": (0.6, "dial"),
    "09-1": (16, 16.0, 1e-4),
    "09-2": (1e-3, 1e-4),
    "09-3": lambda facts, known, level: max(k for f, k in zip(facts, known) if f >= level),
    "10-1": lowest_of_crowd(),
    "10-2": lambda B, A: effective(B, A) / B.shape[1],
    "10-3": weakened(),
    "11-1": 0.0015,
    "11-2": (0.8, 0.987),
    "11-3": (1e-3, 0.533),
}

FUNCTIONS = [key for key, answer in RIGHT.items() if callable(answer)]

#: Each slip that the checks know, and words of the explanation it must get.
SLIPS = [
    ("01-1", 8 * 4096, "B alone: add A"),
    ("01-1", 8 * 11008, "A alone: add B"),
    ("01-1", 4096 * 11008, "the full update, not the adapter"),
    ("01-1", 8 * 4096 * 11008, "not multiplied out"),
    ("01-1", 120832 * 1.1, "too large"),
    ("01-1", 10, "too small"),
    ("01-2", 1024, "the smaller side; B alone"),
    ("01-2", 512, "right for a 1024 x 1024 update"),
    ("01-2", 820 * 1.1, "too large"),
    ("01-1", 10, "count the entries of each"),
    ("01-3", (2, 2), "one row follows from another"),
    ("01-3", (1, 8), "fewer than 8 plaids"),
    ("01-3", (1, 1), "it has two kinds of rows"),
    ("01-3", (0, 2), "from 1 to 8"),
    ("01-3", 1, "two ranks are asked for"),
    ("01-4", 4, "gets 78 of 100 right"),
    ("01-4", 6, "a lower rank does as well"),
    ("01-4", 17, "whole and from 1 to 16"),
    ("02-1", rank_six((48, 32)), "shape (32, 48), got (48, 32)"),
    ("02-1", rank_six(noise=0.01), "is the noise 0"),
    ("02-1", rank_six(rank=5), "should be 6, got 5"),
    ("02-1", updates.article_updates()["style"], "its method matrix(noise) gives the array"),
    ("02-2", 0.5 / 16, "noise floor"),
    ("02-2", 0.5 / 64, "square root of 64, not with 64"),
    ("02-2", 0.5, "the signal itself"),
    ("02-3", 0.8, "four times the side"),
    ("02-3", 3.2, "with the square root"),
    ("02-3", 25.6, "not with the side"),
    ("02-4", updates.article_updates()["style"].matrix(), "the style update itself"),
    ("02-4", 2 * updates.article_updates()["style"].matrix(), "singular value number 1 is 9.98"),
    ("02-4", np.zeros((4, 4)), "shape (64, 64), got (4, 4)"),
    ("03-1", lambda *given: closed_form(*given) ** 2, "take the square root"),
    ("03-1", lambda values, rank, scale: closed_form(values, rank, 1), "right at scale 1"),
    ("03-1", lambda values, rank, scale: 0.5, "which singular values are missed"),
    ("03-1", 0.5, "the function itself"),
    ("03-2", 2, "its error would be 1"),
    ("03-2", 7, "how far the scale is from 1"),
    ("03-2", 50, "take the root"),
    ("03-2", -6, "a scale is positive"),
    ("03-2", 4, "half of (1 - s)^2"),
    ("03-3", 16, "alpha/r is 1"),
    ("03-3", 4, "alpha/sqrt(r) is 1"),
    ("03-3", 8, "0.5 and 2"),
    ("03-3", 10, "halfway between"),
    ("03-4", lambda M, X: np.linalg.norm(M) / np.linalg.norm(X), "equally long"),
    ("03-4", lambda M, X: 1 / projected(M, X), "the inverse"),
    ("03-4", lambda M, X: 0.5, "the best scale is"),
    ("04-1", 96, "multiplies the scale by sqrt(64) = 8"),
    ("04-1", 768, "the other way"),
    ("04-1", 1.5, "the scale itself"),
    ("04-2", 0, "divides by the root alone"),
    ("04-2", -0.5, "with a fixed alpha"),
    ("04-2", 1, "that is alpha"),
    ("04-2", 2, "the power of r is asked for"),
    ("04-2", 0.25, "count the powers of r"),
    ("04-3", (32, True), "reads the flag then applies 400 %"),
    ("04-3", (8, True), "ignores the flag then applies 25 %"),
    ("04-3", (8, False), "applies 25 %"),
    ("04-3", (128, False), "applies 400 %"),
    ("04-3", 32, "True or False, are asked for"),
    ("04-3", (32, 0), "True or False, are asked for"),
    ("04-3", (True, False), "True or False, are asked for"),
    ("04-4", {"A": 4}, "a dictionary with A, B, C, D"),
    ("04-4", {"A": 2, "B": None, "C": None, "D": 0.25}, "with 2 times the alpha, server A"),
    ("04-4", {"A": None, "B": None, "C": None, "D": 0.25}, "server A serves all"),
    ("04-4", {"A": 4, "B": 2, "C": None, "D": 0.25}, "cannot be made louder"),
    ("04-4", {"A": 4, "B": None, "C": 9, "D": 0.25}, "cannot be made louder"),
    ("04-4", {"A": 4, "B": None, "C": None, "D": 4}, "server D has"),
    ("05-1", lambda values, target: smallest_rank(values, target, start=0), "one too low"),
    ("05-1", lambda values, target: smallest_rank(values, target, power=1), "squared"),
    ("05-1", lambda values, target: 7, "the answer is not 7"),
    ("05-1", 3, "the function itself"),
    ("05-2", 2 * math.sqrt(0.1), "their squares add up"),
    ("05-2", math.sqrt(0.2), "a tenth of what was left"),
    ("05-2", math.sqrt(0.1), "of one cut"),
    ("05-2", 0.19, "its square root"),
    ("05-2", 0.81, "the energy that is kept"),
    ("05-4", [1.0] * 64, "make them stronger"),
    ("05-4", [18.9] * 2 + [1.0] * 62, "hold 92.0 % of the energy"),
    ("05-4", [10.0] * 3 + [0.1] * 61, "hold 66.5 % of the energy"),
    ("05-4", [1.0, 1.0, 0.1], "a long tail of small ones is cheap"),
    ("05-3", (math.sqrt(0.1) + math.sqrt(0.9)) / 2, "the mean of the two errors"),
    ("05-3", 0.9 * math.sqrt(0.1) + 0.1 * math.sqrt(0.9), "then take the root"),
    ("05-3", math.sqrt(0.5), "weigh them by the energies"),
    ("05-3", 0.18, "its square root"),
    ("05-3", 0.82, "the energy that is kept"),
    ("06-1", 0.5, "two powers are asked for"),
    ("06-1", (-0.5, 0), "the wrong order"),
    ("06-1", (-0.5, -1), "A shrinks as well"),
    ("06-1", (0.5, 0), "here it is 1/r"),
    ("06-1", (0, 0.5), "the sign of the second"),
    ("06-1", (0, 1), "the second number is off"),
    ("06-1", (3, 1), "the first number is off"),
    ("06-2", 0.5, "the power of the progress"),
    ("06-2", -1, "as the norm of P"),
    ("06-2", 0, "comes in with line 2"),
    ("06-3", 0.5, "two powers are asked for"),
    ("06-3", (-0.5, -0.25), "the wrong order"),
    ("06-3", (-0.5, -1), "those keep the progress"),
    ("06-3", (-0.5, -0.5), "the scale counts twice"),
    ("06-3", (-0.25, 0), "the second number is off"),
    ("06-3", (0, -0.5), "the first number is off"),
    ("07-1", 4, "three factors"),
    ("07-1", (0.25, 4, 4), "the larger scale"),
    ("07-1", (8, 0.125, 0.125), "the rank is 16 here"),
    ("07-1", (2, 0.5, 0.5), "from 1 to 4"),
    ("07-1", (4, 1, 1), "not the very same run"),
    ("07-1", (4, 1, 0.25), "rate times its decay"),
    ("07-1", (4, 0.25, 1), "compared with it"),
    ("07-2", 4, "how the progress changes"),
    ("07-2", 1, "with alpha/r and alpha fixed"),
    ("07-2", 0.5, "the length of the step"),
    ("07-2", 0.0625, "the scale counts once"),
    ("07-3", 0.03, "one setting is asked for"),
    ("07-3", {"eps": 1}, "one of rank, alpha, learning_rate, optimiser, change"),
    ("07-3", {"alpha": 2}, "the rank sets alpha"),
    ("07-3", {"rank": 4}, "0.001 is asked for"),
    ("07-3", {"change": "clipping"}, "the loss rises to"),
    ("07-3", {"rank": 16}, "the loss rises to 1.08"),
    ("07-3", {"learning_rate": 1e-4}, "no spike"),
    ("08-1", 3200 * 24.644 / 3364, "a whole number: round up"),
    ("08-1", 23, "left out: round up"),
    ("08-1", 12, "half a bit, not one"),
    ("08-2", "style", "0.13 of the style's words"),
    ("08-2", "both", "Did the base know them"),
    ("08-2", "neither", "ever at risk"),
    ("08-2", 1, "one of style, facts, both, neither"),
    ("08-3", (0.36, "dial"), "adds up squares"),
    ("08-3", (0.5, "dial"), "too small"),
    ("08-3", (0.6, "cut"), "the cut has 0.25"),
    ("08-3", (0.6, "both"), "is asked for"),
    ("08-3", 0.6, "a dial and a word"),
    ("09-1", (16, 1), "three numbers are asked for"),
    ("09-1", (8, 16, 1e-4), "the ranks 1, 4, 16, 64, got 8"),
    ("09-1", (16, 3, 1e-4), "was not run at scale 3"),
    ("09-1", (16, 4, 1e-4), "there 0.61 of the new facts"),
    ("09-1", (4, 8, 3e-4), "there 0.43 of the known facts"),
    ("09-1", (64, 16, 3e-5), "so has a rank below 64"),
    ("09-2", (1e-3, 1e-4, 1), "two learning rates"),
    ("09-2", (1e-4, 1e-3), "the wrong order"),
    ("09-2", (1e-2, 1e-4), "take rates of the table"),
    ("09-2", (1e-3, 3e-3), "keeps 0.56 and 0.19 there"),
    ("09-3", lambda facts, known, level: known.max(), "the level is missing"),
    ("09-3", lambda facts, known, level: known[facts.argmax()], "most new facts"),
    ("09-3", lambda facts, known, level: 0.5, "it should be 0."),
    ("09-3", lambda facts, known, level: known, "got shape (12,)"),
    ("09-3", 0.5, "the function itself"),
    ("10-1", 1, "at rank 1 the error is"),
    ("10-1", 16, "a lower rank does as well"),
    ("10-1", 17, "whole and from 1 to 16"),
    ("10-2", effective, "divide it by r"),
    ("10-2", lambda B, A: effective(B, A, 2) / B.shape[1], "not their squares"),
    ("10-2", lambda B, A: stable(B, A) / B.shape[1], "the stable rank over r"),
    ("10-2", lambda B, A: effective(B, A) / A.shape[1], "the columns of B"),
    ("10-2", lambda B, A: 0.5, "it should be 0."),
    ("10-2", 0.5, "the function itself"),
    ("10-3", weakened()[::-1], "wrong order"),
    ("10-3", (1.0, weakened()[1]), "the first number is off"),
    ("10-3", (*weakened(), 1), "shape (3,)"),
    ("10-3", tuple(1 / each for each in weakened()), "inverses"),
    ("11-1", 0.003 / 4, "keeps the progress of the first step"),
    ("11-1", 0.003, "four times as large"),
    ("11-1", 0.006, "bears a smaller rate"),
    ("11-2", (0.85, 0.998), "fewer known facts are left"),
    ("11-2", (0.75, 0.94), "a higher dial will do"),
    ("11-2", (0.987, 0.8), "fewer known facts are left"),
    ("11-3", (3e-4, 0.68), "it has 0.89 of the new facts"),
    ("11-3", (3e-3, 0.34), "a smaller rate has the new facts as well"),
    ("11-3", (1e-3, 0.68), "the second number is off"),
    ("11-3", (1e-3, 0.48), "that is worlds 0 to 2"),
]


def known_keys():
    with pytest.raises(ValueError) as caught:
        exercises.check("no such key", 1)
    listed = str(caught.value).removeprefix("key must be one of ").split(", got ")[0]
    return listed.split(", ")


def test_an_unknown_key_lists_the_known_ones():
    assert set(known_keys()) == set(RIGHT)
    with pytest.raises(ValueError, match=r"key must be one of 01-1.*got '1-1'"):
        exercises.check("1-1", 1)


@pytest.mark.parametrize("key", RIGHT)
def test_the_right_answer_is_correct(key):
    result = exercises.check(key, RIGHT[key])
    assert result.correct
    assert repr(result) == "Correct."


def test_what_is_printed_is_accepted():
    for key, printed in (("10-3", (0.75, 0.66)), ("11-2", (0.8, 0.99)), ("11-3", (0.001, 0.53))):
        assert exercises.check(key, printed).correct, key


@pytest.mark.parametrize("key", RIGHT)
def test_three_dots_are_not_answered(key):
    result = exercises.check(key, ...)
    assert not result.correct
    assert repr(result).startswith("Not answered yet")
    assert exercises.UNANSWERED is ...


@pytest.mark.parametrize("key, answer, words", SLIPS)
def test_a_slip_is_explained(key, answer, words):
    result = exercises.check(key, answer)
    assert not result.correct
    assert result.message.startswith("Not yet: ")
    assert words in result.message


def test_the_answers_of_notebook_1_from_the_shapes():
    """Both exercises are about B (4096 x r) and A (r x k), counted entry by entry."""
    B, A = np.empty((4096, 8)), np.empty((8, 11008))
    assert exercises.check("01-1", B.size + A.size).correct
    full = np.empty((4096, 1024)).size
    # One rank below the answer the factors are smaller than the update, one above larger.
    assert 4096 * 819 + 819 * 1024 < full < 4096 * 820 + 820 * 1024
    assert exercises.check("01-2", 819).correct
    assert exercises.check("01-2", 820).correct


def broken(*_):
    raise ZeroDivisionError("the learner's own")


@pytest.mark.parametrize("key", RIGHT)
@pytest.mark.parametrize(
    "answer",
    [None, "forty-two", [], {}, object(), 1j, float("nan"), np.zeros((2, 2)), broken, np.empty(0),
     np.array(["x"]), np.array([None]), np.array([np.nan])],
    ids=lambda answer: type(answer).__name__,
)  # fmt: skip
def test_a_non_answer_is_incorrect_and_raises_nothing(key, answer):
    result = exercises.check(key, answer)
    assert not result.correct
    assert result.message.startswith(("Not yet: ", "Your answer could not be checked: "))


@pytest.mark.parametrize("key", FUNCTIONS)
def test_an_error_in_the_learners_function_is_shown(key):
    message = exercises.check(key, broken).message
    assert "ZeroDivisionError: the learner's own" in message


@pytest.mark.parametrize("key", FUNCTIONS)
@pytest.mark.parametrize("returned", [None, "x", np.ones(3)], ids=repr)
def test_a_function_that_returns_no_number(key, returned):
    result = exercises.check(key, lambda *given: returned)
    assert not result.correct


NUMBERS = [key for key in RIGHT if isinstance(RIGHT[key], (int, float))]


@pytest.mark.parametrize("key", NUMBERS)
def test_rounded_answers_are_accepted(key):
    assert exercises.check(key, float(f"{RIGHT[key]:.3g}")).correct
    assert exercises.check(key, np.float64(RIGHT[key])).correct
    assert not exercises.check(key, 1.05 * RIGHT[key]).correct


@pytest.mark.parametrize(
    "key, printed",
    [("02-2", 0.062), ("02-2", 0.063), ("05-2", 0.44), ("05-3", 0.42)],
)
def test_a_printed_number_is_accepted(key, printed):
    assert exercises.check(key, printed).correct


@pytest.mark.parametrize("shape", [(), (1,), (1, 1)], ids=str)
@pytest.mark.parametrize("key", NUMBERS)
def test_an_array_of_one_number_is_that_number(key, shape):
    assert exercises.check(key, np.full(shape, RIGHT[key])).correct
    assert not exercises.check(key, np.full(shape, 1.05 * RIGHT[key])).correct
    assert "a finite number" in exercises.check(key, np.full(2, RIGHT[key])).message
