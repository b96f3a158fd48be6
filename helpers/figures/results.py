"""Truncated against trained: what a rank holds in a small transformer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from .. import validation
from ..lora.scaling import RSLORA, RULES
from ..model import results
from ..model.results import Curves
from ..model.tasks import NEW_STYLE, TASKS
from .look import COLOURS, GREY, MARKERS, RANK_COLOURS, RANK_MARKERS, RULE_SYMBOLS, listed, ticks
from .picture import Picture

RANKS: list[float] = [1, 2, 4, 8, 16, 32, 64]
PEOPLE = tuple(name for name in TASKS if name != NEW_STYLE)
LEVEL = 0.9
SWEPT = {"adamw": "AdamW", "sgd": "SGD"}
SWEPT_RANKS = (1, 4, 16, 64)
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
        ways_legend(self, "at rank r")

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
        count = len(numbers.curves["100", "trained"].seeds)
        return (
            f"Lowest rank measured from which on {100 * LEVEL:.0f} % are right, {count} seeds. "
            f"{'; '.join(said).capitalize()}."
        )


def _range(values: Any) -> str:
    """One number if all agree, else the ends; "more than measured" for NaN."""
    values = np.asarray(values)
    if np.isnan(values).all():
        return "above all measured"
    low, high = np.nanmin(values), np.nanmax(values)
    text = f"{low:g}" if low == high else f"{low:g} to {high:g}"
    return text + (" or above all measured" if np.isnan(values).any() else "")


@dataclass(frozen=True)
class NeededRanks:
    """The lowest rank that recalls `LEVEL` of the facts, over the number of people, by way."""

    curves: Mapping[str, Curves]


class RankForPeople(Picture[NeededRanks]):
    """The rank that 90 % recall needs, against the number of people. Settings: none.

    Examples
    --------
    >>> RankForPeople().draw().drawn.curves["trained"].at
    array([ 25., 100., 400.])
    """

    size = (5.6, 3.7)

    def build(self) -> None:
        ax = self.figure.subplots()
        ax.set(title="rank for 90 % of the facts", xlabel="new people", ylabel="rank r",
               xscale="log", yscale="log", xlim=(20, 500), ylim=(0.8, 80))  # fmt: skip
        ticks(ax, "x", [int(count) for count in PEOPLE])
        ticks(ax, "y", RANKS)
        self.lines = {
            way: Seeded(self, ax, color=COLOURS["facts"], marker="s", **look)
            for way, look in WAYS.items()
        }
        ways_legend(self, "")

    def numbers(self) -> NeededRanks:
        counts = np.array([float(count) for count in PEOPLE])
        trained = [results.trained(count) for count in PEOPLE]
        needed = {
            "truncated": [results.needed_rank(count) for count in PEOPLE],
            "trained": [curves.reaches("facts", LEVEL) for curves in trained],
        }
        return NeededRanks(
            {
                way: Curves(counts, tuple(range(len(ranks[0]))), {"rank": np.transpose(ranks)})
                for way, ranks in needed.items()
            }
        )

    def place(self, numbers: NeededRanks) -> str:
        said = []
        for way, curves in numbers.curves.items():
            self.lines[way].set(curves, "rank")
            ranks = [_range(each) for each in curves.values["rank"].T]
            said.append(f"{listed(ranks)} {way}")
        return (
            f"Rank for {100 * LEVEL:.0f} % of the facts of {listed(list(PEOPLE))} new people, "
            f"over {len(numbers.curves['trained'].seeds)} seeds: {'; '.join(said)}."
        )


@dataclass(frozen=True)
class RecallOverRates:
    """Measured shares over the learning rate, by (optimiser, rule, rank)."""

    recalled: str
    curves: Mapping[tuple[str, str, int], Curves]


class RatesInModel(Picture[RecallOverRates]):
    """LoRA on 100 people: the small model's recall over the learning rate, by rank.

    Settings: recalled ("facts" for those of the 100 people, "known" for those of the
    people that the base model knew).

    Examples
    --------
    >>> RatesInModel().draw(recalled="known").description[:45]
    'Facts of people known before that are right, '
    """

    size = (8.8, 3.7)

    def build(self) -> None:
        panels = self.figure.subplots(1, 4, sharey=True)
        self.lines = {}
        keys = [(optimiser, rule) for optimiser in SWEPT for rule in RULES]
        for ax, (optimiser, rule) in zip(panels, keys):
            title = f"{SWEPT[optimiser]}, {RULE_SYMBOLS[rule]}"
            limits = (2e-4, 1.5e-2) if optimiser == "adamw" else (0.07, 4.5)
            ax.set(title=title, xlabel="learning rate", xscale="log", xlim=limits,
                   ylim=(-0.03, 1.05))  # fmt: skip
            ticks(ax, "x", [0.001, 0.01] if optimiser == "adamw" else [0.1, 0.3, 1, 3])
            # Smaller and smaller, so that a marker shows under the one above it.
            looks = zip(SWEPT_RANKS, RANK_COLOURS, RANK_MARKERS, (11, 9, 6.5, 4))
            for rank, colour, marker, size in looks:
                if (optimiser, rank) != ("sgd", 1):
                    look = {"color": colour, "marker": marker, "markersize": size}
                    self.lines[optimiser, rule, rank] = Seeded(self, ax, **look)
        panels[0].set_ylabel("share of facts right")
        handles = [self.lines["adamw", RSLORA, rank].line for rank in SWEPT_RANKS]
        self.legend(handles, [f"rank {rank}" for rank in SWEPT_RANKS])

    def numbers(self, recalled: str = "facts") -> RecallOverRates:
        validation.choice("recalled", recalled, ("facts", "known"))
        curves = {
            (optimiser, rule, rank): results.over_rates(optimiser, rule == RSLORA, rank)
            for optimiser in SWEPT
            for rule in RULES
            for rank in SWEPT_RANKS
            if (optimiser, rank) != ("sgd", 1)
        }
        return RecallOverRates(recalled, curves)

    def place(self, numbers: RecallOverRates) -> str:
        said, every, recalled = [], numbers.curves, numbers.recalled
        for key, each in every.items():
            self.lines[key].set(each, recalled)
        for optimiser, name in SWEPT.items():
            for rule in RULES:
                curves = {
                    rank: every[optimiser, rule, rank]
                    for rank in SWEPT_RANKS
                    if (optimiser, rule, rank) in every
                }
                first, last = (curves[rank].mean(recalled) for rank in (4, 64))
                said.append(
                    f"{name} with {rule} at the smallest rate has {100 * first[0]:.0f} % at rank 4 "
                    f"and {100 * last[0]:.0f} % at rank 64, at its best rates "
                    f"{100 * first.max():.0f} % and {100 * last.max():.0f} %"
                )
        count = len(next(iter(every.values())).seeds)
        people = "the 100 new people" if recalled == "facts" else "people known before"
        return f"Facts of {people} that are right, mean of {count} seeds. {'; '.join(said)}."
