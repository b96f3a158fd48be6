"""The way that explorers took before: the whole picture as a PNG, to compare with."""

from __future__ import annotations

from typing import Any

import ipywidgets as widgets

from helpers.explorer import Explorer
from helpers.figures.picture import caption


class Png:
    """An explorer's controls and picture, shown in a `widgets.Image`.

    The explorer is made for it alone: its own widgets are let go.
    """

    def __init__(self, explorer: Explorer) -> None:
        self.picture, self.controls = explorer.picture, explorer.controls
        self._image = widgets.Image(format="png", layout={"max_width": "100%"})
        self._words = widgets.HTML()
        for control in self.controls.values():
            control.unobserve_all("value")
            control.observe(self._redraw, names="value")
        self.widget = widgets.VBox([*self.controls.values(), self._image, self._words])
        self._redraw()

    def _redraw(self, _: Any = None) -> None:
        settings = {name: control.value for name, control in self.controls.items()}
        self._image.value = self.picture.draw(**settings).png()
        self._words.value = caption(self.picture.description)

    @property
    def size(self) -> int:
        """Bytes of what a change sends, but for the words."""
        return len(self._image.value)
