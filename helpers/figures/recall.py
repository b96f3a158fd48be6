"""What a model writes and recalls when its update is truncated, scaled or noisy."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from ..model import recall, results, shipped, update, world
from ..model.results import Curves
from ..model.update import Update
from ..model.world import Marks
from .picture import COLOURS, GREY, LINES, MARKERS, Picture, ticks

CURVES = ("facts", "style", "known", "energy")
_LABELS = {
    "facts": "facts right",
    "style": "style right",
    "known": "facts of known people right",
    "energy": "captured energy",
}
_LOOKS: dict[str, dict[str, Any]] = {
    "facts": {"color": COLOURS["facts"], "linestyle": LINES["facts"], "marker": MARKERS["facts"]},
    "style": {"color": COLOURS["style"], "linestyle": LINES["style"], "marker": MARKERS["style"]},
    "known": {"color": GREY, "linestyle": "-.", "marker": "v"},
    "energy": {"color": GREY, "linestyle": ":"},
}
_BADGES = {
    "right": "background: #DDF2E3; color: #0B5A2B",
    "wrong": "background: #FBE0D6; color: #8A2B00; text-decoration: line-through",
}


def marked_html(marks: Marks) -> str:
    """`Marks.signed` for the screen: signs and struck-out words do the work of the colours."""
    parts = []
    for word, kind in zip(marks.words, marks.kinds):
        word = html.escape(word)
        if kind in world.SIGNS:
            look = f"{_BADGES[kind]}; padding: 0 0.25em; border-radius: 0.2em"
            word = f'<b style="{look}">{word}&nbsp;{world.SIGNS[kind]}</b>'
        elif kind == "other":
            word = f"<i>[{word}]</i>"
        parts.append(word)
    return " ".join(parts)


class Behaviour(Picture):
    """Recall over rank and over scale, with the text of one person above.

    Settings: rank (>= 0), scale (>= 0), noise (>= 0), person (1 to 25), task
    (one of `recall.TASKS`).
    """

    size = (8.8, 3.9)
    has_text = True
    #: The rank that the curves end at.
    highest: ClassVar[int] = 128
    RANK_TITLE: ClassVar[str] = "over the rank, at scale 1 and no noise"
    SCALE_TITLE: ClassVar[str] = "over the scale, at full rank and no noise"

    def build(self) -> None:
        left, right = self.figure.subplots(1, 2, sharey=True)
        left.set(title=self.RANK_TITLE, xlabel="rank r", xscale="log",
                 xlim=(0.9, 1.1 * self.highest), ylim=(-0.03, 1.05), ylabel="share")  # fmt: skip
        ticks(left, "x", [float(2**power) for power in range(self.highest.bit_length())])
        right.set(title=self.SCALE_TITLE, xlabel="scale s", xlim=(0, 4.1))
        ticks(right, "x", [0, 1, 2, 3, 4])
        self.lines, self.points, self.cursors = {}, {}, []
        for side, ax in (("ranks", left), ("scales", right)):
            self.cursors.append(self.cursor(ax))
            for name in CURVES if side == "ranks" else CURVES[:-1]:
                # What was known lies under the rest, where they meet at 1.
                look = {**_LOOKS[name], "markersize": 4, "zorder": 2 if name == "known" else 3}
                self.lines[side, name] = self.moving_line(ax, **look)
            for name in ("facts", "style"):
                look = {
                    **_LOOKS[name],
                    "linestyle": "",
                    "markersize": 9,
                    "markeredgecolor": "black",
                }
                self.points[side, name] = self.moving_line(ax, **look)
        handles = [self.lines["ranks", name] for name in CURVES]
        now = left.plot([], [], linestyle="", marker="o", markersize=9, color="white",
                        markeredgecolor="black")[0]  # fmt: skip
        self.legend([*handles, now], [*(_LABELS[name] for name in CURVES), "now, 25 people"])

    @staticmethod
    def numbers(
        rank: int = 8, scale: float = 1.0, noise: float = 0.0, person: int = 1, task: str = "100"
    ) -> dict[str, Any]:
        curves = {side: results.truncated(task, side) for side in ("ranks", "scales")}
        parts = shipped.parts(task, noise)
        found = Behaviour.measured_on(task, parts, rank, scale, person, curves)
        return {**found, "noise": noise}

    @staticmethod
    def measured_on(
        task: str, parts: Update, rank: int, scale: float, person: int,
        measured: Mapping[str, Curves],
    ) -> dict[str, Any]:  # fmt: skip
        """What the small model writes with an update of a task, beside measured curves."""
        people, styles = recall.task(task)
        style, template = next(iter(styles.items()))
        weights = update.apply_update(shipped.base(), parts, rank, scale)
        shown = people[: recall.LIVE_PEOPLE]
        marks = [
            world.mark(text, each, template)
            for text, each in zip(recall.texts(weights, shown, style), shown)
        ]
        curves: dict[tuple[str, str], Any] = {}
        for side, each in measured.items():
            curves[side, "at"] = each.at
            # The first seed is the model that ships.
            curves |= {(side, name): values[0] for name, values in each.values.items()}
        return {
            "rank": rank,
            "scale": scale,
            "task": task,
            "number": person,
            "person": people[person - 1],
            "style": style,
            "template": template,
            "marks": marks[person - 1],
            "facts": float(np.mean([each.facts for each in marks])),
            "style_share": float(np.mean([each.style for each in marks])),
            "energy": update.captured_energy(parts, rank),
            "curves": curves,
        }

    def place(self, numbers: dict[str, Any]) -> str:
        curves = numbers["curves"]
        now = {"facts": numbers["facts"], "style": numbers["style_share"]}
        for (side, name), line in self.lines.items():
            line.set_data(curves[side, "at"], curves[side, name])
        places = {"ranks": numbers["rank"], "scales": numbers["scale"]}
        for (side, name), point in self.points.items():
            point.set_data([places[side]], [now[name]])
        for cursor, place in zip(self.cursors, places.values()):
            cursor.set_xdata([place, place])
        marks = numbers["marks"]
        right = round(4 * marks.facts)
        return (
            f"{self.subject(numbers)}: of person {numbers['number']}, "
            f"{numbers['person'].name}, {right} of 4 facts are right, and "
            f"{100 * marks.style:.0f} % of the style's words. Over 25 people "
            f"{100 * now['facts']:.0f} % of the facts and {100 * now['style']:.0f} % of the "
            f"style are right; the rank keeps "
            f"{100 * numbers['energy']:.0f} % of the update's energy."
        )

    def subject(self, numbers: dict[str, Any]) -> str:
        """What the description is about, at these settings."""
        return (
            f"{described_task(numbers['task'])} at rank {numbers['rank']}, scale "
            f"{numbers['scale']:g} and noise {numbers['noise']:g}"
        )

    def text(self) -> str:
        """What was asked, what the model wrote, and what would be right."""
        return "\n".join(f"{who}: {what}" for who, what in self._lines(Marks.signed))

    def text_html(self) -> str:
        """`text` for the screen."""
        rows = "".join(
            f'<tr><th scope="row" style="text-align: left; padding-right: 1em">{who}</th>'
            f'<td style="text-align: left">{what}</td></tr>'
            for who, what in self._lines(marked_html)
        )
        return f'<table style="max-width: 62em; line-height: 1.6">{rows}</table>'

    def _lines(self, show: Any) -> list[tuple[str, str]]:
        person = self.drawn["person"]
        return [
            ("asked", f"{self.drawn['style']} {person.name} :"),
            ("written", show(self.drawn["marks"])),
            ("right is", world.tell(person, self.drawn["template"])),
            ("signs", "✓ a right fact, ✗ a wrong one, [ ] a word that the style has not here"),
        ]


def described_task(task: str) -> str:
    """A task in words, to open a sentence with."""
    if task == "saga":
        return "A new style for known people"
    return f"The facts of {task} new people"
