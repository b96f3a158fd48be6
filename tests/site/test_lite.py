"""Each notebook in the browser edition: no server, no network, the same numbers."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import nbformat
import pytest

from tests.support.dropping import ADAPTER, BUTTON, drop_and_take_home
from tools.site import served
from tools.site.served import lab

#: A run takes some seconds on a free machine and minutes on one that is shared.
SECONDS = 240
pytestmark = pytest.mark.usefixtures("nothing_outside")


class Opened(NamedTuple):
    """A notebook that has been run whole: its page, its code cells, and what is stored."""

    page: Any
    cells: list[dict[str, Any]]
    stored: Any


@pytest.fixture(scope="module")
def context(browser: Any) -> Iterator[Any]:
    """One profile for all notebooks."""
    if why := os.environ.get(served.WHY_NOT):
        pytest.skip(why)
    context = browser[0].new_context(viewport=lab.VIEWPORT)
    context.add_init_script(path=lab.PROBE)
    yield context
    context.close()


@pytest.fixture(scope="module")
def pages() -> list[Any]:
    """The page that shows the last notebook, if any."""
    return []


# The longest first: begun last, it would keep one worker waiting for the other.
@pytest.fixture(params=sorted(lab.notebooks(), key=lambda name: "rates" not in name))
def opened(request: Any, context: Any, address: str, pages: list[Any]) -> Iterator[Opened]:
    """From its page, by the link that a reader follows.

    Only a worker's first, and the one that runs by itself: another notebook opens in the same
    front end, which takes longer to load than a short notebook to run.
    """
    stem = request.param.removesuffix(".ipynb")
    refused: list[str] = []

    def refusal(said: Any) -> None:
        if "Security Policy" in said.text:
            refused.append(said.text)

    if pages and not stem.startswith("01"):
        page = pages[0]
        page.on("console", refusal)
        html = (served.SITE / f"{stem}.html").read_text("utf-8")
        links = re.findall(r'href="lite/lab/index.html\?path=notebooks/([^"&]+)', html)
        assert links and {*links} == {request.param}
        lab.another(page, request.param, SECONDS)
    else:
        for before in pages:
            before.close()
        page = context.new_page()
        pages[:] = [page]
        page.on("console", refusal)
        page.goto(f"{address}/{stem}.html")
        page.get_by_role("link", name="Run it in your browser").first.click()
        page.wait_for_function("window.probe.opened()", timeout=SECONDS * 1000)
    assert page.evaluate("probe.panel().context.path") == f"notebooks/{request.param}"
    stored = nbformat.read(served.ROOT / "notebooks" / request.param, 4)
    if request.param.startswith("01"):
        runs_to_the_first_explorer(page)
    as_stored(page, stored)
    cells = lab.run(page, SECONDS)
    yield Opened(page, cells, stored)
    page.remove_listener("console", refusal)
    assert refused == []


def as_stored(page: Any, stored: Any) -> None:
    """Before anything has run: the first table, and no commas between the lines of its HTML."""
    at = next(
        (
            i
            for i, cell in enumerate(stored.cells)
            for out in cell.get("outputs", [])
            if "<table" in out.get("data", {}).get("text/html", "")
        ),
        None,
    )
    if at is None:
        return
    page.evaluate("(at) => probe.panel().content.scrollToItem(at)", at)
    table = page.locator(".jp-OutputArea-output:has(table)").first
    table.wait_for(state="attached")
    assert not re.search(r",\s*,", table.text_content())


def runs_to_the_first_explorer(page: Any) -> None:
    """By itself: the question stands there to be answered, and the explorer waits for it."""
    page.get_by_text("This explorer shows what a prediction above asks for").wait_for(
        timeout=SECONDS * 1000
    )
    assert page.locator(".jp-CodeCell:has(.jupyter-widgets)").count() == 2


def said(outputs: list[dict[str, Any]]) -> list[Any]:
    """The text of outputs: streams put together, each text form of the rest."""
    found: list[Any] = []
    for output in outputs:
        if output["output_type"] == "stream":
            text = "".join(output["text"])
            if found and isinstance(found[-1], list) and found[-1][0] == output["name"]:
                found[-1][1] += text
            else:
                found.append([output["name"], text])
        elif output["output_type"] == "error":
            found.append(("error", output["ename"], output["evalue"]))
        else:
            data = {kind: "".join(text) for kind, text in output["data"].items()
                    if kind.startswith("text/")}  # fmt: skip
            if data:  # Pyodide's kernel adds an empty one to what displays itself
                found.append(data)
    return found


def test_it_runs_as_stored_and_its_sliders_move(opened: Opened, tmp_path: Any) -> None:
    """One test, so that parallel workers run each notebook once."""
    it_prints_what_is_stored(opened)
    pictures_are_drawn(opened)
    a_slider_moves_picture_and_words(opened)
    scopes = "navigator.serviceWorker.getRegistrations().then((all) => all.map((one) => one.scope))"
    assert all(scope.endswith("/lite/") for scope in opened.page.evaluate(scopes))
    if opened.page.locator(BUTTON).count():
        before = len(served.Files.asked)
        words, home = drop_and_take_home(opened.page, tmp_path, SECONDS)
        assert "Applied at 0.25 times the trained scale by SGLang" in words
        assert {each.name for each in home.iterdir()} == {each.name for each in ADAPTER.iterdir()}
        # The adapter stays in the page: all that was asked of the server are files by their names.
        assert [each for each in served.Files.asked[before:] if served.could_carry(each)] == []


def it_prints_what_is_stored(opened: Opened) -> None:
    code = [cell for cell in opened.stored.cells if cell.cell_type == "code"]
    assert [cell["source"] for cell in opened.cells] == [cell.source for cell in code]
    differing = [
        (cell.source, said(cell.outputs), said(ran["outputs"]))
        for cell, ran in zip(code, opened.cells)
        if said(cell.outputs) != said(ran["outputs"])
    ]
    assert differing == []


def pictures_are_drawn(opened: Opened) -> None:
    """Not compared by their bytes: Matplotlib's versions draw differently."""
    code = [cell for cell in opened.stored.cells if cell.cell_type == "code"]

    def alts(outputs: list[dict[str, Any]]) -> list[str]:
        return [
            out["metadata"]["image/png"]["alt"]
            for out in outputs
            # A prediction's picture shows in its own form, once it is answered.
            if "image/png" in out.get("data", {}) and lab.WIDGET_VIEW not in out["data"]
        ]

    wanted = [alts(cell.outputs) for cell in code]
    assert [alts(ran["outputs"]) for ran in opened.cells] == wanted
    drawn = opened.page.evaluate("probe.stills().map((still) => still.drawn)")
    assert drawn == [True for each in wanted for _ in each]


def away_from_the_end(explorer: lab.Explorer) -> str:
    """The key that moves the first slider, which may stand at its largest value."""
    last = explorer.page.evaluate(
        "(i) => { const { part } = probe.controls(i)[0];"
        " return Number(part.ariaValueNow) >= Number(part.ariaValueMax); }",
        explorer.index,
    )
    return "ArrowLeft" if last else "ArrowRight"


def a_slider_moves_picture_and_words(opened: Opened) -> None:
    """The first slider of every explorer, by keyboard."""
    explorers = lab.Explorer.all(opened.page)
    wanted = sum("explorer" in cell.metadata.get("tags", []) for cell in opened.stored.cells)
    assert len(explorers) == wanted
    for explorer in explorers:
        start = explorer.state()
        explorer.focus(0)
        explorer.page.keyboard.press(away_from_the_end(explorer))
        moved = explorer.until(
            lambda now, start=start: (
                now["alert"]
                or (
                    (now["picture"], now["text"]) != (start["picture"], start["text"])
                    and now["words"] != start["words"]
                )
            ),
            "no new picture and words",
        )
        assert not moved["alert"], moved["alert"]
        assert moved["controls"][0]["value"] != start["controls"][0]["value"]
