"""Which learning rates a rank can be trained with, by how alpha goes with the rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.lines import Line2D

from .. import training
from ..lora.scaling import RULES
from ..training import sweeps
from ..validation import Array
from .look import COLOURS, GREY, LABELS, OPTIMISERS, TWICE_LABEL, TWICE_LOOK, by_optimiser, ticks
from .picture import Picture


@dataclass(frozen=True)
class Windows:
    """Learning rates by (optimiser, habit), over the R ranks.

    needed: (R,), leaves 10 % to learn, mean over seeds. spikes: (R,), the lowest of the grid
    at which the loss of a seed rises above its start. shared: the middle of
    what all ranks can be trained with; NaN where there is no such rate.
    """

    update: str
    needed: Mapping[tuple[str, str], Array]
    spikes: Mapping[tuple[str, str], Array]
    shared: Mapping[tuple[str, str], float]


class RateWindows(Picture[Windows]):
    """From the rate that a rank needs to the rate at which its loss spikes, a bar for each rank.

    Settings: update ("style" or "facts").

    Examples
    --------
    >>> picture = RateWindows().draw(update="style")
    >>> picture.drawn.spikes["adam", "alpha = 2r"].round(2).tolist()
    [0.32, 0.32, 0.1, 0.1]
    """

    size = (8.8, 4.6)
    whole = True
    #: AdamW's like comes first: it is what people train with.
    ORDER = ("adam", "sgd")

    def build(self) -> None:
        panels = self.figure.subplots(2, 3, sharex=True, sharey=True)
        rows = range(len(sweeps.GRID_RANKS))
        self.bars, self.ends, self.both = {}, {}, {}
        for line, optimiser in zip(panels, self.ORDER):
            for ax, habit in zip(line, sweeps.HABITS):
                label = LABELS[habit] if habit in RULES else TWICE_LABEL
                colour = COLOURS[habit] if habit in RULES else TWICE_LOOK["color"]
                ax.set(title=f"{OPTIMISERS[optimiser]}, {label}", xscale="log",
                       xlim=(2e-4, 5), ylim=(-0.6, len(rows) - 0.4))  # fmt: skip
                ticks(ax, "x", [0.001, 0.01, 0.1, 1])
                ax.set_yticks(rows, labels=[f"{rank}" for rank in sweeps.GRID_RANKS])
                self.both[optimiser, habit] = self.moves(
                    ax.axvline(np.nan, color=GREY, linestyle=":", linewidth=1.4)
                )
                for i in rows:
                    key = (optimiser, habit, i)
                    self.bars[key] = self.moving_line(ax, color=colour, linewidth=5)
                    self.ends[key] = self.moving_line(
                        ax, color=colour, linestyle="", marker="X", markersize=9
                    )
        for ax in panels[1]:
            ax.set_xlabel("learning rate")
        for ax in panels[:, 0]:
            ax.set_ylabel("rank r")
        self.legend(
            [Line2D([], [], color=GREY, linewidth=5),
             Line2D([], [], color=GREY, linestyle="", marker="X", markersize=9),
             Line2D([], [], color=GREY, linestyle=":", linewidth=1.4)],
            ["learns nine tenths in 100 steps", "the loss spikes", "one rate that serves all"],
        )  # fmt: skip

    def numbers(self, update: str = "style") -> Windows:
        needed, spikes, shared = {}, {}, {}
        for optimiser in self.ORDER:
            grid = training.rate_grid(update, optimiser)
            each = grid.needed_rate().mean(axis=-1), grid.spiking_rate().min(axis=-1)
            for i, habit in enumerate(sweeps.HABITS):
                key = optimiser, habit
                needed[key], spikes[key] = (values[i] for values in each)
                low, high = float(needed[key].max()), float(spikes[key].min())
                shared[key] = float(np.sqrt(low * high)) if low < high else float("nan")
        return Windows(update, needed, spikes, shared)

    @property
    def serving(self) -> int:
        """In how many panels one rate serves all ranks."""
        return sum(np.isfinite(rate) for rate in self.drawn.shared.values())

    def place(self, numbers: Windows) -> str:
        said = []
        for key, needed in numbers.needed.items():
            spikes, rate = numbers.spikes[key], numbers.shared[key]
            for i, (low, high) in enumerate(zip(needed, spikes)):
                # A window that is open to the right ends where the grid does.
                end = high if np.isfinite(high) else sweeps.GRID_RATES[key[0]][-1]
                self.bars[(*key, i)].set_data([low, end], [i, i])
                self.ends[(*key, i)].set_data([high], [i])
            self.both[key].set_xdata([rate] * 2)
            whether = f"{rate:.1g} serves all" if np.isfinite(rate) else "no one rate serves all"
            said.append(
                f"{OPTIMISERS[key[0]]} with {key[1]} needs {needed[0]:.1g} at rank 1 and "
                f"{needed[-1]:.1g} at rank 64, spikes at {spikes[0]:.1g} and {spikes[-1]:.1g}, "
                f"{whether}"
            )
        return (
            f"Learning rates for the {numbers.update} update, alpha {sweeps.ALPHA}, "
            f"{len(sweeps.SEEDS)} seeds, grid of half decades: {'; '.join(said)}."
        )

    def finding(self, numbers: Windows) -> str:
        none = [key for key, rate in numbers.shared.items() if not np.isfinite(rate)]
        count = len(numbers.shared)
        serves = f"One learning rate serves all ranks in {count - len(none)} of {count} cases"
        return f"{serves}: not with {by_optimiser(none)}." if len(none) in (1, 2) else f"{serves}."
