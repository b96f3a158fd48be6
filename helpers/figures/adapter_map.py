"""An adapter module by module: one measure in all layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from matplotlib import colormaps

from .. import adapters, validation
from ..adapters import Adapter, Row
from ..model import shipped
from ..tables import Table, shorten
from ..validation import Array
from .look import listed
from .picture import Picture


class Field(NamedTuple):
    """A measure of a module: what it is called in a sentence, and on a button."""

    name: str
    button: str


#: The measures, by their column in `adapters.rows`.
FIELDS = {
    "effective": Field("effective rank", "Effective rank"),
    "stable": Field("stable rank", "Stable rank"),
    "rank90": Field("components for 90 % of the energy", "Energy 90 %"),
    "rank99": Field("components for 99 % of the energy", "Energy 99 %"),
    "share": Field("share of the rank in use", "Share in use"),
    "norm": Field("Frobenius norm", "Norm"),
}
#: How many rows the table above the map has.
LISTED = 6
#: In a map with more cells than this, numbers would not be readable.
_WRITTEN = 120
#: Axes with more names than these leave some out.
_MOST_MODULES, _MOST_LAYERS = 14, 24


@dataclass(frozen=True)
class Measured:
    """One measure of every module.

    values: (modules, layers), NaN where a layer has no such module. relative: the same from
    the lowest value, 0, to the highest, 1. ordered: the modules, highest first.
    """

    field: str
    values: Array
    relative: Array
    ordered: list[Row]


class AdapterMap(Picture[Measured]):
    """One measure of every module of an adapter, layers by modules, the highest listed above.

    Settings: field (one of `FIELDS`).

    Examples
    --------
    >>> print(AdapterMap().draw(field="norm").text().splitlines()[0])
    6 of 21 modules, highest Frobenius norm first:
    """

    size = (8.8, 3.2)
    colormap = MAP = "viridis_r"
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
                labels=[shorten(name, 28) for name in names[::step]],
                parse_math=False,  # a stranger's names are no formulas
            )
        if max(map(len, self.layers)) > 4:
            ax.tick_params(axis="x", rotation=90)
        # From the lowest value, 0, to the highest, 1: the frame stays when the measure changes.
        self.image = self.moves(
            ax.imshow(
                np.zeros(shape), cmap=self.MAP, aspect="auto", interpolation="nearest",
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

    def numbers(self, field: str = "effective") -> Measured:
        validation.choice("field", field, tuple(FIELDS))
        values = adapters.layer_map(self.rows, field)[2].T
        low, high = float(np.nanmin(values)), float(np.nanmax(values))
        relative = (values - low) / (high - low if high > low else 1)
        ordered = sorted(self.rows, key=lambda row: -getattr(row, field))
        return Measured(field, values, relative, ordered)

    def place(self, numbers: Measured) -> str:
        values, field = numbers.values, numbers.field
        self.image.set_data(np.ma.masked_invalid(numbers.relative))
        for where, text in self.texts.items():
            shown = "" if np.isnan(values[where]) else _written(field, values[where])
            text.set(text=shown, color=_readable_on(self.MAP, numbers.relative[where]))
        places = [
            f"{word} in {module} of layer {layer}, {value}"
            for word, (value, module, layer) in zip(("lowest", "highest"), self._ends(numbers))
        ]
        over_layers = ""
        if len(self.modules) <= 12:
            means = [f"{name} {_mean(field, np.nanmean(row))}"
                     for name, row in zip(self.modules, values)]  # fmt: skip
            over_layers = f"; means over layers: {listed(means)}"
        left_out = len(self.rows) - self.count
        beside = f" {left_out} modules in no layer are not on the map." if left_out else ""
        name = FIELDS[field].name
        return (
            f"{name[0].upper()}{name[1:]} of {self.count} modules in {len(self.layers)} layers: "
            f"{' and '.join(places)}{over_layers}.{beside}"
        )

    def finding(self, numbers: Measured) -> str:
        name = FIELDS[numbers.field].name
        low, high = (
            f"{value} ({shorten(module, 14)}, layer {shorten(layer, 6)})"
            for value, module, layer in self._ends(numbers)
        )
        return f"{name[0].upper()}{name[1:]}: {low} to {high}."

    def _ends(self, numbers: Measured) -> list[tuple[str, str, str]]:
        """Lowest and highest value, with the module and the layer that have it."""
        found = []
        for at in (np.nanargmin(numbers.values), np.nanargmax(numbers.values)):
            row, column = divmod(int(at), numbers.values.shape[1])
            value = _written(numbers.field, numbers.values[row, column])
            found.append((value, self.modules[row], self.layers[column]))
        return found

    def _table(self) -> Table:
        return adapters.table(self.drawn.ordered[:LISTED])

    def _heading(self) -> str:
        few = min(LISTED, len(self.rows))
        return f"{few} of {len(self.rows)} modules, highest {FIELDS[self.drawn.field].name} first:"

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
    return f"{value:.0f}" if field in ("rank90", "rank99") else _mean(field, value)


def _mean(field: str, value: float) -> str:
    return f"{value:.2f}" if field in ("norm", "share") else f"{value:.1f}"


def _readable_on(colormap: str, at: float) -> str:
    """Black or white, whichever has more contrast on a colour (WCAG 2)."""
    parts = np.array(colormaps[colormap](0.0 if np.isnan(at) else at)[:3])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return "black" if linear @ [0.2126, 0.7152, 0.0722] > 0.179 else "white"
