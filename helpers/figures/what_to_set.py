"""The map of new against known facts, and where a rank, rule, alpha and learning rate lie on it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes

from ..lora import scaling
from ..model import settings
from ..model.settings import Measured
from .look import GREY, MARKERS, RANK_COLOURS, RANK_MARKERS, ticks
from .picture import Picture

RANKS = (1, 4, 16, 64)
RATES: list[float] = [1e-5, 1e-4, 1e-3, 1e-2]


@dataclass(frozen=True)
class Placed:
    """A setting, the nearest one that was measured, and what is known around it.

    Attributes
    ----------
    rank, alpha, rule, learning_rate : what was asked
    scale : float
    found : Measured
    near : bool
        Whether `found` is near enough to speak for it.
    around : tuple of Measured
        The rates measured at the rank and scale of `found`, if it is near.
    """

    rank: int
    alpha: float
    rule: str
    learning_rate: float
    scale: float
    found: Measured
    near: bool
    around: tuple[Measured, ...]


class WhatToSet(Picture[Placed]):
    """What the small model learns and keeps at a setting of LoRA under AdamW.

    Settings: rank, alpha, rule, learning_rate.

    Examples
    --------
    >>> WhatToSet().draw(rank=64, alpha=16, rule="alpha/sqrt(r)", learning_rate=3e-4).drawn.near
    True
    """

    size = (8.8, 3.7)

    @property
    def limits(self) -> dict[str, tuple[Any, Any]]:
        """The ranks of all explorers, and the rates of the map."""
        return {"learning_rate": (RATES[0], RATES[-1])}

    def build(self) -> None:
        left, right = self.figure.subplots(1, 2)
        left.set(title="every measured setting", xlabel="new facts", ylabel="known facts",
                 xlim=(-0.03, 1.05), ylim=(-0.03, 1.05))  # fmt: skip
        self._build_map(left)
        right.set(title="at the nearest measured rank and scale", xlabel="learning rate",
                  ylabel="share that is right", xscale="log", xlim=(7e-6, 1.5e-2),
                  ylim=(-0.03, 1.18))  # fmt: skip
        ticks(right, "x", RATES)
        ticks(right, "y", [0, 0.25, 0.5, 0.75, 1])
        self.at = self.cursor(right, ymax=0.88)  # below the words
        self.new = self.moving_line(right, "facts", label="new facts", marker=MARKERS["facts"])
        self.known = self.moving_line(right, color=GREY, marker="v", label="known facts")
        self.seeds = self.moving_line(
            right, color="black", linestyle="", marker="_", markersize=7, label="single worlds"
        )
        self.said = self.moves(right.text(0.02, 0.98, "", transform=right.transAxes, va="top"))
        handles, labels = right.get_legend_handles_labels()
        self.legend([self.here, *handles], ["nearest measured setting", *labels])

    def _build_map(self, axes: Axes) -> None:
        for rank, colour, marker in zip(RANKS, RANK_COLOURS, RANK_MARKERS):
            mine = [each for each in settings.measured() if each.rank == rank]
            axes.plot(
                [each.facts.mean() for each in mine], [each.known.mean() for each in mine],
                color=colour, marker=marker, linestyle="", markersize=4, label=f"r = {rank}",
            )  # fmt: skip
        axes.legend(loc=(0.15, 0.03), ncols=2)
        look: dict[str, Any] = {"marker": "o", "fillstyle": "none", "linestyle": ""}
        self.here = self.moving_line(axes, color="black", markersize=13, markeredgewidth=2, **look)

    def numbers(
        self, rank: int = 64, alpha: float = 16, rule: str = scaling.RSLORA,
        learning_rate: float = 3e-4,
    ) -> Placed:  # fmt: skip
        scale = float(scaling.scale(alpha, rank, rule))
        found, near = settings.nearest(rank, scale, learning_rate)
        around = settings.over_rates(found.rank, found.scale) if near else []
        return Placed(rank, alpha, rule, learning_rate, scale, found, near, tuple(around))

    def place(self, numbers: Placed) -> str:
        found, around = numbers.found, numbers.around
        here = [found] if numbers.near else []
        self.here.set_data([m.facts.mean() for m in here], [m.known.mean() for m in here])
        rates = [each.learning_rate for each in around]
        self.new.set_data(rates, [each.facts.mean() for each in around])
        self.known.set_data(rates, [each.known.mean() for each in around])
        single = [(m.learning_rate, y) for m in around for y in (*m.facts, *m.known)]
        self.seeds.set_data(*(zip(*single) if single else ([], [])))
        self.at.set_xdata([numbers.learning_rate, numbers.learning_rate])
        measured = f"shown: r = {found.rank}, s = {found.scale:g}" if around else "not measured"
        self.said.set_text(f"set: r = {numbers.rank}, s = {numbers.scale:.4g}; {measured}")
        return _sentence(numbers)

    def finding(self, numbers: Placed) -> str:
        if not numbers.near:
            return "Nothing was measured near this setting."
        found = numbers.found
        return (
            f"Rank {found.rank}, s = {found.scale:g}, rate {found.learning_rate:g}: "
            f"{found.facts.mean():.2f} of the new facts right, {found.known.mean():.2f} of the "
            "known ones."
        )


def _sentence(numbers: Placed) -> str:
    found = numbers.found
    asked = (
        f"Rank {numbers.rank}, alpha {numbers.alpha:g} and {numbers.rule} make a scale of "
        f"{numbers.scale:.4g}; learning rate {numbers.learning_rate:g}."
    )
    where = f"rank {found.rank}, scale {found.scale:g}, rate {found.learning_rate:g}"
    if not numbers.near:
        return (
            f"{asked} Nothing was measured within a factor of {settings.NEAR:g} of that in rank, "
            f"scale and rate; the nearest is {where}."
        )
    first, last = found.worlds[0], found.worlds[-1]
    worlds = f"world {first}" if first == last else f"worlds {first} to {last}"
    said = [f"{asked} The nearest measured setting is {where}, in {worlds}:"]
    for name, values in (("new", found.facts), ("known", found.known)):
        span = f"{values.min():.2f} to {values.max():.2f}"
        said.append(f"{values.mean():.2f} of the {name} facts ({span}),")
    return " ".join(said)[:-1] + "."
