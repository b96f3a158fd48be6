"""Explorers without Python: all that moving their controls can show, drawn beforehand.

An explorer is drawn at every combination of its controls, and each of its parts (a moving artist,
the description, the words above) is kept once for every combination of those controls that change
it: which these are is seen from what was drawn. Parts that the same controls change share a table,
which is cut into files that a page fetches when it needs them:

    NAME/TABLE-I-J.json    {"ends": [...], "strings": [...], "at": [...]}

I and J are the steps of the controls that the table is cut by. For each combination of the other
controls, the last of them running fastest, `at` has the number of a string for each part, which
stands between the two ends of that part.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod
from os.path import commonprefix
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
from matplotlib.artist import Artist
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.text import Text

from helpers.explorer import Explorer
from helpers.figures.vector import Drawing

from .classes import Classes

#: A file of a table is no larger, in bytes, unless one control alone makes it so.
LARGEST = 100_000
#: No explorer is drawn at more combinations: each takes milliseconds, and `FEWER` is there for it.
MOST = 4000
#: About as many to an octave: what is left of a slider over all ranks.
RANKS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64)
NOISES = (0.0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.3, 0.4)
#: Where all combinations are too many to draw: the steps that are left. The page says so.
FEWER: dict[str, dict[str, tuple[Any, ...]]] = {
    "two_updates": {"rank": RANKS},
    "components": {"rank": RANKS},
    "error_over_rank": {"rank": RANKS, "noise": NOISES},
    "error_plane": {"rank": RANKS, "noise": NOISES},
    "loader_mismatch": {"rank": RANKS, "noise": NOISES},
    "spectrum_energy_error": {"rank": RANKS},
    "training_run": {
        "rank": (4, 16, 64), "alpha": (8, 16, 64),
        "learning_rate": (0.0001, 0.001, 0.01, 0.1, 1.0),
    },
    "what_to_set": {"rank": (1, 4, 8, 16, 32, 64), "alpha": (1, 4, 8, 16, 32, 64, 128, 256)},
    "behaviour": {
        "rank": (1, 2, 4, 8, 16, 32, 64), "scale": (0.25, 0.5, 1.0, 2.0), "noise": (0.0,),
        "person": (1, 2, 3, 4, 5, 6),
    },
}  # fmt: skip


@dataclass(frozen=True)
class Control:
    """A control as the page has it.

    number: of the step that it starts on. of: how many steps it has in a notebook.
    """

    name: str
    description: str
    slider: bool
    labels: tuple[str, ...]
    values: tuple[Any, ...]
    start: int
    of: int

    @property
    def fewer(self) -> bool:
        """Whether the page has not all of its steps."""
        return len(self.values) < self.of


@dataclass(frozen=True)
class Baked:
    """An explorer as the page has it: its controls, and which file has what.

    tables: as the script reads them. first: what all parts are at the start; moving artists, then
    the description, then the words above if there are any. panels: those of the artists.
    """

    name: str
    controls: tuple[Control, ...]
    tables: list[dict[str, list[Any]]]
    drawing: Drawing
    first: list[str]
    panels: list[int]


def controls(explorer: Explorer, fewer: dict[str, tuple[Any, ...]]) -> tuple[Control, ...]:
    """The controls of an explorer, with the steps that are left of them.

    Raises ValueError for a step that a control has not, and where too many combinations are left.
    """
    found = []
    for name, widget in explorer.controls.items():
        every = (
            [(str(label), value) for label, value in widget.options]
            if hasattr(widget, "options")
            else [(f"{value}", value) for value in range(widget.min, widget.max + 1)]
        )
        values = [value for _, value in every]
        start = explorer.start[name]
        left = {*fewer.get(name, values), start}
        if not left <= {*values}:
            raise ValueError(f"{name} must be among {values}, got {sorted(left - {*values})}")
        kept = [(label, value) for label, value in every if value in left]
        labels, steps = zip(*kept)
        slider = not isinstance(widget, widgets.ToggleButtons)
        description = (widget.description or name).replace("_", " ")
        found.append(
            Control(name, description, slider, labels, steps, steps.index(start), len(every))
        )
    combinations = prod(len(control.values) for control in found)
    if combinations > MOST:
        raise ValueError(f"FEWER must leave at most {MOST:,} combinations, got {combinations:,}")
    return tuple(found)


def bake(name: str, explorer: Explorer, folder: Path, classes: Classes) -> Baked:
    """Draw an explorer at all combinations of its controls, and write its tables to a folder.

    `classes` takes its styles, and says what stands in their place.
    """
    shown = controls(explorer, FEWER.get(name, {}))
    drawing = Drawing(explorer.picture)
    numbers, strings = _all_drawn(explorer, shown, drawing, classes)
    tables: list[dict[str, list[Any]]] = []
    for axes, parts in _together(numbers).items():
        # Where a control is not among them, its first step stands for all.
        at = tuple(slice(None) if axis in axes else 0 for axis in range(len(shown)))
        table = numbers[at][..., list(parts)]
        inside, files = _cut(table, [strings[part] for part in parts])
        tables.append(
            {
                "parts": [*parts],
                "inside": [[axis, len(shown[axis].values)] for axis in axes[:inside]],
                "by": [*axes[inside:]],
            }
        )
        folder.mkdir(parents=True, exist_ok=True)
        for key, text in files.items():
            file = "-".join(map(str, (len(tables) - 1, *key)))
            (folder / f"{file}.json").write_text(text, encoding="utf-8")
    first = numbers[tuple(control.start for control in shown)]
    explorer.reset()
    return Baked(
        name, shown, tables, drawing,
        [strings[part][number] for part, number in enumerate(first)],
        [fragment.panel for fragment in drawing.fragments()],
    )  # fmt: skip


def _all_drawn(
    explorer: Explorer, shown: tuple[Control, ...], drawing: Drawing, classes: Classes
) -> tuple[Any, list[list[str]]]:
    """For every combination and part the number of a string, and the strings of each part."""
    picture = explorer.picture
    others = 2 if picture.has_text else 1
    known: list[dict[Any, int]] = [{} for _ in range(len(picture.moving) + others)]
    strings: list[dict[str, int]] = [{} for _ in known]
    shape = tuple(len(control.values) for control in shown)
    numbers = np.empty((*shape, len(known)), dtype=np.int32)

    def number(part: int, state: Any, string: str | None = None) -> int:
        if string is not None:
            known[part][state] = strings[part].setdefault(string, len(strings[part]))
        return known[part][state]

    for at in np.ndindex(shape):
        picture.draw(**{c.name: c.values[i] for c, i in zip(shown, at)})
        states = [_state(artist) for artist in picture.moving]
        new = [part for part, state in enumerate(states) if state not in known[part]]
        drawn = drawing.fragments(picture.moving[part] for part in new)
        for part, fragment in zip(new, drawn):
            number(part, states[part], classes.instead(fragment.svg))
        above = [classes.instead(picture.text_html())] if picture.has_text else []
        words = [picture.description, *above]
        for part, string in enumerate(words, len(states)):
            number(part, string, string)
        numbers[at] = [number(part, state) for part, state in enumerate([*states, *words])]
    return numbers, [[*each] for each in strings]


def _state(artist: Artist) -> Any:
    """What decides how an artist looks, as far as pictures of ours change it."""
    if isinstance(artist, Line2D):
        data: Any = np.ma.filled(np.ma.asarray(artist.get_xydata(), dtype=float), np.nan)
        look = (artist.get_color(), artist.get_linestyle(), artist.get_linewidth())
        marker = (artist.get_marker(), artist.get_markersize(), artist.get_markerfacecolor())
        return (data.tobytes(), *map(str, (*look, *marker)), *_shared(artist))
    if isinstance(artist, AxesImage):
        values: Any = np.ma.filled(np.ma.asarray(artist.get_array(), dtype=float), np.nan)
        extent = tuple(artist.get_extent())
        return (values.tobytes(), values.shape, artist.get_clim(), extent, *_shared(artist))
    if isinstance(artist, Text):
        font = (artist.get_fontsize(), artist.get_rotation(), str(artist.get_color()))
        return (artist.get_text(), artist.get_position(), *font, *_shared(artist))
    raise TypeError(f"{artist} must be a line, an image or a text")


def _shared(artist: Artist) -> tuple[Any, ...]:
    return artist.get_visible(), artist.get_alpha(), artist.get_zorder()


def _together(numbers: Any) -> dict[tuple[int, ...], list[int]]:
    """Parts by the controls that change them: the axes along which their numbers are not one."""
    found: dict[tuple[int, ...], list[int]] = {}
    for part in range(numbers.shape[-1]):
        mine = numbers[..., part]
        axes = tuple(i for i in range(mine.ndim) if (mine != mine.take([0], axis=i)).any())
        if axes:
            found.setdefault(axes, []).append(part)
    return found


def _cut(table: Any, strings: list[list[str]]) -> tuple[int, dict[tuple[int, ...], str]]:
    """How many of the first controls are inside of a file, and all files by the others' steps."""
    for inside in range(table.ndim - 1, 0, -1):
        files = dict(_files(table, strings, inside))
        if inside == 1 or max(len(text.encode()) for text in files.values()) <= LARGEST:
            break
    return inside, files


def _files(
    table: Any, strings: list[list[str]], inside: int
) -> Iterator[tuple[tuple[int, ...], str]]:
    for key in np.ndindex(table.shape[inside:-1]):
        rows = table[(*[slice(None)] * inside, *key)].reshape(-1, len(strings))
        columns = [
            [every[number] for number in rows[:, part]] for part, every in enumerate(strings)
        ]
        ends = [_ends(column) for column in columns]
        local: dict[str, int] = {}
        at = [
            local.setdefault(string[len(before) : len(string) - len(after)], len(local))
            for row in zip(*columns)
            for string, (before, after) in zip(row, ends)
        ]
        content = {"ends": ends, "strings": [*local], "at": at}
        yield key, json.dumps(content, ensure_ascii=False, separators=(",", ":"))


def _ends(strings: list[str]) -> tuple[str, str]:
    """What all begin with, and what the rest of all ends with."""
    before = commonprefix(strings)  # noqa: RUF071, these are no paths
    rests = [string[len(before) :][::-1] for string in strings]
    return before, commonprefix(rests)[::-1]  # noqa: RUF071
