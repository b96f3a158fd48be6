"""A figure as vectors: what stays, panel by panel, and each moving artist as a fragment.

Matplotlib's own SVG renderer draws one artist at a time, so that nothing is drawn twice: what
stays (axes, grids, labels, legends) once, and of a change only what has moved. Everything is
text, to be shown in a page or kept in files. Colours are CSS variables, see `theme`.
"""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import rcParams, style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import RendererSVG
from matplotlib.collections import QuadMesh
from matplotlib.image import AxesImage
from matplotlib.transforms import Bbox
from PIL import Image

from . import theme
from .look import RC
from .picture import Picture

#: Units of a drawing: Matplotlib's SVG counts 72 to an inch. One is 1.33 pixels of a page.
DPI = 72
PIXELS = 96 / DPI
#: Glyphs as outlines need no font of the reader's; ids must be the same in every run.
_DRAWING: Any = {
    "svg.fonttype": "path", "svg.hashsalt": "rank-lab", "path.simplify": True,
    "path.simplify_threshold": 1 / 9,
}  # fmt: skip
#: But for the scale of glyphs, which are outlines of some thousand units.
_LONG = re.compile(r"(?<!scale\()(?<![\d.])-?\d+\.\d{3,}")


class _Renderer(RendererSVG):
    """Without groups, whose ids would repeat on a page."""

    def open_group(self, s: str, gid: str | None = None) -> None:
        pass

    def close_group(self, s: str) -> None:
        pass


@dataclass(frozen=True)
class Piece:
    """A part of the drawing with what stays in it: a panel, or an entry of the legend.

    frame is (left, top, width, height), in units of the drawing.
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
    panels, entries : list of Piece
        Of the figure, from left to right, and of its legend.

    Examples
    --------
    >>> from .scaling import ScaleOverRank
    >>> drawing = Drawing(ScaleOverRank().draw(rank=8, alpha=16))
    >>> len(drawing.panels), len(drawing.entries), len(drawing.fragments())
    (2, 3, 10)
    """

    def __init__(self, picture: Picture[Any]) -> None:
        self.picture = picture
        figure = picture.figure
        self.width, self.height = (DPI * side for side in picture.size)
        with style.context(["default", RC]):
            figure.set_dpi(DPI)
            # Without animated artists, which the axes leave out.
            self.entries = [
                self._piece(parts)
                for legend in figure.legends
                for parts in zip(legend.legend_handles, legend.get_texts())
            ]
            self.panels = self._panels(figure.axes)
        self._at: dict[Any, int] = {ax: number for number, ax in enumerate(figure.axes)}

    def fragments(self) -> list[Fragment]:
        """Every moving artist as it stands now, in the order of drawing."""
        readers = {name: rcParams[name] for name in _DRAWING}
        rcParams.update(_DRAWING)
        try:
            return [
                Fragment(self._at[artist.axes], self._moving(artist))
                for artist in self.picture.moving
            ]
        finally:
            rcParams.update(readers)

    def fixed_html(self) -> str:
        """What stays, for a page: panels that wrap where there is no room beside each other."""
        panels = "".join(_shown(piece, piece.fixed, "panel") for piece in self.panels)
        entries = "".join(_shown(piece, piece.fixed, "entry") for piece in self.entries)
        return (
            f'<div class="rank-lab-panels">{panels}</div>'
            f'<div class="rank-lab-entries">{entries}</div>'
        )

    def moving_html(self, fragments: Iterable[Fragment]) -> str:
        """What moves, to lie over `fixed_html`: panels of the same sizes in the same order."""
        inside = ["" for _ in self.panels]
        for fragment in fragments:
            inside[fragment.panel] += fragment.svg
        panels = (_shown(piece, svg, "panel") for piece, svg in zip(self.panels, inside))
        return f'<div class="rank-lab-panels">{"".join(panels)}</div>'

    def _moving(self, artist: Artist) -> str:
        # What stands on a coloured map keeps its black and white in every theme.
        ax: Any = artist.axes
        on_map = any(image in self.picture.moving for image in ax.images)
        if isinstance(artist, AxesImage):
            return _tiny(artist, self.height)
        svg = self._svg([artist])
        # Black glyphs come without a colour, so they would take that of the page.
        return f'<g fill="black">{theme.themed(svg, False)}</g>' if on_map else theme.themed(svg)

    def _svg(self, artists: Iterable[Artist]) -> str:
        """Artists as SVG, without what stands around it."""
        text = io.StringIO()
        renderer = _Renderer(self.width, self.height, text)
        renderer.writer.flush()
        start = text.tell()
        for artist in artists:
            artist.draw(renderer)
        renderer.finalize()
        drawn = text.getvalue()[start:].removeprefix(">").rstrip().removesuffix("</svg>")
        return _LONG.sub(lambda found: f"{float(found[0]):.2f}".rstrip("0").rstrip("."), drawn)

    def _piece(self, artists: tuple[Any, ...]) -> Piece:
        """An entry of a legend: as high as its line, cut out where it stands."""
        renderer = _Renderer(self.width, self.height, io.StringIO())
        box = Bbox.union([artist.get_window_extent(renderer) for artist in artists]).padded(2)
        with style.context(_DRAWING):
            fixed = theme.themed(self._svg(artists))
        return Piece((box.x0, self.height - box.y1, box.width, box.height), fixed)

    def _panels(self, axes: list[Axes]) -> list[Piece]:
        """Side by side and equally high, so that they have one scale wherever they stand."""
        renderer = _Renderer(self.width, self.height, io.StringIO())
        with _self_contained(axes):
            tight: Any = [ax.get_tightbbox(renderer) for ax in axes]
            boxes = [box.padded(3) for box in tight]
            bottom, top = min(box.y0 for box in boxes), max(box.y1 for box in boxes)
            with style.context(_DRAWING):
                fixed = [_bars(ax, self.height) + theme.themed(self._svg([ax])) for ax in axes]
        return [
            Piece((box.x0, self.height - top, box.width, top - bottom), svg)
            for box, svg in zip(boxes, fixed)
        ]


@contextmanager
def _self_contained(axes: list[Axes]) -> Iterator[None]:
    """Axes as panels that may stand alone: each with its y labels, and the page behind them."""
    patches = [ax.patch for ax in axes]
    meshes = [mesh for ax in axes for mesh in ax.collections if isinstance(mesh, QuadMesh)]
    shared = [
        (ax, first)
        for ax in axes
        for first in ax.get_shared_y_axes().get_siblings(ax)
        if first is not ax and _labelled(first) and not _labelled(ax)
    ]
    for artist in (*patches, *meshes):
        artist.set_visible(False)
    for ax, first in shared:
        ax.tick_params(labelleft=True)
        ax.set_ylabel(first.get_ylabel())
    try:
        yield
    finally:
        for artist in (*patches, *meshes):
            artist.set_visible(True)
        for ax, _ in shared:
            ax.tick_params(labelleft=False)
            ax.set_ylabel("")


def _labelled(ax: Axes) -> bool:
    return bool(ax.yaxis.get_tick_params().get("labelleft", True))


def _bars(ax: Axes, height: float) -> str:
    """The colours of a colour bar, lowest first, as an image one pixel wide."""
    return "".join(
        _stretched(
            np.asarray(mesh.to_rgba(np.ma.asarray(mesh.get_array()).ravel(), bytes=True))[
                ::-1, None, :
            ],
            ax.get_window_extent(),
            height,
        )
        for mesh in ax.collections
        if isinstance(mesh, QuadMesh)
    )


def _shown(piece: Piece, svg: str, kind: str) -> str:
    """A piece as an element of a page: between 4/5 and 11/10 of its natural width."""
    left, top, width, height = piece.frame
    natural = width * PIXELS
    size = (
        f"flex:{natural:.0f} 1 {0.8 * natural:.0f}px;max-width:{1.1 * natural:.0f}px"
        if kind == "panel"
        else f"width:{natural:.0f}px"
    )
    return (
        f'<svg class="rank-lab-{kind}" viewBox="{left:.2f} {top:.2f} {width:.2f} {height:.2f}" '
        f'style="{size};aspect-ratio:{width:.2f}/{height:.2f}" aria-hidden="true">{svg}</svg>'
    )


#: The style sheet of what `fixed_html` and `moving_html` give.
CSS = (
    ".rank-lab-panels{display:flex;flex-wrap:wrap;align-items:flex-start}"
    ".rank-lab-panel,.rank-lab-entry{fill:var(--rank-lab-ink)}"
    ".rank-lab-panel{min-width:0;height:auto;display:block}"
    ".rank-lab-entries{display:flex;flex-wrap:wrap;gap:0 16px;padding-left:24px}"
    ".rank-lab-entry{height:auto;max-width:100%}"
)


def _tiny(image: AxesImage, height: float) -> str:
    """An image with one pixel for each value, which the page stretches without blurring."""
    pixels = np.asarray(image.to_rgba(np.ma.asarray(image.get_array()), bytes=True))
    if image.origin == "lower":
        pixels = pixels[::-1]
    left, right, low, high = image.get_extent()
    box = Bbox([[left, low], [right, high]]).transformed(image.axes.transData)
    return _stretched(pixels, Bbox(np.sort(box.get_points(), axis=0)), height)


def _stretched(pixels: Any, box: Bbox, height: float) -> str:
    png = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels))
    if np.all(pixels[..., 3] == 255):
        image = image.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    image.save(png, "PNG", compress_level=6)
    data = base64.b64encode(png.getvalue()).decode("ascii")
    return (
        f'<image x="{box.x0:.2f}" y="{height - box.y1:.2f}" width="{box.width:.2f}" '
        f'height="{box.height:.2f}" preserveAspectRatio="none" '
        f'style="image-rendering: pixelated" href="data:image/png;base64,{data}"/>'
    )
