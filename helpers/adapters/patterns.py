"""PEFT's patterns: which rank and alpha a config gives a module.

PEFT finds a module's own rank or alpha in rank_pattern and alpha_pattern: a key is a
regular expression that must match the module's whole name, or what follows one of its
dots; the first key that matches wins (get_pattern_key in peft/utils/other.py, PEFT 0.21).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..tensorfile import FileError, shown

#: A pattern beyond these could keep Python's matcher busy for hours.
_LONGEST = 600
_MOST_REPEATS = 4
_MOST_WAYS = 10_000


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
    """

    values: list[Any] = field(default_factory=list)
    exact: dict[str, int] = field(default_factory=dict)
    others: list[tuple[int, re.Pattern[str]]] = field(default_factory=list)


def find(compiled: Patterns, name: str, default: Any) -> Any:
    """The value of the first pattern that matches `name`, or the default."""
    last = compiled.exact.get(name, len(compiled.values))
    for place, pattern in compiled.others:
        if place > last:
            break
        if pattern.match(name):
            return compiled.values[place]
    return compiled.values[last] if last < len(compiled.values) else default


def compile_patterns(patterns: Mapping[str, Any], where: str) -> Patterns:
    """The patterns as PEFT reads them, in their order.

    Raises FileError if one is no regular expression, or one that could take
    very long: too many repetitions, or a repeated group.
    """
    compiled = Patterns()
    for place, (key, value) in enumerate(patterns.items()):
        compiled.values.append(value)
        name = re.sub(r"\\(.)", r"\1", key[1:])
        if exactly(name) == key:
            compiled.exact.setdefault(name, place)
            continue
        _check(key, where)
        try:
            compiled.others.append((place, re.compile(rf"(.*\.)?({key})$")))
        except (re.error, RecursionError, OverflowError) as error:
            raise FileError(
                f"{where}: {shown(key)} is not a regular expression ({shown(error)})"
            ) from None
    return compiled


def exactly(name: str) -> str:
    """The pattern that matches this module and no other."""
    return "^" + re.escape(name)


def _check(key: str, where: str) -> None:
    plain = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", key)
    repeats = len(re.findall(r"[*+{]", plain))
    # Each alternative and each optional part multiplies the ways to match at worst.
    ways = 2 ** min(plain.count("?"), 64)
    for group in re.split(r"[()]", plain):
        ways *= 1 + group.count("|")
    if len(key) > _LONGEST or repeats > _MOST_REPEATS or ways > _MOST_WAYS or ")*" in plain \
            or ")+" in plain or "){" in plain:  # fmt: skip
        raise FileError(
            f"{where}: the pattern {shown(key)} is too involved to match safely; at most "
            f"{_LONGEST} characters, {_MOST_REPEATS} repetitions and no repeated group are allowed"
        )
