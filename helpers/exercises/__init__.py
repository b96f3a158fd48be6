"""Self-checks: they say "correct", or what is off, and never give the answer away.

Each check is a function from an answer to what is wrong with it, "" for nothing; they
stand by subject in ``lora_checks`` (notebooks 01 to 05), ``training_checks`` (06, 07),
``model_checks`` (those that ask the small model) and ``setting_checks`` (11), and are put
together from those in ``answers``.

>>> check("04-2", 1 / 2)
Correct.
>>> check("04-2", 1)
Not yet: that is alpha; the rule still divides it by the root.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import lora_checks, model_checks, setting_checks, training_checks

#: What an exercise cell holds before the learner has answered.
UNANSWERED = ...

_CHECKS = {
    **lora_checks.CHECKS,
    **training_checks.CHECKS,
    **model_checks.CHECKS,
    **setting_checks.CHECKS,
}


@dataclass(frozen=True)
class Result:
    """The outcome of a self-check, shown as its message."""

    correct: bool
    message: str

    def __repr__(self) -> str:
        return self.message


def check(key: str, answer: Any) -> Result:
    """Check the answer to exercise `key`, such as "03-1".

    Raises ValueError for an unknown key. A wrong or broken answer raises nothing:
    the result says what is off.

    Examples
    --------
    >>> check("01-2", 1000)
    Not yet: 1000 is too large. Set r times the sum of both sides equal to their product.
    >>> check("01-2", ...)
    Not answered yet: replace the three dots and run the cell again.
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
