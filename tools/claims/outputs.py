"""What a notebook's cells show and run, as stored (nbval holds it), and what a file has."""

from __future__ import annotations

import html
import re
from functools import cache

from . import text


@cache
def _html(where: str, cell: str) -> str:
    """The outputs of a cell as HTML. Raises KeyError for a cell that shows nothing."""
    parts = []
    for each in text.notebook(where)["cells"]:
        for output in each.get("outputs", ()) if each["id"] == cell else ():
            data = output.get("data", {"text/plain": output.get("text", "")})
            plain = html.escape("".join(data.get("text/plain", "")))
            parts.append("".join(data.get("text/html", "")) or plain)
    if not parts:
        raise KeyError(f"{where} has no cell {cell} that shows anything")
    return "\n".join(parts)


def _placed(where: str, cell: str) -> tuple[str, str]:
    """The notebook and the cell of "07 c06-21", or of a cell of this notebook."""
    other, _, identity = cell.rpartition(" ")
    return other or where, identity


def _words(found: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", found)).split())


def shown(where: str, cell: str) -> str:
    """What a cell shows, on one line."""
    return _words(_html(*_placed(where, cell)))


def code(where: str, cell: str) -> str:
    """The source of a cell. Raises KeyError if there is no such cell."""
    place, identity = _placed(where, cell)
    for each in text.notebook(place)["cells"]:
        if each["id"] == identity:
            return "".join(each["source"])
    raise KeyError(f"{place} has no cell {identity}")


def in_file(path: str, pattern: str) -> float | str:
    """What stands in a file of the project where a pattern's group does: a number, or words.

    Raises KeyError where that is nothing, or different things.
    """
    content = (text.ROOT / path).read_text(encoding="utf-8")
    found = set(re.findall(pattern, content))
    if len(found) != 1:
        raise KeyError(f"{path} has {sorted(found)} for {pattern!r}, not one thing")
    (words,) = found
    return float(words) if re.fullmatch(r"-?\d+(\.\d+)?", words) else words


def at(where: str, cell: str, row: str, column: str) -> float | str:
    """What stands in a cell's table by the row's first cell and the heading: number or words.

    Of a mean with its range in brackets that is the mean, of 25 % it is 0.25. Where rows begin
    alike, `row` is their first cells, with " | " between them.

    Raises KeyError if no table has them.
    """
    for table in re.findall(r"<table.*?</table>", _html(*_placed(where, cell)), re.S):
        lines = [
            [_words(each) for each in re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", line, re.S)]
            for line in re.findall(r"<tr>(.*?)</tr>", table, re.S)
        ]
        for line in lines[1:]:
            first = row.split(" | ")
            if line[: len(first)] == first and column in lines[0]:
                found = line[lines[0].index(column)]
                number = re.fullmatch(r"(-?\d+(?:\.\d+)?(?:e-?\d+)?)( %)?(?: \(.*\))?", found)
                if not number:
                    return found
                return float(number[1]) / (100 if number[2] else 1)
    raise KeyError(f"no table of {cell} has {row!r} and {column!r}")
