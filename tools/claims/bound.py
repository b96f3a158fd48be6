"""Sentences bound to results: words beside an expression that must be true.

In the file of a text's claims, beside the findings (`claim`), which the table lists:

    [names]                                   # worked out once, where they are used
    facts = "updates.article_singular_values('facts')"

    [[bound]]
    words = "At rank 2 the error of style is 6.608"      # as they stand, without links, emphasis
    gives = [2, "at('c03-05', 'style, alpha/r', 'r = 2')"]     # its numbers in order; without
                                                               # `holds` one must be computed
    holds = "at('c03-05', 'style, alpha/r', 'r = 2') > 6"        # or a list of these

    [[bound]]
    words = "6.608: further away than nothing at all"
    as = "03 At rank 2 the error of"       # or a list: says what 03 binds so, no other number

    [[formula]]
    words = '''$(1 - s)^2 E_r$'''
    reads = "(1 - s)**2 * E"                             # the same in Python
    is = "truncation.scaled_error(S, 4, s)**2 - 1 + E"   # what it describes
    over = { s = [0, 0.5, 3], E = ["captured"] }         # all combinations of these

    [[excepted]]
    words = "Three things stand out"
    because = "counts the list under it"

An expression may use what `NAMES` lists, and of the notebook's stored outputs, which nbval
holds: `shown(cell)`, their text, and `at(cell, row, column)`, a number or the words in a table.
`code(cell)` is a cell's source. Of another notebook the cell is "07 c06-21".
`in_file(path, pattern)` is what stands where the pattern's group does: a number, or words.
"""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np

from . import outputs, text

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

SOURCE = text.ROOT / "notebooks" / "appendix" / "claims"
#: What an expression may use, by its name there.
NAMES = {
    "np": "numpy",
    "adaptations": "helpers.model.adaptations",
    "adapters": "helpers.adapters",
    "article": "helpers.lora.article",
    "controls": "helpers.controls",
    "published": "helpers.lora.published",
    "scaling": "helpers.lora.scaling",
    "spectrum": "helpers.lora.spectrum",
    "summaries": "helpers.lora.summaries",
    "truncation": "helpers.lora.truncation",
    "updates": "helpers.lora.updates",
    "comparisons": "helpers.model.comparisons",
    "capacity": "helpers.model.capacity",
    "cases": "helpers.model.cases",
    "cuts": "helpers.model.cuts",
    "deployments": "helpers.model.deployments",
    "exercises": "helpers.exercises",
    "figures": "helpers.figures",
    "fine_tuning": "helpers.model.fine_tuning",
    "forgetting": "helpers.model.forgetting",
    "gradients": "helpers.model.gradients",
    "map_checks": "helpers.model.map_checks",
    "matched": "helpers.model.matched",
    "optimisers": "helpers.training.optimisers",
    "paths": "tools.teach.paths",
    "pretrained": "helpers.model.pretrained",
    "pretrained_forgetting": "helpers.model.pretrained_forgetting",
    "pretrained_windows": "helpers.model.pretrained_windows",
    "rates": "helpers.model.rates",
    "recall": "helpers.model.recall",
    "settings": "helpers.model.settings",
    "results": "helpers.model.results",
    "shipped": "helpers.model.shipped",
    "tasks": "helpers.model.tasks",
    "world": "helpers.model.world",
    "theory": "helpers.training.theory",
    "training": "helpers.training",
    "transformer": "helpers.model.transformer",
    "verdicts": "helpers.model.verdicts",
}
#: A number as a text states it: no exponent, index or part of a name.
NUMBER = re.compile(
    r"(?<![\w.^_\\])(?:(?<!\d )-)?\d+(?:,\d{3})*(?:\.\d+)?(?:e-?\d+)?(?![\w^]|\.\d)"
)
#: Numbers that are names.
REFERENCE = re.compile(
    r"\b(?:[Nn]otebooks?|[Ee]xercises?|appendix|cell|section|step|question)s? "
    r"\d+(?:(?:, | and | to | or )\d+)*(?!\d|\.\d)"
)
INDEX = re.compile(r"[\^_](?:\{[^}]*\}|\w)")
KEYS = {
    "bound": ({"words"}, {"holds", "gives", "as"}),
    "formula": ({"words", "reads", "is", "over"}, set()),
    "excepted": ({"words", "because"}, set()),
}


@dataclass(frozen=True)
class Entry:
    """A block of a file of claims: of which kind, for which words, and what it has."""

    where: str
    kind: str
    words: str
    has: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True)
class File:
    """What binds one text: shared names, and the blocks."""

    where: str
    names: Mapping[str, str]
    entries: Sequence[Entry]

    @cached_property
    def known(self) -> Scope:
        return Scope(self.where, self.names)


@cache
def read(folder: Path = SOURCE) -> dict[str, File]:
    """Every file, by its text. Raises ValueError for a block's odd or missing key."""
    found = {}
    for path in sorted(folder.glob("*.toml")):
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
        odd = sorted(parsed.keys() - {"claim", "names", *KEYS})
        if odd:
            raise ValueError(f"{path.name} has {odd}; known: claim, names, {', '.join(KEYS)}")
        entries = []
        for kind, (needed, allowed) in KEYS.items():
            for block in parsed.get(kind, ()):
                wrong = sorted((needed - block.keys()) | (block.keys() - needed - allowed))
                if wrong or (allowed and not block.keys() & allowed):
                    raise ValueError(
                        f"{path.name}: {kind} has {sorted(needed)} and of {sorted(allowed)} one at "
                        f"least; odd: {wrong}, in {block.get('words', block)!r}"
                    )
                entries.append(Entry(path.stem, kind, block["words"], block))
        found[path.stem] = File(path.stem, parsed.get("names", {}), tuple(entries))
    return found


def names() -> dict[str, Any]:
    """What every expression may use."""
    return {name: importlib.import_module(module) for name, module in NAMES.items()}


class Scope:
    """What an expression of one text may use; values are worked out once, when needed."""

    def __init__(self, where: str, names: Mapping[str, str]) -> None:
        self.where, self.names = where, names
        self.values: dict[str, Any] = {
            each.__name__: partial(each, where)
            for each in (outputs.shown, outputs.at, outputs.code)
        }
        self.values["in_file"] = outputs.in_file
        self.results: dict[str, Any] = {}

    def value(self, expression: str, **extra: Any) -> Any:
        """What an expression gives."""
        if not extra and expression in self.results:
            return self.results[expression]
        tree = ast.parse(expression.strip(), mode="eval")
        for node in ast.walk(tree):
            name = getattr(node, "id", "")
            if name not in self.values and name in self.names and name not in extra:
                self.values[name] = self.value(self.names[name])
            elif name not in self.values and name in NAMES:
                self.values[name] = importlib.import_module(NAMES[name])
        found = eval(compile(tree, expression, "eval"), {**self.values, **extra})
        if not extra:
            self.results[expression] = found
        return found


def explained(scope: Scope, expression: str, **extra: Any) -> str:
    """An expression that is not true, with what both sides of its comparisons are."""
    node = ast.parse(expression.strip(), mode="eval").body
    if not isinstance(node, ast.Compare):
        return expression
    sides = [scope.value(ast.unparse(side), **extra) for side in (node.left, *node.comparators)]
    return f"{expression} has {' and '.join(short(side) for side in sides)}"


def short(value: Any) -> str:
    shown = repr(value.item() if isinstance(value, np.generic) else value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def stated(words: str) -> list[tuple[str, bool]]:
    """The numbers of a sentence, each with whether it is a percentage."""
    for names in (INDEX, REFERENCE):
        words = names.sub(lambda match: " " * len(match.group()), words)
    return [
        (match.group().replace(",", ""), bool(re.match(r"\s?\\?%", words[match.end() :])))
        for match in NUMBER.finditer(words)
    ]
