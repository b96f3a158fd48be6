"""Each page as a reader meets it: without a kernel, in both themes, at a desk and on a phone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlparse

import nbformat
import pytest

from tests.support import peeks
from tests.support.notebooks import EVERY
from tools.notebooks import ATTACHED, DOCUMENTS
from tools.site import served

SHOWN = {path.stem: path for path in EVERY}
STEMS = list(SHOWN)
PAGES = ["index", *STEMS, *(path.stem for path in DOCUMENTS)]
WIDTHS = {"desk": 1366, "phone": 375}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
pytestmark = pytest.mark.usefixtures("nothing_outside")


class Links(HTMLParser):
    """Where a page leads, and what on it can be led to."""

    def __init__(self, stem: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.feed((served.SITE / f"{stem}.html").read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        for key in ("href", "src"):
            if given.get(key):
                self.links.append(str(given[key]))
        for key in ("id", "name"):
            if given.get(key):
                self.anchors.add(str(given[key]))


class Opened(NamedTuple):
    """A page, what its console said against it, and the notebook that it shows."""

    page: Any
    complaints: list[str]
    notebook: Any


def opened_at(browser: Any, address: str, stem: str, width: int, theme: str) -> tuple[Any, Any]:
    context = browser.new_context(
        viewport={"width": width, "height": 800}, color_scheme=theme, reduced_motion="reduce"
    )
    context.add_init_script(path=served.lab.PROBE)
    page = context.new_page()
    complaints: list[str] = []
    page.on(
        "console",
        lambda said: complaints.append(said.text) if said.type in ("error", "warning") else None,
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(f"{address}/{stem}.html")
    return page, complaints


@pytest.fixture(scope="module", params=STEMS)
def opened(request: Any, browser: Any, address: str) -> Iterator[Opened]:
    page, complaints = opened_at(browser[0], address, request.param, WIDTHS["desk"], "light")
    # Further pictures wait until they are scrolled to.
    page.evaluate(
        "() => { for (const image of document.images) image.loading = 'eager';"
        " for (const folded of document.querySelectorAll('details')) folded.open = true; }"
    )
    page.wait_for_function("[...document.images].every((image) => image.complete)")
    yield Opened(page, complaints, nbformat.read(SHOWN[request.param], 4))
    page.context.close()


def outputs(notebook: Any) -> list[Any]:
    return [out for cell in notebook.cells for out in cell.get("outputs", [])]


def plain(text: str) -> str:
    return " ".join(text.split())


def test_title(opened: Opened) -> None:
    heading = opened.notebook.cells[0].source.splitlines()[0].removeprefix("# ")
    (shown,) = opened.page.locator("h1").all()
    assert plain(shown.inner_text()).removesuffix("#").strip() == heading
    assert heading in opened.page.title()


def test_the_console_says_nothing(opened: Opened) -> None:
    assert opened.complaints == []


def test_every_stored_picture_is_there_with_its_description(opened: Opened) -> None:
    stored = []
    for cell in opened.notebook.cells:
        stored += [alt for alt in ATTACHED.findall(cell.source) if cell.get("attachments")]
        stored += [
            out.metadata["image/png"]["alt"]
            for out in cell.get("outputs", [])
            if "image/png" in out.get("data", {})
        ]
    shown = opened.page.evaluate(
        "() => [...document.querySelectorAll('img')].map((image) =>"
        " [image.alt, image.naturalWidth > 0, getComputedStyle(image).backgroundColor])"
    )
    assert shown == [[alt, True, "rgb(255, 255, 255)"] for alt in stored]
    text = plain(opened.page.locator("article").inner_text())
    assert [alt for alt in stored if plain(alt) not in text] == []


def test_every_stored_text_is_there(opened: Opened) -> None:
    text = plain(opened.page.locator("article").inner_text())
    for out in outputs(opened.notebook):
        data = out.get("data", {})
        if out.output_type == "stream":
            assert plain(out.text) in text
        elif "prediction-card" in data.get("text/html", ""):
            assert opened.page.locator(".prediction-card").count() == 1
        elif 'class="prediction"' in data.get("text/html", ""):
            assert peeks.plain(re.search("<details>.*", data["text/html"], re.S)[0]) in text
        elif "text/html" in data:
            words = plain(re.sub(r"<[^>]*>", " ", data["text/html"]))
            assert opened.page.evaluate(
                "(html) => { const box = document.createElement('div'); box.innerHTML = html;"
                " const plain = (text) => text.replace(/\\s+/g, '');"
                " return plain(document.querySelector('article').textContent)"
                ".includes(plain(box.textContent)); }",
                data["text/html"],
            ), words
        elif WIDGET_VIEW not in data and "image/png" not in data:
            assert plain(data["text/plain"]) in text


def test_explorers_are_there_or_lead_to_the_browser_edition(opened: Opened) -> None:
    """Live ones, but for what a reader's own run makes."""
    wanted = [
        bool(re.search(r"^explorers\.\w+\(\)$", cell.source, flags=re.M))
        for cell in opened.notebook.cells
        for out in cell.get("outputs", [])
        if WIDGET_VIEW in out.get("data", {})
    ]
    shown = opened.page.evaluate(
        "[...document.querySelectorAll('.rank-lab, .explorer')].map((part) =>"
        " part.matches('.rank-lab'))"
    )
    assert shown == wanted
    assert opened.page.locator(".explorer a").count() == wanted.count(False)
    assert opened.page.get_by_text("run the notebook to move it").count() == 0


def test_formulas_are_drawn(opened: Opened) -> None:
    prose = "\n".join(
        re.sub(r"```.*?```|`[^`]*`", "", cell.source, flags=re.S)
        for cell in opened.notebook.cells
        if cell.cell_type == "markdown"
    )
    written = re.findall(r"\$\$.+?\$\$|\$(?!\s)[^$]+(?<!\s)\$", prose, flags=re.S)
    drawn = opened.page.evaluate(
        "() => [...document.querySelectorAll('math')].map((formula) =>"
        " formula.getBoundingClientRect().width)"
    )
    assert len(drawn) == len(written)
    assert all(width > 3 for width in drawn)
    assert opened.page.locator("merror").count() == 0
    words = opened.page.evaluate(
        "() => { const copy = document.querySelector('article').cloneNode(true);"
        " for (const part of copy.querySelectorAll('pre, code, math')) part.remove();"
        " return copy.textContent; }"
    )
    assert not re.search(r"\$|\\[a-z]{2}", words)


@pytest.mark.parametrize("stem", PAGES)
def test_links_lead_somewhere(stem: str) -> None:
    for link in Links(stem).links:
        target = urlparse(link)
        if target.scheme in ("http", "https", "mailto", "data"):
            continue
        if target.path.startswith("lite/") and os.environ.get(served.WHY_NOT):
            continue  # without Pyodide only the pages are built
        file = served.SITE / (unquote(target.path) or f"{stem}.html")
        assert file.exists(), link
        if target.fragment and file.suffix == ".html":
            assert unquote(target.fragment) in Links(file.stem).anchors, link
        if opens := parse_qs(target.query).get("path"):
            assert (served.SITE / "lite" / "files" / opens[0]).is_file(), link


@pytest.mark.parametrize("stem", PAGES)
def test_nothing_comes_from_elsewhere(stem: str) -> None:
    """What a page loads by itself, even where the browser would not ask for it at once."""
    text = (served.SITE / f"{stem}.html").read_text(encoding="utf-8")
    loaded = re.findall(r"<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)=\"([^\"]+)", text)
    assert loaded
    assert [each for each in loaded if urlparse(each).netloc or each.startswith("//")] == []


def test_the_way_through(address: str) -> None:
    """From the landing page to the first notebook, and from each to the next and back."""
    assert [link for link in Links("index").links if link == f"{STEMS[0]}.html"]
    for before, after in pairwise(STEMS):
        assert f"{after}.html" in Links(before).links
        assert f"{before}.html" in Links(after).links


def looked_at_by_axe(stem: str, theme: str, width: str) -> dict[str, Any] | None:
    """Which of axe's rules a page is held to, as its options; None for none.

    A theme changes colours only, and a width everything but colours. So each page is held to all
    rules once, and to those that can differ in the other theme or at the other width; the landing
    page, with the same frame, to all rules everywhere.
    """
    if stem == "index" or (theme, width) == ("light", "desk"):
        return {}
    if (theme, width) == ("dark", "phone"):
        return None
    if theme == "dark":
        return {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    return {"rules": {"color-contrast": {"enabled": False}}}


@pytest.mark.parametrize("stem", PAGES)
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_for_everyone(browser: Any, address: str, stem: str, theme: str) -> None:
    """At a desk and on a phone: it fits, it can be read, and axe finds nothing."""
    from axe_playwright_python.sync_playwright import Axe

    page, complaints = opened_at(browser[0], address, stem, WIDTHS["desk"], theme)
    for name, width in WIDTHS.items():
        page.set_viewport_size({"width": width, "height": 800})
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        page.wait_for_timeout(200)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        sizes = page.evaluate(
            "() => [...document.querySelectorAll('article :is(p, li, td, pre)')].map((part) =>"
            " parseFloat(getComputedStyle(part).fontSize))"
        )
        assert min(sizes) >= 12
        options = looked_at_by_axe(stem, theme, name)
        if options is not None:
            page.evaluate("probe.eachLookOfCodeOnce()")
            found = Axe().run(page, options={"resultTypes": ["violations"], **options})
            assert found.response["passes"]
            assert found.response["violations"] == [], found.generate_report()
    assert complaints == []
    page.context.close()


def test_the_keyboard_reaches_the_content_first(browser: Any, address: str) -> None:
    """Tab comes to a link that skips the navigation; what has the focus shows it."""
    page, _ = opened_at(browser[0], address, STEMS[0], WIDTHS["desk"], "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to content"
    page.wait_for_function("document.activeElement.getBoundingClientRect().y >= 0")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('article, .content') !== null")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2
    page.context.close()
