"""What every figure draws and says, in words and a few numbers, as a person reads it in a diff.

    python -m tests.support.records [NAME ...]

writes the records anew: of each figure that does not move, and of each explorer at both ends
and the middle of every control. They lie in tests/figures/records.
"""

import json
import sys
from pathlib import Path

import numpy as np
from matplotlib.colors import LogNorm, to_hex
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text

from helpers import figures
from helpers.figures.look import COLOURS, GREY, RANK_COLOURS
from tests.support.explorers import FACTORIES, SHOWN, made
from tests.support.figures import EXPECTED

FOLDER = Path(__file__).parents[1] / "figures" / "records"
_NAMED = {
    **{colour: f"rank-{i + 1}" for i, colour in enumerate(RANK_COLOURS)},
    **{colour: name for name, colour in COLOURS.items()},
    GREY: "grey", "#000000": "black", "#ffffff": "white",
}  # fmt: skip
_NAMED = {colour.lower(): name for colour, name in _NAMED.items()}
#: Figures that no explorer shows are recorded at the settings of their own checks.
STILL = sorted(set(figures.__all__) - {"Picture", *SHOWN})
NAMES = [*FACTORIES, *STILL]
#: A title of these may say another digit on another machine, after a hundred steps of training.
UNSTEADY = {"training_run"}


def colour(value):
    """A colour by the name of what it stands for; "none" where nothing is painted."""
    if isinstance(value, str) and value.lower() == "none":
        return "none"
    return _NAMED.get(to_hex(value), to_hex(value))


def numbers(values):
    """How many, a few of them, and the mean of all that are finite."""
    values = np.ma.filled(np.ma.asarray(values, dtype=float), np.nan).ravel()
    if not len(values):
        return "none"
    at = np.unique(np.linspace(0, len(values) - 1, 5).round().astype(int))
    shown = " ".join(f"{values[i]:.4g}" for i in at)
    finite = values[np.isfinite(values)]
    mean = f" mean {finite.mean():.4g}" if len(finite) > 1 else ""
    return f"{shown}{mean} of {len(values)}" if len(values) > 1 else shown


def look(line):
    """How a line is drawn."""
    parts = [colour(line.get_color()), f"line {line.get_linestyle()} {line.get_linewidth():g}"]
    if line.get_marker() not in ("None", None, ""):
        face = "" if line.get_fillstyle() == "full" else f" {line.get_fillstyle()}"
        edge = colour(line.get_markeredgecolor())
        edge = "" if edge == parts[0] else f" edge {edge}"
        parts.append(f"marker {line.get_marker()} {line.get_markersize():g}{face}{edge}")
    return " , ".join(parts)


def seen(artist):
    """What an artist shows now."""
    if isinstance(artist, Line2D):
        x, y = (np.asarray(each, dtype=float) for each in artist.get_data())
        return f"{look(artist)} ; x {numbers(x)} ; y {numbers(y)}"
    if isinstance(artist, AxesImage):
        norm = artist.norm
        scale = "log" if isinstance(norm, LogNorm) else "linear"
        values = artist.get_array()
        return (
            f"image {artist.get_cmap().name} {scale} {norm.vmin:g} to {norm.vmax:g} , "
            f"{values.shape[0]} by {values.shape[1]} ; {numbers(values)} ; "
            f"diagonal {numbers(np.diagonal(values))}"
        )
    if isinstance(artist, Text):
        x, y = artist.get_position()
        return f"text {colour(artist.get_color())} at {x:g} {y:g} : {artist.get_text()}"
    raise TypeError(artist)


def legend(found):
    """Each entry beside how its handle looks."""
    if found is None:
        return []
    return [
        f"{text.get_text()} : {look(handle)}"
        for text, handle in zip(found.get_texts(), found.get_lines())
    ]


def axis(which):
    """An axis: name, scale, limits and ticks."""
    low, high = which.get_view_interval()
    ticks = " | ".join(tick.get_text() for tick in which.get_ticklabels())
    return f"{which.get_label_text()} ; {which.get_scale()} {low:.4g} to {high:.4g} ; {ticks}"


def frame(ax):
    """How a panel is framed, where it has a frame all around."""
    found = [each for each in ax.spines.values() if each.get_visible()]
    looks = {f"{colour(each.get_edgecolor())} {each.get_linewidth():g}" for each in found}
    return {"frame": " , ".join(sorted(looks))} if len(found) == 4 else {}


def fixed(picture):
    """What stays: the axes, what is drawn on them once, and the legends."""
    moving = set(picture.moving)
    panels = []
    for ax in picture.figure.axes:
        once = [each for each in (*ax.lines, *ax.images) if each not in moving]
        panels.append(
            {
                "title": ax.get_title(),
                **frame(ax),
                "x": axis(ax.xaxis),
                "y": axis(ax.yaxis),
                "fixed": [seen(each) for each in once],
                "legend": legend(ax.get_legend()),
            }
        )
    legends = [line for each in picture.figure.legends for line in legend(each)]
    return {"panels": panels, "legend": legends}


def hidden(line):
    """How many of a line's points lie outside its axes."""
    if line.get_transform() != line.axes.transData or not line.get_clip_on():
        return 0
    points = line.axes.transData.transform(np.ma.filled(line.get_xydata().astype(float), np.nan))
    # A pixel beyond the frame is still seen: half of a line's width.
    frame = line.axes.bbox.padded(1)
    return sum(not frame.contains(*point) for point in points if np.isfinite(point).all())


def moving(picture):
    """What moves, in the order of drawing, beside the number of its panel."""
    axes, found = picture.figure.axes, []
    for artist in picture.moving:
        away = hidden(artist) if isinstance(artist, Line2D) else 0
        beside = f" ; {away} out of sight" if away else ""
        found.append(f"panel {axes.index(artist.axes) + 1} , {seen(artist)}{beside}")
    return found


def ends(control):
    """Lowest, middle and highest value of a control."""
    if hasattr(control, "options"):
        values = [value for _, value in control.options]
    else:
        values = range(control.min, control.max + 1)
    return [values[0], values[len(values) // 2], values[-1]], len(values)


def settings(name):
    """{what is set: settings}, the start first."""
    if name in EXPECTED:
        return {json.dumps(each, default=vars)[1:-1]: each for each in EXPECTED[name][1]}
    explorer = made(name)
    found = {"start": explorer.start}
    for setting, control in explorer.controls.items():
        for value in ends(control)[0]:
            if value != explorer.start[setting]:
                found[f"{setting} {value}"] = {**explorer.start, setting: value}
    return found


def record(name, picture=None):
    """All that is recorded of an explorer or a figure."""
    explorer = made(name) if name in FACTORIES else None
    picture = picture or picture_of(name)
    record = fixed(picture)
    if explorer:
        record["controls"] = {
            setting: f"{stops[0]} to {stops[-1]} in {count} from {explorer.start[setting]}"
            for setting, control in explorer.controls.items()
            for stops, count in [ends(control)]
        }
    at_start = None
    record["titles"], record["drawn"] = {}, {}
    for what, chosen in settings(name).items():
        drawn = moving(picture.draw(**chosen))
        if name not in UNSTEADY and picture.title not in record["titles"].values():
            record["titles"][what] = picture.title
        at_start = at_start or drawn
        # What stands as at the start is not said again.
        record["drawn"][what] = {"says": picture.description} | {
            str(i): each for i, each in enumerate(drawn) if drawn is at_start or each != at_start[i]
        }
    if explorer:
        explorer.reset()
    return record


def stored(name):
    """The record as it is kept."""
    return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def whole(record):
    """A record in which every setting says all that is drawn."""
    drawn = record["drawn"]
    start = next(iter(drawn.values()))
    return {**record, "drawn": {what: {**start, **each} for what, each in drawn.items()}}


def picture_of(name):
    """The picture of an explorer or a figure."""
    return made(name).picture if name in FACTORIES else getattr(figures, name)()


def differences(now, then):
    """Where two records differ: words exactly, numbers by more than a thousandth."""
    return _differences(whole(now), whole(then), "")


def _differences(now, then, where):
    """The same for any two parts of them."""
    if isinstance(then, dict) and isinstance(now, dict):
        return [
            line
            for key in dict.fromkeys([*then, *now])
            for line in _differences(now.get(key), then.get(key), f"{where} / {key}")
        ]
    if isinstance(then, list) and isinstance(now, list) and len(then) == len(now):
        return [
            line
            for i, pair in enumerate(zip(now, then))
            for line in _differences(*pair, f"{where} {i + 1}")
        ]
    if isinstance(then, str) and isinstance(now, str) and _same(now.split(" "), then.split(" ")):
        return []
    return [] if now == then else [f"{where}:\n  recorded {then}\n  now      {now}"]


def _same(now, then):
    return len(now) == len(then) and all(map(_same_word, now, then))


def _same_word(now, then):
    try:
        # Rounding noise about 0, such as an error at full rank, differs between machines.
        one, other = (float(each.rstrip(",.;:)")) for each in (now, then))
        return bool(np.isclose(one, other, rtol=1e-3, atol=1e-9, equal_nan=True))
    except ValueError:
        return now == then


def write(name):
    """Keep the record of what is drawn now, one artist a line."""
    FOLDER.mkdir(exist_ok=True)
    text = json.dumps(record(name), indent=1, ensure_ascii=False)
    (FOLDER / f"{name}.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    for name in sys.argv[1:] or NAMES:
        write(name)
