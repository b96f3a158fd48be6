"""Spectra, captured energy, error, and the measures of rank."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from ..lora import spectrum, updates
from ..validation import Array
from .look import COLOURS, GREY, LABELS, MARKERS, NAMES, RANKS, SWEEP, ticks
from .picture import Picture

MEASURES = {
    "stable rank": spectrum.stable_rank,
    "participation ratio": spectrum.participation_ratio,
    "effective rank": spectrum.effective_rank,
}


@dataclass(frozen=True)
class Curves:
    """Singular values, captured energy and best error over the rank.

    curves: (64,) by (the panel's title, name). needed: by name, the lowest rank with `target`
    of the energy.
    """

    rank: int
    noise: float
    target: float
    curves: Mapping[tuple[str, str], Array]
    needed: Mapping[str, int]


class SpectrumEnergyError(Picture[Curves]):
    """Singular values, captured energy and best error, side by side over rank.

    Settings: rank (1 to 64), noise (>= 0), target (captured energy, in (0, 1]).

    Examples
    --------
    >>> SpectrumEnergyError().draw(rank=8, noise=0.01, target=0.9).drawn.needed
    {'style': 3, 'facts': 41}
    """

    size = (8.8, 3.9)

    def build(self) -> None:
        panels = self.figure.subplots(1, 3)
        titles = ("spectrum", "captured energy", "best error")
        quantities = (r"$\sigma_i$", r"$E_r$", r"$\sqrt{1 - E_r}$")
        self.lines, self.points, self.cursors = {}, {}, []
        for ax, title, quantity in zip(panels, titles, quantities):
            ax.set(title=f"{title}, {quantity}", xlabel="rank r", xlim=(0, 65))
            ticks(ax, "x", [1, 16, 32, 48, 64])
            self.cursors.append(self.cursor(ax))
            for name in NAMES:
                self.lines[title, name] = self.moving_line(ax, name)
                self.points[title, name] = self.moving_line(
                    ax, linestyle="", color=COLOURS[name], marker=MARKERS[name]
                )
        panels[0].set(yscale="log", ylim=(0.001, 10))
        ticks(panels[0], "y", [0.001, 0.01, 0.1, 1, 10])
        self.targets = [
            self.moves(ax.axhline(np.nan, color=GREY, linewidth=1.2, linestyle=":"))
            for ax in panels[1:]
        ]
        for ax in panels[1:]:
            ax.set_ylim(0, 1.03)
        handles = [self.lines["captured energy", name] for name in NAMES]
        self.legend(
            [*handles, self.targets[0]],
            [*(LABELS[name] for name in NAMES), "target"],
        )

    def numbers(self, rank: int = 8, noise: float = 0.01, target: float = 0.9) -> Curves:
        curves, needed = {}, {}
        for name in NAMES:
            values = updates.article_singular_values(name, noise)
            curves["spectrum", name] = values
            curves["captured energy", name] = spectrum.captured_energy(values)
            curves["best error", name] = spectrum.truncation_error(values)
            needed[name] = spectrum.rank_for_energy(values, target)
        return Curves(rank, noise, target, curves, needed)

    def place(self, numbers: Curves) -> str:
        rank, target, curves = numbers.rank, numbers.target, numbers.curves
        for cursor in self.cursors:
            cursor.set_xdata([rank, rank])
        for key, line in self.lines.items():
            line.set_data(RANKS, curves[key])
            self.points[key].set_data([rank], [curves[key][rank - 1]])
        for line, level in zip(self.targets, (target, np.sqrt(1 - target))):
            line.set_ydata([level, level])
        said = [
            f"{name} has {100 * curves['captured energy', name][rank - 1]:.1f} % of its energy and "
            f"an error of {curves['best error', name][rank - 1]:.3f}"
            for name in NAMES
        ]
        return (
            f"At rank {rank} and noise {numbers.noise:g}, {said[0]}; {said[1]}. For "
            f"{100 * target:g} % of the energy, which is an error of {np.sqrt(1 - target):.3f}, "
            f"style needs rank {numbers.needed['style']} and facts rank "
            f"{numbers.needed['facts']}."
        )


@dataclass(frozen=True)
class Measures:
    """`MEASURES` of both updates at a noise level, by (name, measure)."""

    noise: float
    measures: Mapping[tuple[str, str], float]


class RankMeasures(Picture[Measures]):
    """Three answers to "what rank is this update?", as the noise grows.

    Settings: noise (0 to 0.4).

    Examples
    --------
    >>> picture = RankMeasures().draw(noise=0)
    >>> print(f"{picture.drawn.measures['style', 'stable rank']:.1f}")
    1.7
    """

    def build(self) -> None:
        panels = self.figure.subplots(1, 2, sharey=True)
        looks: dict[str, Any] = {
            "stable rank": ":",
            "participation ratio": "--",
            "effective rank": "-",
        }
        self.points, self.cursors = {}, []
        for ax, name in zip(panels, NAMES):
            spectra = [updates.article_singular_values(name, level) for level in SWEEP]
            for measure, function in MEASURES.items():
                ax.plot(SWEEP, [function(values) for values in spectra], color=COLOURS[name],
                        linestyle=looks[measure], label=measure)  # fmt: skip
                self.points[name, measure] = self.moving_line(
                    ax, color=COLOURS[name], marker=MARKERS[name], linestyle=""
                )
            self.cursors.append(self.cursor(ax))
            ax.set(title=f"{name} update", xlabel="noise", xlim=(-0.005, 0.405), ylim=(0, 65))
        panels[0].set_ylabel("rank, by three measures")
        shapes = [Line2D([], [], color=GREY, linestyle=look) for look in looks.values()]
        self.legend(shapes, list(looks))

    def numbers(self, noise: float = 0.01) -> Measures:
        values = {name: updates.article_singular_values(name, noise) for name in NAMES}
        measures = {
            (name, measure): function(values[name])
            for name in NAMES
            for measure, function in MEASURES.items()
        }
        return Measures(noise, measures)

    def place(self, numbers: Measures) -> str:
        noise, measures = numbers.noise, numbers.measures
        for cursor in self.cursors:
            cursor.set_xdata([noise, noise])
        for key, point in self.points.items():
            point.set_data([noise], [measures[key]])
        said = [
            f"{name} has a stable rank of {measures[name, 'stable rank']:.1f}, a participation "
            f"ratio of {measures[name, 'participation ratio']:.1f} and an effective rank of "
            f"{measures[name, 'effective rank']:.1f}"
            for name in NAMES
        ]
        return f"At noise {noise:g}, {said[0]}; {said[1]}. Their true ranks are 4 and 64."


@dataclass(frozen=True)
class Legs:
    """Lengths of what rank r keeps and misses, by name: the whole update has length 1."""

    rank: int
    noise: float
    legs: Mapping[str, tuple[float, float]]


class EnergyTriangle(Picture[Legs]):
    """What is kept and what is missed, as the legs of a right triangle.

    The whole update is the hypotenuse, of length 1. Settings: rank (1 to 64),
    noise (>= 0).

    Examples
    --------
    >>> kept, missed = EnergyTriangle().draw(rank=8, noise=0.01).drawn.legs["facts"]
    >>> round(kept**2 + missed**2, 9)
    1.0
    """

    size = (8.8, 3.9)

    def build(self) -> None:
        self.edges, self.corners = {}, {}
        panels = self.figure.subplots(1, 2)
        turn = np.linspace(0, np.pi / 2, 60)
        for ax, name in zip(panels, NAMES):
            ax.plot(np.cos(turn), np.sin(turn), color=GREY, linewidth=1.2, linestyle=":")
            ax.set(
                title=f"{name} update", xlim=(-0.03, 1.06), ylim=(-0.03, 1.06), aspect="equal",
                xlabel=r"kept, $\sqrt{E_r}$", ylabel=r"missed, $\sqrt{1 - E_r}$",
            )  # fmt: skip
            for axis in ("x", "y"):
                ticks(ax, axis, [0, 0.25, 0.5, 0.75, 1])
            self.edges[name] = self.moving_line(ax, name, linestyle="-", linewidth=2.5)
            self.corners[name] = self.moving_line(
                ax, linestyle="", color=COLOURS[name], marker=MARKERS[name], markersize=8
            )

    def numbers(self, rank: int = 8, noise: float = 0.01) -> Legs:
        legs = {}
        for name in NAMES:
            values = updates.article_singular_values(name, noise)
            captured = spectrum.captured_energy(values)[rank - 1]
            missed = spectrum.truncation_error(values)[rank - 1]
            legs[name] = (float(np.sqrt(captured)), float(missed))
        return Legs(rank, noise, legs)

    def place(self, numbers: Legs) -> str:
        said = []
        for name, (kept, missed) in numbers.legs.items():
            self.edges[name].set_data([0, kept, kept, 0], [0, 0, missed, 0])
            self.corners[name].set_data([kept], [missed])
            said.append(
                f"{name} keeps a length of {kept:.3f} and misses {missed:.3f} "
                f"({kept:.3f}^2 + {missed:.3f}^2 = 1; energy {100 * kept**2:.1f} %)"
            )
        return f"At rank {numbers.rank} and noise {numbers.noise:g}, {said[0]}; {said[1]}."
