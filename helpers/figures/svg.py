"""A pen for Matplotlib that writes SVG: short, alike in every run, colours by what they stand for.

Matplotlib's own writer says each marker's look anew and cuts with ids, which would repeat on a
page; here a fragment stands on its own, and a line of 64 points is about 800 characters.
"""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.backend_bases import RendererBase
from matplotlib.colors import to_hex
from matplotlib.image import AxesImage
from matplotlib.path import Path as _Path
from matplotlib.transforms import Affine2D, Bbox
from PIL import Image

#: Matplotlib types its vertices as anything that NumPy may take.
Path: Any = _Path
#: SVG's letter for each of Matplotlib's codes, and how many points it takes.
_STEPS: dict[int, tuple[str, int]] = {
    Path.MOVETO: ("M", 1), Path.LINETO: ("L", 1), Path.CURVE3: ("Q", 2), Path.CURVE4: ("C", 3),
    Path.CLOSEPOLY: ("Z", 1),
}  # fmt: skip
#: Points of a line that is simplified.
_LONG = 128
_CAPS = {"projecting": "square"}
_ANCHORS = {"center": "middle", "right": "end"}


@lru_cache(maxsize=1 << 15)
def _number(hundredths: int) -> str:
    return f"{hundredths / 100:g}"


def _hundredths(points: Any) -> list[list[int]]:
    return np.rint(100 * np.asarray(points)).astype(np.int64).tolist()


def _pair(x: int, y: int) -> str:
    return f"{_number(x)} {_number(y)}"


def path_data(path: Any, relative: bool = False) -> str:
    """A path without gaps as SVG writes it, a letter before every step.

    Relative steps are shorter where they are small, as in glyphs.
    """
    points, parts, at, here = _hundredths(path.vertices), [], 0, [0, 0]
    codes = path.codes.tolist() if path.codes is not None else [1, *[2] * (len(points) - 1)]
    while at < len(codes) and codes[at] != Path.STOP:
        letter, count = _STEPS[codes[at]]
        taken = points[at : at + count]
        at += count
        if letter == "Z":
            parts.append(letter)
        elif relative and letter != "M":
            shifts = (_pair(x - here[0], y - here[1]) for x, y in taken)
            parts.append(letter.lower() + " ".join(shifts).replace(" -", "-"))
            here = taken[-1]
        else:
            parts.append(letter + " ".join(_pair(x, y) for x, y in taken))
            here = taken[-1]
    return "".join(parts)


class Pen(RendererBase):
    """What is drawn with it stands in `written`.

    Parameters
    ----------
    width, height : float
        Of the figure, in its pixels.
    dpi : float
        How many of these make an inch: what is given in points is 72 to an inch.
    colour : function of str
        The name of a colour that is given as "#rrggbb".
    own_font : bool
        Text is outlines, which look alike everywhere; here it is text in the page's own font,
        which is short enough for what moves.
    """

    def __init__(
        self, width: float, height: float, dpi: float, colour: Callable[[str], str],
        own_font: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.width, self.height, self.point = width, height, dpi / 72
        self.colour, self.own_font = colour, own_font
        self._parts: list[str] = []

    @property
    def written(self) -> str:
        """All that was drawn so far."""
        return "".join(self._parts)

    def get_canvas_width_height(self) -> tuple[float, float]:
        """Of the figure, in its pixels."""
        return self.width, self.height

    def points_to_pixels(self, points: Any) -> Any:
        """A length in points, in pixels of the figure."""
        return points * self.point

    def draw_path(self, gc: Any, path: Any, transform: Any, rgbFace: Any = None) -> None:
        """A line or an area; what lies outside of its frame is cut off."""
        clip = (0.0, 0.0, self.width, self.height) if rgbFace is None else None
        # Of a long line only what a ninth of a pixel shows, whatever a reader's settings are.
        path.simplify_threshold = 1 / 9
        shown = path.cleaned(
            transform, remove_nans=True, clip=clip, curves=True,
            simplify=rgbFace is None and len(path.vertices) > _LONG,
        )  # fmt: skip
        if len(shown.vertices) < 3:
            return  # the last is the end
        # Matplotlib counts from the bottom, a page from the top.
        shown = Path(shown.vertices * [1, -1] + [0, self.height], shown.codes)
        look = self._look(gc, rgbFace)
        # The end of a path and of a loop have vertices that mean nothing.
        points = shown.vertices[(shown.codes != Path.STOP) & (shown.codes != Path.CLOSEPOLY)]
        if look:
            self._write(gc, f'<path d="{path_data(shown, rgbFace is not None)}"{look}/>', points)

    def draw_markers(
        self, gc: Any, marker_path: Any, marker_trans: Any, path: Any, trans: Any,
        rgbFace: Any = None,
    ) -> None:  # fmt: skip
        """One marker, and where it stands."""
        points = np.asarray(trans.transform(path.vertices), dtype=float)
        points = points[np.isfinite(points).all(axis=1)]
        points[:, 1] = self.height - points[:, 1]
        look = self._look(gc, rgbFace)
        if not len(points) or not look:
            return
        shape = path_data(marker_path.transformed(marker_trans + Affine2D().scale(1, -1)), True)
        if len(points) == 1:
            ((x, y),) = _hundredths(points)
            drawn = f'<path transform="translate({_pair(x, y)})" d="{shape}"{look}/>'
        else:
            # What is named alike is alike: a second one on a page does no harm.
            name = "m" + hashlib.sha256(shape.encode()).hexdigest()[:8]
            uses = "".join(
                f'<use href="#{name}" x="{_number(x)}" y="{_number(y)}"/>'
                for x, y in _hundredths(points)
            )
            drawn = f'<defs><path id="{name}" d="{shape}"/></defs><g{look}>{uses}</g>'
        self._write(gc, drawn, points)

    def draw_text(
        self, gc: Any, x: float, y: float, s: str, prop: Any, angle: float,
        ismath: Any = False, mtext: Any = None,
    ) -> None:  # fmt: skip
        """A line of text."""
        if not self.own_font or ismath or angle or mtext is None:
            super().draw_text(gc, x, y, s, prop, angle, ismath, mtext)
            return
        anchor = _ANCHORS.get(mtext.get_ha(), "start")
        place = mtext.get_transform().transform(mtext.get_unitless_position())
        text = s.replace("&", "&amp;").replace("<", "&lt;")
        size = self.point * prop.get_size_in_points()
        self._parts.append(
            f'<text x="{place[0]:.2f}" y="{y:.2f}" font-size="{size:.4g}" '
            f'text-anchor="{anchor}" fill="{self._named(gc.get_rgb())}">{text}</text>'
        )

    def _named(self, colour: Any) -> str:
        return self.colour(to_hex(colour))

    def _look(self, gc: Any, face: Any) -> str:
        """Colours, width and dashes; "" if nothing would be seen."""
        line, width = gc.get_rgb(), gc.get_linewidth()
        forced = gc.get_alpha() if gc.get_forced_alpha() else None
        fades = {"fill": forced or (face[3] if face is not None and len(face) > 3 else 1.0),
                 "stroke": forced or line[3]}  # fmt: skip
        filled, drawn = face is not None and fades["fill"] > 0, width > 0 and fades["stroke"] > 0
        if not filled and not drawn:
            return ""
        said = {"fill": self._named(face) if filled else "none"}
        if drawn:
            offset, dashes = gc.get_dashes()
            said |= {"stroke": self._named(line), "stroke-width": f"{self.point * width:.4g}"}
            if dashes is not None:
                said["stroke-dasharray"] = " ".join(f"{self.point * dash:.4g}" for dash in dashes)
                said |= {"stroke-dashoffset": f"{self.point * offset:.4g}"} if offset else {}
            if (cap := gc.get_capstyle()) != "butt":
                said["stroke-linecap"] = _CAPS.get(cap, cap)
            if (join := gc.get_joinstyle()) != "miter":
                said["stroke-linejoin"] = join
        for what, seen in (("fill", filled), ("stroke", drawn)):
            if seen and fades[what] < 1:
                said[f"{what}-opacity"] = f"{fades[what]:g}"
        return "".join(f' {name}="{value}"' for name, value in said.items())

    def _write(self, gc: Any, drawn: str, points: Any) -> None:
        """Keep it; in a frame of its own where it would stand out of the panel's."""
        frame = gc.get_clip_rectangle()
        if frame is not None:
            left, top = frame.x0, self.height - frame.y1
            inside = Bbox.from_bounds(left, top, frame.width, frame.height).padded(-8)
            (low_x, low_y), (high_x, high_y) = points.min(axis=0), points.max(axis=0)
            if not (inside.x0 <= low_x and high_x <= inside.x1 and
                    inside.y0 <= low_y and high_y <= inside.y1):  # fmt: skip
                box = f"{left:.2f} {top:.2f} {frame.width:.2f} {frame.height:.2f}"
                x, y, width, height = box.split(" ")
                drawn = (
                    f'<svg x="{x}" y="{y}" width="{width}" height="{height}" viewBox="{box}">'
                    f"{drawn}</svg>"
                )
        self._parts.append(drawn)


def tiny(image: AxesImage, height: float) -> str:
    """An image with one pixel for each value, which the page stretches without blurring."""
    values: Any = np.ma.masked_invalid(np.ma.asarray(image.get_array()))
    if image.origin == "lower":
        values = values[::-1]
    left, right, low, high = image.get_extent()
    box = Bbox([[left, low], [right, high]]).transformed(image.axes.transData)
    return stretched(values, image, Bbox(np.sort(box.get_points(), axis=0)), height)


def stretched(values: Any, mappable: Any, box: Bbox, height: float) -> str:
    """Values in the colours of `mappable`, over a box of the figure."""
    shares: Any = np.ma.filled(np.ma.asarray(mappable.norm(values), dtype=float), np.nan)
    colours = mappable.get_cmap()
    # The colour of each value by its number, and one more for where there is none.
    levels = np.clip(shares * 255, 0, 255)
    pixels = np.where(np.isnan(levels), 255, np.floor(levels * 255 / 256)).astype(np.uint8)
    palette = colours(np.arange(255) / 254, bytes=True)[:, :3].tobytes() + b"\xff\xff\xff"
    data = _png(pixels.tobytes(), pixels.shape[::-1], palette, bool(np.isnan(levels).any()))
    return (
        f'<image x="{box.x0:.2f}" y="{height - box.y1:.2f}" width="{box.width:.2f}" '
        f'height="{box.height:.2f}" preserveAspectRatio="none" '
        f'style="image-rendering:pixelated" href="data:image/png;base64,{data}"/>'
    )


@lru_cache(maxsize=64)
def _png(pixels: bytes, size: tuple[int, int], palette: bytes, gaps: bool) -> str:
    """An image of numbered colours; the last is no colour where there are gaps."""
    image = Image.frombytes("P", size, pixels)
    image.putpalette(palette)
    file = io.BytesIO()
    image.save(file, "PNG", compress_level=6, **({"transparency": 255} if gaps else {}))
    return base64.b64encode(file.getvalue()).decode("ascii")
