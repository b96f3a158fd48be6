"""What is wrong with a file of claims (`bound.py`): words that are gone, or are not true."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Sequence

import numpy as np

from . import text
from .bound import Entry, File, Scope, explained, read, short, stated


def _literal(expression: str) -> bool:
    """Whether an expression is a number, and nothing is computed."""
    node = ast.parse(expression.strip(), mode="eval").body
    return isinstance(node.operand if isinstance(node, ast.UnaryOp) else node, ast.Constant)


def _numbers(entry: Entry, scope: Scope) -> list[str]:
    """Which numbers of the words are others than `gives` gives, at the digits that are stated."""
    numbers, gives = stated(entry.words), list(entry.has["gives"])
    if not {"holds", "as"} & entry.has.keys() and all(_literal(str(each)) for each in gives):
        return [f"{entry.where} gives only numbers, and computes none: {entry.words}"]
    if len(numbers) != len(gives):
        said = [number for number, _ in numbers]
        return [f"{entry.where} gives {len(gives)} numbers for {said}: {entry.words}"]
    wrong = []
    for (number, percent), expression in zip(numbers, gives):
        value = scope.value(str(expression))
        digits = len(number.partition(".")[2])
        given = float(value) * (100 if percent else 1)
        same = (
            np.isclose(given, float(number)) if "e" in number else f"{given:.{digits}f}" == number
        )
        if not same:
            shown = f"{number} %" if percent else number
            wrong.append(
                f"{entry.where} says {shown}, {expression} is {short(value)}: {entry.words}"
            )
    return wrong


def _named(entry: Entry) -> list[str]:
    """What is wrong with the sentences of other texts that `as` names: gone, or other numbers."""
    names, known = entry.has["as"], set()
    for name in [names] if isinstance(names, str) else names:
        where, _, begin = name.partition(" ")
        bound = [each for each in read()[where].entries if each.kind == "bound"]
        found = [each.words for each in bound if each.words.startswith(begin)]
        if not found:
            return [f"{entry.where}: {where} binds nothing that begins {begin!r}: {entry.words}"]
        known |= {number for words in found for number, _ in stated(words)}
    strange = [number for number, _ in stated(entry.words) if number not in known]
    if strange and "gives" not in entry.has:
        return [f"{entry.where} says {strange}, {names!r} does not: {entry.words}"]
    return []


def _formula(entry: Entry, scope: Scope) -> list[str]:
    """Where a formula and what it describes are apart, at all points."""
    names, points = list(entry.has["over"]), itertools.product(*entry.has["over"].values())
    extra = {name: getattr(np, name) for name in ("sqrt", "exp", "log", "pi", "sum")}
    for point in points:
        at = {
            name: scope.value(each) if isinstance(each, str) else each
            for name, each in zip(names, point)
        }
        text_, code = (scope.value(entry.has[key], **extra, **at) for key in ("reads", "is"))
        if not np.allclose(text_, code, rtol=1e-9, atol=1e-12):
            return [
                f"{entry.where}: {entry.has['reads']} is {short(text_)} and {entry.has['is']} is "
                f"{short(code)} at {at}: {entry.words}"
            ]
    return []


def problems(file: File, passages: Sequence[text.Passage] | None = None) -> list[str]:
    """What is wrong in one file, a line each: words that do not stand there, or are not true."""
    said = text.passages(file.where) if passages is None else passages
    found = []
    for entry in file.entries:
        if not any(entry.words in passage.words for passage in said):
            found.append(f"{file.where} does not say: {entry.words}")
        try:
            holds = entry.has.get("holds", [])
            for each in [holds] if isinstance(holds, str) else holds:
                if not np.all(file.known.value(each)):
                    found.append(
                        f"{file.where}, not true, {explained(file.known, each)}: {entry.words}"
                    )
            if "gives" in entry.has:
                found += _numbers(entry, file.known)
            if "as" in entry.has:
                found += _named(entry)
            if entry.kind == "formula":
                found += _formula(entry, file.known)
        except Exception as error:
            found.append(f"{file.where}, {type(error).__name__}, {error}: {entry.words}")
        if entry.kind == "excepted" and not entry.has["because"].strip():
            found.append(f"{file.where}, because is empty: {entry.words}")
    return found
