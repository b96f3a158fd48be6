"""A figure whose moving parts are redrawn alone, and that describes itself.

Everything that stays put (axes, grids, labels, legends) is rendered once and
kept as pixels. A change copies those pixels back, draws the moving artists over
them and encodes the result: that is what makes a slider answer at once.
"""

from __future__ import annotations

import base64
import html
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from matplotlib import colormaps, rcParams, style
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from .look import COLOURS, GREY, LABELS, LINES, RC

Numbers = TypeVar("Numbers")

#: A description of more signs than this is folded under a still picture, and what the fold says.
LONG, IN_WORDS = 250, "This figure in words"

#: Settings that Matplotlib reads at every draw; the reader's own must not matter.
_DRAWING: Any = {"path.simplify": True, "path.simplify_threshold": 1 / 9,
                            "agg.path.chunksize": 0}  # fmt: skip


class Picture(ABC, Generic[Numbers]):
    """Base of all figures. A subclass says what stays, what is computed, what moves.

    It has four methods: `build` draws what stays, `numbers` computes what is shown at some
    settings (a frozen dataclass, `Numbers`), `place` sets the moving artists to that, and
    `finding` says in one sentence what they show.

    Attributes
    ----------
    figure : matplotlib.figure.Figure
    moving : list of Artist
        Redrawn by every `draw`, in this order.
    drawn : Numbers
        What `numbers` returned for the picture now shown; there is none before `draw`.
    description : str
        The picture in words, computed from `drawn`.
    title : str
        What `finding` says of it. It stands above a still picture; an explorer has none, whose
        words say the same and move.
    """

    #: Width and height in inches, at DPI pixels an inch on screen; a title comes on top of it.
    size: ClassVar[tuple[float, float]] = (8.8, 3.7)
    DPI: ClassVar[int] = 100
    STILL_DPI: ClassVar[int] = 150
    TITLE_HEIGHT: ClassVar[float] = 0.32
    #: Whether words that the picture is about stand above it: see `text`.
    has_text: ClassVar[bool] = False
    #: Whether its panels make one picture: on a narrow page they then scroll, and do not wrap.
    whole: ClassVar[bool] = False
    #: The colour map of the picture's images, if it has any: kept whole when encoded.
    colormap: ClassVar[str | None] = None

    def __init__(self) -> None:
        self._given = {name: value for name, value in vars(self).items() if name != "_given"}
        self.moving: list[Artist] = []
        self.drawn: Numbers
        self.description = self.title = ""
        self._pixels: Any = None
        self._palette: Any = None
        with style.context(["default", RC]):
            width, height = self.size
            # A hair more: older versions of Matplotlib cut what is not a whole pixel.
            whole = height + self.TITLE_HEIGHT + 1e-9
            self.figure = Figure(figsize=(width, whole), dpi=self.DPI, facecolor="white")
            self.figure.set_layout_engine("constrained", rect=(0, 0, 1, height / whole))
            self.canvas = FigureCanvasAgg(self.figure)
            self._headline = self.figure.text(
                0.08 / width, 1 - 0.06 / whole, "", va="top", size=11, weight="bold",
                parse_math=False, visible=False, in_layout=False,
            )  # fmt: skip
            self.build()
            for artist in self.moving:
                artist.set_animated(True)
                artist.set_in_layout(False)
            layout = self.figure.get_layout_engine()
            assert layout is not None
            layout.execute(self.figure)
            self.figure.set_layout_engine("none")

    @abstractmethod
    def build(self) -> None:
        """Draw what stays and create the moving artists, empty."""

    @abstractmethod
    def numbers(self, *args: Any, **settings: Any) -> Numbers:
        """Compute what is shown at these settings, which a subclass names. Draws nothing."""

    @abstractmethod
    def place(self, numbers: Numbers) -> str:
        """Set the moving artists to `numbers`; return the picture in words."""

    def finding(self, numbers: Numbers) -> str:
        """What the picture shows, in one sentence that holds at every setting."""
        return ""

    @property
    def alt(self) -> str:
        """The title and the description: what stands for the picture where it is not seen."""
        return f"{self.title} {self.description}".strip()

    @property
    def limits(self) -> dict[str, tuple[Any, Any]]:
        """Lowest and highest value of a setting, where it has not the range of other pictures.

        Such as {"rank": (1, 16)} for an adapter of rank 16.
        """
        return {}

    @property
    def logarithmic_rank(self) -> bool:
        """Whether ranks stand on a logarithmic axis: then the slider steps like it."""
        axes = self.figure.axes
        return any(ax.get_xlabel() == "rank r" and ax.get_xscale() == "log" for ax in axes)

    def text(self) -> str:
        """The words above the picture, if it has any, as plain text."""
        return ""

    def text_html(self) -> str:
        """`text` as HTML."""
        return ""

    def text_room(self) -> str:
        """`text_html` at its longest: an explorer keeps as much room, so that nothing jumps."""
        return self.text_html()

    def draw(self, **settings: Any) -> Picture[Numbers]:
        """Compute, place and describe at these settings: those that `numbers` takes.

        Returns the picture, for a notebook to show.
        """
        if "figure" not in vars(self):
            Picture.__init__(self)
        self.drawn = self.numbers(**settings)
        self.description = self.place(self.drawn)
        self.title = self.finding(self.drawn)
        self._headline.set_text(self.title)
        return self

    def moves(self, artist: Any) -> Any:
        """Register an artist as moving and return it."""
        self.moving.append(artist)
        return artist

    def moving_line(self, ax: Axes, name: str | None = None, **look: Any) -> Line2D:
        """A moving line, empty, in the look of `name`."""
        if name is not None:
            named = {"color": COLOURS[name], "linestyle": LINES[name], "label": LABELS[name]}
            look = {**named, **look}
        return self.moves(ax.plot([], [], **look)[0])

    def cursor(self, ax: Axes, **look: Any) -> Line2D:
        """A moving vertical line."""
        return self.moves(ax.axvline(np.nan, **{"color": GREY, "linewidth": 1, **look}))

    def legend(self, handles: list[Any], labels: list[str]) -> None:
        """One legend for the figure, below the panels, where it hides nothing."""
        self.figure.legend(
            handles, labels, loc="outside lower center", ncols=len(handles), frameon=False
        )

    def png(self) -> bytes:
        """The picture without its title as a PNG, quickly: only moving artists are drawn.

        Colours are reduced to 256 chosen from this figure, without dithering:
        a quarter of the bytes and of the time.
        """
        if self._pixels is None:
            with style.context(["default", RC]):
                self.canvas.draw()
            self._pixels = self.canvas.copy_from_bbox(self.figure.bbox)
        self.canvas.restore_region(self._pixels)
        # Three settings by hand: rc_context would copy all of them, at twice a drawing's cost.
        readers = {name: rcParams[name] for name in _DRAWING}
        rcParams.update(_DRAWING)
        try:
            for artist in self.moving:
                self.figure.draw_artist(artist)
        finally:
            rcParams.update(readers)
        buffer = np.asarray(self.canvas.buffer_rgba())[round(self.TITLE_HEIGHT * self.DPI) :]
        pixels = Image.fromarray(buffer).convert("RGB")
        if self._palette is None:
            self._palette = _palette(pixels, self.colormap)
        reduced = pixels.quantize(palette=self._palette, dither=Image.Dither.NONE)
        return _encode(reduced, compress_level=1)

    def release(self) -> None:
        """Free the figure and all that belongs to it; `draw` builds it anew."""
        given = self._given
        vars(self).clear()
        vars(self).update(given)

    def still(self) -> bytes:
        """The picture as a PNG to be stored: sharper, smaller, slower."""
        with self._stored(), style.context(["default", RC]):
            self.canvas.draw()
            pixels = Image.fromarray(np.asarray(self.canvas.buffer_rgba())).convert("RGB")
        palette = _palette(pixels, self.colormap)
        return _encode(pixels.quantize(palette=palette, dither=Image.Dither.NONE))

    @contextmanager
    def _stored(self) -> Iterator[None]:
        """The figure as it is stored: with its title, sharper, and what moves drawn with the rest.

        By hand, because savefig draws everything twice.
        """
        self.figure.dpi = self.STILL_DPI
        try:
            self._headline.set_visible(True)
            for artist in self.moving:
                artist.set_animated(False)
            yield
        finally:
            for artist in self.moving:
                artist.set_animated(True)
            self._headline.set_visible(False)
            self.figure.dpi = self.DPI
            self._pixels = None  # the canvas holds this one

    def _ipython_display_(self) -> None:
        """Show the words above it, the still picture and, under it, its description.

        A long description is folded: whoever cannot see the picture has it as its alternative.
        """
        from IPython.display import display

        if self.has_text:
            display({"text/html": self.text_html(), "text/plain": self.text()}, raw=True)
        width = round(self.size[0] * self.DPI)
        # Not every kernel encodes bytes: Pyodide's would send something that is no picture.
        image = base64.b64encode(self.still()).decode("ascii")
        display(
            {"image/png": image, "text/plain": f"<{type(self).__name__}>"},
            metadata={"image/png": {"width": width, "alt": self.alt}},
            raw=True,
        )
        display({"text/html": self.words_html(), "text/plain": self.alt}, raw=True)

    def words_html(self) -> str:
        """The description for the line under a still picture, folded if it is long."""
        words = caption(self.description)
        if len(self.description) <= LONG:
            return words
        return f"<details><summary>{IN_WORDS}</summary>{words}</details>"


def caption(description: str) -> str:
    """A description as HTML, for the line under a picture."""
    look = "max-width: 54em; margin: 0 0 1em; line-height: 1.4"
    odd = ' class="tex2jax_ignore mathjax_ignore"' if set(description) & set("$\\") else ""
    return f'<p{odd} style="{look}">{html.escape(description)}</p>'


def _palette(pixels: Image.Image, colormap: str | None) -> Image.Image:
    """256 colours: the project's own, those of a colour map, and the rest from the picture."""
    ours = [to_rgb(colour) for colour in (*COLOURS.values(), GREY, "white", "black")]
    if colormap is not None:
        ours += [to_rgb(colour) for colour in colormaps[colormap](np.linspace(0, 1, 160))]
    reduced = pixels.quantize(256 - len(ours), Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    colours = (reduced.getpalette() or [])[: 3 * (256 - len(ours))]
    # Averages near white would stain the background.
    colours = [255 if part > 247 else part for part in colours]
    palette = Image.new("P", (1, 1))
    palette.putpalette([round(255 * part) for colour in ours for part in colour] + colours)
    return palette


def _encode(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **(options or {"optimize": True}))
    return buffer.getvalue()
