"""Small tables, legible in a notebook, in a terminal and in a diff."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Table:
    """Rows under headings; cells are shown as they are given.

    Raises ValueError if a row is not as long as the headings.

    Examples
    --------
    >>> Table(("rank", "error"), [(1, "0.60"), (16, "0.05")])
    rank  error
    1     0.60
    16    0.05
    """

    headings: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.headings):
                raise ValueError(f"rows must have {len(self.headings)} cells, got {list(row)}")

    def _cells(self) -> list[list[str]]:
        return [[str(cell) for cell in row] for row in self.rows]

    def __repr__(self) -> str:
        lines = [list(self.headings), *self._cells()]
        widths = [max(len(line[i]) for line in lines) for i in range(len(self.headings))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip()
            for line in lines
        )

    def _repr_html_(self) -> str:
        """Numbers to the right, words to the left; the first column names the row."""
        words = [
            any(cell and not cell[0].isdigit() and cell[0] not in "-+." for cell in column)
            for column in zip(*self._cells())
        ]
        sides = ["left" if is_words else "right" for is_words in words]

        def line(cells: Sequence[str], tags: Sequence[tuple[str, str]]) -> str:
            filled = (
                f'<{tag}{scope} style="text-align: {side}">{html.escape(cell)}</{tag}>'
                for cell, side, (tag, scope) in zip(cells, sides, tags)
            )
            return "<tr>" + "".join(filled) + "</tr>"

        columns = len(self.headings)
        # An empty corner heads nothing.
        head = line(
            self.headings,
            [("th", ' scope="col"') if heading else ("td", "") for heading in self.headings],
        )
        tags = [("th", ' scope="row"')] + [("td", "")] * (columns - 1)
        body = "\n".join(line(cells, tags) for cells in self._cells())
        # What a stranger calls a module is no formula: MathJax passes these classes over.
        odd = any(sign in cell for cells in self._cells() for cell in cells for sign in "$\\")
        kind = ' class="tex2jax_ignore mathjax_ignore"' if odd else ""
        return f"<table{kind}>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"


def short_names(names: Sequence[str], width: int) -> list[str]:
    """Names in at most `width` characters, no two of them alike.

    Names that fit are as they were. Otherwise what all begin with is left out, up to a dot
    and not further than the word before the first number; then words between numbers lose
    their ends, the longest first; and what is alike then gets a number.

    Examples
    --------
    >>> short_names(["unet.down_blocks.0.attentions.1.to_q", "unet.down_blocks.1.to_k"], 24)
    ['down_b….0.attent….1.to_q', 'down_blocks.1.to_k']
    """
    width = max(width, 8)
    shared = 0 if max(map(len, names), default=0) <= width else _beginning(names)
    found: dict[str, int] = {}
    for name in names:
        short = first = shorten(name[shared:], width)
        while short in found:
            found[first] += 1
            mark = f"~{found[first]}"
            short = first[: width - len(mark)] + mark
        found[short] = 1
    return list(found)


def shorten(name: str, width: int) -> str:
    """A name of at most `width` characters: its numbers and its end are what tells it apart."""
    words = re.split(r"((?:^|(?<=[._]))\d+(?=[._]))", name)
    while sum(map(len, words)) > width:
        longest = max(range(0, len(words) - 1, 2), key=lambda i: len(words[i]), default=0)
        if len(words[longest]) < 6 or len(words) == 1:
            first = width // 3
            name = "".join(words)
            return f"{name[:first]}…{name[len(name) - (width - first - 1) :]}"
        word = words[longest].rstrip("._").removesuffix("…")
        after = words[longest][-1] if words[longest][-1] in "._" else ""
        words[longest] = f"{word[:-1]}…{after}"
    return "".join(words)


def _beginning(names: Sequence[str]) -> int:
    """How many characters can be left out of the beginning of all names."""
    common = os.path.commonprefix(list(names))  # noqa: RUF071 (letters are meant)
    if "." not in common:  # kohya's names
        match = re.match(r"lora_[a-z0-9]+_", common)
        return match.end() if match else 0
    words = common.split(".")[:-1]
    numbers = [i for i, word in enumerate(names[0].split(".")) if word.isdigit()]
    return sum(len(word) + 1 for word in words[: max(numbers[0] - 1, 0) if numbers else None])


def blocks(name: str) -> list[int]:
    """Where the numbers of a name's blocks end: of layers.3 or blocks_4_1, and not of net_0."""
    numbers = list(re.finditer(r"(?:^|(?<=[._]))\d+(?=[._].)", name))
    before = [re.search(r"(?:s|\bh|block|layer|\d+|^)[._]?$", name[: n.start()]) for n in numbers]
    found = [number.end() for number, block in zip(numbers, before) if block]
    return found or [number.end() for number in numbers]
