"""The first step of LoRA in training: how far it goes, over the rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .. import training
from ..lora.scaling import RULES
from .look import COLOURS, GREY, MARKERS, OPTIMISERS, RULE_SYMBOLS, listed, ticks
from .picture import Picture

FIRST_RANKS = (2, 4, 8, 16, 32, 64)


@lru_cache(maxsize=4)
def _first_steps(width: int, start: str) -> dict[tuple[str, str, str], training.Exponent]:
    """Measured exponents for random targets of this width, cached."""
    return training.measure_exponents(
        training.gaussian_target(width), FIRST_RANKS, range(10), start
    )


@dataclass(frozen=True)
class Exponents:
    """Measured exponents of the first step by (quantity, optimiser, rule), and how A was drawn."""

    start: str
    width: int
    exponents: Mapping[tuple[str, str, str], training.Exponent]


class FirstStep(Picture[Exponents]):
    """The first step's progress and norm against rank, relative to the smallest rank.

    Settings: start ("kaiming", "gaussian" or "peft_gaussian"), width (of the target).

    Examples
    --------
    >>> picture = FirstStep().draw(start="kaiming", width=64)
    >>> picture.drawn.exponents["progress", "sgd", "alpha/r"].theory
    -1.0
    """

    size = (8.8, 4.2)

    def build(self) -> None:
        self.points, self.theory = {}, {}
        panels = self.figure.subplots(1, 2)
        titles = {"progress": "progress along the target", "norm": "Frobenius norm of the step"}
        for ax, (quantity, title) in zip(panels, titles.items()):
            ax.set(title=title, xlabel="rank r", xscale="log", yscale="log",
                   xlim=(1.8, 72), ylim=(1e-5, 30))  # fmt: skip
            ticks(ax, "x", list(FIRST_RANKS))
            ticks(ax, "y", [1e-5, 1e-4, 0.001, 0.01, 0.1, 1, 10])
            ax.axhline(1, color=GREY, linewidth=0.8)
            for optimiser in training.OPTIMISERS:
                for rule in RULES:
                    key = quantity, optimiser, rule
                    self.theory[key] = self.moving_line(ax, color=COLOURS[rule], linewidth=1)
                    self.points[key] = self.moving_line(
                        ax, linestyle="", color=COLOURS[rule], marker=MARKERS[rule],
                        fillstyle="full" if optimiser == "sgd" else "none", markersize=7,
                    )  # fmt: skip
        panels[0].set_ylabel("size relative to rank 2")
        keys = [("progress", o, s) for o in training.OPTIMISERS for s in RULES]
        labels = [f"{OPTIMISERS[o]}, {RULE_SYMBOLS[s]}" for _, o, s in keys]
        self.legend([self.points[key] for key in keys], labels)

    def numbers(self, start: str = "kaiming", width: int = 256) -> Exponents:
        return Exponents(start, width, _first_steps(width, start))

    def place(self, numbers: Exponents) -> str:
        ranks = np.array(FIRST_RANKS)
        said: dict[str, list[str]] = {"progress": [], "norm": []}
        for key, exponent in numbers.exponents.items():
            mean = exponent.values.mean(axis=0)
            self.points[key].set_data(ranks, mean / mean[0])
            self.theory[key].set_data(ranks, (ranks / ranks[0]) ** exponent.theory)
            slope = round(exponent.slope, 2) + 0.0
            said[key[0]].append(
                f"{slope:.2f} for {OPTIMISERS[key[1]]} with {key[2]} (theory {exponent.theory:g})"
            )
        return (
            f"First step at width {numbers.width}, A drawn as {numbers.start}, 10 seeds. "
            f"Slopes of the progress over rank: {listed(said['progress'])}. Slopes of the norm: "
            f"{listed(said['norm'])}."
        )
