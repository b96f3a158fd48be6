"""What a reader can predict, how an answer is read, and how far off it was: no widgets here.

There are three kinds of question, each with the value that was measured: a `Number`, a
`Choice` among words, and a `Curve` of a few points. The static pages judge in the same way
(`tools/site/static/predictions.js`); a test compares the two.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from . import validation

#: 12, 0.5, 1/4, 25 %, 8 times; what stands behind the number is its unit, and is passed over.
_NUMBER = re.compile(r"^\s*(-?[\d.]+)\s*(?:/\s*([\d.]+))?\s*(?:%|x|times|-fold)?\s*$", re.ASCII)


@dataclass(frozen=True)
class Outcome:
    """A prediction beside what was measured.

    Attributes
    ----------
    state : str
        "right", "off" or "skipped".
    you, measured : str
        Both as they are shown; `you` is "" where the reader asked to be shown.
    verdict : str
        How far off, such as "8 times too high".
    words : str
        The comparison in a sentence, such as "You 8, measured 1: 8 times too high."
    """

    state: str
    you: str
    measured: str
    verdict: str
    words: str


def shown(value: float, digits: int = 3) -> str:
    """A number with so many significant digits, and none of them a closing 0.

    >>> shown(128.0), shown(0.13705), shown(131072)
    ('128', '0.137', '131000')
    """
    rounded = float(f"{value:.{digits}g}")
    return f"{rounded:.0f}" if rounded == round(rounded) else f"{rounded}"


def distance(you: float, measured: float, unit: str = "") -> str:
    """How far off, in words: a factor from 2 on, a difference below.

    >>> distance(8, 1), distance(22, 24), distance(0.5, 0)
    ('8 times too high', '2 too low', '0.5 too high')
    """
    way = "too high" if you > measured else "too low"
    low, high = sorted((you, measured))
    if low > 0 and high / low >= 2:
        return f"{shown(high / low, 2)} times {way}"
    return f"{shown(high - low)}{unit} {way}"


@dataclass(frozen=True)
class Number:
    """A question whose answer is one number.

    Attributes
    ----------
    measured : float
    unit : str
        Written behind the number, such as " %".
    limits : (float, float)
        Lowest and highest answer that makes sense.
    within : float
        An answer this near, as a share of the measured value, is right.
    """

    measured: float
    unit: str = ""
    limits: tuple[float, float] = (0, 1_000_000)
    within: float = 0.1
    kind: str = field(default="number", init=False)

    def __post_init__(self) -> None:
        validation.number("measured", self.measured, *self.limits)

    def read(self, answer: str) -> float:
        """The number that was written. Raises ValueError, saying what is wrong with it.

        >>> Number(25, unit=" %").read("1/4")
        25.0
        """
        low, high = self.limits
        found = _NUMBER.match(answer)
        try:
            value = float(found[1]) / float(found[2] or 1) if found else math.nan
        except (ValueError, ZeroDivisionError):  # 1.2.3, 1/0
            value = math.nan
        if found and found[2] and "%" in self.unit:
            value *= 100
        if not low <= value <= high:
            span = f"{shown(low)} to {shown(high)}"
            raise ValueError(f'"{answer}" is no number from {span}: write it as 12, 0.5 or 1/4')
        return value

    def judge(self, you: float | None) -> Outcome:
        """The outcome of an answer that was read; None for one that was skipped."""
        measured = f"{shown(self.measured)}{self.unit}"
        if you is None:
            return Outcome("skipped", "", measured, "skipped", f"Measured {measured}.")
        right = abs(you - self.measured) <= self.within * abs(self.measured)
        verdict = "right" if right else distance(you, self.measured, self.unit)
        said = f"{shown(you)}{self.unit}"
        words = f"You {said}, measured {measured}: {verdict}."
        return Outcome("right" if right else "off", said, measured, verdict, words)


@dataclass(frozen=True)
class Choice:
    """A question whose answer is one of a few `options`."""

    measured: str
    options: Sequence[str]
    kind: str = field(default="choice", init=False)

    def __post_init__(self) -> None:
        validation.choice("measured", self.measured, tuple(self.options))

    def read(self, answer: str) -> str:
        """The option that was chosen. Raises ValueError if it is none of them."""
        return validation.choice("the answer", answer, tuple(self.options))

    def judge(self, you: str | None) -> Outcome:
        """The outcome of an answer that was read; None for one that was skipped."""
        if you is None:
            words = f"Measured: {self.measured}."
            return Outcome("skipped", "", self.measured, "skipped", words)
        state, verdict = ("right", "right") if you == self.measured else ("off", "not so")
        words = f"You: {you}. Measured: {self.measured}. {verdict.capitalize()}."
        return Outcome(state, you, self.measured, verdict, words)


@dataclass(frozen=True)
class Curve:
    """A question whose answer is drawn: one value for each point in `at`.

    Attributes
    ----------
    measured : sequence of float
    at : sequence of float
        Where the points are, such as at which ranks.
    axis : str
        What `at` counts.
    limits : (float, float)
        Lowest and highest value of a point.
    within : float
        A point this near, as a share of the whole range, is right.
    """

    measured: Sequence[float]
    at: Sequence[float]
    axis: str = "rank"
    limits: tuple[float, float] = (0, 1)
    within: float = 0.05
    kind: str = field(default="curve", init=False)

    def __post_init__(self) -> None:
        if len(self.measured) != len(self.at):
            raise ValueError(f"measured must have {len(self.at)} values, got {len(self.measured)}")
        for value in self.measured:
            validation.number("measured", value, *self.limits)

    @property
    def step(self) -> float:
        """How far apart two values of a point are: a fiftieth of the range."""
        return (self.limits[1] - self.limits[0]) / 50

    def names(self) -> list[str]:
        """What each point is called.

        >>> Curve([0.1, 0.2], at=[2, 4]).names()
        ['rank 2', 'rank 4']
        """
        return [f"{self.axis} {shown(x)}" for x in self.at]

    def read(self, answer: Sequence[float]) -> tuple[float, ...]:
        """The points that were set. Raises ValueError for a value out of range."""
        if len(answer) != len(self.at):
            raise ValueError(f"the answer must have {len(self.at)} points, got {len(answer)}")
        return tuple(validation.number("a point", value, *self.limits) for value in answer)

    def judge(self, you: Sequence[float] | None) -> Outcome:
        """The outcome of an answer that was read; None for one that was skipped."""
        measured = ", ".join(shown(value) for value in self.measured)
        if you is None:
            return Outcome("skipped", "", measured, "skipped", f"Measured {measured}.")
        reach = self.within * (self.limits[1] - self.limits[0])
        gaps = [abs(a - b) for a, b in zip(you, self.measured)]
        near = sum(gap <= reach for gap in gaps)
        worst = gaps.index(max(gaps))
        verdict = f"right at {near} of {len(gaps)} points"
        words = (
            f"{verdict.capitalize()}; furthest off at {self.names()[worst]}: "
            f"you {shown(you[worst])}, measured {shown(self.measured[worst])}."
        )
        state = "right" if near == len(gaps) else "off"
        return Outcome(state, ", ".join(map(shown, you)), measured, verdict, words)


Question = Number | Choice | Curve


def as_json(question: Any, **more: Any) -> str:
    """A question for the static page, numbers as they are shown: no digit that may differ.

    >>> as_json(Choice("a", ["a", "b"]), key="01-a")
    '{"key": "01-a", "measured": "a", "options": ["a", "b"], "kind": "choice"}'
    """

    def plain(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [plain(each) for each in value]
        if isinstance(value, str):
            return value
        number = float(shown(float(value)))
        return int(number) if number == int(number) else number

    given = {name: plain(value) for name, value in asdict(question).items()}
    if isinstance(question, Curve):
        given["names"] = question.names()
    return json.dumps({**more, **given})
