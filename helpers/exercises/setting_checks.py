"""Exercises of notebook 11: what to set."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..model import adaptations, settings
from ..model.forgetting import CHOOSE
from .answers import Check, number, pair


def _strength() -> tuple[float, float]:
    """The highest measured dial on rank 64 with 0.95 of the known facts, and the new ones."""
    points = adaptations.examined(64, "dial")
    known, facts = points.known.mean(axis=0), points.facts.mean(axis=0)
    dials = ((each[-1], float(facts[i])) for i, each in enumerate(points.settings))
    return max(each for i, each in enumerate(dials) if known[i] >= 0.95)


def strength(answer: Any) -> str:
    """Exercise 11-2: see `_strength`; a dial that is too high or too low is named."""
    values = np.asarray(answer, dtype=float)
    if values.shape == (2,) and 0 < values[1] <= 1 and not np.isclose(values[0], _strength()[0]):
        higher = values[0] > _strength()[0]
        return "at that dial fewer known facts are left." if higher else "a higher dial will do."
    return pair(_strength(), "those are the inverses.")(answer)


def fair_fight() -> tuple[float, float]:
    """Exercise 11-3: the smallest rate at which alpha/r has all new facts, and the known ones."""
    first = next(each for each in settings.over_rates(64, 0.25) if each.learned)
    return first.learning_rate, float(first.known.mean())


def fought(answer: Any) -> str:
    """Exercise 11-3: see `fair_fight`; two slips are named."""
    values = np.asarray(answer, dtype=float)
    if values.shape == (2,) and np.isclose(values[0], 3e-4):
        return "at that rate it has 0.89 of the new facts: take the next one."
    if values.shape == (2,) and values[0] > 2e-3:
        return "a smaller rate has the new facts as well, and keeps more of the known ones."
    chosen_on = adaptations.lora(64, CHOOSE).where(lambda *each: each == (0.25, fair_fight()[0]))
    if values.shape == (2,) and np.isclose(values[1], chosen_on.known.mean(), atol=0.006):
        return f"that is worlds {CHOOSE[0]} to {CHOOSE[-1]}."
    return pair(fair_fight(), "those are the inverses.")(answer)


CHECKS: dict[str, Check] = {
    "11-1": number(
        0.0015,
        {
            0.00075: "that keeps the progress of the first step; the edge goes as the root of s r.",
            0.003: "alpha = 2r keeps s, so s r is four times as large.",
            0.006: "a larger s r bears a smaller rate.",
        },
    ),
    "11-2": strength,
    "11-3": fought,
}
