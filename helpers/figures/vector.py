"""A figure as vectors: what stays, panel by panel, and each moving artist as a fragment.

One artist is drawn at a time, so that nothing is drawn twice: what stays (axes, grids, labels,
legends) once, and of a change only what has moved. Everything is text, to be shown in a page or
kept in files. Colours are CSS variables, see `theme`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.image import AxesImage
from matplotlib.transforms import Bbox

from . import theme
from .look import RC
from .picture import Picture
from .svg import Pen, stretched, tiny

#: Pixels of a page for one of a figure: a page counts 96 to an inch.
PIXELS = 96 / Picture.DPI
#: How far a panel shrinks: text of 10 points, 13.3 pixels, is then 11.1 high. With less room
#: panels wrap, and one that is wider than the page scrolls.
SMALLEST = 0.83


@dataclass(frozen=True)
class Piece:
    """A part of the drawing with what stays in it: a panel, or an entry of the legend.

    frame is (left, top, width, height), in pixels of the figure.
    """

    frame: tuple[float, float, float, float]
    fixed: str


@dataclass(frozen=True)
class Fragment:
    """One moving artist as it is now: the number of its panel, and its SVG."""

    panel: int
    svg: str


class Drawing:
    """A picture as vectors.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
        That of the picture when it was drawn.
    panels, entries : list of Piece
        Of the figure, from left to right, and of its legend. A colour bar belongs to the panel
        before it; a picture that is `whole` is one panel.

    Examples
    --------
    >>> from .scaling import ScaleOverRank
    >>> drawing = Drawing(ScaleOverRank().draw(rank=8, alpha=16))
    >>> len(drawing.panels), len(drawing.entries), len(drawing.fragments())
    (2, 3, 10)
    """

    def __init__(self, picture: Picture[Any]) -> None:
        self.picture = picture
        self.figure = figure = picture.figure
        self.width, self.height = figure.bbox.width, figure.bbox.height
        groups: list[list[Axes]] = []
        for ax in figure.axes:
            if groups and (picture.whole or ax.get_label() == "<colorbar>"):
                groups[-1].append(ax)
            else:
                groups.append([ax])
        self._at: dict[Any, int] = {ax: i for i, group in enumerate(groups) for ax in group}
        with style.context(["default", RC]):
            # Without animated artists, which the axes leave out.
            self.entries = [
                self._piece(parts)
                for legend in figure.legends
                for parts in zip(legend.legend_handles, legend.get_texts())
            ]
            self.panels = self._panels(groups)

    def fragments(self, artists: Iterable[Artist] | None = None) -> list[Fragment]:
        """Every moving artist as it stands now, in the order of drawing; or only these."""
        return [
            Fragment(self._at[artist.axes], self._moving(artist))
            for artist in (self.picture.moving if artists is None else artists)
        ]

    def fixed_html(self) -> str:
        """What stays, for a page: panels that wrap where there is no room beside each other."""
        return self._with_entries([])

    def still_html(self) -> str:
        """The whole picture as it stands now, for a page that does not move it."""
        return self._with_entries(self.fragments())

    def moving_html(self, fragments: Iterable[Fragment]) -> str:
        """What moves, to lie over `fixed_html`: panels of the same sizes in the same order."""
        return self._beside(["" for _ in self.panels], fragments)

    def _beside(self, inside: list[str], fragments: Iterable[Fragment]) -> str:
        for fragment in fragments:
            inside[fragment.panel] += fragment.svg
        panels = (_shown(piece, svg, "panel") for piece, svg in zip(self.panels, inside))
        return f'<div class="rank-lab-panels">{"".join(panels)}</div>'

    def _with_entries(self, fragments: Iterable[Fragment]) -> str:
        entries = "".join(_shown(piece, piece.fixed, "entry") for piece in self.entries)
        panels = self._beside([piece.fixed for piece in self.panels], fragments)
        return f'{panels}<div class="rank-lab-entries">{entries}</div>'

    def _moving(self, artist: Artist) -> str:
        if isinstance(artist, AxesImage):
            return tiny(artist, self.height)
        # What stands on a coloured map keeps its black and white in every theme.
        ax: Any = artist.axes
        on_map = any(image in self.picture.moving for image in ax.images)
        pen = self._pen(theme.on_map if on_map else theme.variable, own_font=True)
        artist.draw(pen)
        return pen.written

    def _pen(self, colour: Any = theme.variable, own_font: bool = False) -> Pen:
        return Pen(self.width, self.height, self.picture.DPI, colour, own_font)

    def _piece(self, artists: tuple[Any, ...]) -> Piece:
        """An entry of a legend: as high as its line, cut out where it stands."""
        pen = self._pen()
        box = Bbox.union([artist.get_window_extent(pen) for artist in artists]).padded(2)
        for artist in artists:
            artist.draw(pen)
        return Piece((box.x0, self.height - box.y1, box.width, box.height), pen.written)

    def _panels(self, groups: list[list[Axes]]) -> list[Piece]:
        """Side by side and equally high, so that they have one scale wherever they stand."""
        axes = [ax for group in groups for ax in group]
        with _self_contained(axes, apart=len(groups) > 1):
            pen = self._pen()
            boxes = []
            for group in groups:
                tight: Any = [ax.get_tightbbox(pen) for ax in group]
                boxes.append(Bbox.union(tight).padded(3))
            bottom, top = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
            fixed = ["".join(map(self._fixed, group)) for group in groups]
        return [
            Piece((box.x0, self.height - top, box.width, top - bottom), svg)
            for box, svg in zip(boxes, fixed)
        ]

    def _fixed(self, ax: Axes) -> str:
        """What stays of one axes: its images and the colours of a colour bar below all else."""
        below = [tiny(image, self.height) for image in ax.images if not image.get_animated()]
        for mesh in ax.collections:
            if isinstance(mesh, QuadMesh):
                # Lowest first, one pixel wide.
                values: Any = np.ma.asarray(mesh.get_array()).ravel()[::-1, None]
                below.append(stretched(values, mesh, ax.get_window_extent(), self.height))
        pen = self._pen()
        ax.draw(pen)
        return "".join(below) + pen.written


@contextmanager
def _self_contained(axes: list[Axes], apart: bool) -> Iterator[None]:
    """Axes as panels with the page behind them: each with its y labels, if they stand apart."""
    hidden: list[Any] = [ax.patch for ax in axes]
    hidden += [mesh for ax in axes for mesh in ax.collections if isinstance(mesh, QuadMesh)]
    hidden += [image for ax in axes for image in ax.images]
    shared = [
        (ax, first)
        for ax in axes
        for first in ax.get_shared_y_axes().get_siblings(ax)
        if apart and first is not ax and _labelled(first) and not _labelled(ax)
    ]
    for artist in hidden:
        artist.set_visible(False)
    for ax, first in shared:
        ax.tick_params(labelleft=True)
        ax.set_ylabel(first.get_ylabel())
    try:
        yield
    finally:
        for artist in hidden:
            artist.set_visible(True)
        for ax, _ in shared:
            ax.tick_params(labelleft=False)
            ax.set_ylabel("")


def _labelled(ax: Axes) -> bool:
    return bool(ax.yaxis.get_tick_params().get("labelleft", True))


def _shown(piece: Piece, svg: str, kind: str) -> str:
    """A piece as an element of a page: a panel between `SMALLEST` and all of its natural width."""
    left, top, width, height = piece.frame
    natural = width * PIXELS
    least = f"{SMALLEST * natural:.0f}px"
    size = (
        f"flex:{natural:.0f} 1 {least};min-width:{least};max-width:{natural:.0f}px"
        if kind == "panel"
        else f"width:{natural:.0f}px"
    )
    return (
        f'<svg class="rank-lab-{kind}" viewBox="{left:.2f} {top:.2f} {width:.2f} {height:.2f}" '
        f'style="{size};aspect-ratio:{width:.2f}/{height:.2f}" aria-hidden="true">{svg}</svg>'
    )


#: The style sheet of what `fixed_html` and `moving_html` give.
CSS = (
    ".rank-lab-panels{display:flex;flex-wrap:wrap;align-items:flex-start;row-gap:8px}"
    ".rank-lab-panel{height:auto;display:block}"
    ".rank-lab-entries{display:flex;flex-wrap:wrap;gap:0 16px;padding-left:min(24px,3%)}"
    ".rank-lab-entry{height:auto;max-width:100%}"
)
