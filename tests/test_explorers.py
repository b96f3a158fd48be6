"""Every explorer, driven through its widgets as a reader drives it."""

import doctest
import html
from functools import cache

import ipywidgets as widgets
import numpy as np
import pytest
from IPython.core.formatters import DisplayFormatter

from helpers import explorer as module
from helpers import figures, predictions
from helpers.controls import CONTROLS, NAMING, RANK_LIMITS, RANK_STEPS
from helpers.explorer import Explorer
from helpers.figures.picture import caption
from helpers.figures.vector import Drawing
from helpers.lora.scaling import RULES
from helpers.stage import STAGE_CLASS, in_row
from helpers.trainer import Trainer
from tests.support.explorers import FACTORIES, SHOWN, made
from tests.support.matrices import assert_same


@pytest.fixture(scope="module", params=FACTORIES)
def explorer(request):
    """Every test leaves it as it was at the start."""
    return made(request.param)


@pytest.fixture(autouse=True)
def back_to_the_start(request):
    yield
    if "explorer" in request.fixturenames:
        request.getfixturevalue("explorer").reset()


def parts(widget):
    """A widget and everything inside it."""
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def of_kind(explorer, kind):
    return [part for part in parts(explorer.widget) if type(part) is kind]


drawing_of = cache(Drawing)


def stage(explorer):
    """What stays and what moves, as the page gets them."""
    (found,) = (box for box in of_kind(explorer, widgets.Box) if STAGE_CLASS in box._dom_classes)
    return [layer.value for layer in found.children]


def image(explorer):
    return stage(explorer)[1]


def texts(explorer):
    """What is read: no layers of the picture, nothing that only keeps room."""
    layers = stage(explorer)
    return [
        part.value
        for part in of_kind(explorer, widgets.HTML)
        if part.value not in layers and part.layout.visibility != "hidden"
    ]


def room(explorer):
    return [
        part.value for part in of_kind(explorer, widgets.HTML) if part.layout.visibility == "hidden"
    ]


def stops(control):
    """Both ends of a control and its middle, never twice the same in a row."""
    if hasattr(control, "options"):
        values = [option[1] if isinstance(option, tuple) else option for option in control.options]
    else:
        values = list(range(control.min, control.max + 1))
    at = np.unique(np.linspace(0, len(values) - 1, 3).round().astype(int))
    return [values[i] for i in at]


def assert_in_step(explorer):
    """Settings, numbers, picture and sentence all belong together."""
    picture = explorer.picture
    assert explorer.error == ""
    assert_same(picture.drawn, picture.numbers(**explorer.settings))
    drawing = drawing_of(picture)
    assert stage(explorer) == [drawing.fixed_html(), drawing.moving_html(drawing.fragments())]
    above = [picture.text_html()] if picture.has_text else []
    assert texts(explorer) == ["", *above, caption(explorer.description), NAMING]
    assert len(texts(explorer)[-2]) <= len(room(explorer)[-1])
    assert explorer.description == picture.place(picture.drawn)


def test_the_factories_are_found():
    assert {"two_updates", "error_over_rank", "hook"} <= set(FACTORIES)
    shown = [type(made(name).picture).__name__ for name in FACTORIES]
    assert shown == SHOWN
    assert set(shown) <= set(figures.__all__)
    assert len(set(shown)) == len(shown)


def test_it_starts_in_step(explorer):
    assert explorer.settings == explorer.start
    assert_in_step(explorer)


@pytest.mark.parametrize("name", FACTORIES)
def test_it_starts_as_its_example_says(name):
    """`test_rules` leaves these examples out: it would make every explorer once more."""
    (example,) = doctest.DocTestParser().get_examples(FACTORIES[name].__doc__)
    assert example.source.startswith(f"{name}().settings")
    found = eval(example.source, {name: lambda: made(name)})
    assert repr(found) == example.want.strip()


def test_every_control_from_end_to_end(explorer):
    for name, control in explorer.controls.items():
        explorer.reset()
        images, sentences = [], []
        for value in stops(control):
            control.value = value
            assert explorer.settings[name] == value
            assert_in_step(explorer)
            images.append((image(explorer), explorer.picture.text()))
            sentences.append(explorer.description)
        assert len(set(images)) == len(images), f"{name} does not change the picture"
        assert len(set(sentences)) == len(sentences), f"{name} does not change the sentence"


def test_the_corners_of_all_controls_together(explorer):
    for end in (0, -1):
        for control in explorer.controls.values():
            control.value = stops(control)[end]
        assert_in_step(explorer)


def counted(explorer, monkeypatch):
    """A list that grows by the settings of every redraw."""
    calls, draw = [], explorer.picture.draw

    def counting(**settings):
        calls.append(settings)
        return draw(**settings)

    monkeypatch.setattr(explorer.picture, "draw", counting)
    return calls


def test_reset_goes_back_with_one_redraw(explorer, monkeypatch):
    start, first = explorer.settings, image(explorer)
    for control in explorer.controls.values():
        control.value = next(value for value in stops(control) if value != control.value)
    assert image(explorer) != first
    calls = counted(explorer, monkeypatch)
    (button,) = of_kind(explorer, widgets.Button)
    button.click()
    assert calls == [start]
    assert explorer.settings == start == explorer.start
    assert image(explorer) == first
    assert_in_step(explorer)


def test_one_change_is_one_redraw(explorer, monkeypatch):
    calls = counted(explorer, monkeypatch)
    control = next(iter(explorer.controls.values()))
    control.value = next(value for value in stops(control) if value != control.value)
    assert calls == [explorer.settings]


def test_controls_come_in_one_order(explorer):
    assert list(explorer.controls) == [name for name in CONTROLS if name in explorer.controls]
    row = explorer.widget.children[0]
    *others, last = row.children
    assert [*others, *last.children[:-1]] == list(explorer.controls.values())
    assert isinstance(last.children[-1], widgets.Button), "which never wraps alone"


def look(widget):
    """What a reader sees of a control, without its value."""
    keys = {"description", "options", "_options_labels", "min", "max", "step", "orientation"}
    keys |= {"continuous_update", "readout", "readout_format"}
    state = {key: value for key, value in widget.get_state().items() if key in keys}
    for part in ("layout", "style"):
        inner = getattr(widget, part).get_state()
        state[part] = {key: value for key, value in inner.items() if not key.startswith("_")}
    return type(widget), state


def test_the_same_control_looks_the_same_everywhere():
    """But for the end of a rank that an adapter's own rank sets, and for its axis."""
    looks = {}
    for factory in FACTORIES:
        for name, control in made(factory).controls.items():
            kind, seen = look(control)
            picture = made(factory).picture
            if name == "rank" and picture.logarithmic_rank:
                low, high = picture.limits.get(name, RANK_LIMITS)
                steps = [step for step in RANK_STEPS if low <= step <= high]
                assert [value for _, value in control.options] == steps
                continue
            limits = picture.limits
            if name in limits and hasattr(control, "options"):
                values = [value for _, value in control.options]
                assert (values[0], values[-1]) == limits[name]
                continue
            if name in limits:
                assert (seen.pop("min"), seen.pop("max")) == limits[name]
                seen |= {"min": RANK_LIMITS[0], "max": RANK_LIMITS[1]}
            assert looks.setdefault(name, (kind, seen)) == (kind, seen)
    assert set(looks) == set(CONTROLS)


#: Controls that stand on the values of the map of runs, and are named as the others of their kind.
ON_THE_MAP = {"mapped_rank": "rank", "trained_scale": "scale", "mapped_rate": "learning rate"}
#: Where the scale is a factor on a finished update.
DIALS = ("behaviour", "adapter_cut")


@pytest.mark.parametrize(
    "last, flow",
    [(widgets.SelectionSlider(options=[1]), "row wrap"), (widgets.ToggleButtons(), "row nowrap")],
)
def test_reset_goes_below_a_slider_that_has_no_room_beside_it(last, flow):
    """Buttons wrap among themselves, so it stays beside them."""
    button = widgets.Button()
    row = in_row([widgets.IntSlider(), last], button)
    assert row.children[-1].children == (last, button)
    assert row.children[-1].layout.flex_flow == flow


def test_every_control_is_named_and_shows_its_value():
    for factory in FACTORIES:
        for name, control in made(factory).controls.items():
            if isinstance(control, widgets.ToggleButtons):  # all values are in sight
                labels = [label for label, _ in control.options]
                assert labels == [*RULES] or all(
                    label[:1].isupper() or name in label for label in labels
                )
            else:
                dial = name == "scale" and factory in DIALS
                wanted = "dial" if dial else ON_THE_MAP.get(name, name.replace("_", " "))
                assert wanted in control.description
                assert control.readout


@pytest.mark.parametrize("broken", ["draw", "numbers", "place", "vectors"])
def test_a_failed_redraw_is_shown_and_goes_away(explorer, monkeypatch, broken):
    before, sentence = image(explorer), explorer.description

    def fail(*_, **__):
        raise ZeroDivisionError("planted <b>here</b> & there")

    control = next(iter(explorer.controls.values()))
    others = [value for value in stops(control) if value != control.value]
    with monkeypatch.context() as planted:
        if broken == "vectors":
            planted.setattr(Drawing, "fragments", fail)
        else:
            planted.setattr(explorer.picture, broken, fail)
        control.value = others[0]
    assert "ZeroDivisionError: planted <b>here</b> & there" in explorer.error
    alert, *_, words, _ = texts(explorer)
    assert 'role="alert"' in alert
    assert html.escape("planted <b>here</b> & there") in alert
    assert "<b>here" not in alert
    assert image(explorer) == before
    assert words == caption(sentence)
    control.value = others[1]
    assert_in_step(explorer)


def test_a_notebook_gets_the_widget_and_a_line_of_text(explorer):
    data, _ = DisplayFormatter().format(explorer)
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view == {
        "version_major": 2, "version_minor": 0, "model_id": explorer.widget.model_id
    }  # fmt: skip
    text = data["text/plain"]
    assert all(name in text for name in explorer.controls)
    assert "VBox" not in text
    assert explorer.widget.model_id not in text
    assert set(data) == {"application/vnd.jupyter.widget-view+json", "text/plain"}


def test_an_unknown_setting():
    with pytest.raises(ValueError, match=r"settings must be among rank, alpha.*got speed"):
        Explorer(figures.ScaleOverRank(), rank=8, speed=3)


def test_a_stopped_redraw_is_said_and_goes_away(explorer, monkeypatch):
    before, sentence = image(explorer), explorer.description
    control = next(iter(explorer.controls.values()))
    others = [value for value in stops(control) if value != control.value]

    def stop(**_):
        raise KeyboardInterrupt

    with monkeypatch.context() as planted:
        planted.setattr(explorer.picture, "numbers", stop)
        control.value = others[0]
    alert, *_, words, _ = texts(explorer)
    assert "was stopped" in alert and "Traceback" not in alert
    assert (image(explorer), words) == (before, caption(sentence))
    control.value = others[1]
    assert_in_step(explorer)


@pytest.mark.parametrize("place", ["_stage", "_words", "controls"])
def test_a_stop_while_it_is_shown_or_reset_is_said_and_the_next_move_draws(monkeypatch, place):
    """Also where what stays goes with a new picture, and where controls are set without drawing."""
    explorer = Explorer(figures.ScaleOverRank(), rank=8, alpha=16)
    explorer.controls["rank"].value = 12

    class Stopping:
        def __getattr__(self, *_):
            raise KeyboardInterrupt

        __getitem__ = __setattr__ = __getattr__

    with monkeypatch.context() as planted:
        if place == "_stage":
            explorer.picture.release()
            explorer._stage._fixed.value = "of the figure before"
            planted.setattr(explorer._stage, "_fixed", Stopping())
        else:
            planted.setattr(explorer, place, Stopping())
        explorer.reset()
    assert "was stopped" in texts(explorer)[0]
    explorer.controls["alpha"].value = 32
    assert_in_step(explorer)


@pytest.mark.parametrize("state", [{"index": 99}, {"index": None}, {"index": -7}, {"value": None},
                                   {"value": float("nan")}, {"value": 10**9}])  # fmt: skip
def test_an_illegal_state_from_a_front_end_changes_nothing(explorer, state):
    start, words = explorer.settings, explorer.description
    for control in explorer.controls.values():
        try:  # as ipywidgets does with what arrives, which writes what is raised to a log
            control.set_state(state)
        except Exception:
            pass
        if "value" in state and not hasattr(control, "options") and state["value"] == 10**9:
            assert control.value == control.max  # ipywidgets' own answer, and a value there is
            explorer.reset()
    assert explorer.error == ""
    assert (explorer.settings, explorer.description) == (start, words)
    assert_in_step(explorer)


class Kernel:
    """As much of a kernel as an explorer asks."""

    def __init__(self, cell, run):
        self.kernel = self
        self.parent = {"header": {"msg_id": run}, "metadata": {"cellId": cell}}

    def get_parent(self):
        return self.parent


@pytest.mark.parametrize("made", [Trainer, lambda: predictions.choice("90-a", "which", "a", "ab")],
                         ids=["trainer", "prediction"])  # fmt: skip
def test_so_do_trainers_and_predictions(monkeypatch, made):
    """Run again and again, each left five megabytes, and a trainer trained on unseen."""
    one, two = made(), made()
    for run, each in enumerate((one, two)):
        monkeypatch.setattr(module, "get_ipython", lambda run=run: Kernel("c", f"{run}"))
        each._repr_mimebundle_()
        assert each.widget.comm is not None
    assert one.widget is None or one.widget.comm is None
    assert getattr(one, "_stopping", True)
    monkeypatch.setattr(module, "get_ipython", lambda: Kernel("d", "3"))
    view = one._repr_mimebundle_()
    assert one.widget.comm is not None and one.widget.model_id in str(view)


@pytest.mark.parametrize("change", [{"max": 10**6}, {"min": -9}])
def test_the_ends_of_a_slider_are_not_a_front_ends_to_move(change):
    explorer = Explorer(figures.ErrorPlane(), rank=8, alpha=16, noise=0.01, update="facts")
    slider = explorer.controls["rank"]
    slider.set_state(change)
    slider.set_state({"value": 10**5 if "max" in change else -3})
    assert (explorer.error, explorer.settings["rank"]) == ("", 8)
    slider.set_state({"value": 9})
    assert_in_step(explorer)


def test_a_cell_that_is_run_again_closes_what_it_showed(monkeypatch):
    def shown(cell, run, *explorers):
        monkeypatch.setattr(module, "get_ipython", lambda: Kernel(cell, run))
        for each in explorers:
            each._repr_mimebundle_()

    def alive(explorer):
        return all(part.comm is not None for part in parts(explorer.widget))

    one, two, three, other = (
        Explorer(figures.ScaleOverRank(), rank=8, alpha=16) for _ in range(4)
    )  # fmt: skip
    shown("a", "1", one, two)
    shown("b", "2", other)
    assert alive(one) and alive(two) and alive(other)
    shown("a", "3", two, three)
    assert not alive(one)
    assert "figure" not in vars(one.picture)  # megabytes
    assert alive(two) and alive(three) and alive(other)
    first = image(two)
    shown(None, "4", one)
    assert alive(one) and alive(three)
    one.controls["rank"].value = 12
    one.reset()
    assert image(one) == first
