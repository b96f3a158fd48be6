"""The usual way, to compare with: all is factorised and drawn anew at every step."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from helpers.lora import scaling, truncation, updates


def redraw(rank: int = 8, alpha: float = 16, noise: float = 0.01) -> Figure:
    """The two panels of `figures.ErrorOverRank`, as one would write them for `interact`.

    One SVD an update: the article's own way, one an error, would take 64 times as many.
    """
    ranks = np.arange(1, 65)
    figure, panels = plt.subplots(1, 2, figsize=(8.8, 3.7), sharey=True)
    for ax, (name, update) in zip(panels, updates.article_updates().items()):
        _, singular_values, _ = np.linalg.svd(update.matrix(noise))
        for rule in scaling.RULES:
            scale = scaling.scale(alpha, ranks, rule)
            errors = truncation.scaled_error(singular_values, ranks, scale)
            ax.semilogy(ranks, errors, label=rule)
            ax.plot(rank, errors[rank - 1], "o")
        best = truncation.scaled_error(singular_values, ranks)
        ax.semilogy(ranks[:-1], best[:-1], ":", label="best possible, scale 1")
        ax.axvline(rank, color="grey", linewidth=1)
        ax.minorticks_off()  # on a log axis they would take most of the time
        ax.set(title=f"{name} update", xlabel="rank r", ylim=(0.008, 400))
    panels[0].set_ylabel("relative error")
    panels[0].legend()
    return figure
