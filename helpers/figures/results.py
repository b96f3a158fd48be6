"""Truncated against trained: what a rank holds in a small transformer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from ..model import results
from ..model.results import Curves
from ..model.tasks import TASKS
from .look import COLOURS, GREY, MARKERS, ticks
from .picture import Picture

LEVEL = 0.9
#: How the two ways to a rank-r update look; colour says what is recalled.
WAYS: dict[str, dict[str, Any]] = {
    "truncated": {"linestyle": "--", "fillstyle": "none"},
    "trained": {"linestyle": "-", "fillstyle": "full"},
}


class Seeded:
    """A line through the means, and a dash for every seed."""

    def __init__(self, picture: Picture[Any], ax: Any, **look: Any) -> None:
        self.line = picture.moving_line(ax, **look)
        dash = {"color": look["color"], "linestyle": "", "marker": "_", "markersize": 7}
        self.seeds = picture.moving_line(ax, **dash)

    def set(self, curves: Curves, name: str) -> None:
        """Show one of the measured shares."""
        values = curves.values[name]
        self.line.set_data(curves.at, curves.mean(name))
        self.seeds.set_data(np.tile(curves.at, len(values)), values.ravel())


def ways_legend(picture: Picture[Any], what: str, *others: tuple[Any, str]) -> None:
    """The legend: dashed and open for truncated, solid and full for trained."""
    entries = [
        (Line2D([], [], color=GREY, marker="s", **look), f"{way} {what}".strip())
        for way, look in WAYS.items()
    ]
    entries.append((Line2D([], [], color=GREY, linestyle="", marker="_", markersize=7),
                    "single seeds"))  # fmt: skip
    handles, labels = zip(*entries, *others)
    picture.legend(list(handles), list(labels))


@dataclass(frozen=True)
class Ways:
    """Measured shares over the rank, by (task, way)."""

    curves: Mapping[tuple[str, str], Curves]


class TruncatedOrTrained(Picture[Ways]):
    """The small model's recall over rank, task by task: update truncated, LoRA trained.

    Settings: none.

    Examples
    --------
    >>> curves = TruncatedOrTrained().draw().drawn.curves["100", "trained"]
    >>> curves.at
    array([ 1.,  2.,  4.,  8., 16., 32., 64.])
    """

    size = (8.8, 3.5)
    whole = True

    def build(self) -> None:
        panels = self.figure.subplots(1, 4, sharey=True)
        self.lines = {}
        for ax, task in zip(panels, TASKS.values()):
            ax.set(title=task.measured, xlabel="rank r", xscale="log", xlim=(0.8, 80),
                   ylim=(-0.03, 1.05))  # fmt: skip
            ticks(ax, "x", [1, 4, 16, 64])
            for way, look in WAYS.items():
                self.lines[task.name, way] = Seeded(
                    self, ax, color=COLOURS[task.measure], marker=MARKERS[task.measure],
                    markersize=5, **look,
                )  # fmt: skip
        panels[0].set_ylabel("share that is right")
        self.names = {way: self.moves(panels[0].text(1, 0, way, va="top")) for way in WAYS}
        dash = Line2D([], [], color=GREY, linestyle="", marker="_", markersize=7)
        self.legend([dash], ["single seeds"])

    def numbers(self) -> Ways:
        sources = {"truncated": results.truncated, "trained": results.trained}
        return Ways(
            {(task, way): source(task) for task in TASKS for way, source in sources.items()}
        )

    def place(self, numbers: Ways) -> str:
        said = []
        for task in TASKS.values():
            needed = []
            for way in WAYS:
                curves = numbers.curves[task.name, way]
                self.lines[task.name, way].set(curves, task.measure)
                needed.append(f"{_range(curves.reaches(task.measure, LEVEL))} {way}")
            said.append(f"{task.description}: rank {' and '.join(needed)}")
        self._name(numbers)
        count = len(numbers.curves["100", "trained"].seeds)
        return (
            f"Lowest rank measured from which on {100 * LEVEL:.0f} % are right, {count} seeds. "
            f"{'; '.join(said).capitalize()}."
        )

    def _name(self, numbers: Ways) -> None:
        """Each way's name at its curve of the first panel: under its start, right of its half."""
        task = next(iter(TASKS.values()))
        trained, truncated = (numbers.curves[task.name, way] for way in ("trained", "truncated"))
        self.names["trained"].set_position((trained.at[0], trained.mean(task.measure)[0] - 0.05))
        half = np.interp(0.5, truncated.mean(task.measure), truncated.at)
        self.names["truncated"].set_position((1.25 * half, 0.5))

    def finding(self, numbers: Ways) -> str:
        task = TASKS["100"]
        needed = {
            way: _range(numbers.curves[task.name, way].reaches(task.measure, LEVEL)) for way in WAYS
        }
        return (
            f"For {100 * LEVEL:.0f} % of the {task.measured}: rank {needed['trained']} if trained, "
            f"rank {needed['truncated']} if truncated."
        )


def _range(values: Any) -> str:
    """One number if all agree, else the ends; "more than measured" for NaN."""
    values = np.asarray(values)
    if np.isnan(values).all():
        return "above all measured"
    low, high = np.nanmin(values), np.nanmax(values)
    text = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return text + (" or above all measured" if np.isnan(values).any() else "")
