"""The window of learning rates of SmolLM2 at each rank, for three ways to set alpha."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from matplotlib.lines import Line2D

from ..lora.scaling import RSLORA, STANDARD
from ..model import pretrained_windows as windows
from ..model.pretrained_forgetting import LOST, MATCHED, RANKS, WHOLE
from ..validation import Array
from .look import COLOURS, GREY, RULE_SYMBOLS, TWICE_LOOK, listed, ticks
from .picture import Picture


@dataclass(frozen=True)
class RankWindows:
    """Windows by rule, (2, ranks, K): where they begin and end, in each of the K worlds.

    within: (ranks,) by rule, the rates at which the rate times the root of s r is the same for all.
    """

    windows: Mapping[str, Array]
    within: Mapping[str, Array]


class PretrainedWindows(Picture[RankWindows]):
    """SmolLM2: from the rate that learns to the rate that loses, a bar for each rank and seed.

    Settings: none.

    Examples
    --------
    >>> PretrainedWindows().draw().drawn.within["alpha/r, alpha = 16"].tolist()
    [0.0025, 0.0025, 0.0025, 0.0025, 0.0025]
    """

    size = (8.8, 3.6)
    whole = True
    #: The colour of each rule, and its symbol.
    LOOKS: ClassVar[dict[str, tuple[str, str]]] = dict(zip(windows.FOLLOWED, (
        (COLOURS[STANDARD], rf"{RULE_SYMBOLS[STANDARD]}, $\alpha = 16$"),
        (COLOURS[RSLORA], rf"{RULE_SYMBOLS[RSLORA]}, $\alpha = 16$"),
        (TWICE_LOOK["color"], r"$\alpha = 2r$"),
    )))  # fmt: skip

    def build(self) -> None:
        panels = self.figure.subplots(1, 3, sharey=True)
        rows = range(len(RANKS))
        self.bars, self.ends, self.lines = {}, {}, {}
        for ax, (rule, (colour, symbol)) in zip(panels, self.LOOKS.items()):
            ax.set(title=f"{symbol}: {_moves(rule)}", xlabel="learning rate", xscale="log",
                   xlim=(7e-5, 4e-2), ylim=(-0.7, len(rows) - 0.3))  # fmt: skip
            ticks(ax, "x", [1e-4, 1e-3, 1e-2])
            ax.set_yticks(rows, labels=[f"{rank}" for rank in RANKS])
            self.bars[rule] = self.moving_line(ax, color=colour, linewidth=2)
            self.ends[rule] = self.moving_line(
                ax, color=colour, linestyle="", marker="x", markersize=5
            )
            self.lines[rule] = self.moving_line(ax, color=GREY, linestyle="--", linewidth=1.6)
        panels[0].set_ylabel("rank r")
        self.legend(
            [Line2D([], [], color=GREY, linewidth=2),
             Line2D([], [], color=GREY, linestyle="", marker="x", markersize=5),
             Line2D([], [], color=GREY, linestyle="--", linewidth=1.6)],
            [f"from {100 * MATCHED:g} % of the new facts learned (each seed)",
             f"to {100 * LOST:g} % of what was known left",
             rf"rate $\times \sqrt{{s\,r}}$ = {windows.WITHIN:g}"],
        )  # fmt: skip

    def numbers(self) -> RankWindows:
        return RankWindows(
            {rule: windows.windows(rule) for rule in windows.FOLLOWED},
            {rule: windows.rates_within(rule) for rule in windows.FOLLOWED},
        )

    def place(self, numbers: RankWindows) -> str:
        said = []
        for rule, (learned, lost) in numbers.windows.items():
            seeds = learned.shape[1]
            at = np.arange(len(RANKS))[:, None] + (np.arange(seeds) - (seeds - 1) / 2) * 0.13
            # A gap after each bar, so that one line draws them all.
            gap = np.full(learned.size, np.nan)
            self.bars[rule].set_data(
                np.column_stack([learned.ravel(), lost.ravel(), gap]).ravel(),
                np.column_stack([at.ravel(), at.ravel(), gap]).ravel(),
            )
            self.ends[rule].set_data(lost.ravel(), at.ravel())
            self.lines[rule].set_data(numbers.within[rule], np.arange(len(RANKS)))
            spans = [
                f"{windows.mean_rate(low):.2g} to {windows.mean_rate(high):.2g} at rank {rank}"
                for rank, low, high in zip(RANKS, learned, lost)
            ]
            share = windows.share_within(rule)
            said.append(
                f"with {rule} {listed(spans)}; {windows.WITHIN:g} over the root of s r lies in "
                f"{100 * share:.0f} % of the windows"
            )
        return (
            f"SmolLM2-135M, LoRA in all linear layers, AdamW, {len(WHOLE)} seeds: from the rate "
            f"that learns {100 * MATCHED:g} % of the new facts to the one that leaves "
            f"{100 * LOST:g} % of the general questions (means over the seeds): {'; '.join(said)}."
        )

    def finding(self, numbers: RankWindows) -> str:
        span = f"one learning rate that serves all ranks from {RANKS[0]} to {RANKS[-1]}"
        in_all = [rule for rule in numbers.windows if windows.serving(rule).all()]
        in_none = [rule for rule in numbers.windows if not windows.serving(rule).any()]
        if not in_all:
            return f"With none of these rules every seed has {span}."
        # "Only" says of the others that they have one in no seed.
        only = "Only " if len(in_all) + len(in_none) == len(numbers.windows) else "In every seed "
        verb = "has" if len(in_all) == 1 else "have"
        return f"{only}{listed([rule.replace(', ', ' at ') for rule in in_all])} {verb} {span}."


def _moves(rule: str) -> str:
    """How the windows of a rule move with the rank, for the title of a panel."""
    power = windows.exponents(rule).mean()
    return "rates stay" if abs(power) < 0.05 else f"rates fall as $r^{{{power:.2f}}}$"
