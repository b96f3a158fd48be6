"""Rows as a map: the layers of a model by the modules in each."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import numpy as np

from ... import validation
from ...validation import Array
from .report import SORTS, Row

#: A map of more would take gigabytes: modules that share no names.
MOST_PLACES = 1_000_000


def layer_map(rows: Sequence[Row], field: str = "effective") -> tuple[list[str], list[str], Array]:
    """One column of the rows as layers by modules.

    A layer is a name up to its last number that something follows, the module what
    follows it. Rows without one are left out; what all layers begin with is cut off.

    Returns
    -------
    layers : list of str
        In order of their numbers within one beginning, such as ["0", "1"], or
        ["down_blocks.0", "up_blocks.0"] where there are several.
    modules : list of str, in order of appearance
    values : (layers, modules) array, NaN where there is no such module

    Raises
    ------
    ValueError
        If names and layers have more than `MOST_PLACES` places together.

    Examples
    --------
    >>> from helpers.adapters import rows, spectra
    >>> from helpers.model import shipped
    >>> layers, modules, values = layer_map(rows(spectra(shipped.adapter("people"))))
    >>> layers, len(modules), values.shape
    (['0', '1', '2'], 6, (3, 6))
    """
    validation.choice("field", field, tuple(name for name in SORTS if name != "name"))
    placed: dict[tuple[tuple[str, int], str], float] = {}
    for row in rows:
        between = r"\." if "." in row.name else "_"  # kohya's names have no dots
        if match := re.fullmatch(rf"(|.*{between})(\d{{1,6}}){between}(.+)", row.name):
            placed[(match[1], int(match[2])), match[3]] = float(getattr(row, field))
    layers = list(dict.fromkeys(layer for layer, _ in placed))
    beginnings = list(dict.fromkeys(beginning for beginning, _ in layers))
    layers.sort(key=lambda layer: (beginnings.index(layer[0]), layer[1]))
    modules = list(dict.fromkeys(module for _, module in placed))
    if len(layers) * len(modules) > MOST_PLACES:
        raise ValueError(
            f"rows must have at most {MOST_PLACES:,} places on a map, got {len(modules):,} names "
            f"in {len(layers):,} layers: they share too few"
        )
    values = [[placed.get((layer, module), np.nan) for module in modules] for layer in layers]
    common = os.path.commonprefix(beginnings)  # noqa: RUF071 (letters are meant)
    shared = max(common.rfind("."), common.rfind("_")) + 1
    names = [f"{beginning[shared:]}{number}" for beginning, number in layers]
    return names, modules, np.array(values).reshape(len(layers), len(modules))
