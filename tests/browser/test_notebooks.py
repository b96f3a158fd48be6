"""Every notebook in a real JupyterLab: it runs, and every control moves its picture."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from helpers import adapters
from helpers.figures.picture import IN_WORDS, LONG
from tests.support.dropping import BUTTON, drop_and_take_home
from tools import lab

#: What is ours on a page. The rest, menus, tabs, prompts and editors, is JupyterLab's. So is
#: the image of a static figure: it leaves out the alternative text that the output carries.
OURS = {
    "include": [[".jp-Notebook .jp-RenderedMarkdown"], [".jp-Notebook .jp-OutputArea-output"]],
    "exclude": [[".jp-RenderedImage img"]],
}


class Opened(NamedTuple):
    """A notebook that has been run: its page and its code cells."""

    page: Any
    cells: list[dict[str, Any]]


@pytest.fixture(scope="module", params=lab.notebooks())
def opened(request: pytest.FixtureRequest, server: lab.Server, context: Any) -> Iterator[Opened]:
    page = server.open(context, request.param)
    yield Opened(page, lab.run(page))
    server.close(page)


def mentions(words: str, value: str) -> bool:
    """Whether the words say what the control says: 0.9 as 90 %, "facts update" as Facts."""
    try:
        wanted = {value, f"{100 * float(value):g}"}
    except ValueError:
        wanted = {value.split()[0]}
    return any(re.search(rf"(?i)(?<![\w.]){re.escape(each)}(?!\.?\w)", words) for each in wanted)


def test_it_runs_without_errors_or_warnings(opened: Opened) -> None:
    assert lab.failed(opened.cells) == []
    counts = [cell["count"] for cell in opened.cells if cell["source"]]
    assert counts == list(range(1, len(counts) + 1))


def test_every_control_moves_picture_and_words(opened: Opened) -> None:
    for explorer in lab.Explorer.all(opened.page):
        start = explorer.state()
        for number in range(len(start["controls"])):
            explorer.focus(number, by_tab=number > 0)
        for number, control in enumerate(start["controls"]):
            if control["buttons"]:
                keys = ("Enter", "Tab Space", "Enter")
            else:
                keys = ("Home", "ArrowRight", "End", "ArrowLeft")
            for place, key in enumerate(keys):
                if place == 0 or control["buttons"]:  # ipywidgets 7 drops it from a pressed button
                    explorer.focus(number)
                press(explorer, number, key, start["size"], may_stay=place == 0)
            explorer.reset()
            explorer.until(lambda now, start=start: now == start, "Reset does not restore it")


def found_by_axe(page: Any, context: dict[str, Any], **options: Any) -> Any:
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page, context=context, options={"resultTypes": ["violations"], **options})
    assert found.response["violations"] == [], found.generate_report()
    return found.response["passes"]


def test_axe_finds_nothing(opened: Opened) -> None:
    lab.Explorer.all(opened.page)
    assert found_by_axe(opened.page, OURS)


def test_an_adapter_is_dropped_and_taken_home(
    opened: Opened, tmp_path: Any, pytestconfig: pytest.Config
) -> None:
    if not opened.page.locator(BUTTON).count():
        pytest.skip("this notebook takes no file")
    if pytestconfig.getoption("front_end") == "ipywidgets7":
        pytest.skip("tried with ipywidgets 8; unit tests hold what either version hands over")
    words, home = drop_and_take_home(opened.page, tmp_path)
    assert "Applied at 0.25 times the trained scale by SGLang" in words
    assert all(each.fits for each in adapters.checks(adapters.read(home)))


@pytest.mark.parametrize("theme", ["Light", "Dark"])
def test_every_text_stands_out(opened: Opened, theme: str) -> None:
    """Axe's rule on contrast, on a copy of the notebook: where it lies, axe skips that rule."""
    lab.Explorer.all(opened.page)
    opened.page.evaluate("theme => probe.within(20, probe.theme(theme))", f"JupyterLab {theme}")
    opened.page.evaluate("() => { window.restore = probe.laidFlat(); }")
    background = opened.page.evaluate(
        "getComputedStyle(document.querySelector('.jp-Notebook')).backgroundColor"
    )
    assert background == {"Light": "rgb(255, 255, 255)", "Dark": "rgb(17, 17, 17)"}[theme]
    context = {
        "include": [[".laid-flat .jp-RenderedMarkdown"], [".laid-flat .jp-OutputArea-output"]],
        # The colours of code in prose are those of JupyterLab's editors.
        "exclude": [[".jp-RenderedMarkdown pre"]],
    }
    rule = {"type": "rule", "values": ["color-contrast"]}
    (seen,) = found_by_axe(opened.page, context, runOnly=rule, resultTypes=["violations", "passes"])
    opened.page.evaluate("restore()")
    headings = sum(node["html"].startswith(("<h1", "<h2", "<h3")) for node in seen["nodes"])
    assert headings == opened.page.locator(".jp-Notebook :is(h1, h2, h3)").count()


def test_the_description_follows_each_static_figure(opened: Opened) -> None:
    described = [
        output["metadata"]["image/png"]["alt"]
        for cell in opened.cells
        for output in cell["outputs"]
        if "image/png" in output.get("data", {}) and lab.WIDGET_VIEW not in output["data"]
    ]
    stills = opened.page.evaluate("probe.stills()")
    # Where every figure is the result of a prediction, they stand in folds and have tests there.
    assert described or any("predictions." in cell["source"] for cell in opened.cells)
    assert len(stills) == len(described)
    for still, alt in zip(stills, described):
        # The title stands in the picture; what is long is folded.
        words = still["after"].removeprefix(IN_WORDS).strip()
        assert len(words) > 40
        assert alt.endswith(words), still["after"]
        assert still["after"].startswith(IN_WORDS) == (len(words) > LONG)
    assert all(still["drawn"] for still in stills)
    assert all(still["alt"] in ("", alt) for still, alt in zip(stills, described))


def press(explorer: lab.Explorer, number: int, key: str, size: list[float], may_stay: bool) -> None:
    """Press keys on a control: its value changes, and all else follows."""
    before = explorer.state()
    old = before["controls"][number]["value"]
    for each in key.split():
        explorer.page.keyboard.press(each)
    new = explorer.state()["controls"][number]["value"]
    name = f"{before['controls'][number]['name']} from {old} to {new} by {key}"
    if new == old:
        assert may_stay, name
        return
    after = explorer.until(
        lambda now: (
            now["alert"]
            or (
                (now["picture"], now["text"]) != (before["picture"], before["text"])
                and now["words"] != before["words"]
            )
        ),
        f"{name}: no new picture and words",
    )
    assert not after["alert"], f"{name}: {after['alert']}"
    assert mentions(after["words"], new), f"{name}: {after['words']}"
    assert after["announced"] == after["alt"] == after["words"], name
    control = after["controls"][number]
    heard = new if control["buttons"] else f"slider,{control['name']},{new}"
    assert control["heard"] == heard, name
    assert after["aligned"], name
    assert after["size"] == size, name
