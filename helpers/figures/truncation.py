"""The error of a scaled truncation: over rank, and over the (rank, alpha) plane."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.colors import LogNorm

from ..lora import truncation, updates
from ..lora.scaling import RSLORA, RULES, STANDARD, rank_at_scale_one, scale
from ..validation import Array
from .look import COLOURS, GREY, LABELS, LINES, MARKERS, NAMES, RANKS, ticks
from .picture import Picture

#: 60 alphas from 1 to 256, evenly spaced in the logarithm.
ALPHAS = np.geomspace(1, 256, 60)


@dataclass(frozen=True)
class Errors:
    """Relative errors of both updates over the rank, for each rule and for the best scale, 1.

    A series is a rule or "best". errors: (64,) by (name, series). at_rank: their values at
    `rank`. scales: by series, at `rank`.
    """

    rank: int
    alpha: float
    noise: float
    errors: Mapping[tuple[str, str], Array]
    at_rank: Mapping[tuple[str, str], float]
    scales: Mapping[str, float]


class ErrorOverRank(Picture[Errors]):
    """Relative error against rank for both rules and for the best scale, 1.

    Settings: rank (1 to 64), alpha (> 0), noise (>= 0).

    Examples
    --------
    >>> picture = ErrorOverRank().draw(rank=16, alpha=16, noise=0.01)
    >>> print(f"{picture.drawn.at_rank['facts', 'alpha/sqrt(r)']:.2f}")
    2.25
    """

    def build(self) -> None:
        self.lines: dict[tuple[str, str], Any] = {}
        self.points: dict[tuple[str, str], Any] = {}
        self.cursors = []
        panels = self.figure.subplots(1, 2, sharey=True)
        for ax, name in zip(panels, NAMES):
            ax.set(title=f"{name} update", xlabel="rank r", xlim=(0, 65), ylim=(0.008, 400))
            ax.set_yscale("log")
            ticks(ax, "x", [1, 8, 16, 24, 32, 40, 48, 56, 64])
            ticks(ax, "y", [0.01, 0.1, 1, 10, 100])
            self.cursors.append(self.cursor(ax))
            for series in ("best", *RULES):
                look = {"color": GREY, "linestyle": ":"} if series == "best" else {}
                known = None if series == "best" else series
                self.lines[name, series] = self.moving_line(ax, known, **look)
                marker = {"color": COLOURS.get(series, GREY), "marker": MARKERS.get(series, "o")}
                self.points[name, series] = self.moving_line(ax, linestyle="", **marker)
        panels[0].set_ylabel("relative error")
        handles = [self.lines["style", series] for series in (*RULES, "best")]
        labels = [LABELS[STANDARD], LABELS[RSLORA], "best possible, scale 1"]
        self.legend(handles, labels)

    def numbers(self, rank: int = 8, alpha: float = 16, noise: float = 0.01) -> Errors:
        errors, at_rank = {}, {}
        applied = {rule: scale(alpha, RANKS, rule) for rule in RULES}
        applied["best"] = np.ones(len(RANKS))
        for name in NAMES:
            values = updates.article_singular_values(name, noise)
            for series, s in applied.items():
                errors[name, series] = truncation.scaled_error(values, RANKS, s)
                at_rank[name, series] = float(errors[name, series][rank - 1])
        scales = {series: float(each[rank - 1]) for series, each in applied.items()}
        return Errors(rank, alpha, noise, errors, at_rank, scales)

    def place(self, numbers: Errors) -> str:
        rank, at_rank, scales = numbers.rank, numbers.at_rank, numbers.scales
        for cursor in self.cursors:
            cursor.set_xdata([rank, rank])
        for key, line in self.lines.items():
            # A full-rank truncation at scale 1 has no error at all: not on a log axis.
            shown = np.where(numbers.errors[key] > 0, numbers.errors[key], np.nan)
            line.set_data(RANKS, shown)
            self.points[key].set_data([rank], [shown[rank - 1]])
        said = [
            f"the {name} error is {at_rank[name, STANDARD]:.3f} with alpha/r, "
            f"{at_rank[name, RSLORA]:.3f} with alpha/sqrt(r) and "
            f"{at_rank[name, 'best']:.3f} at scale 1, the best possible"
            for name in NAMES
        ]
        return (
            f"At rank {rank}, alpha {numbers.alpha:g} and noise {numbers.noise:g} the scales "
            f"are {scales[STANDARD]:.4g} (alpha/r) and {scales[RSLORA]:.4g} (alpha/sqrt(r)): "
            f"{said[0]}; {said[1]}."
        )

    def finding(self, numbers: Errors) -> str:
        at, errors = f"At rank {numbers.rank}", numbers.at_rank
        if all(numbers.scales[rule] == 1 for rule in RULES):
            return f"{at} both rules give the scale 1, which has the lowest error."
        # Where scale 1 leaves nothing but rounding there is no ratio to it.
        ratios = {
            (name, rule): errors[name, rule] / errors[name, "best"]
            for name in NAMES
            for rule in RULES
            if errors[name, "best"] > 1e-9
        }
        if not ratios:
            rule = max(RULES, key=lambda rule: errors["facts", rule])
            return f"{at} scale 1 has no error, {rule} one of {errors['facts', rule]:.2f}."
        name, rule = max(ratios, key=ratios.__getitem__)
        ratio = ratios[name, rule]
        times = f"{ratio:.3g}" if ratio < 100 else f"{ratio:.0f}"
        return f"{at}, {rule} makes the error of {name} {times} times the lowest possible."


@dataclass(frozen=True)
class Planes:
    """Relative error of one update at every rank and alpha, by rule.

    planes: (64, 60), ranks by `ALPHAS`. at_setting: at `rank` and `alpha`. lowest: the best
    rank at this alpha and its error.
    """

    rank: int
    alpha: float
    noise: float
    update: str
    planes: Mapping[str, Array]
    at_setting: Mapping[str, float]
    lowest: Mapping[str, tuple[int, float]]


class ErrorPlane(Picture[Planes]):
    """Error over the whole (rank, alpha) plane, for both rules, with its trail.

    Settings: rank (1 to 64), alpha (1 to 256), noise (>= 0), update ("style" or "facts").

    Examples
    --------
    >>> picture = ErrorPlane().draw(rank=16, alpha=16, noise=0.01, update="style")
    >>> picture.drawn.lowest["alpha/r"][0]
    16
    """

    colormap = "viridis_r"

    def build(self) -> None:
        panels = self.figure.subplots(1, 2, sharey=True)
        low, high = 0, np.log2(ALPHAS[-1])
        self.images, self.points = {}, {}
        for ax, rule in zip(panels, RULES):
            ax.set(title=LABELS[rule], xlabel="rank r", xlim=(0.5, 64.5), ylim=(low, high))
            ax.grid(False)
            ticks(ax, "x", [1, 8, 16, 24, 32, 40, 48, 56, 64])
            ax.set_yticks(range(0, 9, 2), labels=[f"{2**power}" for power in range(0, 9, 2)])
            self.images[rule] = self.moves(
                ax.imshow(
                    np.ones((len(ALPHAS), len(RANKS))), origin="lower", aspect="auto",
                    extent=(0.5, 64.5, low, high), cmap=self.colormap, norm=LogNorm(0.03, 30),
                    interpolation="nearest",
                )
            )  # fmt: skip
            ranks_at_one = rank_at_scale_one(ALPHAS, rule)
            self.moves(
                ax.plot(ranks_at_one, np.log2(ALPHAS), color="white", linewidth=2.5,
                        linestyle=LINES[rule])[0]
            )  # fmt: skip
            self.points[rule] = self.moving_line(
                ax, marker=MARKERS[rule], markersize=11, linestyle="",
                color=COLOURS["facts"], markeredgecolor="white", markeredgewidth=1.5,
            )  # fmt: skip
        panels[0].set_ylabel(r"$\alpha$ (log scale)")
        bar = self.figure.colorbar(
            self.images[RSLORA], ax=panels, label="relative error", extend="both"
        )
        bar.set_ticks(
            [0.03, 0.1, 0.3, 1, 3, 10, 30], labels=["0.03", "0.1", "0.3", "1", "3", "10", "30"]
        )
        bar.minorticks_off()

    def numbers(
        self, rank: int = 8, alpha: float = 16, noise: float = 0.01, update: str = "facts"
    ) -> Planes:
        values = updates.article_singular_values(update, noise)
        planes, at_setting, lowest = {}, {}, {}
        for rule in RULES:
            plane = truncation.error_plane(values, RANKS, ALPHAS, rule)
            planes[rule] = plane
            at_setting[rule] = float(
                truncation.scaled_error(values, rank, scale(alpha, rank, rule))
            )
            over_rank = truncation.error_plane(values, RANKS, [alpha], rule)[:, 0]
            lowest[rule] = (int(RANKS[np.argmin(over_rank)]), float(over_rank.min()))
        return Planes(rank, alpha, noise, update, planes, at_setting, lowest)

    def place(self, numbers: Planes) -> str:
        rank, alpha = numbers.rank, numbers.alpha
        for rule in RULES:
            self.images[rule].set_data(numbers.planes[rule].T)
            self.points[rule].set_data([rank], [np.log2(alpha)])
        said = [
            f"with {rule} the error is {numbers.at_setting[rule]:.3f}, and along this "
            f"alpha it is lowest at rank {numbers.lowest[rule][0]} "
            f"({numbers.lowest[rule][1]:.3f})"
            for rule in RULES
        ]
        ones = [float(rank_at_scale_one(alpha, rule)) for rule in RULES]
        return (
            f"{numbers.update.capitalize()} update, rank {rank}, alpha {alpha:g}, noise "
            f"{numbers.noise:g}: {said[0]}; {said[1]}. The white trail, where the scale "
            f"is 1, lies at rank {ones[0]:g} for alpha/r and at rank {ones[1]:g} for alpha/sqrt(r)."
        )

    def finding(self, numbers: Planes) -> str:
        return "At every rank the error is lowest on the white trail, where the scale is 1."
