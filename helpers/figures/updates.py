"""What the two simulated updates look like, and what noise does to them."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ..lora import spectrum, updates
from ..validation import Array
from .picture import COLOURS, GREY, HEAT, MARKERS, NAMES, RANKS, SWEEP, Picture, listed, ticks


@lru_cache(maxsize=32)
def _factors(name: str, noise: float) -> tuple[Array, Array, Array]:
    """SVD of an article update at a noise level, kept: rank sliders reuse it."""
    U, S, Vt = np.linalg.svd(updates.article_updates()[name].matrix(noise))
    return U, S, Vt


class TwoUpdates(Picture):
    """Each update beside its best approximation of rank r.

    Settings: rank (1 to 64), noise (>= 0).
    """

    size = (8.8, 2.4)
    colormap = HEAT

    def build(self) -> None:
        panels = self.figure.subplots(1, 4)
        self.images = {}
        for ax, (name, what) in zip(panels, [(n, w) for n in NAMES for w in ("update", "kept")]):
            ax.set(xticks=[], yticks=[])
            ax.set_title(f"{name} update" if what == "update" else f"{name}, rank r kept")
            for spine in ax.spines.values():
                spine.set(visible=True, color=COLOURS[name], linewidth=2)
            self.images[name, what] = self.moves(
                ax.imshow(np.zeros((64, 64)), cmap=HEAT, vmin=-0.9, vmax=0.9,
                          interpolation="nearest")
            )  # fmt: skip
        self.figure.colorbar(self.images["facts", "kept"], ax=panels, label="entry", shrink=0.8)

    @staticmethod
    def numbers(rank: int = 4, noise: float = 0.01) -> dict[str, Any]:
        matrices, errors = {}, {}
        for name, update in updates.article_updates().items():
            U, S, Vt = _factors(name, noise)
            matrices[name, "update"] = update.matrix(noise)
            matrices[name, "kept"] = (U[:, :rank] * S[:rank]) @ Vt[:rank]
            errors[name] = float(spectrum.truncation_error(S)[rank - 1])
        return {"rank": rank, "noise": noise, "matrices": matrices, "errors": errors}

    def place(self, numbers: dict[str, Any]) -> str:
        for key, image in self.images.items():
            image.set_data(numbers["matrices"][key])
        rank = numbers["rank"]
        B, A = 64 * rank, rank * 64
        said = [f"{name} with a relative error of {numbers['errors'][name]:.3f}" for name in NAMES]
        return (
            f"Rank {rank} keeps {B + A} numbers (B has {B}, A has {A}) in place of {64 * 64}. At "
            f"noise {numbers['noise']:g} they rebuild {listed(said)}."
        )


class Layers(Picture):
    """An update as a stack of rank-one layers: the r-th, the first r together, the rest.

    Settings: rank (1 to 64), noise (>= 0), update ("style" or "facts").
    """

    size = (8.8, 3.2)
    colormap = HEAT
    TITLES = ("layer r alone", "layers 1 to r together", "what is still missing")

    def build(self) -> None:
        self.images = {}
        panels = self.figure.subplots(1, 3)
        for ax, title in zip(panels, self.TITLES):
            ax.set(xticks=[], yticks=[], title=title)
            for spine in ax.spines.values():
                spine.set(visible=True, color=GREY)
            self.images[title] = self.moves(
                ax.imshow(np.zeros((64, 64)), cmap=HEAT, vmin=-0.5, vmax=0.5,
                          interpolation="nearest")
            )  # fmt: skip
        self.figure.colorbar(
            self.images[self.TITLES[0]], ax=panels, label="entry", shrink=0.8, extend="both"
        )

    @staticmethod
    def numbers(rank: int = 1, noise: float = 0.01, update: str = "style") -> dict[str, Any]:
        U, S, Vt = _factors(update, noise)
        layer = S[rank - 1] * np.outer(U[:, rank - 1], Vt[rank - 1])
        together = (U[:, :rank] * S[:rank]) @ Vt[:rank]
        missing = updates.article_updates()[update].matrix(noise) - together
        energy = spectrum.captured_energy(S)
        return {
            "rank": rank, "noise": noise, "update": update, "singular_value": float(S[rank - 1]),
            "matrices": dict(zip(Layers.TITLES, (layer, together, missing))),
            "share": float(S[rank - 1] ** 2 / np.sum(S**2)), "captured": float(energy[rank - 1]),
        }  # fmt: skip

    def place(self, numbers: dict[str, Any]) -> str:
        for title, image in self.images.items():
            image.set_data(numbers["matrices"][title])
        return (
            f"{numbers['update'].capitalize()} at noise {numbers['noise']:g}: layer "
            f"{numbers['rank']} has the singular value {numbers['singular_value']:.2f} and "
            f"{100 * numbers['share']:.1f} % of the energy. The layers up to it hold "
            f"{100 * numbers['captured']:.1f} %."
        )


class SpectrumUnderNoise(Picture):
    """Singular values with and without noise, and the two lines that judge them.

    Settings: noise (>= 0).
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

    @staticmethod
    def numbers(noise: float = 0.01) -> dict[str, Any]:
        shape = updates.ARTICLE_SHAPE
        observed = {name: updates.article_singular_values(name, noise) for name in NAMES}
        signal = updates.article_updates()["style"].singular_values
        threshold = spectrum.gavish_donoho_threshold(shape, noise)
        return {
            "noise": noise,
            "observed": observed,
            "floor": spectrum.noise_floor(shape, noise),
            "threshold": threshold,
            # Noiseless values past the true rank are rounding errors, not signal.
            "kept": int(np.sum(observed["style"] > max(threshold, 1e-9))),
            "detectable": int(np.sum(signal > spectrum.detection_limit(shape, noise))),
        }

    def place(self, numbers: dict[str, Any]) -> str:
        for name in NAMES:
            self.observed[name].set_data(RANKS, numbers["observed"][name])
            self.floors[name].set_ydata([numbers["floor"]] * 2)
        self.threshold.set_ydata([numbers["threshold"]] * 2)
        style, facts = (numbers["observed"][name] for name in NAMES)
        return (
            f"At noise {numbers['noise']:g} the five largest singular values of style are "
            f"{listed([f'{value:.2f}' for value in style[:5]])}; those of facts run from "
            f"{facts[0]:.2f} down to {facts[-1]:.2f}. Noise alone would reach "
            f"{numbers['floor']:.2f}. The Gavish-Donoho threshold of {numbers['threshold']:.2f} "
            f"keeps {numbers['kept']} of style's components; {numbers['detectable']} of its 4 "
            f"signals are strong enough to be seen at all. The threshold does not apply to facts, "
            f"whose signal fills every direction."
        )


class NoiseSweep(Picture):
    """Style's five largest singular values against the noise, with theory's curves.

    Settings: noise (0 to 0.4).
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

    @staticmethod
    def numbers(noise: float = 0.1) -> dict[str, Any]:
        shape = updates.ARTICLE_SHAPE
        signal = updates.article_updates()["style"].singular_values
        limit = spectrum.detection_limit(shape, noise)
        return {
            "noise": noise,
            "observed": updates.article_singular_values("style", noise)[:5],
            "predicted": spectrum.observed_singular_value(signal[signal > limit], shape, noise)
            if np.any(signal > limit)
            else np.empty(0),
            "limit": limit,
            "drowned": [float(value) for value in signal if value <= limit],
        }

    def place(self, numbers: dict[str, Any]) -> str:
        noise = numbers["noise"]
        self.line.set_xdata([noise, noise])
        self.points.set_data([noise] * 5, numbers["observed"])
        drowned = numbers["drowned"]
        seen = [f"{value:.2f}" for value in numbers["predicted"]]
        lost = [f"{value:g}" for value in drowned]
        theory = f"theory puts the signals at {listed(seen)}" if seen else "theory sees no signal"
        if lost:
            theory += f"; lost without a trace {'is' if len(lost) == 1 else 'are'} {listed(lost)}"
        return (
            f"At noise {noise:g} the five largest singular values of style are "
            f"{listed([f'{value:.2f}' for value in numbers['observed']])}; {theory}. Signals up "
            f"to {numbers['limit']:.2f} leave no trace in the spectrum."
        )
