"""Controls: every setting has one, which looks, moves and is called the same everywhere."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from . import stage
from .figures.adapter_map import FIELDS
from .figures.training import SAID
from .lora.scaling import RULES
from .model import recall, tasks
from .model.trainable import PLACEMENTS

#: The values that the sliders step through, in every explorer.
RANK_LIMITS = (1, 64)
#: Where the axis of ranks is logarithmic, the slider is as well: half an octave a step.
RANK_STEPS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
ALPHAS = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256)
NOISES = (0.0, 0.001, 0.003, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4)
SCALES = (0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 2.5, 3.0, 4.0)
TARGETS = (0.5, 0.8, 0.9, 0.95, 0.99, 0.999)
UPDATES = ("facts", "style")
#: A quarter of a decade apart.
LEARNING_RATES = tuple(float(f"{10 ** (power / 4):.2g}") for power in range(-20, 1))
#: What was run on the map of new and known facts.
MAPPED_RANKS = (1, 4, 16, 64)
MAPPED_SCALES = (0.25, 1.0, 2.0, 4.0, 16.0, 64.0)
MAPPED_RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2)
PEOPLE = (5, 10, 25, 50, 100, 200)
STEPS = (25, 50, 100, 200, 400, 800)
BATCHES = (8, 16, 32, 64)
REPLAYED = (0.0, 0.01, 0.03, 0.1, 0.3, 0.75)
_STYLE = {"description_width": "92px"}


def _whole(description: str, value: int, limits: tuple[int, int]) -> Any:
    """A slider over every whole number between two."""
    low, high = limits
    return widgets.IntSlider(
        value, low, high, description=description, continuous_update=True,
        style=_STYLE, layout=_layout(),
    )  # fmt: skip


def _layout() -> Any:
    return widgets.Layout(flex="1 1 260px", width="auto", min_width="0", max_width="360px")


def _steps(description: str, options: tuple[Any, ...], value: Any, shown: str = "g") -> Any:
    """A slider over listed values, the chosen one written beside it."""
    return widgets.SelectionSlider(
        options=[(f"{option:{shown}}", option) for option in options],
        value=value,
        description=description,
        continuous_update=True,
        style=_STYLE,
        layout=_layout(),
    )


def _buttons(options: dict[str, str], value: str, width: str) -> Any:
    """A row of buttons, one of them pressed; `options` are values and what is written on them."""
    return widgets.ToggleButtons(
        options=[(label, option) for option, label in options.items()],
        value=value,
        style={"button_width": width},
        layout=widgets.Layout(margin="0 8px", min_width="0"),
    )


def rank_slider(
    value: int, limits: tuple[int, int] = RANK_LIMITS, logarithmic: bool = False
) -> Any:
    """Rank r: every whole number, or those of `RANK_STEPS`, the ends and the value.

    >>> rank_slider(8, (1, 16)).max
    16
    >>> [rank for _, rank in rank_slider(8, (1, 20), logarithmic=True).options]
    [1, 2, 3, 4, 6, 8, 12, 16, 20]
    """
    if not logarithmic:
        return _whole("rank r", value, limits)
    low, high = limits
    steps = {rank for rank in RANK_STEPS if low <= rank <= high}
    return _steps("rank r", tuple(sorted({*steps, *limits, value})), value)


def alpha_slider(value: float) -> Any:
    """alpha, over the values in use."""
    return _steps("alpha", ALPHAS, value)


def noise_slider(value: float) -> Any:
    """Standard deviation of the noise, over levels that matter here."""
    return _steps("noise", NOISES, value)


def scale_slider(value: float) -> Any:
    """A dial on a finished update, 1 being what the update was trained with."""
    return _steps("dial", SCALES, value)


def mapped_rank_slider(value: int) -> Any:
    """Rank r, of those on the map of new and known facts."""
    return _steps("rank r", MAPPED_RANKS, value)


def trained_scale_slider(value: float) -> Any:
    """The scale s that stands before B A in training, of those on the map."""
    return _steps("scale s", MAPPED_SCALES, value)


def mapped_rate_slider(value: float) -> Any:
    """Learning rate, of those on the map."""
    return _steps("learning rate", MAPPED_RATES, value)


def person_slider(value: int) -> Any:
    """Which of the first people."""
    return _whole("person", value, (1, recall.LIVE_PEOPLE))


def target_slider(value: float) -> Any:
    """Captured energy to reach."""
    return _steps("target", TARGETS, value)


def learning_rate_slider(value: float, limits: tuple[float, float] = (1e-4, 1)) -> Any:
    """Learning rate, in quarter decades.

    >>> len(learning_rate_slider(1e-3, (1e-4, 1e-2)).options)
    9
    """
    low, high = limits
    return _steps("learning rate", tuple(x for x in LEARNING_RATES if low <= x <= high), value)


def optimiser_buttons(value: str) -> Any:
    """Which optimiser trains."""
    return _buttons({"sgd": "SGD", "adam": "Adam"}, value, "110px")


def change_buttons(value: str) -> Any:
    """What is changed about a run."""
    return _buttons({name: said.capitalize() for name, said in SAID.items()}, value, "140px")


def update_buttons(value: str) -> Any:
    """Which of the two updates is shown."""
    return _buttons({name: f"{name} update" for name in UPDATES}, value, "110px")


def task_buttons(value: str) -> Any:
    """What the small model was fine-tuned on."""
    labels = {name: f"Facts of {name} people" for name in tasks.TASKS}
    return _buttons({**labels, tasks.NEW_STYLE: "New style"}, value, "150px")


def server_buttons(value: str) -> Any:
    """Whether a server computes the scale as the adapter's file asks."""
    labels = {"reads": "Server reads use_rslora", "ignores": "Server ignores use_rslora"}
    return _buttons(labels, value, "210px")


def field_buttons(value: str) -> Any:
    """Which measure of every module."""
    return _buttons({name: field.button for name, field in FIELDS.items()}, value, "130px")


def people_slider(value: int) -> Any:
    """How many new people."""
    return _steps("new people", PEOPLE, value)


def replayed_slider(value: float) -> Any:
    """The share of known people that is mixed in."""
    return _steps("old data", REPLAYED, value, ".0%")


def steps_slider(value: int) -> Any:
    """How many steps of training."""
    return _steps("steps", STEPS, value)


def batch_slider(value: int) -> Any:
    """How many texts a step."""
    return _steps("batch", BATCHES, value)


def seed_slider(value: int) -> Any:
    """What the draws are made from."""
    return _whole("seed", value, (0, 9))


def method_buttons(value: str) -> Any:
    """LoRA, or all weights."""
    return _buttons({"lora": "LoRA", "full": "All weights"}, value, "110px")


def rule_buttons(value: str) -> Any:
    """Which rule makes the scale."""
    return _buttons({rule: rule for rule in RULES}, value, "110px")


def placement_buttons(value: str) -> Any:
    """Which matrices are trained."""
    labels = {name: name[0].upper() + name[1:] for name in PLACEMENTS}
    return _buttons({**labels, "all": "All matrices"}, value, "130px")


#: Those of training: `fine_tuning.Recipe` has the settings.
TRAINING: dict[str, Callable[..., Any]] = {
    "method": method_buttons,
    "rule": rule_buttons,
    "rank": rank_slider,
    "alpha": alpha_slider,
    "optimiser": optimiser_buttons,
    "placement": placement_buttons,
    "learning_rate": learning_rate_slider,
    "steps": steps_slider,
    "batch": batch_slider,
    "people": people_slider,
    "replayed": replayed_slider,
    "seed": seed_slider,
}

#: One kind of control for one setting, in the order in which they are shown. A slider over
#: whole numbers or rates also takes the lowest and the highest.
CONTROLS: dict[str, Callable[..., Any]] = {
    "rank": rank_slider,
    "alpha": alpha_slider,
    "scale": scale_slider,
    "noise": noise_slider,
    "mapped_rank": mapped_rank_slider,
    "trained_scale": trained_scale_slider,
    "mapped_rate": mapped_rate_slider,
    "learning_rate": learning_rate_slider,
    "target": target_slider,
    "person": person_slider,
    "rule": rule_buttons,
    "optimiser": optimiser_buttons,
    "update": update_buttons,
    "change": change_buttons,
    "task": task_buttons,
    "server": server_buttons,
    "field": field_buttons,
}


def alert(what: str, why: str) -> str:
    """What went wrong, in a frame that screen readers speak of at once.

    Parameters
    ----------
    what : str
        Markup.
    why : str
        Text, shown as it is.
    """
    return (
        '<div role="alert" style="border: 2px solid #B3261E; padding: 0.5em">'
        f"{what}<pre>{html.escape(why)}</pre></div>"
    )


def values(control: Any) -> Sequence[Any]:
    """What a control offers. What a front end sends need not be one of them.

    >>> values(rank_slider(8, (1, 16)))
    range(1, 17)
    """
    if hasattr(control, "options"):
        return [option for _, option in control.options]
    return range(control.min, control.max + 1)


#: Names for screen readers, which ipywidgets 7 and 8 have no setting for: their slider handles
#: have no accessible name (those of 7 no role either), a slider over listed values says which
#: of them it is on and not the value, a chosen toggle button looks chosen and does not say so,
#: and an image has no alternative text. This runs in the page. It sets attributes and watches
#: text and children, so it never wakes itself.
_SCRIPT = """
const box = this.closest('.widget-vbox');
const set = (node, names) => {
  for (const [name, value] of Object.entries(names)) node?.setAttribute(name, value);
};
const name = () => {
  for (const slider of box.querySelectorAll('.widget-hslider')) {
    const label = slider.querySelector('label').textContent;
    const readout = slider.querySelector('.widget-readout');
    const handle = slider.querySelector('.noUi-handle, .ui-slider-handle');
    if (!readout || !handle) continue;
    set(handle, {role: 'slider', 'aria-label': label, 'aria-valuetext': readout.textContent});
    if (handle.matches('.ui-slider-handle'))
      set(handle, {'aria-valuenow': parseFloat(readout.textContent)});
    set(readout, {role: 'textbox', 'aria-label': `value of ${label}`});
  }
  for (const button of box.querySelectorAll('.widget-toggle-buttons button'))
    set(button, {'aria-pressed': button.classList.contains('mod-active')});
  const own = ':scope > .rank-lab-';
  const words = box.querySelector(`${own}words, ${own}roomy > .rank-lab-words`);
  const said = words?.textContent.trim() ?? '';
  set(box.querySelector('img:not(.described)'), {alt: said});
  const stage = box.querySelector(`${own}stage, :scope > .widget-box > .rank-lab-stage`);
  set(stage, {role: 'img', 'aria-label': said});
  if (stage && stage.scrollWidth > stage.clientWidth) set(stage, {tabindex: 0});
  set(words?.querySelector('.widget-html-content'), {role: 'status'});
};
new MutationObserver(name).observe(box, {childList: true, subtree: true, characterData: true});
name();
"""

#: The class of the widget with the sentence, by which the script finds it.
WORDS_CLASS = "rank-lab-words"
#: For a `widgets.HTML` in an explorer's box: the style sheet of what is live. It is loaded when
#: it comes into the page: that is when its script can look around itself.
NAMING = f'<style onload="{html.escape(" ".join(_SCRIPT.split()))}">{stage.CSS}</style>'
