"""The first step of LoRA in training: how far it goes, over the rank, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from .. import training
from ..lora.scaling import STANDARD
from ..training.sweeps import HABITS, TWICE, scale_under
from ..validation import Array
from .look import (
    COLOURS,
    GREY,
    MARKERS,
    OPTIMISERS,
    RULE_SYMBOLS,
    TWICE_LOOK,
    by_optimiser,
    listed,
    ticks,
)
from .picture import Picture

FIRST_RANKS = (2, 4, 8, 16, 32, 64)
#: The ways to set alpha, as labels at a line name them.
SYMBOLS = {**RULE_SYMBOLS, TWICE: r"$\alpha = 2r$"}
#: The crews that are drawn, and their alpha.
CREWS, CREW_ALPHA = (4, 16), 4
#: Progress over a lower power of the rank counts as the same at every rank.
_FLAT = 0.05


@lru_cache(maxsize=4)
def _first_steps(width: int, start: str) -> dict[tuple[str, str, str], training.Exponent]:
    """Measured exponents for random targets of this width, cached."""
    return training.measure_exponents(
        training.gaussian_target(width), FIRST_RANKS, range(10), start
    )


def look(habit: str) -> dict[str, Any]:
    """Colour and marker of a rule or of alpha = 2r."""
    if habit == TWICE:
        return {"color": TWICE_LOOK["color"], "marker": TWICE_LOOK["marker"]}
    return {"color": COLOURS[habit], "marker": MARKERS[habit]}


@dataclass(frozen=True)
class FirstSteps:
    """The first step's progress by (optimiser, habit), over the R ranks.

    sizes: (R,), mean over ten seeds, over that at the lowest rank. powers: the power of the
    rank that theory gives. slopes: the measured one.
    """

    start: str
    width: int
    sizes: Mapping[tuple[str, str], Array]
    powers: Mapping[tuple[str, str], float]
    slopes: Mapping[tuple[str, str], float]


class FirstStep(Picture[FirstSteps]):
    """The first step's progress against rank, over that at the smallest rank.

    Settings: start ("kaiming", "gaussian" or "peft_gaussian"), width (of the target).

    Examples
    --------
    >>> picture = FirstStep().draw(start="kaiming", width=64)
    >>> picture.drawn.powers["sgd", "alpha/r"]
    -1.0
    """

    size = (8.8, 4.0)

    def build(self) -> None:
        self.points, self.theory, self.names = {}, {}, {}
        panels = self.figure.subplots(1, 2, sharey=True)
        for ax, (optimiser, name) in zip(panels, OPTIMISERS.items()):
            ax.set(title=f"first step under {name}", xlabel="rank r", xscale="log", yscale="log",
                   xlim=(1.8, 250), ylim=(0.02, 50))  # fmt: skip
            ticks(ax, "x", list(FIRST_RANKS))
            ticks(ax, "y", [0.03, 0.1, 0.3, 1, 3, 10, 30])
            for habit in HABITS:
                key, looks = (optimiser, habit), look(habit)
                self.theory[key] = self.moving_line(ax, color=looks["color"], linewidth=1.2)
                self.points[key] = self.moving_line(ax, linestyle="", markersize=7, **looks)
                self.names[key] = self.moves(ax.text(72, 1, "", va="center"))
        panels[0].set_ylabel("progress, over that of rank 2")

    def numbers(self, start: str = "kaiming", width: int = 256) -> FirstSteps:
        found, ranks = _first_steps(width, start), np.array(FIRST_RANKS)
        sizes, powers, slopes = {}, {}, {}
        for optimiser in OPTIMISERS:
            # With alpha = 2r the scale has no power of r: that of alpha/r, which enters once
            # or, under SGD, twice, is taken out.
            extra = 2 if optimiser == "sgd" else 1
            for habit in HABITS:
                exponent = found["progress", optimiser, STANDARD if habit == TWICE else habit]
                more = extra if habit == TWICE else 0
                mean = exponent.values.mean(axis=0) * ranks**more
                sizes[optimiser, habit] = mean / mean[0]
                powers[optimiser, habit] = exponent.theory + more
                slopes[optimiser, habit] = exponent.slope + more
        return FirstSteps(start, width, sizes, powers, slopes)

    def place(self, numbers: FirstSteps) -> str:
        ranks, said = np.array(FIRST_RANKS), []
        for key, sizes in numbers.sizes.items():
            power = numbers.powers[key]
            ends = np.array([ranks[0], ranks[-1]])
            self.points[key].set_data(ranks, sizes)
            self.theory[key].set_data(ends, (ends / ranks[0]) ** power)
            self.names[key].set_y((ranks[-1] / ranks[0]) ** power)
            words = {0.0: "flat", 1.0: "as $r$"}
            symbol = SYMBOLS[key[1]]
            self.names[key].set_text(f"{symbol}, " + words.get(power, f"as $r^{{{power:g}}}$"))
            slope = round(numbers.slopes[key], 2) + 0.0
            said.append(f"{slope:.2f} for {OPTIMISERS[key[0]]} with {key[1]} (theory {power:g})")
        return (
            f"First step at width {numbers.width}, A drawn as {numbers.start}, 10 seeds. Powers of "
            f"the rank in the progress: {listed(said)}."
        )

    def finding(self, numbers: FirstSteps) -> str:
        flat = [key for key, slope in numbers.slopes.items() if abs(slope) < _FLAT]
        if len(flat) in (1, 2):
            verb = "gets" if len(flat) == 1 else "get"
            return f"Only {by_optimiser(flat)} {verb} equally far at every rank."
        return f"Equally far at every rank: {len(flat)} of {len(numbers.slopes)} cases."


@dataclass(frozen=True)
class Pulls:
    """What each rower moves the boat by, by (optimiser, habit, rank)."""

    each: Mapping[tuple[str, str, int], float]


class Crew(Picture[Pulls]):
    """The pulls of a crew of four and of a crew of sixteen, head to tail. Settings: none.

    Examples
    --------
    >>> pulls = Crew().draw().drawn.each
    >>> 4 * pulls["adam", "alpha/r", 4] == 16 * pulls["adam", "alpha/r", 16]
    True
    """

    size = (8.8, 3.6)

    def build(self) -> None:
        panels = self.figure.subplots(1, 2, sharey=True)
        self.chains = {}
        rows = [(habit, rank) for habit in HABITS for rank in CREWS]
        for ax, (optimiser, name) in zip(panels, OPTIMISERS.items()):
            pull = "$s^2$" if optimiser == "sgd" else "$s$"
            ax.set(title=f"{name}: each rower pulls {pull}", xlim=(0, 66),
                   xlabel="how far the boat moves in the first step",
                   ylim=(len(rows) - 0.4, -0.6))  # fmt: skip
            ax.set_yticks(
                range(len(rows)),
                labels=[f"{SYMBOLS[habit]}, {rank} rowers" for habit, rank in rows],
            )
            ax.grid(visible=False, axis="y")
            for i, (habit, rank) in enumerate(rows):
                looks = {"color": look(habit)["color"], "markersize": 5, "marker": ">"}
                line = self.moving_line(ax, linewidth=2.5, **looks)
                line.set_ydata([])
                self.chains[optimiser, habit, rank] = line, i
            if optimiser == "adam":
                ax.axvline(0, color=GREY, linewidth=1)

    def numbers(self) -> Pulls:
        return Pulls(
            {
                (optimiser, habit, rank): scale_under(habit, CREW_ALPHA, rank)
                ** (2 if optimiser == "sgd" else 1)
                for optimiser, habit, rank in self.chains
            }
        )

    def place(self, numbers: Pulls) -> str:
        said: dict[str, list[str]] = {}
        for (optimiser, habit, rank), pull in numbers.each.items():
            line, row = self.chains[optimiser, habit, rank]
            line.set_data(pull * np.arange(rank + 1), np.full(rank + 1, row))
            if rank == CREWS[0]:
                totals = [each * numbers.each[optimiser, habit, each] for each in CREWS]
                said.setdefault(OPTIMISERS[optimiser], []).append(
                    f"{totals[0]:g} and {totals[1]:g} with {habit}"
                )
        parts = "; ".join(f"under {name} {listed(each)}" for name, each in said.items())
        return (
            f"How far a crew of {CREWS[0]} and one of {CREWS[1]} move the boat at alpha "
            f"{CREW_ALPHA}: {parts}."
        )

    def finding(self, numbers: Pulls) -> str:
        one, other = CREWS
        each = numbers.each
        same = [
            (optimiser, habit)
            for optimiser, habit, rank in each
            if rank == one
            and one * each[optimiser, habit, one] == other * each[optimiser, habit, other]
        ]
        return f"{one} and {other} rowers go equally far only with {by_optimiser(same)}."
