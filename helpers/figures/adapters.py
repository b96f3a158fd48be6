"""What a rank and a scale do to an adapter as a whole, from its singular values alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import adapters, validation
from ..adapters import Adapter
from ..lora.scaling import RULES, loader_ratio
from ..lora.truncation import squared_error
from ..model import shipped
from ..validation import Array
from .look import COLOURS, GREY, MARKERS, RULE_SYMBOLS, ticks
from .picture import Picture

#: The scales that the curve runs over: s = 1 is what the adapter was trained with.
SCALES = np.linspace(0, 4, 161)


@dataclass(frozen=True)
class Cuts:
    """Relative errors over all modules of an adapter of rank R.

    best: (R,), over `ranks`, at scale 1. error: (R,), at `scale`. over_scale: over `SCALES`,
    at `rank`. now: at both. energy: the share that `rank` keeps. loaders: by rule, the median
    scale that a loader applies to the adapter saved at `rank`, and its error.
    """

    rank: int
    scale: float
    ranks: Array
    energy: float
    best: Array
    error: Array
    over_scale: Array
    now: float
    loaders: Mapping[str, tuple[float, float]]


class AdapterCut(Picture[Cuts]):
    """What a rank and a dial do to an adapter, from its singular values alone.

    Settings: rank (>= 1), scale (>= 0, the dial: over the scale it was trained with).

    Examples
    --------
    >>> AdapterCut().draw(rank=8, scale=1.0).description[:48]
    'At rank 8 of 16 and dial 1 the relative error ov'
    """

    size = (8.8, 3.9)

    def __init__(self, adapter: Adapter | None = None) -> None:
        adapter = adapter or shipped.adapter("people")
        self.spectra = adapters.spectra(adapter)
        self.highest = max(len(spectrum.values) for spectrum in self.spectra)
        self.modules = adapter.modules
        super().__init__()

    @property
    def limits(self) -> dict[str, tuple[int, int]]:
        """Ranks up to the adapter's own."""
        return {"rank": (1, self.highest)}

    def build(self) -> None:
        spectra, errors, scales = self.figure.subplots(1, 3)
        ranks = np.arange(1, self.highest + 1)
        relative = [
            spectrum.values / spectrum.values[0]
            for spectrum in self.spectra
            if spectrum.values[0] > 0
        ]
        seen = [value for values in relative for value in values if value > 1e-6]
        lowest = 10.0 ** np.floor(np.log10(min(seen, default=0.1)))
        spectra.set(title="singular values", xlabel="index", yscale="log", ylim=(lowest, 1.6),
                    ylabel=r"$\sigma$ over the largest")  # fmt: skip
        errors.set(title="error over the rank", xlabel="rank r", ylabel="relative error",
                   ylim=(-0.03, 1.05))  # fmt: skip
        scales.set(title="error over the dial", xlabel="dial", xlim=(-0.08, 4.08),
                   ylim=(-0.03, 1.55))  # fmt: skip
        for ax in (spectra, errors):
            ax.set_xlim(0.5, self.highest + 0.5)
            ticks(ax, "x", _rank_ticks(self.highest))
        ticks(scales, "x", [0, 1, 2, 3, 4])
        for values in relative:
            at = ranks[: len(values)]
            spectra.plot(at, np.maximum(values, 1e-9), color=GREY, alpha=0.7, linewidth=0.8)
        handles = [spectra.plot([], [], color=GREY, linewidth=0.8)[0]]
        self.cursors = [self.cursor(ax) for ax in (spectra, errors, scales)]
        self.best = self.moving_line(errors, color=GREY, linestyle=":")
        self.errors = self.moving_line(errors, color=COLOURS["facts"], marker=None)
        self.scales = self.moving_line(scales, color=COLOURS["facts"])
        look: dict[str, Any] = {
            "color": COLOURS["facts"], "linestyle": "", "marker": "o", "markersize": 8,
            "markeredgecolor": "black",
        }  # fmt: skip
        self.points = [self.moving_line(ax, **look) for ax in (errors, scales)]
        self.loaders = {
            rule: self.moving_line(
                scales, color=COLOURS[rule], linestyle="", marker=MARKERS[rule], markersize=9
            )
            for rule in RULES
        }
        self.legend(
            [handles[0], self.best, self.points[0], *self.loaders.values()],
            ["one module", "error at dial 1", "error now",
             *(f"read with {RULE_SYMBOLS[rule]}" for rule in RULES)],
        )  # fmt: skip

    def numbers(self, rank: int = 8, scale: float = 1.0) -> Cuts:
        rank = validation.integer("rank", rank, 1, self.highest, " (the adapter's largest)")
        scale = validation.number("scale", scale, 0)
        ranks = np.arange(1, self.highest + 1)
        energy = float(adapters.captured(self.spectra, rank))
        return Cuts(
            rank,
            scale,
            ranks,
            energy,
            best=adapters.error_at(self.spectra, ranks),
            error=adapters.error_at(self.spectra, ranks, scale),
            # Rounded, the share at the full rank may be more than 1.
            over_scale=np.sqrt(squared_error(energy, max(1 - energy, 0.0), SCALES)),
            now=float(adapters.error_at(self.spectra, rank, scale)),
            loaders={rule: self._loaded(rank, rule) for rule in RULES},
        )

    def _loaded(self, rank: int, rule: str) -> tuple[float, float]:
        """Median scale and error of a loader of the adapter, saved at this rank."""
        ratios = [
            float(loader_ratio(min(rank, module.rank), module.rule, rule))
            for module in self.modules
        ]
        return float(np.median(ratios)), float(adapters.error_at(self.spectra, rank, ratios))

    def place(self, numbers: Cuts) -> str:
        rank, scale, now = numbers.rank, numbers.scale, numbers.now
        for cursor, at in zip(self.cursors, (rank, rank, scale)):
            cursor.set_xdata([at, at])
        self.best.set_data(numbers.ranks, numbers.best)
        self.errors.set_data(numbers.ranks, numbers.error)
        self.scales.set_data(SCALES, numbers.over_scale)
        for point, at in zip(self.points, (rank, scale)):
            point.set_data([at], [now])
        said = []
        for rule, line in self.loaders.items():
            ratio, error = numbers.loaders[rule]
            line.set_data([ratio], [error])
            said.append(f"{rule} applies {ratio:.3g} of the trained scale, error {error:.3f}")
        return (
            f"At rank {rank} of {self.highest} and dial {scale:g} the relative error over all "
            f"{len(self.spectra)} modules is {now:.3f}; the best at this rank is "
            f"{numbers.best[rank - 1]:.3f}, at dial 1, with "
            f"{100 * numbers.energy:.1f} % of the energy kept. Saved at this "
            f"rank and read with {said[0]}; with {said[1]}."
        )

    def finding(self, numbers: Cuts) -> str:
        return (
            f"Cut to rank {numbers.rank} of {self.highest}, at dial {numbers.scale:g}, the "
            f"adapter has an error of {numbers.now:.3f}."
        )


def _rank_ticks(highest: int) -> list[float]:
    step = next(step for step in (1, 2, 4, 8, 16, 32, 64, 128, 512, 2048) if highest / step <= 8)
    return [1, *range(step if step > 1 else 2, highest + 1, step)]
