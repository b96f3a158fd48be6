"""The scale over rank under both rules, and what a loader with the wrong rule applies."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..lora import truncation, updates
from ..lora.scaling import RSLORA, RULES, STANDARD, equivalent_alpha, scale
from ..validation import Array
from .look import COLOURS, GREY, LABELS, LINES, MARKERS, NAMES, RANKS, RULE_SYMBOLS, ticks
from .picture import Picture


@dataclass(frozen=True)
class Scales:
    """The scale over the rank, (64,) by rule, and its slope between logarithms."""

    rank: int
    alpha: float
    scales: Mapping[str, Array]
    slopes: Mapping[str, float]


class ScaleOverRank(Picture[Scales]):
    """The scale under both rules against rank, on linear and on logarithmic axes.

    Settings: rank (1 to 64), alpha (> 0).

    Examples
    --------
    >>> ScaleOverRank().draw(rank=16, alpha=16).description[:72]
    'At rank 16 and alpha 16, alpha/r gives a scale of 1 and alpha/sqrt(r) on'
    """

    def build(self) -> None:
        panels = self.figure.subplots(1, 2)
        self.lines, self.points, self.cursors = {}, {}, []
        for ax, axes in zip(panels, ("linear", "log")):
            ax.set(xlabel="rank r", ylabel="scale s")
            if axes == "linear":
                ax.set(title="linear axes", xlim=(0, 65), ylim=(0, 32))
                ticks(ax, "x", [1, 8, 16, 24, 32, 40, 48, 56, 64])
            else:
                ax.set(xscale="log", yscale="log", xlim=(0.9, 72), ylim=(0.01, 400))
                ax.set_title(r"log axes: slopes $-1$ and $-\frac{1}{2}$")
                ticks(ax, "x", [1, 2, 4, 8, 16, 32, 64])
                ticks(ax, "y", [0.01, 0.1, 1, 10, 100])
            ax.axhline(1, color=GREY, linewidth=1.5, linestyle=":")
            self.cursors.append(self.cursor(ax))
            for rule in RULES:
                self.lines[axes, rule] = self.moving_line(ax, rule)
                self.points[axes, rule] = self.moving_line(
                    ax, linestyle="", color=COLOURS[rule], marker=MARKERS[rule]
                )
        one = panels[0].lines[0]
        self.legend(
            [*(self.lines["linear", rule] for rule in RULES), one],
            [*(LABELS[rule] for rule in RULES), "scale 1"],
        )

    def numbers(self, rank: int = 8, alpha: float = 16) -> Scales:
        scales = {rule: scale(alpha, RANKS, rule) for rule in RULES}
        slopes = {
            rule: float(np.polyfit(np.log(RANKS), np.log(scales[rule]), 1)[0]) for rule in RULES
        }
        return Scales(rank, alpha, scales, slopes)

    def place(self, numbers: Scales) -> str:
        rank, scales = numbers.rank, numbers.scales
        for cursor in self.cursors:
            cursor.set_xdata([rank, rank])
        for (axes, rule), line in self.lines.items():
            line.set_data(RANKS, scales[rule])
            self.points[axes, rule].set_data([rank], [scales[rule][rank - 1]])
        standard, rslora = (float(scales[rule][rank - 1]) for rule in RULES)
        falls = {rule: scales[rule][0] / scales[rule][-1] for rule in RULES}
        return (
            f"At rank {rank} and alpha {numbers.alpha:g}, alpha/r gives a scale of "
            f"{standard:.4g} and alpha/sqrt(r) one of {rslora:.4g}, {rslora / standard:.4g} times "
            f"as much. From rank 1 to 64 the scale falls {falls[STANDARD]:.0f}-fold with alpha/r "
            f"and {falls[RSLORA]:.0f}-fold with "
            f"alpha/sqrt(r): slopes {numbers.slopes[STANDARD]:.2f} and "
            f"{numbers.slopes[RSLORA]:.2f} on log axes."
        )

    def finding(self, numbers: Scales) -> str:
        said = [
            f"{each[0] / each[-1]:.0f}-fold with {rule}" for rule, each in numbers.scales.items()
        ]
        return f"From rank 1 to 64 the scale falls {said[0]}, {said[1]}."


@dataclass(frozen=True)
class Misread:
    """An rsLoRA adapter, trained at the article's alpha, as a loader with each rule reads it.

    alpha: what its file says. trained: (64,) scales over the rank. applied: (64,) by the loader's
    rule. errors: relative, (64,) by (name, the loader's rule). baked: the alpha with which an
    alpha/r loader applies the right scale.
    """

    rank: int
    alpha: float
    noise: float
    trained: Array
    applied: Mapping[str, Array]
    errors: Mapping[tuple[str, str], Array]
    baked: float


class LoaderMismatch(Picture[Misread]):
    """An rsLoRA adapter in a loader that knows only alpha/r: scale and error.

    The adapter is the truncated update, stored so that alpha 16 and alpha/sqrt(r) make it
    right. Settings: rank (1 to 64), alpha (> 0, the one in its file), noise (>= 0).

    Examples
    --------
    >>> LoaderMismatch().draw(rank=16, alpha=16, noise=0.01).drawn.baked
    64.0
    """

    size = (8.8, 4.3)

    def build(self) -> None:
        left, right = self.figure.subplots(1, 2)
        left.set(
            title="scale on the adapter", xlabel="rank r", ylabel="scale s",
            xscale="log", yscale="log", xlim=(0.9, 72), ylim=(0.01, 400),
        )  # fmt: skip
        right.set(
            title="error of the served update", xlabel="rank r", ylabel="relative error",
            xlim=(0, 65), yscale="log", ylim=(0.008, 400),
        )  # fmt: skip
        ticks(left, "x", [1, 2, 4, 8, 16, 32, 64])
        for ax in (left, right):
            ticks(ax, "y", [0.01, 0.1, 1, 10, 100])
        ticks(right, "x", [1, 8, 16, 24, 32, 40, 48, 56, 64])
        self.cursors = [self.cursor(left), self.cursor(right)]
        self.trained = self.moving_line(left, color=GREY, linewidth=4, label="trained")
        self.applied = {
            rule: self.moving_line(left, rule, label=f"applied by {RULE_SYMBOLS[rule]} loader")
            for rule in RULES
        }
        self.points = {
            rule: self.moving_line(left, linestyle="", color=COLOURS[rule], marker=MARKERS[rule])
            for rule in RULES
        }
        # Colour names the update here, line style the loader's rule.
        self.errors = {
            (name, rule): self.moving_line(
                right, name, linestyle=LINES[rule], label=f"{name}, {RULE_SYMBOLS[rule]} loader"
            )
            for name in NAMES
            for rule in RULES
        }
        for ax, columns in ((left, 1), (right, 2)):
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), frameon=False, ncols=columns)

    def numbers(self, rank: int = 16, alpha: float = 16, noise: float = 0.01) -> Misread:
        at_training = updates.ARTICLE_ALPHA
        trained = scale(at_training, RANKS, RSLORA)
        applied = {rule: scale(alpha, RANKS, rule) for rule in RULES}
        errors = {}
        for name in NAMES:
            values = updates.article_singular_values(name, noise)
            for loader, scales in applied.items():
                errors[name, loader] = truncation.scaled_error(values, RANKS, scales / trained)
        baked = float(equivalent_alpha(at_training, rank, RSLORA, rank, STANDARD))
        return Misread(rank, alpha, noise, trained, applied, errors, baked)

    def place(self, numbers: Misread) -> str:
        rank, errors = numbers.rank, numbers.errors
        for cursor in self.cursors:
            cursor.set_xdata([rank, rank])
        self.trained.set_data(RANKS, numbers.trained)
        for rule in RULES:
            self.applied[rule].set_data(RANKS, numbers.applied[rule])
            self.points[rule].set_data([rank], [numbers.applied[rule][rank - 1]])
        for key, line in self.errors.items():
            line.set_data(RANKS, np.where(errors[key] > 0, errors[key], np.nan))
        trained = float(numbers.trained[rank - 1])
        ignoring, reading = (float(numbers.applied[rule][rank - 1]) for rule in RULES)
        said = [
            f"the error of {name} is {errors[name, STANDARD][rank - 1]:.3f} on the first and "
            f"{errors[name, RSLORA][rank - 1]:.3f} on the second"
            for name in NAMES
        ]
        return (
            f"An rsLoRA adapter of rank {rank} was trained at alpha {updates.ARTICLE_ALPHA}, with "
            f"a scale of {trained:.4g}. Its file says alpha {numbers.alpha:g}: a loader that "
            f"ignores use_rslora applies {ignoring:.4g}, {100 * ignoring / trained:.4g} % of that, "
            f"and one that reads it {reading:.4g}, {100 * reading / trained:.4g} %. At noise "
            f"{numbers.noise:g}, {said[0]}; {said[1]}. With an alpha of {numbers.baked:.4g} in the "
            "file the first applies what was trained."
        )

    def finding(self, numbers: Misread) -> str:
        at = numbers.rank - 1
        share = float(numbers.applied[STANDARD][at] / numbers.trained[at])
        return (
            f"At rank {numbers.rank} a loader that ignores use_rslora applies {100 * share:.4g} % "
            "of the strength."
        )
