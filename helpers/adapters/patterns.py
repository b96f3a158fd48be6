"""PEFT's patterns: which rank and alpha a config gives a module.

PEFT finds a module's own rank or alpha in rank_pattern and alpha_pattern: a key is a
regular expression that must match the module's whole name, or what follows one of its
dots; the first key that matches wins (get_pattern_key in peft/utils/other.py, PEFT 0.21).
"""

from __future__ import annotations

import importlib
import math
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..tensorfile import FileError, shown

#: Python's own parser of patterns.
_parser: Any = importlib.import_module("re._parser" if sys.version_info >= (3, 11) else "sre_parse")
#: A pattern beyond these could keep Python's matcher busy for hours.
_LONGEST = 600
_MOST_REPEATS = 3
_MOST_WAYS = 10_000
_ENDLESS = 64
#: Steps of matching at worst, for all names together: a second or two.
_MOST_STEPS = 100_000_000
#: What matches one character, or none, in one way.
_ONE = ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT")


@dataclass
class Patterns:
    """Patterns in their order; those that match one name apart, of which mixtures have thousands.

    Parameters
    ----------
    values : list
        The value of each pattern.
    exact : dict of str to int
        The place of the first pattern that is one whole name.
    others : list of (int, pattern)
        All others, with their places.
    costs : list of (int, int)
        Of each of these the ways to match, and the power of a name's length beside them.
    where : str
        Where they stand, for messages.
    steps : int
        How many steps matching has taken so far, at worst.
    """

    values: list[Any] = field(default_factory=list)
    exact: dict[str, int] = field(default_factory=dict)
    others: list[tuple[int, re.Pattern[str]]] = field(default_factory=list)
    costs: list[tuple[int, int]] = field(default_factory=list)
    where: str = ""
    steps: int = 0


def find(compiled: Patterns, name: str, default: Any) -> Any:
    """The value of the first pattern that matches `name`, or the default.

    Raises FileError once all names together could have taken too many steps.
    """
    last = compiled.exact.get(name, len(compiled.values))
    for (place, pattern), (ways, power) in zip(compiled.others, compiled.costs):
        if place > last:
            break
        starts = 1 + name.count(".")
        compiled.steps += starts * ways * len(name) ** power // math.factorial(power)
        if compiled.steps > _MOST_STEPS:
            raise FileError(
                f"{compiled.where}: the pattern {shown(pattern.pattern[7:-2])} and those before "
                "could take very long to match with so many names"
            )
        if pattern.match(name):
            return compiled.values[place]
    return compiled.values[last] if last < len(compiled.values) else default


def compile_patterns(patterns: Mapping[str, Any], where: str) -> Patterns:
    """The patterns as PEFT reads them, in their order.

    Raises FileError if one is no regular expression, or one that could take
    very long: too many repetitions, or a repeated group of several.
    """
    compiled = Patterns(where=where)
    for place, (key, value) in enumerate(patterns.items()):
        compiled.values.append(value)
        name = re.sub(r"\\(.)", r"\1", key[1:])
        if exactly(name) == key:
            compiled.exact.setdefault(name, place)
            continue
        compiled.costs.append(_check(key, where))
        try:
            compiled.others.append((place, re.compile(rf"(.*\.)?({key})$")))
        except re.error as error:  # such as flags, which only a whole pattern may have
            raise _no_pattern(key, where, error) from None
    return compiled


def exactly(name: str) -> str:
    """The pattern that matches this module and no other."""
    return "^" + re.escape(name)


def _check(key: str, where: str) -> tuple[int, int]:
    """How many ways there are to match, and the power of a name's length that multiplies them.

    Judged from what Python's own parser makes of the pattern, not from its text.
    """
    try:
        if len(key) > _LONGEST:
            raise _Involved
        ways, power = _ways(_parser.parse(key))
        if ways > _MOST_WAYS or power > _MOST_REPEATS:
            raise _Involved
        return ways, power
    except (re.error, RecursionError, OverflowError) as error:
        raise _no_pattern(key, where, error) from None
    except _Involved:
        raise FileError(
            f"{where}: the pattern {shown(key)} is too involved to match safely; at most "
            f"{_LONGEST} characters, {_MOST_REPEATS} endless repetitions, none within another, and "
            "no flags, comments or looks around are allowed"
        ) from None


def _no_pattern(key: str, where: str, error: Exception) -> FileError:
    return FileError(f"{where}: {shown(key)} is not a regular expression ({shown(error)})")


class _Involved(Exception):
    """A pattern is beyond what can be matched in a bounded time."""


def _ways(items: Any) -> tuple[int, int]:
    """The same for a part of a parsed pattern."""
    ways, power = 1, 0
    for operation, argument in items:
        name = str(operation)
        if name in _ONE:
            continue
        if name == "BRANCH":
            found = [_ways(each) for each in argument[1]]
            more, higher = sum(each for each, _ in found), max(each for _, each in found)
        elif name == "SUBPATTERN" and not argument[1] and not argument[2]:
            more, higher = _ways(argument[3])
        elif name in ("MAX_REPEAT", "MIN_REPEAT"):
            more, higher = _ways(argument[2])
            low, high = int(argument[0]), int(argument[1])
            if high > _ENDLESS:
                if len(argument[2]) > 1 or (more, higher) != (1, 0) or not _single(argument[2]):
                    raise _Involved
                more, higher = 1, 1
            elif higher and high > 1:
                raise _Involved
            else:
                more = sum(more**count for count in range(low, high + 1))
        else:
            raise _Involved
        ways, power = ways * more, power + higher
        if ways > _MOST_WAYS:
            raise _Involved
    return ways, power


def _single(items: Any) -> bool:
    """Whether a part is one character, or a group of just that."""
    operation, argument = items[0]
    if str(operation) == "SUBPATTERN":
        return len(argument[3]) == 1 and _single(argument[3])
    return str(operation) in _ONE
