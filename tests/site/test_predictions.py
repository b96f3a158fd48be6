"""Predictions on a page without Python: folded, asked with native controls, judged alike."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any

import pytest

from helpers import guesses
from tests.support.notebooks import PATHS, load
from tests.support.peeks import folds
from tools.site import served

ASKING = {path.stem: path for path in PATHS if folds(load(path))}
SCRIPT = served.ROOT / "tools" / "site" / "static" / "predictions.js"
pytestmark = pytest.mark.usefixtures("nothing_outside")

QUESTIONS = {
    "number": (guesses.Number(3.5), ["8", "1/4", "3.6", "0", "many", "", "1.2.3", "1/0", "2e6"]),
    "percentage": (guesses.Number(25, " %", (0, 100)), ["1/4", "25 %", "24", "90", "101", "-1"]),
    "nothing": (guesses.Number(0), ["0", "0.5"]),
    "thousands": (guesses.Number(131072), ["10", "131000", "1000000"]),
    "small": (guesses.Number(0.0769, within=0.01), ["0.01", "0.077", "0.08"]),
    "choice": (guesses.Choice("style", ("style", "facts")), ["style", "facts"]),
    "curve": (
        guesses.Curve((6.608, 1.0, 0.064), (2, 8, 16), limits=(0, 7), within=0.02),
        [[6.6, 1.0, 0.1], [1, 1, 1], [7, 0, 0.14]],
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    context = browser[0].new_context(viewport=served.lab.VIEWPORT, reduced_motion="reduce")
    context.add_init_script(path=served.lab.PROBE)
    yield context
    context.close()


@pytest.fixture(scope="module")
def judging(context: Any, address: str) -> Iterator[Any]:
    """The same for questions that leave no trace in it."""
    yield from opened(context, address)


@pytest.fixture
def page(context: Any, address: str) -> Iterator[Any]:
    """Notebook 05, which asks in all three ways."""
    yield from opened(context, address)


def opened(context: Any, address: str) -> Iterator[Any]:
    page = context.new_page()
    page.goto(f"{address}/{next(stem for stem in ASKING if stem.startswith('05'))}.html")
    yield page
    page.close()


def test_the_script_is_small_and_puts_nothing_into_the_page_as_text() -> None:
    text = SCRIPT.read_text(encoding="utf-8")
    assert len(text.encode()) < 4000
    assert not re.search(r"innerHTML|insertAdjacentHTML|eval|Function\(|Storage|fetch|cookie", text)


@pytest.mark.parametrize("name", QUESTIONS)
def test_it_judges_as_the_notebook_does(judging: Any, name: str) -> None:
    question, answers = QUESTIONS[name]
    given = guesses.as_json(question)
    for answer in [*answers, None]:
        try:
            said = question.judge(None if answer is None else question.read(answer)).words
        except ValueError as error:
            said = str(error)
        script = """([given, answer]) => {
            const question = JSON.parse(given);
            try {
                return judge(question, answer !== null && question.kind === "number"
                    ? read(question, answer) : answer);
            } catch ({ message }) { return message; }
        }"""
        assert judging.evaluate(script, [given, answer]) == said


def test_from_the_question_to_the_card_by_keyboard(page: Any) -> None:
    forms = page.locator(".prediction")
    words = [forms.nth(i).locator("[role=status]") for i in range(4)]
    readings = page.locator("details.reading")

    # Explorers that would tell an answer wait, each for the last of the readings above it.
    waiting = page.locator("details.asked > .rank-lab")
    assert [each.is_visible() for each in waiting.all()] == [False, False]

    text = forms.nth(2).get_by_role("textbox", name="Components of style for an error of 0.05")
    text.focus()
    page.keyboard.type("many")
    page.keyboard.press("Enter")
    assert '"many" is no number' in words[2].inner_text()
    assert readings.nth(2).get_attribute("open") is None
    page.keyboard.press("Control+A")
    page.keyboard.type("8")
    page.keyboard.press("Enter")
    assert words[2].inner_text() == "You 8, measured 24: 3 times too low."
    assert readings.nth(2).get_attribute("open") is not None
    assert forms.nth(2).locator("table").is_visible()

    sliders = forms.nth(0).get_by_role("slider")
    assert sliders.count() == 5
    sliders.nth(0).focus()
    page.keyboard.press("Home")
    assert forms.nth(0).locator("output").nth(0).inner_text() == "0"
    forms.nth(0).get_by_role("button", name="Commit").focus()
    page.keyboard.press("Enter")
    assert words[0].inner_text().startswith("Right at ")
    assert forms.nth(0).locator("meter").count() == 5
    waiting.nth(0).wait_for()
    waiting.nth(0).get_by_role("slider").first.press("End")
    assert not waiting.nth(1).is_visible()

    forms.nth(3).locator("summary").focus()
    page.keyboard.press("Enter")
    served.lab.until(
        lambda: readings.nth(3).get_attribute("open") is not None, "no reading unfolds"
    )
    assert words[3].inner_text() == "Measured: effective rank."
    assert forms.nth(3).get_by_role("button", name="effective rank").is_disabled()
    assert not waiting.nth(1).is_visible()
    forms.nth(1).locator("summary").press("Enter")
    waiting.nth(1).wait_for()
    card = page.locator(".prediction-card").inner_text()
    assert card.index("3 times too low") < card.index("Right at") < card.index("Measured: ")


def test_without_the_script_the_folds_are_there(browser: Any, address: str) -> None:
    context = browser[0].new_context(java_script_enabled=False)
    page = context.new_page()
    stem, path = next(iter(ASKING.items()))
    page.goto(f"{address}/{stem}.html")
    folded = page.locator(".prediction details")
    assert folded.count() == len(folds(load(path)))
    with_a_table = folded.nth(1)  # the first has a picture, which stands in the fold below
    assert with_a_table.locator("table").is_hidden()
    with_a_table.locator("summary").click()
    assert with_a_table.locator("table").is_visible()
    assert html.unescape(page.locator(".prediction").first.inner_text()).startswith("Your pred")
    context.close()
