"""How PEFT finds a module's own rank or alpha: rank_pattern and alpha_pattern.

A key is a regular expression that must match the module's whole name, or what
follows one of its dots; the first key that matches wins (get_pattern_key in
peft/utils/other.py, PEFT 0.21).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .errors import AdapterError, shown

#: A pattern beyond these could keep Python's matcher busy for hours.
_LONGEST = 600
_MOST_REPEATS = 4
_MOST_WAYS = 10_000


def find(compiled: list[tuple[re.Pattern[str], Any]], name: str, default: Any) -> Any:
    """The value of the first pattern that matches `name`, or the default."""
    return next((value for pattern, value in compiled if pattern.match(name)), default)


def compile_all(patterns: Mapping[str, Any], where: str) -> list[tuple[re.Pattern[str], Any]]:
    """The patterns as PEFT reads them, in their order.

    Raises AdapterError if one is no regular expression, or one that could take
    very long: too many repetitions, or a repeated group.
    """
    compiled = []
    for key, value in patterns.items():
        _check(key, where)
        try:
            compiled.append((re.compile(rf"(.*\.)?({key})$"), value))
        except (re.error, RecursionError, OverflowError) as error:
            raise AdapterError(
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
        raise AdapterError(
            f"{where}: the pattern {shown(key)} is too involved to match safely; at most "
            f"{_LONGEST} characters, {_MOST_REPEATS} repetitions and no repeated group are allowed"
        )
