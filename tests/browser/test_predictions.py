"""Predictions in a real JupyterLab, answered by keyboard; test_notebooks sees them folded."""

from __future__ import annotations

from typing import Any

import pytest

from tests.browser.test_notebooks import found_by_axe
from tools import lab

FORM = ".widget-vbox:has(> .widget-html b:text-is('Your prediction.'))"


@pytest.fixture(scope="module")
def ran(open_notebook: Any) -> Any:
    """Notebook 05, which asks in all three ways, after it was run."""
    page = open_notebook(next(name for name in lab.notebooks() if name.startswith("05")))
    assert lab.failed(lab.run(page, shown=False)) == []
    lab.until(lambda: page.locator(FORM).count() == 4, "the forms are not there")
    return page


def form(page: Any, number: int) -> Any:
    return page.locator(FORM).nth(number)


def said(page: Any, number: int) -> str:
    return form(page, number).locator("[role=status]").inner_text()


def reading(page: Any, number: int) -> Any:
    return page.locator("details.reading").nth(number)


def press(page: Any, keys: str) -> None:
    for key in keys.split():
        page.keyboard.press(key)


def test_from_the_question_to_the_card_by_keyboard(ran: Any) -> None:
    """A number with a slip first, a curve by its sliders, and two questions that are skipped."""
    page = ran
    assert found_by_axe(page, {"include": [[".jp-Notebook .widget-vbox"]]})
    card = page.locator(".jp-OutputArea-output:has-text('predictions committed')").last
    assert "0 of 4 predictions committed" in card.inner_text()
    waiting = page.get_by_text("This explorer shows what a prediction above asks for.")
    there = page.evaluate("probe.explorers().length")
    assert (held := waiting.count()) > 0

    text = form(page, 2).get_by_role("textbox", name="Components of style for an error of 0.05")
    text.focus()
    page.keyboard.type("many")
    press(page, "Enter")
    lab.until(lambda: '"many" is no number' in said(page, 2), "the slip is not named")
    assert reading(page, 2).get_attribute("open") is None
    assert not form(page, 2).locator("table").count()
    press(page, "Control+A")
    page.keyboard.type("8")
    press(page, "Enter")
    lab.until(
        lambda: said(page, 2) == "You 8, measured 24: 3 times too low.", lambda: said(page, 2)
    )
    assert "24 (you 8)" in form(page, 2).locator("table").inner_text()
    lab.until(lambda: reading(page, 2).get_attribute("open") is not None, "no reading")

    sliders = form(page, 0).locator(".noUi-handle, .ui-slider-handle")
    assert sliders.count() == 5
    heard = [sliders.nth(i).get_attribute("aria-label") for i in range(5)]
    assert heard == ["rank 2", "rank 4", "rank 8", "rank 16", "rank 32"]
    sliders.nth(4).focus()
    press(page, "End")
    sliders.nth(0).focus()
    press(page, "Home")
    form(page, 0).get_by_role("button", name="Commit").focus()
    press(page, "Enter")
    lab.until(lambda: "Right at" in said(page, 0), "the curve is not judged")
    picture = form(page, 0).locator("img")
    assert "At rank 8 and noise 0.01" in picture.get_attribute("alt")
    assert picture.evaluate("image => image.naturalWidth > 0")

    for number in (1, 3):
        form(page, number).get_by_role("button", name="Show me").focus()
        press(page, "Enter")
    lab.until(lambda: said(page, 3) == "Measured: effective rank.", lambda: said(page, 3))
    assert form(page, 3).locator("table").count() == 1
    lab.until(
        lambda: "4 of 4 predictions committed: 0 right, 2 off, 2 skipped" in card.inner_text(),
        card.inner_text,
    )
    assert "3 times too low" in card.inner_text()
    assert waiting.count() == 0
    assert page.evaluate("probe.explorers().length") == there + held
    assert found_by_axe(page, {"include": [[".jp-Notebook .widget-vbox"]]})


def test_run_again_it_keeps_what_was_answered(ran: Any) -> None:
    page = ran
    page.evaluate("probe.within(120, jupyterapp.commands.execute('notebook:run-all-cells'))")
    lab.until(
        lambda: page.locator(FORM).count() == 4 and "measured 24" in said(page, 2),
        "the answer is gone",
        60,
    )
    assert form(page, 2).get_by_role("button", name="Commit").is_disabled()
