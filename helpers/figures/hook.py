"""What a model writes when a server applies an adapter at a quarter of its strength."""

from __future__ import annotations

import html
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from ..lora.scaling import RSLORA, STANDARD, loader_ratio
from ..model import recall, tasks, world
from ..model.world import FACTS, Marks
from .look import COLOURS, GREY, MARKERS, ticks
from .picture import Picture

ADAPTER = tasks.ADAPTERS["people"]
#: Whose biography is shown, from 1: the second of the task is the one of the other explorers.
PERSON = 2
#: The rule that a server computes the scale with.
SERVERS = {"reads": RSLORA, "ignores": STANDARD}
_FACTS = {"city": "city", "year": "born", "subject": "studied", "profession": "work"}
_BARS = ("strength served", "energy kept", "style right", "facts right")


@dataclass(frozen=True)
class Served:
    """What the model writes with the adapter as a server applies it.

    server: "reads" use_rslora, or "ignores" it. ratio: of the trained scale, what it applies.
    """

    server: str
    ratio: float
    now: recall.Behaviour

    @property
    def marks(self) -> Marks:
        """The biography that is shown, marked."""
        return self.now.marks[PERSON - 1]

    @property
    def right(self) -> list[tuple[int, int]]:
        """Which facts of whom are right: (row, person from 1)."""
        return [
            (row, number)
            for number, marks in enumerate(self.now.marks, 1)
            for row, fact in enumerate(_FACTS)
            if marks.right[fact]
        ]


class Hook(Picture[Served]):
    """A biography by the small model, and which facts of 25 people it gets right.

    Settings: rank (1 to 16), server ("reads" or "ignores").

    Examples
    --------
    >>> print(Hook().draw(rank=16, server="ignores").text().splitlines()[0])
    written: Eldan Holwick was born in Havchester ✗ in 1919 ✗ , studied architecture ✗ and became \
a doctor ✗ .
    """

    size = (7.8, 2.3)
    has_text = True

    @property
    def limits(self) -> dict[str, tuple[int, int]]:
        """Ranks up to the adapter's own."""
        return {"rank": (1, ADAPTER.rank)}

    def build(self) -> None:
        # Two narrow panels: on a phone they stand one above the other.
        left, right = self.figure.subplots(1, 2, width_ratios=[1.15, 1])
        self._build_facts(left)
        right.set(title="what is served, and what comes out", xlim=(0, 1.3), ylim=(3.6, -0.6))
        right.set_xticks([0, 0.25, 0.5, 0.75, 1], labels=["0", "25", "50", "75", "100 %"])
        right.set_yticks(range(len(_BARS)), labels=_BARS)
        right.tick_params(axis="y", length=0)
        right.grid(visible=False, axis="y")
        colours = (COLOURS[RSLORA], GREY, COLOURS["style"], COLOURS["facts"])
        self.bars = [
            self.moving_line(right, color=colour, linewidth=14, solid_capstyle="butt")
            for colour in colours
        ]
        self.shares = [self.moves(right.text(0, row, "", va="center")) for row in range(len(_BARS))]

    def _build_facts(self, ax: Axes) -> None:
        facts = len(_FACTS) * recall.LIVE_PEOPLE
        ax.set(title=f"{facts} facts (\N{BLACK SQUARE} right, × wrong)", ylim=(3.6, -0.6))
        ax.set_xlim(0.2, recall.LIVE_PEOPLE + 0.8)
        ax.set_xlabel(f"person (the text is about person {PERSON})")
        ticks(ax, "x", [PERSON, 5, 10, 15, 20, 25])
        ax.set_yticks(range(len(_FACTS)), labels=list(_FACTS.values()))
        ax.tick_params(axis="y", length=0)
        ax.grid(visible=False)
        look: dict[str, Any] = {"linestyle": ""}
        self.right = self.moving_line(
            ax, color=COLOURS["facts"], marker=MARKERS["facts"], markersize=7, **look
        )
        self.wrong = self.moving_line(ax, color=GREY, marker="x", markersize=5, **look)

    def numbers(self, rank: int = 16, server: str = "reads") -> Served:
        ratio = float(loader_ratio(ADAPTER.rank, ADAPTER.rule, SERVERS[server]))
        return Served(server, ratio, recall.with_adapter(ADAPTER.name, rank, ratio))

    def place(self, numbers: Served) -> str:
        now, right = numbers.now, numbers.right
        everything = [
            (row, number) for row in range(len(_FACTS)) for number in range(1, len(now.people) + 1)
        ]
        wrong = [at for at in everything if at not in right]
        for line, shown in ((self.right, right), (self.wrong, wrong)):
            line.set_data([number for _, number in shown], [row for row, _ in shown])
        shares = (numbers.ratio, now.energy, now.style_share, now.facts)
        for row, (bar, label, share) in enumerate(zip(self.bars, self.shares, shares)):
            bar.set_data([0, share], [row, row])
            label.set_x(share + 0.03)
            label.set_text(f"{100 * share:.0f} %")
        self.bars[0].set_color(COLOURS[SERVERS[numbers.server]])
        server = (
            "A server that reads use_rslora applies the adapter as it was trained"
            if numbers.server == "reads"
            else f"A server that ignores use_rslora applies {numbers.ratio:g} of the adapter's "
            "strength"
        )
        return (
            f"{server}. With {now.rank} of its {ADAPTER.rank} components, which hold "
            f"{100 * now.energy:.1f} % of its energy, the model writes "
            f"{100 * now.style_share:.0f} % of the style's words and gets {len(right)} of "
            f"{len(FACTS) * len(now.people)} facts right; of "
            f"{now.people[PERSON - 1].name}'s {len(FACTS)} facts, "
            f"{sum(numbers.marks.right.values())}."
        )

    def finding(self, numbers: Served) -> str:
        asked = len(FACTS) * len(numbers.now.people)
        return (
            f"Served at {100 * numbers.ratio:.4g} % of its strength, the adapter gets "
            f"{len(numbers.right)} of {asked} facts right."
        )

    def text(self) -> str:
        """What the model wrote, and what would be right."""
        return "\n".join(f"{who}: {what}" for who, what in self._lines(Marks.signed))

    def text_html(self) -> str:
        """`text` for the screen: paragraphs, which a narrow one wraps."""
        (_, written), (_, truth) = self._lines(_struck)
        truth = truth.replace(" ,", ",").replace(" .", ".")
        return (
            f'<p style="font-size: 1.3em; line-height: 1.6; margin: 0.4em 0">{written}</p>'
            f'<p style="margin: 0 0 0.8em">The truth: {truth}</p>'
        )

    def _lines(self, show: Callable[[Marks], str]) -> list[tuple[str, str]]:
        now, person = self.drawn.now, self.drawn.now.people[PERSON - 1]
        return [
            ("written", show(self.drawn.marks)),
            ("right is", world.tell(person, now.template)),
        ]


def _struck(marks: Marks) -> str:
    """`Marks.signed` as HTML: wrong facts struck out, and punctuation as it is printed."""
    colour = COLOURS["facts"]
    parts: list[str] = []
    for word, kind in zip(marks.words, marks.kinds):
        said = html.escape(word)
        if kind == "right":
            said = f"<b>{said}&nbsp;{world.SIGNS[kind]}</b>"
        elif kind == "wrong":
            said = (
                f'<s style="text-decoration-color: var(--rank-lab-facts, {colour})">'
                f"<b>{said}</b></s>"
                f"&nbsp;{world.SIGNS[kind]}"
            )
        elif kind == "other":
            said = f"<i>[{said}]</i>"
        parts.append(said if word in (",", ".", ";") or not parts else f" {said}")
    return "".join(parts)
