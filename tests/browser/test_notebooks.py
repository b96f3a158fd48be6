"""Every notebook in a real JupyterLab: it runs, and every control moves its picture."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import pytest

from helpers import adapters
from helpers.figures.picture import IN_WORDS, LONG
from tests.support.dropping import BUTTON, drop_and_take_home
from tests.support.notebooks import PATHS, load
from tests.support.peeks import SCREEN, folds, given_away
from tools import lab

#: What is ours on a page. The rest, menus, tabs, prompts and editors, is JupyterLab's. So is
#: the image of a static figure: it leaves out the alternative text that the output carries.
OURS = {
    "include": [[".jp-Notebook .jp-RenderedMarkdown"], [".jp-Notebook .jp-OutputArea-output"]],
    "exclude": [[".jp-RenderedImage img"]],
}


#: What is ours of text, and what is not: the colours of code in prose are JupyterLab's editors'.
TEXT = (
    ".laid-flat .jp-RenderedMarkdown, .laid-flat .jp-OutputArea-output",
    ".jp-RenderedMarkdown pre",
)


ASKING = {path.name: load(path) for path in PATHS if folds(load(path))}


class Opened(NamedTuple):
    """A notebook that has been run: its page, its code cells, its name.

    prompts: what stood below each prompt to predict before the run, folded and unfolded.
    """

    page: Any
    cells: list[dict[str, Any]]
    name: str
    prompts: tuple[list[dict[str, Any]], list[dict[str, Any]]] | None = None


@pytest.fixture(scope="module", params=lab.notebooks())
def opened(request: pytest.FixtureRequest, open_notebook: Any) -> Opened:
    page = open_notebook(request.param)
    prompts = None
    if request.param in ASKING and request.config.getoption("front_end") == "newest":
        wanted = len(folds(ASKING[request.param]))
        for part in ("details.reading", ".prediction"):
            lab.until(lambda part=part: page.locator(part).count() == wanted, f"no {part}", 60)
        prompts = (
            page.evaluate("pixels => probe.peeks(pixels)", SCREEN),
            page.evaluate("pixels => probe.peeksUnfolded(pixels)", SCREEN),
        )
    return Opened(page, lab.run(page), request.param, prompts)


def mentions(words: str, value: str) -> bool:
    """Whether the words say what the control says: 0.9 as 90 %, "facts update" as Facts."""
    try:
        wanted = {value, f"{100 * float(value):g}"}
    except ValueError:
        wanted = {value.split()[0]}
    return any(re.search(rf"(?i)(?<![\w.]){re.escape(each)}(?!\.?\w)", words) for each in wanted)


def test_no_answer_was_in_sight_before_it_was_run(opened: Opened) -> None:
    if opened.prompts is None:
        pytest.skip("it asks for no prediction, or the front end is not the newest")
    folded, unfolded = opened.prompts
    assert all("Show me" in peek["words"] for peek in folded)
    assert given_away(ASKING[opened.name], folded) == []
    assert len(given_away(ASKING[opened.name], unfolded)) == len(folded) > 0


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
    """But for contrast, which the next tests hold."""
    lab.Explorer.all(opened.page)
    assert found_by_axe(opened.page, OURS, rules={"color-contrast": {"enabled": False}})


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


def test_every_text_stands_out_in_both_themes(opened: Opened) -> None:
    """Axe's rule on contrast, on a copy of the notebook: where it lies, axe skips that rule.

    All text in the first theme; in the second, which differs in colours only, each look once.
    """
    page = opened.page
    lab.Explorer.all(page)
    wanted = page.locator(".jp-Notebook :is(h1, h2, h3)").count()
    page.evaluate("() => { window.restore = probe.laidFlat(); }")
    try:
        for theme, paper in {"Light": "rgb(255, 255, 255)", "Dark": "rgb(17, 17, 17)"}.items():
            page.evaluate("theme => probe.within(20, probe.theme(theme))", f"JupyterLab {theme}")
            notebook = "document.querySelector('.jp-Notebook')"
            assert page.evaluate(f"getComputedStyle({notebook}).backgroundColor") == paper
            if theme == "Dark":
                page.evaluate("([inside, outside]) => probe.eachLookOnce(inside, outside)", TEXT)
            seen = every_text_stands_out(page)
            headings = sum(node["html"].startswith(("<h1", "<h2", "<h3")) for node in seen["nodes"])
            assert headings == wanted if theme == "Light" else headings > 0
    finally:
        page.evaluate("restore()")


def every_text_stands_out(page: Any) -> Any:
    """On the copy; what was looked at."""
    inside, outside = TEXT
    context = {"include": [[part] for part in inside.split(", ")], "exclude": [[outside]]}
    rule = {"type": "rule", "values": ["color-contrast"]}
    (seen,) = found_by_axe(page, context, runOnly=rule, resultTypes=["violations", "passes"])
    return seen


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
