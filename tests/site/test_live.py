"""Explorers on pages without Python: what they show is what Python draws, for everybody."""

from __future__ import annotations

import random
import re
from functools import cache
from itertools import product
from typing import Any

import pytest

from helpers.explorer import Explorer
from helpers.figures.vector import PIXELS, Drawing
from tests.support.explorers import FACTORIES, made
from tools.site import bake, blocks, served
from tools.site.classes import Classes

SCRIPT = served.ROOT / "tools" / "site" / "static" / "explorer.js"
VIEWPORT = {"width": 1366, "height": 800}
#: Settings at which page and Python are compared.
SETTINGS = 200
#: In units of a drawing.
HALF_A_PIXEL = 0.5 / PIXELS
NUMBER = re.compile(r"(-?\d+(?:\.\d+)?)")
THEMES_AND_WIDTHS = list(product(("light", "dark"), (1366, 375)))
pytestmark = pytest.mark.usefixtures("nothing_outside")

#: For each list of steps the strings of all parts, once the files are here.
ASSEMBLED = """async (all) => {
  const [explorer] = explorers;
  const files = new Set(all.flatMap((at) => explorer.addresses(at)));
  await Promise.all([...files].map((address) => explorer.fetched(address)));
  return all.map((at) => explorer.assembled(at));
}"""


def drawn(explorer: Explorer, drawing: Drawing, settings: dict[str, Any]) -> list[str]:
    """What Python draws and says, in the order of the page's parts."""
    picture = explorer.picture.draw(**settings)
    classes = Classes()
    parts = [classes.instead(fragment.svg) for fragment in drawing.fragments()]
    parts.append(picture.description)
    return parts + ([classes.instead(picture.text_html())] if picture.has_text else [])


def agree(shown: str, wanted: str) -> bool:
    """The same text, with numbers that are at most half a pixel apart."""
    if shown == wanted:
        return True
    ours, theirs = NUMBER.split(shown), NUMBER.split(wanted)
    return ours[::2] == theirs[::2] and all(
        abs(float(a) - float(b)) <= HALF_A_PIXEL for a, b in zip(ours[1::2], theirs[1::2])
    )


@pytest.mark.parametrize("name", FACTORIES)
def test_words_and_drawing_are_those_of_python(page: Any, address: str, name: str) -> None:
    explorer = made(name)
    controls = bake.controls(explorer, bake.FEWER.get(name, {}))
    every = list(product(*(range(len(control.values)) for control in controls)))
    few = min(SETTINGS, len(every))
    # Neighbours in a row: what a language model wrote for one person, it wrote for all.
    chosen = sorted(random.Random(0).sample(every, few), key=lambda at: (at[-1], *at))
    page.goto(f"{address}/explorers/{name}.html")
    shown = page.evaluate(ASSEMBLED, [list(at) for at in chosen])
    drawing = Drawing(explorer.picture)
    start = drawn(explorer, drawing, explorer.start)
    for at, parts in zip(chosen, shown):
        settings = {c.name: c.values[step] for c, step in zip(controls, at)}
        wanted = drawn(explorer, drawing, settings)
        words = len(explorer.picture.moving)
        for part, string in enumerate(wanted):
            # A part that no control changes is in the page, and in no file.
            found = parts.get(str(part), start[part])
            assert found == string if part >= words else agree(found, string), (settings, part)
    explorer.reset()
    assert page.complaints == []


def test_moved_by_keyboard_and_by_hand_and_put_back(page: Any, address: str) -> None:
    from playwright.sync_api import expect

    page.goto(f"{address}/explorers/hook.html")
    words, picture = page.locator(".rank-lab-words"), page.get_by_role("img")
    text, status = page.locator(".rank-lab-text"), page.get_by_role("status")
    rank = page.get_by_role("slider", name="rank r")
    at_start = page.locator(".rank-lab-moving").inner_html(), words.inner_text()
    assert picture.get_attribute("aria-label") == words.inner_text()
    assert text.locator("s").count() == 0

    rank.focus()
    page.keyboard.press("ArrowLeft")
    expect(words).to_contain_text("With 15 of its 16")
    assert (
        page.locator(".rank-lab-value").inner_text() == rank.get_attribute("aria-valuetext") == "15"
    )

    page.get_by_text("Server ignores use_rslora").click()
    expect(text.locator("s")).to_have_count(4)
    expect(page.get_by_role("radio", name="Server ignores use_rslora")).to_be_checked()
    assert "applies 0.25 of the adapter's strength" in words.inner_text()
    assert picture.get_attribute("aria-label") == words.inner_text()
    expect(status).to_have_text(words.inner_text())

    page.get_by_role("button", name="Reset").press("Enter")
    expect(text.locator("s")).to_have_count(0)
    assert (page.locator(".rank-lab-moving").inner_html(), words.inner_text()) == at_start
    assert rank.input_value() == "15" and page.complaints == []  # the sixteenth step


def test_a_file_that_cannot_be_had_is_said(browser: Any, address: str) -> None:
    from playwright.sync_api import expect

    page = browser[0].new_page()
    page.route("**/explorers/hook/*.json", lambda route: route.abort())
    page.goto(f"{address}/explorers/hook.html")
    before = page.locator(".rank-lab-words").inner_text()
    page.get_by_text("Server ignores use_rslora").click()
    expect(page.get_by_role("status")).to_contain_text("could not be fetched")
    assert page.locator(".rank-lab-words").inner_text() == before
    page.unroute("**/explorers/hook/*.json")
    page.get_by_role("slider").press("ArrowLeft")
    expect(page.locator(".rank-lab-text s")).to_have_count(4)
    page.close()


@pytest.mark.parametrize("theme, width", THEMES_AND_WIDTHS)
def test_a_page_of_its_own_is_for_everyone(
    browser: Any, address: str, theme: str, width: int
) -> None:
    """In the frame of another site's page, too: without scrolling sideways, in its theme."""
    from axe_playwright_python.sync_playwright import Axe

    context = browser[0].new_context(
        viewport={"width": width, "height": 800}, reduced_motion="reduce"
    )
    page = context.new_page()
    page.goto(f"{address}/explorers/behaviour.html?theme={theme}")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    ink = page.evaluate("getComputedStyle(document.querySelector('.rank-lab')).color")
    assert (ink == "rgb(0, 0, 0)") == (theme == "light")
    found = Axe().run(page, options={"resultTypes": ["violations"]})
    assert found.response["violations"] == [], found.generate_report()
    context.close()


def test_every_explorer_has_a_page_and_all_of_them_are_small() -> None:
    folder = served.SITE / "explorers"
    assert {path.stem for path in folder.glob("*.html")} == set(blocks.factories()) == {*FACTORIES}
    assert sum(path.stat().st_size for path in folder.rglob("*")) < 25e6
    assert len(SCRIPT.read_bytes()) < 10_000
    policy = (folder / "hook.html").read_text("utf-8")
    assert 'style="' not in policy and "<script>" not in policy and "unsafe" not in policy


@cache
def landing() -> str:
    return (served.SITE / "index.html").read_text("utf-8")


def test_the_landing_page_opens_with_a_live_one() -> None:
    assert landing().index('class="rank-lab"') < landing().index('class="launch"')
    assert 'data-files="explorers/hook/"' in landing()


def test_in_a_frame_it_is_moved(browser: Any, address: str) -> None:
    """As CONTRIBUTING shows it."""
    from playwright.sync_api import expect

    line = re.search(
        r"<iframe[^>]*></iframe>", (served.ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    )
    assert line
    page = browser[0].new_page()
    page.goto(f"{address}/genindex.html")  # any page of the same host, even none
    page.set_content(re.sub(r'src="[^"]*/explorers', f'src="{address}/explorers', line[0]))
    frame = page.frame_locator("iframe")
    slider = frame.get_by_role("slider").first
    expect(slider).to_be_enabled()  # its script has come
    slider.press("Home")
    frame.locator(".rank-lab-words", has_text="With 1 of its 16").wait_for()
    page.close()
