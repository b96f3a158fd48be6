"""LoRA trained at many learning rates, over the rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from .. import training
from ..lora.scaling import RULES, STANDARD, scale
from ..training import sweeps
from ..validation import Array
from .look import (
    COLOURS,
    GREY,
    LABELS,
    LINES,
    MARKERS,
    OPTIMISERS,
    RANK_COLOURS,
    RANK_MARKERS,
    listed,
    ticks,
)
from .picture import Picture


@dataclass(frozen=True)
class LeftToLearn:
    """The share of the loss above the best possible one that is left, by optimiser.

    left: (2, R, L), rules by ranks by learning rates, mean over seeds. shared: (2,), at each
    rule's one learning rate that serves all ranks best, the share left at the worst rank.
    """

    update: str
    left: Mapping[str, Array]
    shared: Mapping[str, Array]


class RateFan(Picture[LeftToLearn]):
    """What is left to learn against the learning rate, one line per rank.

    Settings: update ("style" or "facts").

    Examples
    --------
    >>> RateFan().draw(update="facts").drawn.left["sgd"].shape
    (2, 4, 9)
    """

    size = (8.8, 6.2)

    def build(self) -> None:
        panels = self.figure.subplots(2, 2, sharey=True)
        self.lines, self.tops = {}, {}
        for row, optimiser in zip(panels, training.OPTIMISERS):
            rates = sweeps.GRID_RATES[optimiser]
            for ax, rule in zip(row, RULES):
                ax.set(title=f"{OPTIMISERS[optimiser]}, {LABELS[rule]}", xscale="log",
                       xlim=(rates[0] / 1.5, rates[-1] * 1.5), ylim=(0, 1.24))  # fmt: skip
                ax.xaxis.set_ticks([], minor=True)
                for i, rank in enumerate(sweeps.GRID_RANKS):
                    look: dict[str, Any] = {"color": RANK_COLOURS[i], "marker": RANK_MARKERS[i]}
                    key = optimiser, rule, rank
                    self.lines[key] = self.moving_line(ax, label=f"rank {rank}", **look)
                    self.tops[key] = self.moving_line(
                        ax, linestyle="", color=RANK_COLOURS[i], marker="x"
                    )
        for ax in panels[1]:
            ax.set_xlabel("learning rate")
        for ax in panels[:, 0]:
            ax.set_ylabel("left to learn")
        first = [self.lines["sgd", STANDARD, rank] for rank in sweeps.GRID_RANKS]
        labels = [*(f"rank {rank}" for rank in sweeps.GRID_RANKS), "diverged"]
        self.legend([*first, self.tops["sgd", STANDARD, 1]], labels)

    def numbers(self, update: str = "facts") -> LeftToLearn:
        left, shared = {}, {}
        for optimiser in OPTIMISERS:
            grid = sweeps.rate_grid(update, optimiser)
            left[optimiser] = grid.unlearned().mean(axis=-1)
            shared[optimiser] = grid.shared()[1]
        return LeftToLearn(update, left, shared)

    def place(self, numbers: LeftToLearn) -> str:
        for optimiser, left in numbers.left.items():
            rates = np.array(sweeps.GRID_RATES[optimiser])
            for i, rule in enumerate(RULES):
                for j, rank in enumerate(sweeps.GRID_RANKS):
                    each = left[i, j]
                    gone = ~np.isfinite(each)
                    self.lines[optimiser, rule, rank].set_data(
                        rates[~gone], np.minimum(each[~gone], 1.2)
                    )
                    # The first rate that diverges; ranks that share it are stacked.
                    first = rates[gone][:1]
                    height = [1.19 - 0.045 * j] * len(first)
                    self.tops[optimiser, rule, rank].set_data(first, height)
        said = [
            f"{OPTIMISERS[optimiser]} leaves {100 * shared[0]:.1f} % at its worst rank with "
            f"alpha/r and {100 * shared[1]:.1f} % with alpha/sqrt(r)"
            for optimiser, shared in numbers.shared.items()
        ]
        return (
            f"The {numbers.update} update, {sweeps.GRID_STEPS} steps, alpha {sweeps.ALPHA}, mean "
            f"of {len(sweeps.SEEDS)} seeds. At the one learning rate of this grid that serves all "
            f"ranks best, {said[0]}; {said[1]}."
        )


@dataclass(frozen=True)
class NeededRates:
    """Learning rates over the R ranks, by (optimiser, rule).

    needed: (R,), leaves 10 % to learn, mean over seeds. diverges: (R,), the lowest at which a
    seed diverges. slopes: of `needed` between logarithms, mean and standard deviation over
    seeds. limits: (R,) by rule, where theory lets SGD diverge.
    """

    update: str
    needed: Mapping[tuple[str, str], Array]
    diverges: Mapping[tuple[str, str], Array]
    slopes: Mapping[tuple[str, str], tuple[float, float]]
    limits: Mapping[str, Array]


class RatesOverRank(Picture[NeededRates]):
    """Which learning rate a rank needs, and which makes it diverge, over rank.

    Settings: update ("style" or "facts").

    Examples
    --------
    >>> picture = RatesOverRank().draw(update="style")
    >>> print(f"{picture.drawn.slopes['sgd', 'alpha/r'][0]:.1f}")
    0.8
    """

    def build(self) -> None:
        panels = self.figure.subplots(1, 2, sharey=True)
        self.lines: dict[tuple[str, str, str], Any] = {}
        for ax, optimiser in zip(panels, training.OPTIMISERS):
            ax.set(title=OPTIMISERS[optimiser], xlabel="rank r", xscale="log", yscale="log",
                   xlim=(0.9, 72), ylim=(1e-4, 10))  # fmt: skip
            ticks(ax, "x", list(sweeps.GRID_RANKS))
            ticks(ax, "y", [1e-4, 0.001, 0.01, 0.1, 1, 10])
            for rule in RULES:
                look: dict[str, Any] = {"color": COLOURS[rule]}
                self.lines[optimiser, rule, "needed"] = self.moving_line(
                    ax, linestyle=LINES[rule], marker=MARKERS[rule], **look
                )
                self.lines[optimiser, rule, "diverges"] = self.moving_line(
                    ax, linestyle="", marker="x", markersize=8, markeredgewidth=2, **look
                )
                self.lines[optimiser, rule, "limit"] = self.moving_line(
                    ax, linestyle=":", linewidth=1.2, **look
                )
        panels[0].set_ylabel("learning rate")
        handles = [
            *(self.lines["sgd", rule, "needed"] for rule in RULES),
            Line2D([], [], color=GREY, linestyle="", marker="x", markersize=8, markeredgewidth=2),
            Line2D([], [], color=GREY, linestyle=":", linewidth=1.2),
        ]
        labels = [*(f"{LABELS[rule]}: leaves 10 %" for rule in RULES), "diverges",
                  r"$1/(s\sigma_1)$ (SGD)"]  # fmt: skip
        self.legend(handles, labels)

    def numbers(self, update: str = "facts") -> NeededRates:
        ranks = np.array(sweeps.GRID_RANKS)
        largest = sweeps.article_loss(update).singular_values[0]
        needed, diverges, slopes = {}, {}, {}
        limits: dict[str, Any] = {}
        for optimiser in OPTIMISERS:
            grid = sweeps.rate_grid(update, optimiser)
            for i, rule in enumerate(RULES):
                each = grid.needed_rate()[i]
                needed[optimiser, rule] = each.mean(axis=-1)
                per_seed = training.log_slope(ranks, each.T)
                slopes[optimiser, rule] = float(per_seed.mean()), float(per_seed.std(ddof=1))
                diverges[optimiser, rule] = grid.diverging_rate()[i].min(axis=-1)
                limits[rule] = training.stable_rate(largest, scale(sweeps.ALPHA, ranks, rule))
        return NeededRates(update, needed, diverges, slopes, limits)

    def place(self, numbers: NeededRates) -> str:
        ranks = np.array(sweeps.GRID_RANKS)
        for (optimiser, rule), needed in numbers.needed.items():
            self.lines[optimiser, rule, "needed"].set_data(ranks, needed)
            # Adam's steps are bounded: past its window it stops learning, it does not diverge.
            if optimiser == "sgd":
                rates = numbers.diverges[optimiser, rule]
                shown = np.where(np.isfinite(rates), rates, np.nan)
                self.lines[optimiser, rule, "diverges"].set_data(ranks, shown)
                self.lines[optimiser, rule, "limit"].set_data(ranks, numbers.limits[rule])
        said = [
            f"{round(slope, 1) + 0.0:.1f} for {OPTIMISERS[optimiser]} with {rule}"
            for (optimiser, rule), (slope, _) in numbers.slopes.items()
        ]
        return (
            f"The learning rate that leaves 10 % of the {numbers.update} update to learn after "
            f"{sweeps.GRID_STEPS} steps goes with rank to the power of {listed(said)}."
        )
