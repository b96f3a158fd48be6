"""What noise does to the spectra of the two simulated updates."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..lora import spectrum, updates
from ..validation import Array
from .look import COLOURS, GREY, MARKERS, NAMES, RANKS, listed, ticks
from .picture import Picture


@dataclass(frozen=True)
class NoisySpectra:
    """Singular values at a noise level, and what theory says of them.

    observed: (64,) by name. floor: the largest singular value of noise alone. limit: the
    strength up to which a signal leaves no trace. seen: how many signals of style lie above it.
    """

    noise: float
    observed: Mapping[str, Array]
    floor: float
    limit: float
    seen: int


class SpectrumUnderNoise(Picture[NoisySpectra]):
    """Singular values with and without noise, the floor that noise alone would reach, the limit.

    The limit is drawn where it holds: for a few signals, as style has. Settings: noise (>= 0).

    Examples
    --------
    >>> SpectrumUnderNoise().draw(noise=0.1).drawn.seen
    3
    """

    def build(self) -> None:
        panels = self.figure.subplots(1, 2, sharey=True)
        self.observed, self.floors = {}, {}
        for ax, name in zip(panels, NAMES):
            ax.set(title=f"{name} update", xlabel="index i", xlim=(0, 65), ylim=(0, 8))
            ticks(ax, "x", [1, 8, 16, 24, 32, 40, 48, 56, 64])
            signal = np.zeros(64)
            clean = updates.article_updates()[name].singular_values
            signal[: len(clean)] = clean
            ax.plot(RANKS, signal, color=GREY, marker="x", linestyle="", markersize=5,
                    label="signal alone")  # fmt: skip
            self.observed[name] = self.moving_line(
                ax, color=COLOURS[name], marker=MARKERS[name], linestyle="", markersize=4,
                label="with noise",
            )  # fmt: skip
            self.floors[name] = self.moves(
                ax.axhline(np.nan, color=GREY, linewidth=1.2, linestyle="--", label="noise floor")
            )
        self.limit = self.moves(
            panels[0].axhline(
                np.nan, color=COLOURS["style"], linewidth=1.6, linestyle=":",
                label="no trace below",
            )
        )  # fmt: skip
        for ax in panels:
            ax.legend(loc="upper right")
        panels[0].set_ylabel(r"singular value $\sigma_i$")

    def numbers(self, noise: float = 0.01) -> NoisySpectra:
        shape = updates.ARTICLE_SHAPE
        observed = {name: updates.article_singular_values(name, noise) for name in NAMES}
        signal = updates.article_updates()["style"].singular_values
        limit = spectrum.detection_limit(shape, noise)
        floor = spectrum.noise_floor(shape, noise)
        return NoisySpectra(noise, observed, floor, limit, int(np.sum(signal > limit)))

    def place(self, numbers: NoisySpectra) -> str:
        for name in NAMES:
            self.observed[name].set_data(RANKS, numbers.observed[name])
            self.floors[name].set_ydata([numbers.floor] * 2)
        self.limit.set_ydata([numbers.limit] * 2)
        style, facts = (numbers.observed[name] for name in NAMES)
        return (
            f"At noise {numbers.noise:g} the five largest singular values of style are "
            f"{listed([f'{value:.2f}' for value in style[:5]])}; those of facts run from "
            f"{facts[0]:.2f} down to {facts[-1]:.2f}. Noise alone would reach "
            f"{numbers.floor:.2f}, and a signal up to {numbers.limit:.2f} leaves no trace: "
            f"{numbers.seen} of style's 4 signals leave one."
        )

    def finding(self, numbers: NoisySpectra) -> str:
        verb = "leaves" if numbers.seen == 1 else "leave"
        return f"At noise {numbers.noise:g}, {numbers.seen} of style's 4 signals {verb} a trace."
