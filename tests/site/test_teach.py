"""The kit for teaching on the site: slides, handout, notes, with the network off."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pypdf
import pytest

from tools.notebooks import NOTEBOOKS
from tools.site import served
from tools.teach import editions, paths

KIT = served.SITE / "teach"
PATHS = paths.read()
VIEWPORT = {"width": 1280, "height": 720}
#: Of text, in pixels of a slide; signs in an index are smaller, as they are in print.
SMALLEST = 24
pytestmark = pytest.mark.usefixtures("nothing_outside")

#: Of text in a picture: 24 on a screen of 1920 pixels.
IN_PICTURES = 16
#: Slide by slide: what is smaller than it may be, and what does not fit.
FAULTS = """async ([smallest, inPictures]) => {
  const faults = [];
  await Promise.all([...document.images].map((image) => image.decode()));
  for (let i = 0; i < Reveal.getTotalSlides(); i++) {
    Reveal.slide(i);
    const slide = Reveal.getCurrentSlide();
    if (slide.scrollHeight > 720 || slide.scrollWidth > 1280) faults.push([i, "does not fit"]);
    for (const each of slide.querySelectorAll("*")) {
      if (each.closest("aside") || each.closest("math")) continue;
      const says = [...each.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
      const size = parseFloat(getComputedStyle(each).fontSize);
      if (says && size < smallest) faults.push([i, each.tagName, size]);
    }
    for (const image of slide.querySelectorAll("img")) {
      const box = image.getBoundingClientRect();
      const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
      const words = 10 * 150 / 72 * scale; // 10 points, at the 150 pixels an inch of figures
      if (!image.alt || words < inPictures) faults.push([i, "picture without words", words]);
    }
  }
  return faults;
}"""


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.key)
def test_every_slide_fits_and_is_read_from_the_last_row(
    page: Any, address: str, path: paths.TeachingPath
) -> None:
    page.complaints.clear()
    page.goto(f"{address}/teach/slides/{path.key}.html")
    page.wait_for_function("window.Reveal?.isReady()")
    assert page.evaluate(FAULTS, [SMALLEST, IN_PICTURES]) == []
    asked = sum(len(part.found.predictions) for part in path.parts if not part.what)
    assert page.locator("section.predict").count() == asked
    assert page.locator("section.result").count() == asked
    assert page.complaints == []


def test_an_explorer_moves_on_its_slide(page: Any, address: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.goto(f"{address}/teach/slides/45.html")
    page.wait_for_function("window.Reveal?.isReady()")
    for kind in ("predict", "result"):
        page.evaluate(f"Reveal.slide(Reveal.getSlides().findIndex((s) => s.matches('.{kind}')))")
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response
        assert [each["id"] for each in found["violations"]] == []
    page.evaluate("Reveal.slide(Reveal.getSlides().findIndex((s) => s.querySelector('iframe')))")
    frame = page.frame_locator("section.present iframe")
    slider = frame.locator("input[type=range]").first
    slider.wait_for()
    words = frame.locator(".rank-lab-words")
    before, at = words.text_content(), page.evaluate("Reveal.getIndices().h")
    size = page.evaluate(
        "() => { const frame = document.querySelector('section.present iframe');"
        " const scale = 1280 / parseFloat(frame.style.width);"
        " const label = frame.contentDocument.querySelector('form span');"
        " return scale * parseFloat(getComputedStyle(label).fontSize); }"
    )
    assert size >= SMALLEST
    drawn = page.evaluate(
        "() => { const frame = document.querySelector('section.present iframe');"
        " const panel = frame.contentDocument.querySelector('svg.rank-lab-panel');"
        " return 1280 / parseFloat(frame.style.width) * 10 * 100 / 72"
        " * panel.getBoundingClientRect().width / panel.viewBox.baseVal.width; }"
    )
    assert drawn >= IN_PICTURES
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(
        "before => document.querySelector('section.present iframe').contentDocument"
        ".querySelector('.rank-lab-words').textContent !== before", arg=before,
    )  # fmt: skip
    assert page.evaluate("Reveal.getIndices().h") == at, "the key belongs to the explorer"


def test_a_printed_deck_cuts_no_picture(page: Any, address: str) -> None:
    page.goto(f"{address}/teach/slides/45.html?print-pdf")
    page.wait_for_function("document.querySelectorAll('.pdf-page').length > 15")
    page.evaluate("Promise.all([...document.images].map((image) => image.decode()))")
    cut = page.evaluate(
        "() => [...document.querySelectorAll('.pdf-page img')].filter((image) => {"
        " const box = image.getBoundingClientRect();"
        " const room = image.closest('.pdf-page').getBoundingClientRect();"
        " return box.right > room.right - 55 || box.bottom > room.bottom; }).map((i) => i.src)"
    )
    assert cut == []


def figures(node: Any) -> Iterator[Any]:
    """The structure elements of a PDF that are figures."""
    node = node.get_object()
    if isinstance(node, list):
        for each in node:
            yield from figures(each)
    elif isinstance(node, dict):
        if node.get("/S") == "/Figure" and "/Alt" in node:
            yield node
        if isinstance(inner := node.get("/K"), (list, dict, pypdf.generic.IndirectObject)):
            yield from figures(inner)


def test_the_handout_is_two_tagged_pages_with_alternative_texts() -> None:
    read = pypdf.PdfReader(KIT / "handout" / "handout.pdf")
    root = read.trailer["/Root"]
    assert len(read.pages) == 2
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert read.metadata is not None
    assert read.metadata.title == "LoRA Rank Lab: handout"
    page = (KIT / "handout" / "handout.html").read_text("utf-8")
    alts = [str(each["/Alt"]) for each in figures(root["/StructTreeRoot"]["/K"])]
    assert len(alts) == 3
    assert all(alt.split("&")[0][:40] in page for alt in alts)
    text = "\n".join(each.extract_text() for each in read.pages)
    assert "What to set" in text.replace("\n", " ")


def test_every_sheet_opens_without_a_complaint_and_axe_finds_nothing(
    page: Any, address: str
) -> None:
    from axe_playwright_python.sync_playwright import Axe

    page.complaints.clear()
    sheets = ("handout/handout", "notes/09", "notes/path_90", "notes/checklists", "quiz/quiz")
    for at in ("teach", *(f"teach/{sheet}" for sheet in sheets)):
        page.goto(f"{address}/{at}.html")
        page.evaluate("for (const each of document.querySelectorAll('details')) each.open = true")
        found = Axe().run(page, options={"resultTypes": ["violations"]}).response
        assert [each["id"] for each in found["violations"]] == [], at
    assert page.complaints == []


def test_the_page_leads_to_all_of_it_and_folds_solutions() -> None:
    text = (served.SITE / "teach.html").read_text("utf-8")
    linked = {each for each in re.findall(r'href="(teach/[^"#]+)"', text)}
    assert [each for each in linked if not (served.SITE / each).is_file()] == []
    for path in PATHS:
        assert f"teach/slides/{path.key}.html" in linked
    for path in NOTEBOOKS:
        assert f"teach/notes/{path.name[:2]}.html" in linked
    before, _, folded = text.partition("<summary>Solutions and keys</summary>")
    assert not re.search(r"solved\.zip|nbgrader\.zip|quiz_key", before)
    assert all(f"notebooks/{each}.zip" in before + folded for each in editions.EDITIONS)
