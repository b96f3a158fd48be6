"""Which sentences state a number, an order or a rule and are not bound to a result.

    python -m tools.claims detect [TEXT ...]

A word or number of a sentence that should be bound is a sign. It is covered where it lies in the
words of a block of the text's file of claims, or in one of the patterns below, which state
nothing that a result could make false.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from . import bound, findings, text

_WORDS = (
    # numbers in words
    "two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen twenty thirty forty fifty sixty eighty ninety hundred hundreds thousand thousands "
    "half quarter third quarters thirds fifth eighth tenth tenths halve "
    "twice double doubles doubled halves halved times none zero "
    # orders
    "larger smaller higher lower greater fewer less better worse best worst most least largest "
    "smallest highest lowest faster slower longer shorter stronger weaker strongest weakest "
    "nearer farther further nearest furthest longest shortest fastest slowest steeper flatter flat "
    "above below more "
    # directions
    "rises rise rose falls fall fell grows grow grew shrinks shrink shrank drops drop dropped "
    "increases increase decreases decrease collapses collapse gains loses lost kept keeps "
    # rules
    "only every all always never no nothing everything nobody nowhere any each same equal exactly "
    "both neither alone identical"
)
SIGN = re.compile(rf"{bound.NUMBER.pattern}|\b(?:{'|'.join(_WORDS.split())})\b", re.I)

#: What holds no statement, each with the reason.
NOT_STATED = {
    "a question": r".*\?$",
    "an instruction": (
        r"(?:Exercise \d+\.|Run|Predict\.|Say|Draw|Drag|Move|Turn|Try|Write|Find|"
        r"Look|Compare|Switch|Drop|Choose|Read(?!\.)|Put|Solve|Compute|Use|Let|Count|Divide|"
        r"Multiply|Press|Start|Open|Commit|Go|Ask|Get|Save)\b(?:(?!\. \d)[^:])*"
    ),
    "a title or a line of the card": (
        r"(?:More|Two commands|Three shorter paths:|What came out, and why|"
        r"Your predictions beside .*|\d\d · .*)"
    ),
    "minutes, which are held to an estimate": r"Time: .*",
    "what the reader needs": r"You need: .*",
    "an aim": r".*;$",
    "a source": r"[^|]*(?:arXiv|https?://|doi|Proceedings|Journal|Psychometrika|et al\.)[^|]*",
}
#: Signs that state nothing where they stand.
NO_SIGN = {
    "code": r"`[^`]*`",
    "how it is known, in the last cell of a row": r"\| (?:shown|published|guess)\b[^|]*$",
    "the title of a notebook": r"^\d\d [A-Z][^:|]*:",
    "what a source says, in a row that names it": r"^[^|]*arXiv[^|]*\|",
    "the minutes of the path, which are held to the notebooks'": r"\| \d+$",
    "the name of a notebook or an exercise": bound.REFERENCE.pattern,
    "a date or a version": (
        r"\b(?:April |November )?20\d\d\b|ipywidgets \d(?: and \d)?|Python 3\.\d+|v\d[\d.]*"
    ),
    "an index or a power in a formula": bound.INDEX.pattern,
    "one of the words of a phrase": (
        r"\b(?:at all|no longer|above all|once more|more or less|the same way|as well|all the way|"
        r"the two (?:updates|rules|factors|simulated)|all of (?:this|that|it)|"
        r"both (?:updates|rules)|"
        r"Read(?: on)?|below:|(?:figure|table|cell|sliders?|explorer|code) (?:above|below))\b"
    ),
}  # fmt: skip
_STATED = re.compile("|".join(f"(?:{each})" for each in NOT_STATED.values()), re.S)
_PHRASE = re.compile("|".join(NO_SIGN.values()))


@dataclass(frozen=True)
class Unbound:
    """A sentence with signs that nothing covers."""

    where: str
    cell: str
    words: str
    signs: tuple[str, ...]


def signs(words: str) -> list[re.Match[str]]:
    """What in a sentence should be bound."""
    if _STATED.fullmatch(words):
        return []
    phrases = [match.span() for match in _PHRASE.finditer(words)]
    return [
        match for match in SIGN.finditer(words)
        if not any(low <= match.start() and match.end() <= high for low, high in phrases)
    ]  # fmt: skip


def _covered(words: str, entries: Sequence[str]) -> list[tuple[int, int]]:
    # Without patterns: those of a thousand sentences do not fit into re's cache.
    return [
        (start, start + len(each))
        for each in entries
        if each in words
        for start in range(len(words))
        if words.startswith(each, start)
    ]


def covering(where: str, excepted: bool = True) -> list[str]:
    """The words that blocks of a text's file bind, findings with a check among them."""
    file = bound.read().get(where)
    entries = file.entries if file else ()
    found = [each.words for each in entries if excepted or each.kind != "excepted"]
    claims = findings.read()
    return found + [each.words for each in claims if each.where == where and each.check]


def unbound(
    where: str, entries: Sequence[str], passages: Sequence[text.Passage] | None = None
) -> list[Unbound]:
    """The sentences of a text that the words of no entry cover."""
    found = []
    for passage in text.passages(where) if passages is None else passages:
        spans = _covered(passage.words, entries)
        left = tuple(
            match.group() for match in signs(passage.words)
            if not any(low <= match.start() and match.end() <= high for low, high in spans)
        )  # fmt: skip
        if left:
            found.append(Unbound(where, passage.cell, passage.words, left))
    return found
