"""An adapter's spectra, module by module and all together: its map, and what a cut costs."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, ClassVar

import numpy as np
from matplotlib import colormaps

from .. import adapters, validation
from ..adapters import Adapter
from ..lora.scaling import RSLORA, SCALINGS, STANDARD, reader_ratio
from ..model import results, shipped, tasks
from ..model.update import Update
from ..tables import Table
from .picture import COLOURS, GREY, LABELS, MARKERS, Picture, listed, ticks
from .recall import Behaviour

#: The scales that the curve runs over: s = 1 is what the adapter was trained with.
SCALES = np.linspace(0, 4, 161)
FIELDS = {
    "effective": "effective rank",
    "stable": "stable rank",
    "rank90": "directions for 90 % of the energy",
    "rank99": "directions for 99 % of the energy",
    "share": "share of the rank in use",
    "norm": "Frobenius norm",
}
#: How many rows the table above the map has.
LISTED = 6
#: In a map with more cells than this, numbers would not be readable.
_WRITTEN = 120
#: Axes with more names than these leave some out.
_MOST_MODULES, _MOST_LAYERS = 20, 24


class AdapterMap(Picture):
    """One measure of every module of an adapter, layers by modules, the highest listed above.

    Settings: field (one of `FIELDS`).
    """

    size = (8.8, 3.9)
    colormap = "viridis_r"
    has_text = True

    def __init__(self, adapter: Adapter | None = None) -> None:
        self.rows = adapters.rows(adapters.spectra(adapter or shipped.adapter("people")))
        self.layers, self.modules, cells = adapters.layer_map(self.rows)
        if not self.layers:
            raise ValueError(
                "adapter must have modules with a layer's number in their names, got "
                f"{self.rows[0].name}"
            )
        self.count = int(np.sum(~np.isnan(cells)))
        super().__init__()

    def build(self) -> None:
        ax = self.figure.subplots()
        shape = (len(self.modules), len(self.layers))
        ax.grid(False)
        ax.set(xlabel="layer")
        for axis, names, most in (
            (ax.xaxis, self.layers, _MOST_LAYERS),
            (ax.yaxis, self.modules, _MOST_MODULES),
        ):
            step = -(-len(names) // most)
            axis.set_ticks(
                range(0, len(names), step),
                labels=[adapters.report.shorten(name, 28) for name in names[::step]],
            )
        if max(map(len, self.layers)) > 4:
            ax.tick_params(axis="x", rotation=90)
        # From the lowest value, 0, to the highest, 1: the frame stays when the measure changes.
        self.image = self.moves(
            ax.imshow(
                np.zeros(shape), cmap=self.colormap, aspect="auto", interpolation="nearest",
                vmin=0, vmax=1,
            )
        )  # fmt: skip
        self.texts = {
            (row, column): self.moves(ax.text(column, row, "", ha="center", va="center"))
            for row in range(shape[0] if shape[0] * shape[1] <= _WRITTEN else 0)
            for column in range(shape[1])
        }
        bar = self.figure.colorbar(self.image, ax=ax, aspect=25)
        bar.ax.yaxis.set_ticks([0, 1], labels=["lowest", "highest"])

    def numbers(self, field: str = "effective") -> dict[str, Any]:  # type: ignore[override]
        validation.choice("field", field, tuple(FIELDS))
        values = adapters.layer_map(self.rows, field)[2].T
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        return {
            "field": field,
            "values": values,
            "relative": (values - low) / (high - low if high > low else 1),
            "sorted": sorted(self.rows, key=lambda row: -getattr(row, field)),
        }

    def place(self, numbers: dict[str, Any]) -> str:
        values, field = numbers["values"], numbers["field"]
        self.image.set_data(np.ma.masked_invalid(numbers["relative"]))
        for where, text in self.texts.items():
            shown = "" if np.isnan(values[where]) else _written(field, values[where])
            text.set(text=shown, color=_readable_on(self.colormap, numbers["relative"][where]))
        places = []
        for word, at in (("lowest", np.nanargmin(values)), ("highest", np.nanargmax(values))):
            row, column = divmod(int(at), values.shape[1])
            module, layer = self.modules[row], self.layers[column]
            value = _written(field, values[row, column])
            places.append(f"{word} in {module} of layer {layer}, {value}")
        said = ""
        if len(self.modules) <= 12:
            means = [f"{name} {_written(field, np.nanmean(row))}"
                     for name, row in zip(self.modules, values)]  # fmt: skip
            said = f"; means over layers: {listed(means)}"
        left_out = len(self.rows) - self.count
        beside = f" {left_out} modules in no layer are not on the map." if left_out else ""
        name = FIELDS[field]
        return (
            f"{name[0].upper()}{name[1:]} of {self.count} modules in {len(self.layers)} layers: "
            f"{' and '.join(places)}{said}.{beside}"
        )

    def _table(self) -> Table:
        return adapters.table(self.drawn["sorted"][:LISTED])

    def _heading(self) -> str:
        few = min(LISTED, len(self.rows))
        return f"{few} of {len(self.rows)} modules, highest {FIELDS[self.drawn['field']]} first:"

    def text(self) -> str:
        """The modules with the highest values."""
        return f"{self._heading()}\n{self._table()}"

    def text_html(self) -> str:
        """`text` for the screen."""
        table = self._table()._repr_html_()
        # A widget's HTML has none of the space that a notebook gives to tables.
        table = table.replace('style="', 'style="padding: 0.15em 0.6em; line-height: 1.4; ')
        return f"<p>{self._heading()}</p>\n{table}"


def _written(field: str, value: float) -> str:
    return f"{value:.2f}" if field in ("norm", "share") else f"{value:.1f}"


def _readable_on(colormap: str, at: float) -> str:
    """Black or white, whichever has more contrast on a colour (WCAG 2)."""
    parts = np.array(colormaps[colormap](0.0 if np.isnan(at) else at)[:3])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "white"


class AdapterCut(Picture):
    """What a rank and a scale do to an adapter, from its singular values alone.

    Settings: rank (>= 1), scale (>= 0, over the multiplier it was trained with).
    """

    size = (8.8, 3.9)

    def __init__(self, adapter: Adapter | None = None) -> None:
        adapter = adapter or shipped.adapter("people")
        self.spectra = adapters.spectra(adapter)
        self.highest = max(len(each.values) for each in self.spectra)
        self.modules = adapter.modules
        super().__init__()

    @property
    def limits(self) -> dict[str, tuple[Any, ...]]:
        """The range of the rank's slider: the adapter's own."""
        return {"rank": ((1, self.highest),)}

    def build(self) -> None:
        spectra, errors, scales = self.figure.subplots(1, 3)
        ranks = np.arange(1, self.highest + 1)
        relative = [each.values / each.values[0] for each in self.spectra if each.values[0] > 0]
        seen = [value for values in relative for value in values if value > 1e-6]
        lowest = 10.0 ** np.floor(np.log10(min(seen, default=0.1)))
        spectra.set(title="singular values", xlabel="index", yscale="log", ylim=(lowest, 1.6),
                    ylabel=r"$\sigma$ over the largest")  # fmt: skip
        errors.set(title="error over the rank", xlabel="rank r", ylabel="relative error",
                   ylim=(-0.03, 1.05))  # fmt: skip
        scales.set(title="error over the scale", xlabel="scale s", xlim=(-0.08, 4.08),
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
        self.readers = {
            reader: self.moving_line(
                scales, color=COLOURS[reader], linestyle="", marker=MARKERS[reader], markersize=9
            )
            for reader in SCALINGS
        }
        self.legend(
            [handles[0], self.best, self.points[0], *self.readers.values()],
            ["one module", "error at scale 1", "error now",
             *(f"read with {LABELS[reader].split(', ')[1]}" for reader in SCALINGS)],
        )  # fmt: skip

    def numbers(self, rank: int = 8, scale: float = 1.0) -> dict[str, Any]:  # type: ignore[override]
        rank = validation.integer("rank", rank, 1, self.highest, " (the adapter's largest)")
        scale = validation.number("scale", scale, 0)
        ranks = np.arange(1, self.highest + 1)
        # At one rank the error is a parabola in s.
        kept = float(adapters.captured(self.spectra, rank))
        over_scale = np.sqrt((1 - SCALES) ** 2 * kept + (1 - kept))
        return {
            "rank": rank,
            "scale": scale,
            "ranks": ranks,
            "energy": kept,
            "best": adapters.error_at(self.spectra, ranks),
            "error": adapters.error_at(self.spectra, ranks, scale),
            "over_scale": over_scale,
            "now": float(adapters.error_at(self.spectra, rank, scale)),
            "readers": {reader: self._read(rank, reader) for reader in SCALINGS},
        }

    def _read(self, rank: int, reader: str) -> tuple[float, float]:
        """Where a reader of the adapter, saved at this rank, stands: median scale, and error."""
        ratios = [
            float(reader_ratio(min(rank, each.rank), each.rule, reader)) for each in self.modules
        ]
        return float(np.median(ratios)), float(adapters.error_at(self.spectra, rank, ratios))

    def place(self, numbers: dict[str, Any]) -> str:
        rank, scale, now = numbers["rank"], numbers["scale"], numbers["now"]
        for cursor, at in zip(self.cursors, (rank, rank, scale)):
            cursor.set_xdata([at, at])
        self.best.set_data(numbers["ranks"], numbers["best"])
        self.errors.set_data(numbers["ranks"], numbers["error"])
        self.scales.set_data(SCALES, numbers["over_scale"])
        for point, at in zip(self.points, (rank, scale)):
            point.set_data([at], [now])
        said = []
        for reader, line in self.readers.items():
            ratio, error = numbers["readers"][reader]
            line.set_data([ratio], [error])
            said.append(f"{reader} applies {ratio:.3g} of the trained scale, error {error:.3f}")
        return (
            f"At rank {rank} of {self.highest} and scale {scale:g} the relative error over all "
            f"{len(self.spectra)} modules is {now:.3f}; the best at this rank is "
            f"{numbers['best'][rank - 1]:.3f}, at scale 1, with "
            f"{100 * numbers['energy']:.1f} % of the energy kept. Saved at this "
            f"rank and read with {said[0]}; with {said[1]}."
        )


class AdapterBehaviour(Behaviour):
    """What the small model recalls and writes with one of the shipped adapters.

    Settings: rank (>= 0), scale (>= 0, over the trained multiplier), person (1 to 25),
    adapter (one of `tasks.SHIPPED_ADAPTERS`).
    """

    highest: ClassVar[int] = 16
    SCALE_TITLE = r"over the scale, at rank 16 ($\blacktriangle$ an $\alpha/r$ reader)"
    RANK_TITLE = "over the rank it is cut to, at scale 1"

    @property
    def limits(self) -> dict[str, tuple[Any, ...]]:
        """The range of the rank's slider: the adapters' own."""
        return {"rank": ((1, self.highest),)}

    def build(self) -> None:
        super().build()
        right = self.figure.axes[1]
        self.reader = self.moving_line(
            right, color=COLOURS[STANDARD], linestyle="", marker=MARKERS[STANDARD], markersize=9
        )

    @staticmethod
    def numbers(  # type: ignore[override]
        rank: int = 16, scale: float = 1.0, person: int = 2, adapter: str = "people"
    ) -> dict[str, Any]:
        given = shipped.adapter(adapter)
        task = tasks.SHIPPED_ADAPTERS[adapter].task.name
        curves = {side: results.adapter(adapter, side) for side in ("ranks", "scales")}
        found = Behaviour.measured_on(task, _parts(adapter), rank, scale, person, curves)
        rule = given.modules[0].rule
        ratio = float(reader_ratio(given.modules[0].rank, rule, STANDARD))
        return {**found, "adapter": adapter, "rule": rule, "ratio": ratio}

    def place(self, numbers: dict[str, Any]) -> str:
        self.reader.set_data([numbers["ratio"]], [0])
        return super().place(numbers)

    def subject(self, numbers: dict[str, Any]) -> str:
        """What the sentence is about."""
        name, learned = numbers["adapter"], tasks.SHIPPED_ADAPTERS[numbers["adapter"]].label
        wrong = (
            f" (trained with {RSLORA}; an alpha/r reader applies {numbers['ratio']:g} of it)"
            if numbers["rule"] == RSLORA
            else f" (trained with {STANDARD})"
        )
        return (
            f"Adapter {name}, {learned}{wrong}, at rank {numbers['rank']} and scale "
            f"{numbers['scale']:g}"
        )


@lru_cache(maxsize=len(tasks.SHIPPED_ADAPTERS))
def _parts(name: str) -> Update:
    """Decomposed once: a slider must not wait for 21 decompositions."""
    return shipped.applied(shipped.adapter(name))


def _rank_ticks(highest: int) -> list[float]:
    step = next(each for each in (1, 2, 4, 8, 16, 32, 64, 128, 512, 2048) if highest / each <= 8)
    return [1, *range(step if step > 1 else 2, highest + 1, step)]
