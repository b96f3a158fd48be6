"""The trainer, driven through its widgets as a reader drives it."""

import asyncio
import html
from functools import cache
from itertools import pairwise
from types import SimpleNamespace

import pytest
from IPython.core.formatters import DisplayFormatter

from helpers import stage
from helpers import trainer as module
from helpers.controls import TRAINING
from helpers.figures import FineTuningRun
from helpers.figures.picture import caption
from helpers.figures.vector import Drawing
from helpers.model.fine_tuning import FineTuning
from helpers.model.recipe import Recipe
from helpers.trainer import START, Trainer

#: A step takes some milliseconds.
SMALL = {"people": 5, "steps": 25, "batch": 8, "rank": 2}


@pytest.fixture(scope="module")
def drawn_once():
    """A figure and its fixed part for all trainers: building them is the slow part."""
    return cache(FineTuningRun), cache(Drawing)


@pytest.fixture(autouse=True)
def quick(monkeypatch, drawn_once):
    monkeypatch.setattr(module, "FineTuningRun", drawn_once[0])
    monkeypatch.setattr(stage, "Drawing", drawn_once[1])


@pytest.fixture
def trainer(monkeypatch):
    """A small one whose model says at once what it knows; each question is kept."""
    asked = []
    monkeypatch.setattr(FineTuning, "recall", lambda _, of=None: asked.append(of) or (0.25, 0.75))
    found = Trainer(**SMALL)
    found.asked = asked
    return found


async def until(condition):
    for _ in range(10_000):
        if condition():
            return
        await asyncio.sleep(0.001)
    raise AssertionError("it has not happened")


def ended(trainer):
    """Everything can be set and started again, and nothing stopped."""
    controls = trainer.controls.values()
    return trainer._stop.disabled and not (trainer.running or any(c.disabled for c in controls))


def test_every_setting_of_a_recipe_has_a_control():
    assert set(TRAINING) == set(Recipe.__dataclass_fields__)
    trainer = Trainer()
    assert list(trainer.controls) == list(TRAINING)
    assert trainer.recipe == Recipe(**START)


def test_every_control_changes_its_setting_alone(trainer):
    for name, control in trainer.controls.items():
        before = trainer.recipe
        options = getattr(control, "options", None)
        if options is None:
            values = [control.min, control.max]
        else:
            values = [value for _, value in options]
        for value in values:
            control.value = value
            found = trainer.recipe
            assert getattr(found, name) == value
            for other in TRAINING:
                assert other == name or getattr(found, other) == getattr(before, other)


def test_a_run_to_its_end(trainer):
    before = trainer._stage.moving
    assert ended(trainer)
    trainer._start.click()
    assert ended(trainer) and trainer.error == ""
    (run,) = trainer.runs
    assert (run.recipe, run.steps, run.new, run.known) == (Recipe(**START | SMALL), 25, 0.25, 0.75)
    assert run.parameters == 2 * 6728
    assert trainer._bar.value == trainer._bar.max == 25
    assert trainer._stage.moving != before
    words = trainer._words.value
    assert "After step 25 of 25 the loss is" in words
    assert "Right are 25 % of the facts of all 5 new people and 75 % of those of 100" in words
    # The start, each eighth and the end ask some people; then all of them are asked.
    assert trainer.asked == [25] * 10 + [None]


def test_the_table_has_every_run_the_newest_first(trainer):
    trainer.start()
    for name, value in {"method": "full", "placement": "attention", "replayed": 0.03}.items():
        trainer.controls[name].value = value
    trainer.start()
    two, one = trainer.table().rows
    assert two == ("2", "all weights", "attention", "Adam at 0.0032", "5", "3 %", "8", "0",
                   "25 of 25", "196,608", "0.25", "0.75")  # fmt: skip
    assert one[:2] == ("1", "LoRA, rank 2, alpha/sqrt(r), alpha 4")
    assert trainer._table.value == trainer.table()._repr_html_()


def test_what_no_control_offers_is_said_and_can_be_mended(trainer):
    """A front end may set it. The trainer stayed disabled for good."""
    optimiser = trainer.controls["optimiser"]
    optimiser.set_state({"index": None})
    trainer.start()
    assert "optimiser must be one of" in trainer._alert.value
    assert "Traceback" not in trainer._alert.value
    assert not trainer.running and trainer.runs == []
    optimiser.value = "adam"
    trainer.start()
    assert (trainer.error, len(trainer.runs)) == ("", 1)


def test_stop_ends_it_after_the_step(trainer):
    trainer.controls["steps"].value = 800

    async def use():
        trainer._start.click()
        assert trainer.running and not trainer._stop.disabled
        assert all(control.disabled for control in trainer.controls.values())
        await until(lambda: trainer._bar.value >= 3)
        trainer._stop.click()
        at = trainer._bar.value
        await until(lambda: ended(trainer))
        assert at <= trainer.runs[0].steps <= at + 1

    asyncio.run(use())
    assert "of 800 the loss is" in trainer._words.value
    assert trainer.asked[-1] is None
    trainer.controls["steps"].value = 25
    trainer._start.click()
    assert [run.steps for run in trainer.runs][1] == 25


def test_others_have_their_turn_after_every_step(trainer, monkeypatch):
    order = []
    take_step = FineTuning.take_step

    def noting(run):
        order.append("step")
        return take_step(run)

    monkeypatch.setattr(FineTuning, "take_step", noting)

    async def use():
        trainer.start()
        while trainer.running:
            order.append("turn")
            await asyncio.sleep(0)

    asyncio.run(use())
    steps = [i for i, what in enumerate(order) if what == "step"]
    assert len(steps) == 25
    assert all("turn" in order[one:two] for one, two in pairwise(steps))


def test_axes_end_where_the_run_ends(trainer):
    fixed = trainer._stage.widget.children[0]
    asked = [fixed.value]
    for steps in (25, 50):
        trainer.controls["steps"].value = steps
        trainer.start()
        asked.append(fixed.value)
    assert asked[0] == asked[1] != asked[2]


def test_a_second_start_does_nothing_while_it_runs(trainer):
    async def use():
        trainer.start()
        await until(lambda: trainer._bar.value >= 2)
        trainer.start()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    asyncio.run(use())
    assert [run.steps for run in trainer.runs] == [25]


def test_pictures_are_few_and_words_fewer(trainer, monkeypatch):
    """Of 25 steps some 0.2 s apart: one picture each half second, one for each question."""
    pictures, sentences, clock = [], [], iter(range(10_000))
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: 0.1 * next(clock)))
    trainer._stage.widget.children[1].observe(pictures.append, "value")
    trainer._words.observe(sentences.append, "value")
    monkeypatch.setattr(module, "ASKED_TIMES", 2)  # after steps 0, 12, 24 and 25
    trainer.start()
    assert len(sentences) == 4  # after steps 12, 24 and 25, and the result
    assert 4 < len(pictures) < 15


def test_an_error_is_shown_and_goes(trainer, monkeypatch):
    def fail(_):
        raise ZeroDivisionError("planted <b>here</b>")

    with monkeypatch.context() as planted:
        planted.setattr(FineTuning, "take_step", fail)
        trainer.start()
    assert ended(trainer) and trainer.runs == []
    assert "planted <b>here</b>" in trainer.error
    assert 'role="alert"' in trainer._alert.value
    assert html.escape("planted <b>here</b>") in trainer._alert.value
    trainer.start()
    assert trainer.error == trainer._alert.value == ""
    assert len(trainer.runs) == 1


def test_training_that_breaks_down_is_said(trainer, monkeypatch):
    monkeypatch.setattr(
        FineTuning, "take_step", lambda run: setattr(run, "step", 1) or float("nan")
    )
    trainer.start()
    assert trainer.error == ""
    assert "At step 1 of 25 training broke down: the loss is no number." in trainer._words.value
    assert trainer.runs[0].steps == 1


def test_it_really_learns(monkeypatch):
    monkeypatch.setattr(module, "ASKED_TIMES", 1)
    trainer = Trainer(people=5, steps=50, rank=4)
    trainer.start()
    assert trainer.runs[0].new > 0.9 > trainer.runs[0].known > 0.3


def test_before_the_first_run(trainer):
    assert trainer._words.value == caption(
        "Nothing is trained yet, of 25 steps. LoRA of rank 2 and scale 2.83 (alpha/sqrt(r), alpha "
        "4) in all matrices; Adam at 0.0032, 8 texts per step; 5 new people; seed 0."
    )


def test_a_notebook_gets_the_widget_and_a_line_of_text(trainer):
    data, _ = DisplayFormatter().format(trainer)
    view = data["application/vnd.jupyter.widget-view+json"]
    assert view["model_id"] == trainer.widget.model_id
    assert "[Trainer with method, rule, rank" in data["text/plain"]
    assert trainer.widget.model_id not in data["text/plain"]


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"speed": 3}, r"^settings must be among method, rule, .*, got speed$"),
        ({"people": 7}, r"^people must be a value of its control"),
        ({"people": 0}, r"^people must be a whole number at least 1, got 0$"),
        ({"learning_rate": 3e-3}, r"^learning_rate must be a value of its control"),
    ],
)
def test_settings_that_cannot_be(settings, message):
    with pytest.raises(ValueError, match=message):
        Trainer(**settings)
