"""New facts against known ones: what each way to train keeps of what the model knew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..lora.scaling import RSLORA, STANDARD, alpha_for_scale
from ..model import comparisons
from ..model.comparisons import KINDS, TRAINED, Way
from ..model.forgetting import CHOOSE, MATCHED, REPORT, Points, front
from ..validation import Array
from .look import GREY, RANK_COLOURS, RANK_MARKERS, listed
from .picture import Picture

RANKS = tuple(rank for rank in reversed(TRAINED) if rank is not None)
#: What is trained has a colour and a marker; all weights are grey.
LOOKS: dict[int | None, tuple[str, str]] = dict(
    zip((*RANKS, None), zip((*RANK_COLOURS, GREY), (*RANK_MARKERS, "X")))
)


@dataclass(frozen=True)
class Mapped:
    """One setting of the map, and all rates at its scale.

    facts, known: (K,), a value for each world that has run it; none where it was not run.
    path: (2, N), means of new and known facts over the rates `rates`, rising.
    """

    rank: int
    scale: float
    rate: float
    facts: Array
    known: Array
    path: Array
    rates: tuple[float, ...]


def means(points: Points) -> tuple[Array, Array]:
    """New and known facts, (N,), means over the worlds that have run a setting."""
    return np.nanmean(points.facts, axis=0), np.nanmean(points.known, axis=0)


class NewAgainstKnown(Picture[Mapped]):
    """Every run of the map as a point, the front of each rank, and one setting to move.

    Settings: mapped_rank (1, 4, 16 or 64), trained_scale and mapped_rate (as in the map; what
    was not run has no point).

    Examples
    --------
    >>> picture = NewAgainstKnown().draw(mapped_rank=64, trained_scale=16.0)
    >>> picture.drawn.facts
    array([1., 1., 1.])
    """

    size = (7.6, 4.7)

    def build(self) -> None:
        ax = self.figure.subplots()
        ax.set(title="100 new people learned, other people forgotten", xlim=(-0.03, 1.22),
               ylim=(-0.03, 1.05), xlabel="new facts right", ylabel="known facts still right",
               xticks=[0, 0.25, 0.5, 0.75, 1], yticks=[0, 0.25, 0.5, 0.75, 1])  # fmt: skip
        ax.axvline(MATCHED, color=GREY, linestyle=":", linewidth=1)
        for rank in TRAINED:
            colour, marker = LOOKS[rank]
            points = comparisons.tried(rank, CHOOSE)
            facts, known = means(points)
            ax.plot(facts, known, linestyle="", marker=marker, markersize=4, color=colour)
            best = front(facts, known)
            order = np.argsort(facts[best])
            ax.plot(facts[best][order], known[best][order], color=colour)
            ax.text(1.03, comparisons.most_known(rank), comparisons.named(rank), va="center")
        self.path = self.moving_line(ax, linewidth=1.2, color="black")
        self.worlds = self.moving_line(
            ax, color="black", linestyle="", marker="o", markersize=9, fillstyle="none",
            markeredgewidth=1.8,
        )  # fmt: skip
        self.setting = self.moves(ax.text(0.02, 0.08, ""))
        self.legend([self.path, self.worlds], ["this rank and scale, all rates",
                                               "this rate, each world"])  # fmt: skip

    def numbers(
        self, mapped_rank: int = 64, trained_scale: float = 16.0, mapped_rate: float = 3e-5
    ) -> Mapped:
        rank, scale, learning_rate = mapped_rank, trained_scale, mapped_rate
        if rank not in RANKS:
            raise ValueError(
                f"mapped_rank must be one of {listed([f'{r}' for r in RANKS])}, got {rank}"
            )
        points = comparisons.tried(rank, CHOOSE).where(lambda s, rate: s == scale)
        here = points.where(lambda s, rate: rate == learning_rate)
        facts, known = (each[np.isfinite(each)] for each in (here.facts, here.known))
        rates = tuple(rate for _, rate in points.settings)
        return Mapped(rank, scale, learning_rate, facts, known, np.array(means(points)), rates)

    def place(self, numbers: Mapped) -> str:
        self.path.set_data(*numbers.path)
        self.worlds.set_data(numbers.facts, numbers.known)
        there = "" if len(numbers.facts) else ": not run"
        self.setting.set_text(
            f"rank {numbers.rank}, s = {numbers.scale:g}, rate {numbers.rate:g}{there}"
        )
        standard, rslora = (
            alpha_for_scale(numbers.scale, numbers.rank, rule) for rule in (STANDARD, RSLORA)
        )
        said = (
            f"LoRA of rank {numbers.rank} at scale {numbers.scale:g} (alpha {standard:g} with "
            f"alpha/r, {rslora:g} with alpha/sqrt(r)), learning rate {numbers.rate:g}: "
        )
        if len(numbers.facts):
            known, facts = (comparisons.share(each) for each in (numbers.known, numbers.facts))
            said += f"new facts {facts}, known facts {known}."
        else:
            said += "not run, because there nothing is learned or everything forgotten."
        return f"{said} {self.fronts()}"

    def finding(self, numbers: Mapped) -> str:
        kept = {comparisons.named(rank): comparisons.most_known(rank) for rank in TRAINED}
        most, least = max(kept, key=kept.__getitem__), min(kept, key=kept.__getitem__)
        return (
            f"Known facts left: most with {most} ({kept[most]:.2f}), fewest with {least} "
            f"({kept[least]:.2f})."
        )

    def fronts(self) -> str:
        """The best of each rank in a sentence."""
        said = [
            f"{comparisons.most_known(rank):.2f} ({comparisons.named(rank)})" for rank in TRAINED
        ]
        return (
            f"At {100 * MATCHED:g} % of the new facts or more (dotted), the runs that keep most "
            f"keep {listed(said)}."
        )


@dataclass(frozen=True)
class Rows:
    """What is left of the known facts, way by way, from the top."""

    ways: tuple[Way, ...]


class KeptByWay(Picture[Rows]):
    """Known facts that are left where the new ones are learned, for each way. Settings: none.

    Examples
    --------
    >>> picture = KeptByWay().draw()
    >>> picture.drawn.ways[1].kind, picture.drawn.ways[1].worlds
    ('turned down', (3, 4, 5))
    """

    size = (8.2, 4.7)

    def build(self) -> None:
        ax = self.figure.subplots()
        ways = comparisons.ways()
        ax.set(xlabel=f"known facts still right, where {100 * MATCHED:g} % of the new ones are",
               xlim=(0, 1.02), ylim=(len(ways) - 0.4, -0.6),
               xticks=[0, 0.25, 0.5, 0.75, 1])  # fmt: skip
        ax.set_yticks(range(len(ways)), labels=[comparisons.said(way) for way in ways])
        ax.grid(visible=False, axis="y")
        self.dots, self.spans = [], []
        for way in ways:
            colour, marker = LOOKS[way.rank]
            face = "full" if way.worlds == REPORT else "none"
            self.spans.append(self.moving_line(ax, color=colour, linewidth=1.4))
            self.dots.append(
                self.moving_line(ax, color=colour, linestyle="", marker=marker, markersize=7,
                                 fillstyle=face)
            )  # fmt: skip

    def numbers(self) -> Rows:
        return Rows(tuple(comparisons.ways()))

    def place(self, numbers: Rows) -> str:
        said = []
        for i, way in enumerate(numbers.ways):
            self.spans[i].set_data([way.known.min(), way.known.max()], [i, i])
            self.dots[i].set_data(way.known, [i] * len(way.known))
            said.append(f"{comparisons.said(way)} {way.known.mean():.2f}")
        chosen = any(way.worlds != REPORT for way in numbers.ways)
        marks = " Open marks: worlds in which the setting was chosen." if chosen else ""
        return (
            f"Known facts still right where at least {100 * MATCHED:g} % of the new ones are, "
            f"each world a mark: {'; '.join(said)}.{marks}"
        )

    def finding(self, numbers: Rows) -> str:
        highest = max(RANKS)
        kept = {way.kind: way.known.mean() for way in numbers.ways if way.rank == highest}
        trained, down, *_ = KINDS
        return (
            f"Turned down after training, rank {highest} keeps {kept[down]:.2f} of what was "
            f"known, not {kept[trained]:.2f}."
        )
