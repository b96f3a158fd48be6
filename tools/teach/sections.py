"""A notebook's sections: names, minutes, and what is predicted and solved in each."""

from __future__ import annotations

import copy
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

import nbformat

from ..minutes import minutes, own
from ..notebooks import NOTEBOOKS

_PREDICTION = re.compile(r'predictions\.(?:number|choice|curve)\(\s*"(\d\d-\w)"')
_EXERCISE = re.compile(r'exercises\.check\("(\d\d-\w+)"')
_HEADING = re.compile(r"(?m)^(?=## )")


@dataclass(frozen=True)
class Section:
    """What stands under a heading of a notebook; `minutes` are those of careful reading."""

    notebook: str
    name: str
    minutes: float
    predictions: tuple[str, ...]
    exercises: tuple[str, ...]


def parts(notebook: Any) -> dict[str, list[Any]]:
    """The cells under each heading; a cell with a heading inside is divided there."""
    found: dict[str, list[Any]] = {}
    name = ""
    for cell in own(notebook):
        pieces = _HEADING.split(cell.source) if cell.cell_type == "markdown" else [cell.source]
        for number, piece in enumerate(pieces, 1):
            if cell.cell_type == "markdown" and piece.startswith("## "):
                name = piece.splitlines()[0][3:]
            part = copy.copy(cell)
            part.source = piece
            if number < len(pieces):  # its pictures belong to the last piece
                part.pop("attachments", None)
            found.setdefault(name, []).append(part)
    return found


def of(notebook: Any, number: str) -> list[Section]:
    """The sections of a notebook in order, without what stands above the first, and sources.

    Examples
    --------
    >>> from nbformat.v4 import new_markdown_cell, new_notebook
    >>> text = "# Title\\n\\n## One\\n\\n" + "word " * 200
    >>> [(each.name, round(each.minutes)) for each in of(new_notebook(cells=[
    ...     new_markdown_cell(text)]), "01")]
    [('One', 1)]
    """
    made = []
    for name, cells in parts(notebook).items():
        code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
        if name not in ("", "Sources"):
            made.append(
                Section(
                    number, name, minutes(nbformat.v4.new_notebook(cells=cells)),
                    tuple(_PREDICTION.findall(code)), tuple(_EXERCISE.findall(code)),
                )
            )  # fmt: skip
    return made


@cache
def series() -> dict[str, list[Section]]:
    """The sections of every notebook of the series, by the notebook's number."""
    return {path.name[:2]: of(nbformat.read(path, 4), path.name[:2]) for path in NOTEBOOKS}


def find(notebook: str, name: str) -> Section:
    """A section by its notebook's number and its heading. Raises ValueError if there is none."""
    if notebook not in series():
        raise ValueError(f"notebook must be one of {', '.join(series())}, got {notebook!r}")
    for section in series()[notebook]:
        if section.name == name:
            return section
    names = "; ".join(section.name for section in series()[notebook])
    raise ValueError(f"notebook {notebook} has no section {name!r}; it has {names}")
