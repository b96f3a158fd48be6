"""What a model writes and recalls when its update is truncated, scaled or noisy."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from ..model import recall, results, tasks, world
from ..model.results import Curves
from ..model.world import Marks, Person
from .look import COLOURS, GREY, LINES, MARKERS, ticks
from .picture import Picture

#: What the curves run over, and what each shows.
SIDES = ("ranks", "scales")
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


#: What the marks in a written text mean.
_SIGNS = "✓ a right fact, ✗ a wrong one, [ ] a word that does not belong to this style"


@dataclass(frozen=True)
class Recalled:
    """What the small model writes with an update, beside what was measured.

    number: whose text is shown, from 1. now: what it writes. curves: measured shares, over
    the "ranks" and over the "scales". noise: on every entry of the update.
    """

    number: int
    now: recall.Behaviour
    curves: Mapping[str, Curves]
    noise: float

    @property
    def person(self) -> Person:
        """Who the text that is shown is about."""
        return self.now.people[self.number - 1]

    @property
    def marks(self) -> Marks:
        """The text that is shown, marked."""
        return self.now.marks[self.number - 1]


class Behaviour(Picture[Recalled]):
    """What the small model recalls and writes with its update of a task.

    Over rank and over scale, with the text of one person above. Settings: rank (>= 0), scale
    (>= 0), noise (>= 0), person (1 to 25), task (one of `tasks.TASKS`).

    Examples
    --------
    >>> picture = Behaviour().draw(rank=8, scale=1.0, noise=0.0, person=2, task="100")
    >>> print(picture.text().splitlines()[0])
    asked: record Eldan Holwick :
    """

    size = (8.8, 3.9)
    has_text = True

    def build(self) -> None:
        left, right = self.figure.subplots(1, 2, sharey=True)
        left.set(title="over the rank, at dial 1 and no noise", xlabel="rank r", xscale="log",
                 xlim=(0.9, 1.1 * tasks.FULL_RANK), ylim=(-0.03, 1.05), ylabel="share")  # fmt: skip
        ticks(left, "x", [float(2**power) for power in range(tasks.FULL_RANK.bit_length())])
        right.set(title="over the dial, at full rank and no noise", xlabel="dial", xlim=(0, 4.1))
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
        self.legend(
            [*handles, now],
            [*(_LABELS[name] for name in CURVES), f"now, {recall.LIVE_PEOPLE} people"],
        )

    def numbers(
        self, rank: int = 8, scale: float = 1.0, noise: float = 0.0, person: int = 1,
        task: str = "100",
    ) -> Recalled:  # fmt: skip
        now = recall.with_full_update(task, rank, scale, noise)
        curves = {side: results.truncated(task, side) for side in SIDES}
        return Recalled(person, now, curves, noise)

    def place(self, numbers: Recalled) -> str:
        now, marks = numbers.now, numbers.marks
        shares = {"facts": now.facts, "style": now.style_share}
        for (side, name), line in self.lines.items():
            curves = numbers.curves[side]
            # The first seed is the model that ships.
            line.set_data(curves.at, curves.values[name][0])
        places = {"ranks": now.rank, "scales": now.scale}
        for (side, name), point in self.points.items():
            point.set_data([places[side]], [shares[name]])
        for cursor, place in zip(self.cursors, places.values()):
            cursor.set_xdata([place, place])
        right = round(4 * marks.facts)
        task = now.task.description
        return (
            f"{task[0].upper()}{task[1:]} at rank {now.rank}, dial {now.scale:g} and noise "
            f"{numbers.noise:g}: of person {numbers.number}, "
            f"{numbers.person.name}, {right} of 4 facts are right, and "
            f"{100 * marks.style:.0f} % of the style's words. Over {len(now.people)} people "
            f"{100 * now.facts:.0f} % of the facts and {100 * now.style_share:.0f} % of the "
            f"style are right; the rank keeps {100 * now.energy:.0f} % of the update's energy."
        )

    def finding(self, numbers: Recalled) -> str:
        now = numbers.now
        return (
            f"At rank {now.rank} and dial {now.scale:g}, {100 * now.style_share:.0f} % of the "
            f"style and {100 * now.facts:.0f} % of the facts are right."
        )

    def text(self) -> str:
        """What was asked, what the model wrote, and what would be right."""
        return "\n".join(f"{who}: {what}" for who, what in self._lines(Marks.signed))

    def text_html(self) -> str:
        """`text` for the screen."""
        return _table(self._lines(marked_html))

    def text_room(self) -> str:
        """`text_html` where noise makes the model write until it is stopped."""
        longest = {"written": " ".join(["as many words"] * 24)}
        return _table([(who, longest.get(who, what)) for who, what in self._lines(marked_html)])

    def _lines(self, show: Callable[[Marks], str]) -> list[tuple[str, str]]:
        person, now = self.drawn.person, self.drawn.now
        return [
            ("asked", world.prompt(person, now.style)),
            ("written", show(self.drawn.marks)),
            ("right is", world.tell(person, now.template)),
            ("signs", _SIGNS),
        ]


def _table(lines: list[tuple[str, str]]) -> str:
    rows = "".join(
        f'<tr><th scope="row" style="text-align: left; padding-right: 1em">{who}</th>'
        f'<td style="text-align: left">{what}</td></tr>'
        for who, what in lines
    )
    return f'<table style="max-width: 62em; line-height: 1.6">{rows}</table>'
