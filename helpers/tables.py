"""Small tables, legible in a notebook, in a terminal and in a diff."""

from __future__ import annotations

import html
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
        return f"<table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table>"
