"""Spectra, captured energy, error, and whether a spectrum has an elbow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..lora import spectrum, updates
from ..validation import Array
from .look import COLOURS, GREY, LABELS, MARKERS, NAMES, RANKS, ticks
from .picture import Picture


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

    def finding(self, numbers: Curves) -> str:
        style, facts = (numbers.needed[name] for name in NAMES)
        return (
            f"For {100 * numbers.target:g} % of the energy, style needs rank {style} and facts "
            f"rank {facts}."
        )


#: The index at which the string and the spectrum are named.
_NAMED_AT = 36


@dataclass(frozen=True)
class Strings:
    """Each spectrum, the straight string from its first to its last value, and the bend.

    spectra, strings: (64,) by name. elbows: by name, the components before the bend and how
    deep it hangs, see `spectrum.elbow`.
    """

    noise: float
    spectra: Mapping[str, Array]
    strings: Mapping[str, Array]
    elbows: Mapping[str, tuple[int, float]]


class StringOnSpectrum(Picture[Strings]):
    """A string from the first singular value to the last, and how far the curve hangs below it.

    Settings: noise (>= 0).

    Examples
    --------
    >>> rank, depth = StringOnSpectrum().draw(noise=0.01).drawn.elbows["style"]
    >>> rank, round(depth, 2)
    (4, 0.91)
    """

    size = (8.8, 3.3)

    def build(self) -> None:
        panels = self.figure.subplots(1, 2, sharey=True)
        self.curves, self.strings, self.drops, self.depths = {}, {}, {}, {}
        for ax, name in zip(panels, NAMES):
            ax.set(title=f"{name} update", xlabel="index i", xlim=(0, 65), ylim=(0, 8))
            ticks(ax, "x", [1, 8, 16, 24, 32, 40, 48, 56, 64])
            self.curves[name] = self.moving_line(ax, color=COLOURS[name], marker=MARKERS[name],
                                                 linestyle="", markersize=4)  # fmt: skip
            self.strings[name] = self.moving_line(ax, color=GREY, linestyle="--")
            self.drops[name] = self.moving_line(ax, color="black", linewidth=2)
            self.depths[name] = self.moves(ax.text(0, 0, "", va="bottom"))
        panels[0].set_ylabel(r"singular value $\sigma_i$")
        # Between the middle and the right both lie well apart in the first panel.
        self.names = {
            what: self.moves(panels[0].text(_NAMED_AT, 0, what, va="bottom"))
            for what in ("string", "singular values")
        }

    def numbers(self, noise: float = 0.01) -> Strings:
        spectra = {name: updates.article_singular_values(name, noise) for name in NAMES}
        strings = {
            name: np.linspace(values[0], values[-1], len(values))
            for name, values in spectra.items()
        }
        elbows = {name: spectrum.elbow(values) for name, values in spectra.items()}
        return Strings(noise, spectra, strings, elbows)

    def place(self, numbers: Strings) -> str:
        said = []
        for what, values in (
            ("string", numbers.strings["style"]), ("singular values", numbers.spectra["style"])
        ):  # fmt: skip
            self.names[what].set_y(values[_NAMED_AT - 1] + 0.15)
        for name, (before, depth) in numbers.elbows.items():
            values, string = numbers.spectra[name], numbers.strings[name]
            self.curves[name].set_data(RANKS, values)
            self.strings[name].set_data(RANKS, string)
            self.drops[name].set_data([before + 1] * 2, [values[before], string[before]])
            self.depths[name].set_position((before + 2, string[before] + 0.1))
            self.depths[name].set_text(f"depth {depth:.2f} below the string")
            said.append(
                f"{name} hangs furthest below its string after {before} "
                f"component{'s' * (before != 1)}, by {depth:.2f} of its first value"
            )
        return f"At noise {numbers.noise:g}, {said[0]}; {said[1]}."

    def finding(self, numbers: Strings) -> str:
        style, facts = (numbers.elbows[name][1] for name in NAMES)
        return (
            f"Style hangs {style:.2f} of its first value below the string, facts hang {facts:.2f}."
        )


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

    def finding(self, numbers: Legs) -> str:
        kept, missed = numbers.legs["facts"]
        return (
            f"Rank {numbers.rank} keeps {100 * kept**2:.1f} % of the energy of facts, which "
            f"leaves an error of {missed:.3f}."
        )
