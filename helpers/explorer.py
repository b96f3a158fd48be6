"""One explorer: a figure, the controls that move it, and its description, kept in step.

Drawing happens inside the slider's own message, not later: the front end sends the
next value only once this one is answered, and sends the newest it has. So values
that come faster than they can be drawn are dropped, never queued.
"""

from __future__ import annotations

import traceback
import weakref
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import ipywidgets as widgets
from IPython import get_ipython

from .controls import CONTROLS, NAMING, WORDS_CLASS, alert, values
from .figures.picture import Picture, caption
from .stage import Roomy, Stage, in_row

#: As much as a description may grow by.
_SPARE = " 0.123" * 4
#: What each notebook cell shows, as far as the front end names cells: {cell: (run, what)}.
_SHOWN: dict[str, tuple[Any, list[weakref.ref[Any]]]] = {}


#: Kinds of pictures that wait, by the prediction that they wait for; and explorers now shown.
_HELD: dict[str, set[type[Picture[Any]]]] = {}
_OPENED: weakref.WeakSet[Explorer] = weakref.WeakSet()
_WAITING = (
    "<p>This explorer shows what a prediction above asks for. Commit it there, or press "
    "<i>Show me</i>, and the explorer comes.</p>"
)


def hold(key: str, kinds: Iterable[type[Picture[Any]]]) -> None:
    """Let explorers of these kinds of pictures wait, where they are shown from now on."""
    _HELD[key] = set(kinds)


def release(key: str) -> None:
    """Show what has waited for this alone."""
    _HELD.pop(key, None)
    for explorer in list(_OPENED):
        explorer.opened()


class Explorer:
    """A picture, its controls, and its description, kept in step.

    A notebook shows it by ending a cell with it.

    Parameters
    ----------
    picture : Picture
        What is drawn.
    **settings
        One control for each, starting here and going back here on reset. The
        names are those of `CONTROLS` and of the picture's settings.

    Attributes
    ----------
    controls : dict of str to widget
    error : str
        What went wrong at the last redraw, a traceback mostly, or "" when it succeeded.

    Raises
    ------
    ValueError
        If there is no control for a setting.

    Examples
    --------
    >>> from .figures import ScaleOverRank
    >>> explorer = Explorer(ScaleOverRank(), rank=8, alpha=16)
    >>> explorer.controls["alpha"].value = 32
    >>> explorer.description[:69]
    'At rank 8 and alpha 32, alpha/r gives a scale of 4 and alpha/sqrt(r) '
    """

    def __init__(self, picture: Picture[Any], **settings: Any) -> None:
        unknown = [name for name in settings if name not in CONTROLS]
        if unknown:
            raise ValueError(
                f"settings must be among {', '.join(CONTROLS)}, got {', '.join(unknown)}"
            )
        self.picture = picture
        self.start = settings
        self.controls = {
            name: control(settings[name], **_bounds(picture, name))
            for name, control in CONTROLS.items()
            if name in settings
        }
        self.error = ""
        self._paused = False
        # As they are now: a front end may move the ends of a slider, too.
        self._allowed = {name: values(control) for name, control in self.controls.items()}
        self._last = dict(settings)
        self._stage = Stage()
        # In a narrow window its longest would leave most of a screen empty.
        self._text, self._words = Roomy("140px"), Roomy()
        self._words.shown.add_class(WORDS_CLASS)
        self._alert = widgets.HTML()
        self._reset = widgets.Button(
            description="Reset", layout=widgets.Layout(width="64px", flex="none")
        )
        self._reset.on_click(lambda _: self.reset())
        for control in self.controls.values():
            control.observe(self._changed, names="value")
            if control.has_trait("tooltip"):  # ipywidgets 8, which would show "null" otherwise
                control.tooltip = control.description
        self._parts = (
            in_row([*self.controls.values()], self._reset),
            self._alert,
            *([self._text.widget] if picture.has_text else []),
            self._stage.widget,
            self._words.widget,
            widgets.HTML(NAMING, layout=widgets.Layout(display="none")),
        )
        self._waiting = widgets.HTML(_WAITING)
        self.widget = widgets.VBox(self._parts)
        self._redraw()

    @property
    def settings(self) -> dict[str, Any]:
        """What the controls say now."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def description(self) -> str:
        """The sentence now shown under the picture."""
        return self.picture.description

    @property
    def moving(self) -> str:
        """What moves, as the page has it now."""
        return self._stage.moving

    def reset(self) -> None:
        """Put every control back where it started; redraw once."""
        self._redraw(self.start)

    def _changed(self, change: Any) -> None:
        if self._paused:
            return
        name = next(name for name, control in self.controls.items() if control is change["owner"])
        # What is not allowed no hand of a reader's sets: a front end did. The last good one stands.
        good = type(change["new"]) is not bool and change["new"] in self._allowed[name]
        self._redraw({} if good else {name: self._last[name]})

    def _set(self, values: Mapping[str, Any]) -> None:
        """Set controls without a redraw."""
        self._paused = True
        try:
            for name, value in values.items():
                self.controls[name].value = value
        finally:
            self._paused = False

    def _redraw(self, values: Mapping[str, Any] = MappingProxyType({})) -> None:
        """Set controls, then draw what all say; tell the reader if that fails or is stopped.

        ipywidgets would write it to a log that nobody reads.
        """
        try:
            self._set(values)
            self.picture.draw(**self.settings)
            shown = self._stage.drawn(self.picture)
            if self.picture.has_text:
                self._text.show(self.picture.text_html(), self.picture.text_room())
            self._stage.show(shown)
            self._words.show(caption(self.description), caption(self.description + _SPARE))
        except KeyboardInterrupt:
            self._paused = False  # where the stop came while controls were set
            self._failed("Drawing this picture was stopped.", "Move a control to draw it.")
            return
        except Exception:
            self._failed("This picture could not be redrawn.", traceback.format_exc())
            return
        self._last = self.settings
        if self.error:
            self.error = self._alert.value = ""

    def _failed(self, what: str, why: str) -> None:
        self.error = why
        still = f"<b>{what}</b> It still shows the last setting that worked."
        self._alert.value = alert(still, why)

    def close(self) -> None:
        """End it on the page and free what it holds; shown again, it comes back."""
        _OPENED.discard(self)
        for widget in self._all():
            widget.close()
        self.picture.release()

    def opened(self) -> Any:
        """Its widget, alive; while a prediction is open that it would answer, it waits."""
        waits = any(type(self.picture) in kinds for kinds in _HELD.values())
        self.widget.children = (self._waiting,) if waits else self._parts
        _OPENED.add(self)
        if self.widget.comm is None:
            for widget in self._all():
                widget.open()
            self._redraw()
        return self.widget

    def _all(self) -> list[Any]:
        """Every widget of it, parts first."""
        away = (part for part in (self._waiting, *self._parts) if part not in self.widget.children)
        return [*(each for part in away for each in widgets_of(part)), *widgets_of(self.widget)]

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live widget, and a line for readers who have no kernel.

        The widget's own text is its whole state, which no two versions write alike.
        """
        close_earlier(self)
        return {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.opened().model_id,
            },
            "text/plain": f"[Explorer with {', '.join(self.controls)}: run the notebook to move "
            "it. The figure above is the same picture at one setting.]",
        }


def _bounds(picture: Picture[Any], name: str) -> dict[str, Any]:
    """What a control needs to know of its picture."""
    bounds: dict[str, Any] = {}
    if name in picture.limits:
        bounds["limits"] = picture.limits[name]
    if name == "rank" and picture.logarithmic_rank:
        bounds["logarithmic"] = True
    return bounds


def widgets_of(widget: Any) -> list[Any]:
    """A widget and all that it consists of, parts first."""
    parts = [part for child in getattr(widget, "children", ()) for part in widgets_of(child)]
    looks = [getattr(widget, name) for name in ("layout", "style") if widget.has_trait(name)]
    return [*parts, *looks, widget]


def close_earlier(now: Any) -> None:
    """Close what the same cell has shown before: a cell that is run again shows it no more.

    Only where the front end says which cell it is, as JupyterLab and Notebook 7 do.
    """
    kernel: Any = getattr(get_ipython(), "kernel", None)
    parent = kernel.get_parent() if hasattr(kernel, "get_parent") else {}
    cell = (parent.get("metadata") or {}).get("cellId")
    if not cell:
        return
    run = (parent.get("header") or {}).get("msg_id")
    before, shown = _SHOWN.get(cell, (run, []))
    if before != run:
        for earlier in (reference() for reference in shown):
            if earlier is not None and earlier is not now:
                earlier.close()
        shown = []
    _SHOWN[cell] = (run, [*shown, weakref.ref(now)])
