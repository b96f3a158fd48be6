"""Predictions: what is asked, how it is judged, and that nothing shows before it is answered."""

import asyncio
import html
import json
import re

import ipywidgets as widgets
import numpy as np
import pytest

from helpers import explorer, figures, guesses, predictions
from helpers.explorer import Explorer
from helpers.guesses import Choice, Curve, Number
from helpers.tables import Table

TABLE = Table(("update", "a", "b"), [("style", "1.00", "2.00"), ("facts", "3.00", "0.14")])


@pytest.fixture(autouse=True)
def nothing_is_kept():
    """Each test is a kernel of its own."""
    kept = (predictions._answers, predictions._asked, predictions._cards, explorer._HELD)
    for each in kept:
        each.clear()
    yield
    for each in kept:
        each.clear()


def displayed(prediction):
    return prediction._repr_mimebundle_()


def parts(widget):
    yield widget
    for child in getattr(widget, "children", ()):
        yield from parts(child)


def of_kind(prediction, kind):
    return [part for part in parts(prediction.widget) if type(part) is kind]


def button(prediction, description):
    (found,) = (b for b in of_kind(prediction, widgets.Button) if b.description == description)
    return found


def texts(prediction):
    return " ".join(part.value for part in of_kind(prediction, widgets.HTML))


def seen_without_opening(source):
    """What a page shows of HTML whose folds are closed: no attributes, no folded content."""
    closed = re.sub(r"<details>\s*<summary>(.*?)</summary>.*?</details>", r"\1", source, flags=re.S)
    return html.unescape(re.sub(r"<[^>]*>", " ", closed))


# How answers are read and judged


@pytest.mark.parametrize(
    ("written", "value"),
    [("12", 12), (" 0.5 ", 0.5), (".5", 0.5), ("1/4", 0.25), ("8 times", 8), ("128x", 128)],
)
def test_a_number_is_read(written, value):
    assert Number(1).read(written) == value


def test_a_fraction_of_a_percentage():
    question = Number(25, unit=" %", limits=(0, 100))
    assert [question.read(each) for each in ("1/4", "25", "25 %")] == [25, 25, 25]


@pytest.mark.parametrize("written", ["", "  ", "many", "1,000", "1.2.3", "1/0", "nan", "inf", "١"])
def test_what_is_no_number_is_named(written):
    with pytest.raises(ValueError) as caught:
        Number(1).read(written)
    assert str(caught.value).startswith(f'"{written}" is no number from 0 to 1000000')


def test_a_number_out_of_range_is_named():
    with pytest.raises(ValueError, match='"5" is no number from 0 to 4'):
        Number(3, limits=(0, 4)).read("5")


@pytest.mark.parametrize(
    ("you", "measured", "said"),
    [
        (8, 1, "You 8, measured 1: 8 times too high."),
        (1, 8, "You 1, measured 8: 8 times too low."),
        (22, 25, "You 22, measured 25: 3 too low."),
        (24, 25, "You 24, measured 25: right."),
        (0.5, 0, "You 0.5, measured 0: 0.5 too high."),
        (0, 0, "You 0, measured 0: right."),
        (131072, 131072, "You 131000, measured 131000: right."),
    ],
)
def test_a_number_is_judged(you, measured, said):
    outcome = Number(measured).judge(you)
    assert outcome.words == said
    assert (outcome.state == "right") == ("right" in said)


def test_a_choice_is_judged():
    question = Choice("style", ("style", "facts"))
    assert question.judge("facts").words == "You: facts. Measured: style. Not so."
    assert question.judge("style").state == "right"


def test_a_curve_is_judged_point_by_point():
    question = Curve((6.6, 1.0, 0.1), at=(2, 8, 16), limits=(0, 7), within=0.02)
    outcome = question.judge((1.0, 1.1, 0.2))
    assert outcome.words == ("Right at 2 of 3 points; furthest off at rank 2: you 1, measured 6.6.")
    assert outcome.state == "off"
    assert question.judge((6.6, 1.0, 0.1)).state == "right"


@pytest.mark.parametrize(
    "question", [Number(3), Choice("a", ("a", "b")), Curve((0.1, 0.2), at=(1, 2))]
)
def test_a_skipped_question_says_only_what_was_measured(question):
    outcome = question.judge(None)
    assert (outcome.state, outcome.you) == ("skipped", "")
    assert "You" not in outcome.words


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: predictions.number("2-a", "x", 1), "key must be"),
        (lambda: predictions.number("02-a", "x", float("nan")), "measured must be"),
        (lambda: predictions.number("02-a", "x", 5, limits=(0, 4)), "measured must be"),
        (lambda: predictions.choice("02-a", "x", "c", ("a", "b")), "measured must be"),
        (lambda: predictions.curve("02-a", "x", [0.1], at=(1, 2)), "measured must have 2 values"),
        (lambda: predictions.curve("02-a", "x", [3.0], at=(1,)), "measured must be"),
        (lambda: predictions.number("02-a", "x", 1).into("text"), "result must be"),
        (lambda: predictions.number("02-a", "x", 1).into(TABLE, ("none", "a")), "where must be"),
        (lambda: predictions.number("02-a", "x", 1).into(TABLE, ("style", "z")), "where must be"),
    ],
)
def test_errors_of_the_one_who_asks_are_named(make, named):
    with pytest.raises(ValueError, match=named):
        make()


def test_a_place_that_a_picture_lacks_is_named():
    picture = figures.ScaleOverRank().draw(rank=16, alpha=16)
    with pytest.raises(ValueError, match="where must be a place in the ScaleOverRank"):
        predictions.number("02-a", "x", 1).into(picture, ("y", 5))


# What shows, and when


def asked(measured=0.14):
    return predictions.number("02-c", "the fifth value", measured).into(TABLE, ("facts", "b"))


def test_nothing_of_the_result_shows_before_an_answer():
    prediction = asked()
    data, _ = displayed(prediction)
    assert "0.14" not in texts(prediction)
    assert "0.14" not in seen_without_opening(data["text/html"])
    assert "0.14" not in data["text/plain"]
    assert "0.14" in data["text/html"]


def test_an_answer_shows_the_result_with_the_answer_in_it():
    prediction = asked()
    displayed(prediction)
    (text,) = of_kind(prediction, widgets.Text)
    text.value = "0.28"
    button(prediction, "Commit").click()
    assert "You 0.28, measured 0.14: 2 times too high." in texts(prediction)
    assert "0.14 (you 0.28)" in texts(prediction)
    assert text.disabled
    assert TABLE.rows[1][2] == "0.14"  # the notebook's own table is left alone


def test_enter_commits():
    prediction = asked()
    displayed(prediction)
    (text,) = of_kind(prediction, widgets.Text)
    text.value = "0.14"
    text._handle_custom_msg({"event": "submit"}, [])
    assert prediction.outcome.state == "right"


def test_enter_takes_what_is_written_although_it_is_told_first():
    """The front end says "submit" before it sends the text."""

    async def typing():
        prediction = asked()
        displayed(prediction)
        (text,) = of_kind(prediction, widgets.Text)
        text.value = "12"  # written earlier, and left
        text._handle_custom_msg({"event": "submit"}, [])
        assert prediction.outcome is None
        text.value = "0.14"
        assert prediction.outcome.state == "right"

    asyncio.run(typing())


def test_a_second_answer_that_arrives_late_is_taken():
    """A busy page tells a second Enter at once, and sends its text when the first is answered."""

    async def typing():
        prediction = asked()
        displayed(prediction)
        (text,) = of_kind(prediction, widgets.Text)
        text._handle_custom_msg({"event": "submit"}, [])
        text.value = "many"
        assert "many&quot; is no number" in texts(prediction)
        text._handle_custom_msg({"event": "submit"}, [])
        await asyncio.sleep(0.4)  # longer than the first text was waited for
        assert prediction.outcome is None
        text.value = "0.14"
        assert prediction.outcome.state == "right"

    asyncio.run(typing())


def test_leaving_the_field_commits_nothing():
    prediction = asked()
    displayed(prediction)
    (text,) = of_kind(prediction, widgets.Text)
    text.value = "0.14"
    assert prediction.outcome is None


def test_a_wrong_entry_is_named_and_takes_nothing():
    prediction = asked()
    displayed(prediction)
    (text,) = of_kind(prediction, widgets.Text)
    text.value = "<b>lots"
    button(prediction, "Commit").click()
    assert "&lt;b&gt;lots&quot; is no number" in texts(prediction)
    assert prediction.outcome is None
    assert "0.14" not in texts(prediction)


def test_show_me_skips():
    prediction = asked()
    displayed(prediction)
    button(prediction, "Show me").click()
    assert prediction.outcome.state == "skipped"
    assert "Measured 0.14." in texts(prediction)
    assert "(you" not in texts(prediction)


def test_the_first_answer_counts():
    prediction = asked()
    displayed(prediction)
    button(prediction, "Show me").click()
    prediction.commit("0.14")
    assert prediction.outcome.state == "skipped"


def test_a_choice_is_one_press():
    prediction = predictions.choice("02-a", "which", "style", ("style", "facts")).into(TABLE)
    displayed(prediction)
    assert "0.14" not in texts(prediction)
    button(prediction, "facts").click()
    assert [b.description for b in of_kind(prediction, widgets.Button)] == [
        "style (measured)", "facts (you)", "Show me"
    ]  # fmt: skip
    assert all(b.disabled for b in of_kind(prediction, widgets.Button))


def test_a_curve_is_drawn_by_sliders_and_into_the_table():
    at = (1, 2)
    prediction = predictions.curve("02-a", "both", [0.2, 0.4], at=at)
    prediction.into(TABLE, ("style", ("a", "b")))
    displayed(prediction)
    sliders = of_kind(prediction, widgets.FloatSlider)
    assert [slider.description for slider in sliders] == ["rank 1", "rank 2"]
    before = texts(prediction)
    for slider, value in zip(sliders, (0.2, 0.9)):
        slider.value = value
    assert texts(prediction) != before
    button(prediction, "Commit").click()
    assert "Right at 1 of 2 points" in texts(prediction)
    shown = re.findall(r"<t[hd][^>]*>([^<]*)", texts(prediction))
    assert shown[shown.index("you") :][:3] == ["you", "0.2", "0.9"]


def drawn_lines(axes):
    return [np.asarray(line.get_data(), dtype=float) for line in axes.lines]


def test_an_answer_is_drawn_into_a_picture():
    picture = figures.ScaleOverRank().draw(rank=16, alpha=16)
    prediction = predictions.number("04-a", "scale", 2.0).into(picture, ("y", 1))
    data, metadata = displayed(prediction)
    assert metadata["image/png"]["alt"] == picture.alt
    assert data["image/png"] not in texts(prediction)
    before = len(picture.figure.axes[1].lines)
    prediction.commit("5")
    (line,) = picture.figure.axes[1].lines[before:]
    assert list(line.get_ydata()) == [5, 5]
    assert f'alt="{html.escape(picture.alt)}"' in texts(prediction)
    assert data["image/png"] not in texts(prediction)  # that one is without the answer


def test_an_explorer_of_the_same_picture_waits_for_every_answer():
    def shown(explorer):
        explorer._repr_mimebundle_()
        return len(explorer.widget.children) > 1

    picture = figures.ScaleOverRank().draw(rank=16, alpha=16)
    first = predictions.number("04-a", "scale", 2.0).into(picture, ("y", 1))
    second = predictions.number("04-b", "scale", 2.0).holding(figures.ScaleOverRank)
    for prediction in (first, second):
        displayed(prediction)
    waiting = Explorer(figures.ScaleOverRank(), rank=8, alpha=16)
    other = Explorer(figures.SpectrumUnderNoise(), noise=0.1)
    assert not shown(waiting) and shown(other)
    (note,) = waiting.widget.children
    assert "Show me" in note.value
    first.commit("5")
    assert not shown(waiting)
    second.skip()
    assert len(waiting.widget.children) > 1, "it comes by itself"
    assert shown(Explorer(figures.ScaleOverRank(), rank=8, alpha=16))
    displayed(predictions.number("04-a", "scale", 2.0).into(picture, ("y", 1)))
    assert shown(waiting), "what was answered is answered"


def test_a_curve_is_drawn_into_a_picture():
    picture = figures.SpectrumEnergyError().draw(rank=8, noise=0.01, target=0.9)
    prediction = predictions.curve("05-a", "energy", [0.1, 0.2], at=(2, 4)).into(picture, 1)
    displayed(prediction)
    prediction.commit([0.5, 0.6])
    assert any(
        np.array_equal(line, [[2, 4], [0.5, 0.6]]) for line in drawn_lines(picture.figure.axes[1])
    )


def test_running_the_cell_again_keeps_the_answer():
    first = asked()
    displayed(first)
    first.commit("0.28")
    again = asked()
    displayed(again)
    assert "0.14 (you 0.28)" in texts(again)
    assert all(b.disabled for b in of_kind(again, widgets.Button))


def test_displaying_twice_is_the_same_form():
    prediction = asked()
    views = [displayed(prediction)[0][predictions.VIEW]["model_id"] for _ in range(2)]
    assert views[0] == views[1]


def test_the_stored_form_is_the_same_after_an_answer():
    """A notebook that is run twice in one kernel stores the same."""
    before = displayed(asked())[0]["text/html"]
    prediction = asked()
    prediction_data, _ = displayed(prediction)
    prediction.commit("5")
    assert displayed(prediction)[0]["text/html"] == before == prediction_data["text/html"]


def test_the_page_is_given_what_was_measured():
    data, _ = displayed(asked(0.13705))
    (given,) = re.findall(r'data-prediction="([^"]*)"', data["text/html"])
    question = json.loads(html.unescape(given))
    assert question["measured"] == 0.137
    assert (question["key"], question["kind"]) == ("02-c", "number")


# The card


def test_the_card_follows_the_answers():
    one = asked()
    other = predictions.choice("02-d", "which", "style", ("style", "facts"))
    elsewhere = predictions.number("03-a", "not here", 1)
    for each in (one, other, elsewhere):
        displayed(each)
    card = predictions.card("02")
    assert "0 of 2 predictions committed" in card.widget.value
    one.commit("0.28")
    other.skip()
    elsewhere.commit("1")
    assert "2 of 2 predictions committed: 0 right, 1 off, 1 skipped" in card.widget.value
    assert "2 times too high" in card.widget.value
    assert "not here" not in card.widget.value
    assert "0.28" not in card._repr_mimebundle_()["text/html"]


def test_a_question_asked_again_counts_once():
    for _ in range(2):
        displayed(asked())
    assert "0 of 1 predictions" in predictions.card("02").widget.value


def test_shown_numbers_have_three_digits_and_no_exponent():
    values = [128, 0.1370, 131072, 0.0769, 98.5, 1e6, 0.25]
    assert [guesses.shown(value) for value in values] == [
        "128", "0.137", "131000", "0.0769", "98.5", "1000000", "0.25"
    ]  # fmt: skip
