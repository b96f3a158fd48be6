"""How an explorer lies on a page: its picture as vectors, words with room, controls in a row."""

from __future__ import annotations

from typing import Any, NamedTuple

import ipywidgets as widgets

from .figures import theme, vector
from .figures.picture import Picture
from .figures.vector import Drawing

STAGE_CLASS, ROOMY_CLASS = "rank-lab-stage", "rank-lab-roomy"
#: The style sheet, for the page. Where panels have no room left they scroll.
CSS = (
    f"{theme.css('.' + STAGE_CLASS)}{vector.CSS}"
    f".{STAGE_CLASS}.{STAGE_CLASS}{{position:relative;display:block;width:100%;margin:0;"
    "overflow-x:auto;overflow-y:hidden}"
    f".{STAGE_CLASS}>.widget-html{{width:100%;height:auto;margin:0}}"
    f".{STAGE_CLASS}>.widget-html>.widget-html-content{{min-width:0;width:100%}}"
    f".{STAGE_CLASS}>.rank-lab-moving{{position:absolute;left:0;top:0;pointer-events:none}}"
    f".{ROOMY_CLASS}.{ROOMY_CLASS}{{display:grid;overflow:visible;margin:0}}"
    f".{ROOMY_CLASS}>.widget-html{{grid-area:1/1;height:auto}}"
    f".{ROOMY_CLASS} table{{max-width:84em!important}}"
    f".{ROOMY_CLASS} :is(td,th){{padding-block:0!important;line-height:1.5!important}}"
)


class Shown(NamedTuple):
    """A picture as it is to be shown: its drawing, and what moves as HTML."""

    drawing: Drawing
    moving: str


class Stage:
    """Shows one picture at a time. A change sends what moves; what stays goes with a new picture.

    Attributes
    ----------
    widget : ipywidgets.Box

    Examples
    --------
    >>> from .figures import ScaleOverRank
    >>> stage = Stage()
    >>> stage.show(stage.drawn(ScaleOverRank().draw(rank=8, alpha=16)))
    >>> [part.value[:29] for part in stage.widget.children]
    ['<div class="rank-lab-panels">', '<div class="rank-lab-panels">']
    """

    def __init__(self) -> None:
        self._fixed, self._moving = widgets.HTML(), widgets.HTML()
        self._moving.add_class("rank-lab-moving")
        self.widget = widgets.Box([self._fixed, self._moving])
        self.widget.add_class(STAGE_CLASS)
        self._drawing: Drawing | None = None

    @property
    def moving(self) -> str:
        """What moves, as the page has it now."""
        return self._moving.value

    def drawn(self, picture: Picture[Any]) -> Shown:
        """The picture as it stands now; nothing changes on the page yet."""
        drawing = self._drawing
        # A picture that was released and is drawn again has another figure.
        if drawing is None or drawing.figure is not picture.figure:
            drawing = Drawing(picture)
        return Shown(drawing, drawing.moving_html(drawing.fragments()))

    def show(self, shown: Shown) -> None:
        """Show what `drawn` gave."""
        if shown.drawing is not self._drawing:
            self._fixed.value = shown.drawing.fixed_html()
            self._drawing = shown.drawing  # after it: a stop between the two would lose it
        self._moving.value = shown.moving


class Roomy:
    """HTML with room for the longest there was, so that nothing below it jumps."""

    def __init__(self, most: str = "none") -> None:
        self.shown = widgets.HTML()
        hidden = {"visibility": "hidden", "overflow": "hidden", "max_height": most}
        self._room = widgets.HTML(layout=widgets.Layout(**hidden))
        self.widget = widgets.Box([self._room, self.shown])
        self.widget.add_class(ROOMY_CLASS)

    def show(self, value: str, longest: str) -> None:
        """Show this, and keep room for that once what there is may not do."""
        if len(value) > len(self._room.value):
            self._room.value = longest
        self.shown.value = value


def in_row(controls: list[Any], button: Any) -> Any:
    """Controls beside each other as far as there is room; the button stays with the last.

    Below a slider where both have no room: beside the button nothing of its track would be left.
    """
    slider = not isinstance(controls[-1], widgets.ToggleButtons)
    last = widgets.Layout(
        display="flex", flex_flow="row wrap" if slider else "row nowrap", align_items="center",
        flex="1 1 340px", min_width="0", max_width="100%", overflow="visible",
    )  # fmt: skip
    row = widgets.Layout(display="flex", flex_flow="row wrap", align_items="center")
    return widgets.Box(
        [*controls[:-1], widgets.Box([controls[-1], button], layout=last)], layout=row
    )
