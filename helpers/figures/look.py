"""How figures look: what each colour, marker and line style stands for, and what is drawn over.

One colour, marker and line style for one thing, in every figure.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from ..lora import updates
from ..lora.scaling import RSLORA, STANDARD

#: Each colour has 3:1 contrast on white, and all are told apart under colour-blind vision.
COLOURS = {"style": "#4A90D9", "facts": "#C44E00", STANDARD: "#14342B", RSLORA: "#8E2F8A"}
MARKERS = {"style": "o", "facts": "s", STANDARD: "^", RSLORA: "D"}
LINES = {"style": "-", "facts": "--", STANDARD: "-", RSLORA: "--"}
#: The rules as formulas, and as legends name them.
RULE_SYMBOLS = {STANDARD: r"$\alpha/r$", RSLORA: r"$\alpha/\sqrt{r}$"}
LABELS = {
    "style": "style",
    "facts": "facts",
    STANDARD: f"LoRA, {RULE_SYMBOLS[STANDARD]}",
    RSLORA: f"rsLoRA, {RULE_SYMBOLS[RSLORA]}",
}
GREY = "#5F6368"
#: The colour map of matrices whose entries have a sign.
HEAT = "RdBu_r"

#: Ranks have an order, so they get a ramp: dark for the smallest.
RANK_COLOURS = ("#0B1D51", "#7A3B8F", "#C44E00", "#009980")
RANK_MARKERS = ("o", "s", "^", "D")
#: The habit of alpha = 2r, beside the two rules.
TWICE_LOOK: dict[str, Any] = {"color": RANK_COLOURS[3], "marker": "v", "linestyle": "-."}
TWICE_LABEL = r"LoRA, $\alpha = 2r$"
#: Optimisers are told apart by filled and open markers; colour names the rule.
OPTIMISERS = {"sgd": "SGD", "adam": "Adam"}

#: What figures run over: both updates, and every rank.
NAMES = updates.NAMES
RANKS = np.arange(1, min(updates.ARTICLE_SHAPE) + 1)

#: Matplotlib's settings for every figure, over its own defaults.
RC: dict[str, Any] = {
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.labelsize": 10,
    "xtick.labelsize": 10,
    "ytick.labelsize": 10,
    "legend.fontsize": 10,
    "legend.framealpha": 1,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#E3E5E8",
    "axes.axisbelow": True,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
}


def listed(items: list[str]) -> str:
    """Join words as a sentence does.

    >>> listed(["a", "b", "c"])
    'a, b and c'
    """
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1]


def by_optimiser(keys: list[tuple[str, str]]) -> str:
    """Pairs of an optimiser and a way to set alpha, joined.

    >>> by_optimiser([("sgd", "alpha/sqrt(r)"), ("adam", "alpha/r")])
    'alpha/sqrt(r) under SGD and alpha/r under Adam'
    """
    return listed([f"{habit} under {OPTIMISERS[optimiser]}" for optimiser, habit in keys])


def ticks(ax: Axes, axis: str, values: list[float]) -> None:
    """Ticks at these values, written as plain numbers, and no minor ones."""
    which = ax.xaxis if axis == "x" else ax.yaxis
    which.set_ticks(values, labels=[f"{value:g}" for value in values])
    which.set_ticks([], minor=True)
