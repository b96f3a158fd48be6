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
#: Patterns that are more than names: to compile so many takes a second.
_MOST_COMPILED = 5_000
#: Of names of one length, so many ways to part them by dots are looked up.
_MOST_PARTED = 100
#: A name as a pattern: its signs stand for themselves, its dots for any sign.
_NAME = re.compile(r"[\w.-]+")
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
    plain : dict from a length to a dict from lengths of parts to a dict of str to int
        The place of each pattern that is a name, in parts between dots: for names that end in it.
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
    plain: dict[int, dict[tuple[int, ...], dict[str, int]]] = field(default_factory=dict)
    others: list[tuple[int, re.Pattern[str]]] = field(default_factory=list)
    costs: list[tuple[int, int]] = field(default_factory=list)
    where: str = ""
    steps: int = 0

    def take(self, steps: int, pattern: str) -> None:
        """Count steps of matching; raises FileError where they become too many."""
        self.steps += steps
        if self.steps > _MOST_STEPS:
            raise FileError(
                f"{self.where}: the pattern {shown(pattern)} and those before could take very "
                "long to match with so many names"
            )


def find(compiled: Patterns, name: str, default: Any) -> Any:
    """The value of the first pattern that matches `name`, or the default.

    Raises FileError once all names together could have taken too many steps.
    """
    last = min(compiled.exact.get(name, len(compiled.values)), _plain(compiled, name))
    for (place, pattern), (ways, power) in zip(compiled.others, compiled.costs):
        if place > last:
            break
        starts = 1 + name.count(".")
        steps = starts * ways * len(name) ** power // math.factorial(power)
        compiled.take(steps, pattern.pattern[7:-2])
        if pattern.match(name):
            return compiled.values[place]
    return compiled.values[last] if last < len(compiled.values) else default


def _plain(compiled: Patterns, name: str) -> int:
    """The place of the first name that this one is, or ends in after a dot; else their number."""
    first = len(compiled.values)
    for start in (0, *(i + 1 for i, sign in enumerate(name) if sign == ".")):
        for parts, names in compiled.plain.get(len(name) - start, {}).items():
            compiled.take(5 * len(name), next(iter(names)))
            signs, dot = list(name[start:]), -1
            for part in parts[:-1]:
                dot += 1 + part
                signs[dot] = "."
            first = min(first, names.get("".join(signs), first))
    return first


def compile_patterns(patterns: Mapping[str, Any], where: str) -> Patterns:
    """The patterns as PEFT reads them, in their order.

    Raises FileError if one is no regular expression, or one that could take
    very long: too many repetitions, or a repeated group of several; or if they are too many.
    """
    compiled = Patterns(where=where)
    for place, (key, value) in enumerate(patterns.items()):
        compiled.values.append(value)
        if _NAME.fullmatch(key):
            alike = compiled.plain.setdefault(len(key), {})
            parts = tuple(map(len, key.split(".")))
            if parts in alike or len(alike) < _MOST_PARTED:
                alike.setdefault(parts, {}).setdefault(key, place)
                continue
        name = re.sub(r"\\(.)", r"\1", key[1:])
        if exactly(name) == key:
            compiled.exact.setdefault(name, place)
            continue
        if len(compiled.costs) == _MOST_COMPILED:
            raise FileError(
                f"{where}: more than {_MOST_COMPILED} patterns are regular expressions, such as "
                f"{shown(key)}"
            )
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
