"""Truncated against trained: what a rank holds in SmolLM2."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ..model import results
from ..model.results import PRETRAINED_TASKS, Curves
from .look import COLOURS, GREY, MARKERS, listed, ticks
from .picture import Picture
from .results import WAYS, Seeded, ways_legend


@dataclass(frozen=True)
class PretrainedWays:
    """Measured shares over the rank, by (task, way); the learning rate of LoRA on the facts."""

    learning_rate: float
    curves: Mapping[tuple[str, str], Curves]


class PretrainedOverRank(Picture[PretrainedWays]):
    """SmolLM2: style and facts over rank, update truncated and LoRA trained.

    Settings: learning_rate (of the LoRA on the facts, one of `results.pretrained_rates`).

    Examples
    --------
    >>> PretrainedOverRank().draw(learning_rate=2e-3).description[:36]
    'SmolLM2-135M, 3 seeds in full and 3 '
    """

    size = (8.8, 3.7)

    def build(self) -> None:
        panels = self.figure.subplots(1, 2, sharey=True)
        self.lines = {}
        titles = {"style": "a pirate's style", "facts": "facts of 16 invented people"}
        for ax, task in zip(panels, PRETRAINED_TASKS):
            ax.set(title=titles[task], xlabel="rank r", xscale="log", xlim=(0.85, 300),
                   ylim=(-0.03, 1.05))  # fmt: skip
            ticks(ax, "x", [1, 4, 16, 64, 256])
            for way, look in WAYS.items():
                self.lines[task, way] = Seeded(
                    self, ax, color=COLOURS[task], marker=MARKERS[task], **look
                )
            self.lines[task, "energy"] = Seeded(self, ax, color=GREY, linestyle=":")
        panels[0].set_ylabel("share that is right")
        ways_legend(self, "at rank r", (self.lines["style", "energy"].line, "captured energy"))

    def numbers(self, learning_rate: float = 2e-3) -> PretrainedWays:
        rates = {"style": 5e-4, "facts": learning_rate}
        curves = {}
        for task, rate in rates.items():
            curves[task, "truncated"] = results.pretrained_truncated(task)
            curves[task, "trained"] = results.pretrained_trained(task, False, rate)
        return PretrainedWays(learning_rate, curves)

    def place(self, numbers: PretrainedWays) -> str:
        said = []
        for (task, way), curves in numbers.curves.items():
            self.lines[task, way].set(curves, task)
            if way == "truncated":
                self.lines[task, "energy"].set(curves, "energy")
            shares = [f"{100 * share:.0f}" for share in curves.mean(task)]
            ranks = [f"{rank:g}" for rank in curves.at]
            said.append(f"{task} {way}: {listed(shares)} % right at ranks {listed(ranks)}")
        counts = {way: len(numbers.curves["facts", way].seeds) for way in WAYS}
        return (
            f"SmolLM2-135M, {counts['truncated']} seeds in full and {counts['trained']} for LoRA "
            f"(alpha/r, alpha 16, learning rate on the facts {numbers.learning_rate:g}). "
            f"{'; '.join(said).capitalize()}."
        )

    def finding(self, numbers: PretrainedWays) -> str:
        truncated, trained = (numbers.curves["facts", way] for way in WAYS)
        low, high = trained.mean("facts")[0], truncated.mean("facts")[-1]
        return (
            f"LoRA trained at rank {trained.at[0]:g} gets {100 * low:.0f} % of the facts right, "
            f"an update cut to rank {truncated.at[-1]:g} {100 * high:.0f} %."
        )
