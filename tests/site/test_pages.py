"""Each page as a reader meets it: without a kernel, in both themes, at a desk and on a phone."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlparse

import nbformat
import pytest

from tests.support import peeks
from tests.support.notebooks import EVERY
from tools.notebooks import ATTACHED, DOCUMENTS
from tools.site import served, stills

SHOWN = {path.stem: path for path in EVERY}
STEMS = list(SHOWN)
PAGES = ["index", *STEMS, *(path.stem for path in DOCUMENTS)]
WIDTHS = {"desk": 1366, "phone": 375}
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
pytestmark = pytest.mark.usefixtures("nothing_outside")


#: Of each static figure its title and words, its background, whether all panels show something.
FIGURES = """() => [...document.querySelectorAll(".rank-lab-still > [role=img]")].map((figure) => [
  figure.previousElementSibling.innerText + " " + figure.ariaLabel,
  getComputedStyle(figure.parentElement).backgroundColor,
  [...figure.querySelectorAll("svg.rank-lab-panel")].every((panel) =>
    panel.getBoundingClientRect().width > 100 && panel.querySelector("path, image")),
])"""
#: How high text of 10 points is in each panel of a figure, static or not, and in each entry of a
#: legend; and how much of its left end cannot be reached.
TEXT = """() => [...document.querySelectorAll(".rank-lab-panel, .rank-lab-entry")].map((panel) => {
  const box = panel.getBoundingClientRect();
  const scrolls = panel.closest(".rank-lab-still, .rank-lab-stage");
  const start = scrolls.getBoundingClientRect().left - scrolls.scrollLeft;
  return [(10 * 100 / 72 * box.width) / panel.viewBox.baseVal.width, Math.max(0, start - box.left)];
})"""

#: Two frames after a change, and once what moves on has come to rest.
SETTLED = """() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))
  .then(() => Promise.allSettled(document.getAnimations().map((each) => each.finished)))"""


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


#: Read once each, for all links that lead there.
links_of = cache(Links)


class Opened(NamedTuple):
    """A page with its folds open, what its console said against it, the notebook that it shows.

    peeks: what stood below each prompt to predict before anything was opened.
    """

    page: Any
    complaints: list[str]
    notebook: Any
    peeks: list[dict[str, Any]]


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
    seen = page.evaluate("pixels => probe.peeks(pixels)", peeks.SCREEN)
    # Further pictures wait until they are scrolled to.
    page.evaluate(
        "() => { for (const image of document.images) image.loading = 'eager';"
        " for (const folded of document.querySelectorAll('details')) folded.open = true; }"
    )
    served.lab.until(
        lambda: page.evaluate("[...document.images].every((image) => image.complete)"),
        "a picture does not come",
    )
    yield Opened(page, complaints, nbformat.read(SHOWN[request.param], 4), seen)
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


def test_no_answer_is_in_sight_before_it_is_committed(opened: Opened) -> None:
    assert all("Show me" in peek["words"] for peek in opened.peeks)
    assert peeks.given_away(opened.notebook, opened.peeks) == []
    assert opened.page.locator("details.reading").count() == len(opened.peeks)
    assert re.findall(r"\son[a-z]+=", opened.page.locator("article").inner_html()) == []


def test_every_stored_picture_is_there_with_its_description(opened: Opened) -> None:
    stored = []
    for cell in opened.notebook.cells:
        stored += [alt for alt in ATTACHED.findall(cell.source) if cell.get("attachments")]
        stored += [
            out.metadata["image/png"]["alt"]
            for out in cell.get("outputs", [])
            if "image/png" in out.get("data", {})
        ]
    assert opened.page.locator("article img").count() == 0  # none keeps a theme of its own
    for theme, paper in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(17, 17, 17)")):
        opened.page.emulate_media(color_scheme=theme)
        shown = opened.page.evaluate(FIGURES)
        assert shown == [[stills.name(alt), paper, True] for alt in stored]
    opened.page.emulate_media(color_scheme="light")
    text = plain(opened.page.locator("article").inner_text())
    titles = opened.page.locator(".rank-lab-title").all_inner_texts()
    words = [alt.removeprefix(title) for alt, title in zip(stored, titles, strict=True)]
    assert [each for each in words if plain(each) not in text] == []


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
    """Live ones, also of an adapter of a reader's own: of the one that ships, and it says so."""
    wanted = []
    for cell in opened.notebook.cells:
        if any(WIDGET_VIEW in out.get("data", {}) for out in cell.get("outputs", [])):
            live = re.search(r"^explorers\.\w+\((mine)?\)$", cell.source, flags=re.M)
            wanted += [False] if live is None else [True, False] if live[1] else [True]
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
    for link in links_of(stem).links:
        target = urlparse(link)
        if target.scheme in ("http", "https", "mailto", "data"):
            continue
        if target.path.startswith("lite/") and os.environ.get(served.WHY_NOT):
            continue  # without Pyodide only the pages are built
        file = served.SITE / (unquote(target.path) or f"{stem}.html")
        assert file.exists(), link
        if target.fragment and file.suffix == ".html":
            assert unquote(target.fragment) in links_of(file.stem).anchors, link
        if opens := parse_qs(target.query).get("path"):
            assert (served.SITE / "lite" / "files" / opens[0]).is_file(), link


@pytest.mark.parametrize("stem", PAGES)
def test_nothing_comes_from_elsewhere(stem: str) -> None:
    """What a page loads by itself, even where the browser would not ask for it at once."""
    text = (served.SITE / f"{stem}.html").read_text(encoding="utf-8")
    loaded = re.findall(r"<(?:script|img|link|iframe|source)\b[^>]*?(?:src|href)=\"([^\"]+)", text)
    assert loaded
    assert [each for each in loaded if urlparse(each).netloc or each.startswith("//")] == []


@pytest.mark.parametrize("stem", PAGES)
def test_a_policy_names_what_may_run(stem: str) -> None:
    """No script but the site's files and those that were built into the page."""
    text = (served.SITE / f"{stem}.html").read_text(encoding="utf-8")
    (given,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert text.index(given) < text.index("<script")
    rules = {rule.split()[0]: rule.split()[1:] for rule in given.split(";")}
    assert rules["default-src"] == ["'none'"]
    assert all(each == "'self'" or "'sha256-" in each for each in rules["script-src"])


def test_what_the_policy_does_not_name_does_not_run(browser: Any, address: str) -> None:
    page, complaints = opened_at(browser[0], address, "cheatsheet", WIDTHS["desk"], "light")
    page.evaluate(
        """() => {
        document.body.insertAdjacentHTML("beforeend", "<style onload='window.ran = 1'></style>"
          + "<img src='https://example.org/a.png'>");
        const text = { textContent: "window.ran = 2" };
        document.body.append(Object.assign(document.createElement("script"), text));
        }"""
    )
    page.wait_for_timeout(200)
    assert page.evaluate("window.ran") is None
    assert len([each for each in complaints if "Content Security Policy" in each]) == 3
    page.context.close()


def test_the_way_through(address: str) -> None:
    """From the landing page to the first notebook, and from each to the next and back."""
    assert [link for link in links_of("index").links if link == f"{STEMS[0]}.html"]
    for before, after in pairwise(STEMS):
        assert f"{after}.html" in links_of(before).links
        assert f"{before}.html" in links_of(after).links


#: All of axe's rules are held in the first view. A theme changes colours only, and a width
#: everything but colours: these are held in a third view, where the look of each text stands once.
VIEWS: list[tuple[str, str, dict[str, Any]]] = [
    ("light", "desk", {}),
    ("dark", "phone", {"rules": {"color-contrast": {"enabled": False}}}),
]
COLOURS = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}


def test_it_is_for_everyone(opened: Opened) -> None:
    """In both themes, at a desk and on a phone: it fits, it can be read, and axe finds nothing."""
    it_is_for_everyone(opened.page)
    assert opened.complaints == []


@pytest.mark.parametrize("stem", [stem for stem in PAGES if stem not in STEMS])
def test_the_other_pages_are_for_everyone(browser: Any, address: str, stem: str) -> None:
    """All rules in every view of the first: the frame of all pages is held there."""
    page, complaints = opened_at(browser[0], address, stem, WIDTHS["desk"], "light")
    it_is_for_everyone(page, everywhere=stem == "index")
    assert complaints == []
    page.context.close()


def it_is_for_everyone(page: Any, everywhere: bool = False) -> None:
    page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
    for theme, width, options in VIEWS:
        it_fits_in(page, theme, WIDTHS[width])
        page.evaluate("probe.eachLookOfCodeOnce()")
        axe_finds_nothing(page, {} if everywhere else options)
    it_fits_in(page, "dark", 360)
    it_fits_in(page, "dark", WIDTHS["desk"])
    if everywhere:
        axe_finds_nothing(page, {})
    else:
        page.evaluate("() => { window.restore = probe.eachLookOnce(); }")
        axe_finds_nothing(page, COLOURS)
        page.evaluate("restore()")
    page.emulate_media(color_scheme="light")


def axe_finds_nothing(page: Any, options: dict[str, Any]) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, options={"resultTypes": ["violations"], **options})
    assert found.response["passes"]
    assert found.response["violations"] == [], found.generate_report()


def it_fits_in(page: Any, theme: str, width: int) -> None:
    page.emulate_media(color_scheme=theme)
    page.set_viewport_size({"width": width, "height": 800})
    page.evaluate(SETTLED)
    it_fits(page, width)


def it_fits(page: Any, width: int) -> None:
    """Nothing but figures, tables and code scrolls sideways; no text is small, in figures too."""
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    sizes = page.evaluate(
        "() => [...document.querySelectorAll('article :is(p, li, td, pre)')].map((part) =>"
        " parseFloat(getComputedStyle(part).fontSize))"
    )
    assert min(sizes) >= 12
    drawn = page.evaluate(TEXT)
    assert all(high > 11 and lost < 1 for high, lost in drawn), drawn


def test_the_keyboard_reaches_the_content_first(browser: Any, address: str) -> None:
    """Tab comes to a link that skips the navigation; what has the focus shows it."""
    page, _ = opened_at(browser[0], address, STEMS[0], WIDTHS["desk"], "light")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.innerText") == "Skip to content"
    # Not wait_for_function, which evaluates text in the page: its policy forbids that.
    served.lab.until(
        lambda: page.evaluate("document.activeElement.getBoundingClientRect().y >= 0"),
        "what has the focus is out of sight",
    )
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.closest('article, .content') !== null")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert float(outline.removesuffix("px")) >= 2
    page.context.close()
