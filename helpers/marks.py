"""A reader's prediction, drawn into the result that it was about: a table or a picture."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from .figures.picture import Picture
from .guesses import Choice, Curve, Question, shown
from .tables import Table

#: Black is the colour of nothing else in a figure that is moved or compared.
_LOOK: dict[str, Any] = {"color": "black", "linestyle": (0, (1, 1)), "zorder": 9}


def in_cell(table: Table, row: str | int, heading: str, said: str) -> Table:
    """A copy of a table with "(you ...)" behind one of its cells.

    A row is named by its first cell, or by its number where several begin alike.

    >>> in_cell(Table(("rank", "error"), [(8, 1.0)]), 0, "error", "0.5").rows
    [[8, '1.0 (you 0.5)']]
    """
    rows = [list(each) for each in table.rows]
    at = row if isinstance(row, int) else [each[0] for each in rows].index(row)
    column = list(table.headings).index(heading)
    rows[at][column] = f"{rows[at][column]} (you {said})"
    return Table(table.headings, rows)


def under_row(table: Table, row: str, headings: Sequence[str], said: Sequence[str]) -> Table:
    """A copy of a table with a row "you" under one of its own; `headings` name its columns."""
    mine = dict(zip(headings, said))
    at = [each[0] for each in table.rows].index(row) + 1
    added = ("you", *(mine.get(heading, "") for heading in table.headings[1:]))
    return Table(table.headings, [*table.rows[:at], added, *table.rows[at:]])


def _named(axes: Axes, place: tuple[float, float], coordinates: Any, shift: Any = (3, 0)) -> None:
    axes.annotate(
        "you", place, xycoords=coordinates, xytext=shift, textcoords="offset points", zorder=10,
        annotation_clip=True, weight="bold",
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none"},
    )  # fmt: skip


def on_axes(axes: Axes, side: str, you: float) -> None:
    """A dotted line across a panel, upright at x or level at y, called "you"."""
    if side == "x":
        axes.axvline(you, **_LOOK)
        _named(axes, (you, 0.94), axes.get_xaxis_transform())
    else:
        axes.axhline(you, **_LOOK)
        _named(axes, (0.02, you), axes.get_yaxis_transform(), (3, 4))


def marked(result: Any, question: Question, you: Any, where: Any) -> Any:
    """The result with a prediction drawn into it.

    Parameters
    ----------
    result : Table or Picture
        A table is copied; a picture is drawn on.
    question : Number, Choice or Curve
    you : answer that was read
    where : tuple or int
        For a number, (row, heading) of a table or ("x" or "y", panel) of a picture; for a curve,
        (row, headings) of a table or the panel of a picture.
    """
    if isinstance(question, Choice):
        return result
    if isinstance(result, Table):
        row, headings = where
        if isinstance(question, Curve):
            return under_row(result, row, headings, [shown(value) for value in you])
        return in_cell(result, row, headings, question.judge(you).you)
    if isinstance(question, Curve):
        axes = result.figure.axes[where]
        axes.plot(question.at, you, marker="*", markersize=11, **_LOOK)
        _named(axes, (question.at[-1], you[-1]), "data", (6, -4))
    else:
        side, panel = where
        on_axes(result.figure.axes[panel], side, you)
    return result


def check(result: Any, question: Question, where: Any) -> None:
    """Raise ValueError where a prediction could not be drawn, before the reader has made one."""
    if not isinstance(result, (Table, Picture)):
        raise ValueError(f"result must be a Table or a Picture, got {type(result).__name__}")
    if where is None or isinstance(question, Choice):
        return
    try:
        if isinstance(result, Table):
            marked(result, question, question.measured, where)
        else:
            panel = where if isinstance(question, Curve) else {"x": where, "y": where}[where[0]][1]
            result.figure.axes[panel]
    except (IndexError, KeyError, TypeError, ValueError):
        raise ValueError(
            f"where must be a place in the {type(result).__name__}, got {where!r}"
        ) from None


def sketch(curve: Curve, you: Sequence[float]) -> str:
    """The points of a curve as they are being set, as a small picture (SVG)."""
    low, high = curve.limits
    last = max(len(you) - 1, 1)
    places = [
        (round(20 + 260 * i / last), round(10 + 100 * (high - value) / (high - low)))
        for i, value in enumerate(you)
    ]
    line = " ".join(f"{x},{y}" for x, y in places)
    dots = "".join(f'<circle cx="{x}" cy="{y}" r="4" fill="currentColor"/>' for x, y in places)
    return (
        '<svg width="300" height="120" role="img" aria-label="your curve" style="color: inherit">'
        '<path d="M10 5V115H295" fill="none" stroke="currentColor" opacity="0.5"/>'
        f'<polyline points="{line}" fill="none" stroke="currentColor" stroke-dasharray="2 3"/>'
        f"{dots}</svg>"
    )
