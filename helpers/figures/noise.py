"""What noise does to the two simulated updates, as theory has it and as measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ..lora import spectrum, updates
from ..validation import Array
from .look import COLOURS, GREY, MARKERS, NAMES, RANKS, SWEEP, listed, ticks
from .picture import Picture


@dataclass(frozen=True)
class NoisySpectra:
    """Singular values at a noise level, and what theory says of them.

    observed: (64,) by name. floor: the largest singular value of noise alone. threshold:
    Gavish's and Donoho's. kept: how many values of style lie above it. detectable: how many
    signals of style can leave a trace at all.
    """

    noise: float
    observed: Mapping[str, Array]
    floor: float
    threshold: float
    kept: int
    detectable: int


class SpectrumUnderNoise(Picture[NoisySpectra]):
    """Singular values with and without noise, and the two lines that judge them.

    Settings: noise (>= 0).

    Examples
    --------
    >>> SpectrumUnderNoise().draw(noise=0.07).drawn.kept
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
            if name == "style":
                self.threshold = self.moves(
                    ax.axhline(np.nan, color="black", linewidth=1.2, linestyle=":",
                               label="Gavish-Donoho threshold")
                )  # fmt: skip
            ax.legend(loc="upper right")
        panels[0].set_ylabel(r"singular value $\sigma_i$")

    def numbers(self, noise: float = 0.01) -> NoisySpectra:
        shape = updates.ARTICLE_SHAPE
        observed = {name: updates.article_singular_values(name, noise) for name in NAMES}
        signal = updates.article_updates()["style"].singular_values
        threshold = spectrum.gavish_donoho_threshold(shape, noise)
        return NoisySpectra(
            noise,
            observed,
            spectrum.noise_floor(shape, noise),
            threshold,
            # Noiseless values past the true rank are rounding errors, not signal.
            kept=int(np.sum(observed["style"] > max(threshold, 1e-9))),
            detectable=int(np.sum(signal > spectrum.detection_limit(shape, noise))),
        )

    def place(self, numbers: NoisySpectra) -> str:
        for name in NAMES:
            self.observed[name].set_data(RANKS, numbers.observed[name])
            self.floors[name].set_ydata([numbers.floor] * 2)
        self.threshold.set_ydata([numbers.threshold] * 2)
        style, facts = (numbers.observed[name] for name in NAMES)
        return (
            f"At noise {numbers.noise:g} the five largest singular values of style are "
            f"{listed([f'{value:.2f}' for value in style[:5]])}; those of facts run from "
            f"{facts[0]:.2f} down to {facts[-1]:.2f}. Noise alone would reach "
            f"{numbers.floor:.2f}. The Gavish-Donoho threshold of {numbers.threshold:.2f} "
            f"keeps {numbers.kept} of style's components; {numbers.detectable} of its 4 "
            f"signals are strong enough to be seen at all. The threshold does not apply to facts, "
            f"whose signal fills every direction."
        )


@dataclass(frozen=True)
class Drowning:
    """Style's largest singular values at a noise level, and which signals are lost.

    observed: the (5,) largest. predicted: where theory puts the signals above `limit`.
    drowned: the signals up to it.
    """

    noise: float
    observed: Array
    predicted: Array
    limit: float
    drowned: list[float]


class NoiseSweep(Picture[Drowning]):
    """Style's five largest singular values against the noise, with theory's curves.

    Settings: noise (0 to 0.4).

    Examples
    --------
    >>> NoiseSweep().draw(noise=0.1).drawn.drowned
    [0.5]
    """

    def build(self) -> None:
        ax = self.figure.subplots()
        shape = updates.ARTICLE_SHAPE
        observed = np.stack([updates.article_singular_values("style", level) for level in SWEEP])
        signal = updates.article_updates()["style"].singular_values
        for i in range(5):
            ax.plot(SWEEP, observed[:, i], color=COLOURS["style"], marker="o", markersize=3,
                    linewidth=0, label="measured, largest five" if i == 0 else None)  # fmt: skip
        fine = np.linspace(0, 0.4, 400)
        for i, value in enumerate(signal):
            curve = [float(spectrum.observed_singular_value(value, shape, x)) for x in fine]
            ax.plot(fine, curve, color=GREY, linewidth=1.2,
                    label="theory, one line a signal" if i == 0 else None)  # fmt: skip
        ax.plot(fine, [spectrum.noise_floor(shape, x) for x in fine], color="black",
                linestyle="--", linewidth=1.2, label="noise floor")  # fmt: skip
        ax.set(
            title="style: signals drown one by one", xlabel="noise", ylabel="singular value",
            xlim=(-0.005, 0.405), ylim=(0, 8.8),
        )  # fmt: skip
        ax.legend(loc="upper left")
        self.line = self.cursor(ax, color="black")
        self.points = self.moving_line(
            ax, color=COLOURS["style"], marker="o", linestyle="", markersize=8,
            markeredgecolor="black",
        )  # fmt: skip

    def numbers(self, noise: float = 0.1) -> Drowning:
        shape = updates.ARTICLE_SHAPE
        signal = updates.article_updates()["style"].singular_values
        limit = spectrum.detection_limit(shape, noise)
        seen = signal[signal > limit]
        return Drowning(
            noise,
            observed=updates.article_singular_values("style", noise)[:5],
            predicted=spectrum.observed_singular_value(seen, shape, noise) if len(seen) else seen,
            limit=limit,
            drowned=[float(value) for value in signal if value <= limit],
        )

    def place(self, numbers: Drowning) -> str:
        noise = numbers.noise
        self.line.set_xdata([noise, noise])
        self.points.set_data([noise] * 5, numbers.observed)
        drowned = numbers.drowned
        seen = [f"{value:.2f}" for value in numbers.predicted]
        lost = [f"{value:g}" for value in drowned]
        theory = f"theory puts the signals at {listed(seen)}" if seen else "theory sees no signal"
        if lost:
            theory += f"; lost without a trace {'is' if len(lost) == 1 else 'are'} {listed(lost)}"
        return (
            f"At noise {noise:g} the five largest singular values of style are "
            f"{listed([f'{value:.2f}' for value in numbers.observed])}; {theory}. Signals up "
            f"to {numbers.limit:.2f} leave no trace in the spectrum."
        )
