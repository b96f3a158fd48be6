"""Explorers: a figure, the controls that move it, and its description, kept in step.

Drawing happens inside the slider's own message, not later: the front end sends the
next value only once this one is answered, and sends the newest it has. So values
that come faster than they can be drawn are dropped, never queued.
"""

from __future__ import annotations

import html
import traceback
from typing import Any

import ipywidgets as widgets

from . import figures
from .adapters import Adapter
from .controls import CONTROLS, NAMING, WORDS_CLASS
from .figures.picture import Picture, caption


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
        Traceback of the last failed redraw, or "" when it succeeded.

    Raises
    ------
    ValueError
        If there is no control for a setting.

    Examples
    --------
    >>> explorer = Explorer(figures.ScaleOverRank(), rank=8, alpha=16)
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
        limits = picture.limits
        self.controls = {
            name: control(settings[name], *([limits[name]] if name in limits else []))
            for name, control in CONTROLS.items()
            if name in settings
        }
        self.error = ""
        self._paused = False
        width = round(picture.size[0] * picture.DPI)
        self._image = widgets.Image(
            format="png", layout=widgets.Layout(width=f"{width}px", max_width="100%")
        )
        self._text = widgets.HTML()
        self._words = widgets.HTML()
        self._words.add_class(WORDS_CLASS)
        self._alert = widgets.HTML()
        self._reset = widgets.Button(description="Reset", layout=widgets.Layout(width="80px"))
        self._reset.on_click(lambda _: self.reset())
        for control in self.controls.values():
            control.observe(self._changed, names="value")
            if control.has_trait("tooltip"):  # ipywidgets 8, which would show "null" otherwise
                control.tooltip = control.description
        row = widgets.Layout(display="flex", flex_flow="row wrap", align_items="center")
        self.widget = widgets.VBox(
            [
                widgets.Box([*self.controls.values(), self._reset], layout=row),
                self._alert,
                *([self._text] if picture.has_text else []),
                self._image,
                self._words,
                widgets.HTML(NAMING, layout=widgets.Layout(display="none")),
            ]
        )
        self._redraw()

    @property
    def settings(self) -> dict[str, Any]:
        """What the controls say now."""
        return {name: control.value for name, control in self.controls.items()}

    @property
    def description(self) -> str:
        """The sentence now shown under the picture."""
        return self.picture.description

    def reset(self) -> None:
        """Put every control back where it started; redraw once."""
        self._paused = True
        try:
            for name, value in self.start.items():
                self.controls[name].value = value
        finally:
            self._paused = False
        self._redraw()

    def _changed(self, _change: Any) -> None:
        if not self._paused:
            self._redraw()

    def _redraw(self) -> None:
        """Draw what the controls say; show an error to the reader if that fails.

        ipywidgets would write it to a log that nobody reads.
        """
        try:
            self.picture.draw(**self.settings)
            encoded = self.picture.png()
        except Exception:
            self.error = traceback.format_exc()
            self._alert.value = (
                '<div role="alert" style="border: 2px solid #B3261E; padding: 0.5em">'
                "<b>This picture could not be redrawn.</b> It still shows the last setting that "
                f"worked.<pre>{html.escape(self.error)}</pre></div>"
            )
            return
        if self.error:
            self.error = self._alert.value = ""
        if self.picture.has_text:
            self._text.value = self.picture.text_html()
        self._image.value = encoded
        self._words.value = caption(self.description)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live widget, and a line for readers who have no kernel.

        The widget's own text is its whole state, which no two versions write alike.
        """
        return {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            },
            "text/plain": f"[Explorer with {', '.join(self.controls)}: run the notebook to move "
            "it. The figure above is the same picture at one setting.]",
        }


def two_updates() -> Explorer:
    """Each update beside its rank-r truncation.

    >>> two_updates().settings
    {'rank': 4, 'noise': 0.01}
    """
    return Explorer(figures.TwoUpdates(), rank=4, noise=0.01)


def layers() -> Explorer:
    """An update as a stack of rank-one layers.

    >>> layers().settings
    {'rank': 1, 'noise': 0.01, 'update': 'style'}
    """
    return Explorer(figures.Layers(), rank=1, noise=0.01, update="style")


def spectrum_under_noise() -> Explorer:
    """Singular values with and without noise.

    >>> spectrum_under_noise().settings
    {'noise': 0.01}
    """
    return Explorer(figures.SpectrumUnderNoise(), noise=0.01)


def noise_sweep() -> Explorer:
    """When noise drowns a signal.

    >>> noise_sweep().settings
    {'noise': 0.1}
    """
    return Explorer(figures.NoiseSweep(), noise=0.1)


def error_over_rank() -> Explorer:
    """Error against rank, under both rules and at the best scale.

    >>> error_over_rank().settings
    {'rank': 8, 'alpha': 16, 'noise': 0.01}
    """
    return Explorer(figures.ErrorOverRank(), rank=8, alpha=16, noise=0.01)


def error_plane() -> Explorer:
    """Error over the whole (rank, alpha) plane.

    >>> error_plane().settings
    {'rank': 8, 'alpha': 16, 'noise': 0.01, 'update': 'facts'}
    """
    return Explorer(figures.ErrorPlane(), rank=8, alpha=16, noise=0.01, update="facts")


def scale_over_rank() -> Explorer:
    """The scale over rank, under both rules.

    >>> scale_over_rank().settings
    {'rank': 8, 'alpha': 16}
    """
    return Explorer(figures.ScaleOverRank(), rank=8, alpha=16)


def reader_mismatch() -> Explorer:
    """An rsLoRA adapter in a loader that ignores use_rslora.

    >>> reader_mismatch().settings
    {'rank': 16, 'alpha': 16, 'noise': 0.01}
    """
    return Explorer(figures.ReaderMismatch(), rank=16, alpha=16, noise=0.01)


def spectrum_energy_error() -> Explorer:
    """Spectrum, captured energy and best error.

    >>> spectrum_energy_error().settings
    {'rank': 8, 'noise': 0.01, 'target': 0.9}
    """
    return Explorer(figures.SpectrumEnergyError(), rank=8, noise=0.01, target=0.9)


def rank_measures() -> Explorer:
    """Three measures of rank under noise.

    >>> rank_measures().settings
    {'noise': 0.01}
    """
    return Explorer(figures.RankMeasures(), noise=0.01)


def energy_triangle() -> Explorer:
    """What is kept and what is missed, as the legs of a right triangle.

    >>> energy_triangle().settings
    {'rank': 8, 'noise': 0.01}
    """
    return Explorer(figures.EnergyTriangle(), rank=8, noise=0.01)


def training_run() -> Explorer:
    """Training under both rules at one rank, live.

    >>> training_run().settings["learning_rate"]
    0.001
    """
    return Explorer(
        figures.TrainingRun(),
        rank=64,
        alpha=16,
        noise=0.01,
        learning_rate=0.001,
        optimiser="adam",
        update="facts",
    )


def behaviour() -> Explorer:
    """A truncated update in a language model, and what the model then writes.

    >>> behaviour().settings
    {'rank': 8, 'scale': 1.0, 'noise': 0.0, 'person': 2, 'task': '100'}
    """
    return Explorer(figures.Behaviour(), rank=8, scale=1.0, noise=0.0, person=2, task="100")


def adapter_map(adapter: Adapter | None = None) -> Explorer:
    """Every module of an adapter by one measure, sorted and mapped.

    Without an adapter, one that ships.

    >>> adapter_map().settings
    {'field': 'effective'}
    """
    return Explorer(figures.AdapterMap(adapter), field="effective")


def adapter_cut(adapter: Adapter | None = None) -> Explorer:
    """Rank and scale of an adapter, from its singular values.

    Without an adapter, one that ships.

    >>> adapter_cut().settings
    {'rank': 8, 'scale': 1.0}
    """
    picture = figures.AdapterCut(adapter)
    return Explorer(picture, rank=max(1, picture.highest // 2), scale=1.0)


def adapter_behaviour() -> Explorer:
    """What the small model writes with an adapter, truncated and scaled.

    >>> adapter_behaviour().settings
    {'rank': 16, 'scale': 1.0, 'person': 2, 'adapter': 'people'}
    """
    return Explorer(figures.AdapterBehaviour(), rank=16, scale=1.0, person=2, adapter="people")
