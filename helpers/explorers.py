"""Sliders wired to a picture: every control looks and behaves the same everywhere.

Drawing happens inside the slider's own message, not later: the front end sends the
next value only once this one is answered, and sends the newest it has. So values
that come faster than they can be drawn are dropped, never queued.
"""

from __future__ import annotations

import html
import traceback
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from . import figures
from .accessible_names import NAMING
from .adapters import Adapter
from .figures.picture import Picture, caption
from .model import recall, tasks

#: The values that the sliders step through, in every explorer.
RANK_LIMITS = (1, 64)
ALPHAS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
NOISES = (0.0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
SCALES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
TARGETS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
UPDATES = ("facts", "style")
#: A quarter of a decade apart.
LEARNING_RATES = tuple(float(f"{10 ** (power / 4):.2g}") for power in range(-16, 1))

_STYLE = {"description_width": "92px"}


def _layout() -> widgets.Layout:
    return widgets.Layout(width="360px")


def _steps(description: str, options: tuple[Any, ...], value: Any, digits: str = "g") -> Any:
    """A slider over listed values, its value written beside it."""
    return widgets.SelectionSlider(
        options=[(f"{option:{digits}}", option) for option in options],
        value=value,
        description=description,
        continuous_update=True,
        style=_STYLE,
        layout=_layout(),
    )


def _buttons(options: list[tuple[str, str]], value: str, width: str = "110px") -> Any:
    """A row of buttons, one of them pressed. Their own words say what they choose."""
    return widgets.ToggleButtons(
        options=options,
        value=value,
        style={"button_width": width},
        layout=widgets.Layout(margin="0 24px"),
    )


def rank_slider(value: int, limits: tuple[int, int] = RANK_LIMITS) -> Any:
    """Rank r, every whole number."""
    low, high = limits
    return widgets.IntSlider(
        value, low, high, description="rank r", continuous_update=True,
        style=_STYLE, layout=_layout(),
    )  # fmt: skip


def alpha_slider(value: float) -> Any:
    """alpha, over the values in use."""
    return _steps("alpha", ALPHAS, value)


def noise_slider(value: float) -> Any:
    """Standard deviation of the noise, over levels that matter here."""
    return _steps("noise", NOISES, value)


def scale_slider(value: float) -> Any:
    """Scale s, 1 being what the update was trained with."""
    return _steps("scale s", SCALES, value)


def person_slider(value: int) -> Any:
    """Which of the first people."""
    return widgets.IntSlider(
        value, 1, recall.LIVE_PEOPLE, description="person", continuous_update=True,
        style=_STYLE, layout=_layout(),
    )  # fmt: skip


def target_slider(value: float) -> Any:
    """Captured energy to reach."""
    return _steps("target", TARGETS, value)


def learning_rate_slider(value: float) -> Any:
    """Learning rate, in quarter decades."""
    return _steps("learning rate", LEARNING_RATES, value)


def optimiser_buttons(value: str) -> Any:
    """Which optimiser trains."""
    return _buttons([("SGD", "sgd"), ("Adam", "adam")], value)


def update_buttons(value: str) -> Any:
    """Which of the two updates is shown."""
    return _buttons([(f"{name} update", name) for name in UPDATES], value)


def task_buttons(value: str) -> Any:
    """What the small model was fine-tuned on."""
    labels = {"saga": "New style"}
    options = [(labels.get(task, f"Facts of {task} people"), task) for task in recall.TASKS]
    return _buttons(options, value, "150px")


def adapter_buttons(value: str) -> Any:
    """Which of the shipped adapters."""
    return _buttons([(f"Adapter {name}", name) for name in tasks.SHIPPED_ADAPTERS], value, "150px")


def field_buttons(value: str) -> Any:
    """Which measure of every module."""
    labels = ["Effective rank", "Stable rank", "Energy 90 %", "Energy 99 %", "Share in use", "Norm"]
    return _buttons(list(zip(labels, figures.adapters.FIELDS)), value, "130px")


#: One kind of control for one setting, in the order in which they are shown.
CONTROLS: dict[str, Callable[..., Any]] = {
    "rank": rank_slider,
    "alpha": alpha_slider,
    "scale": scale_slider,
    "noise": noise_slider,
    "learning_rate": learning_rate_slider,
    "target": target_slider,
    "person": person_slider,
    "optimiser": optimiser_buttons,
    "update": update_buttons,
    "task": task_buttons,
    "adapter": adapter_buttons,
    "field": field_buttons,
}


class Explorer:
    """A picture, its controls, and its description, kept in step.

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
    """

    def __init__(self, picture: Picture, **settings: Any) -> None:
        unknown = [name for name in settings if name not in CONTROLS]
        if unknown:
            raise ValueError(
                f"settings must be among {', '.join(CONTROLS)}, got {', '.join(unknown)}"
            )
        self.picture = picture
        self.start = settings
        self.controls = {
            name: control(settings[name], *picture.limits.get(name, ()))
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
    """Notebook 01: each update beside its rank-r truncation."""
    return Explorer(figures.TwoUpdates(), rank=4, noise=0.01)


def layers() -> Explorer:
    """Notebook 02: an update as a stack of rank-one layers."""
    return Explorer(figures.Layers(), rank=1, noise=0.01, update="style")


def spectrum_under_noise() -> Explorer:
    """Notebook 02: singular values with and without noise."""
    return Explorer(figures.SpectrumUnderNoise(), noise=0.01)


def noise_sweep() -> Explorer:
    """Notebook 02: when noise drowns a signal."""
    return Explorer(figures.NoiseSweep(), noise=0.1)


def error_over_rank() -> Explorer:
    """Notebook 03: error against rank, both scalings and the best."""
    return Explorer(figures.ErrorOverRank(), rank=8, alpha=16, noise=0.01)


def error_plane() -> Explorer:
    """Notebook 03: the whole (rank, alpha) plane."""
    return Explorer(figures.ErrorPlane(), rank=8, alpha=16, noise=0.01, update="facts")


def scale_over_rank() -> Explorer:
    """Notebook 04: both multipliers over rank."""
    return Explorer(figures.ScaleOverRank(), rank=8, alpha=16)


def reader_mismatch() -> Explorer:
    """Notebook 04: an rsLoRA adapter in a reader that ignores use_rslora."""
    return Explorer(figures.ReaderMismatch(), rank=16, alpha=16, noise=0.01)


def spectrum_energy_error() -> Explorer:
    """Notebook 05: spectrum, captured energy and best error."""
    return Explorer(figures.SpectrumEnergyError(), rank=8, noise=0.01, target=0.9)


def rank_measures() -> Explorer:
    """Notebook 05: three measures of rank under noise."""
    return Explorer(figures.RankMeasures(), noise=0.01)


def energy_triangle() -> Explorer:
    """Notebook 05: kept and missed as the legs of a right triangle."""
    return Explorer(figures.EnergyTriangle(), rank=8, noise=0.01)


def training_run() -> Explorer:
    """Notebook 06: train both scalings at one rank, live."""
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
    """Notebook 07: a truncated update in a real model, and what the model then writes."""
    return Explorer(figures.Behaviour(), rank=8, scale=1.0, noise=0.0, person=2, task="100")


def adapter_map(adapter: Adapter | None = None) -> Explorer:
    """Notebook 08: every module of an adapter by one measure, sorted and mapped."""
    return Explorer(figures.AdapterMap(adapter), field="effective")


def adapter_cut(adapter: Adapter | None = None) -> Explorer:
    """Notebook 08: rank and scale of an adapter, from its singular values."""
    picture = figures.AdapterCut(adapter)
    return Explorer(picture, rank=max(1, picture.highest // 2), scale=1.0)


def adapter_behaviour() -> Explorer:
    """Notebook 08: what the small model writes with an adapter, cut and scaled."""
    return Explorer(figures.AdapterBehaviour(), rank=16, scale=1.0, person=2, adapter="people")
