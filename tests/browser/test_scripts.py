"""Our own scripts for pages, alone in a page: no JupyterLab, no site."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tools import lab

SITE = lab.ROOT / "tools" / "site"
NOTEBOOK = "notebooks/01_setup.ipynb"
#: As much of JupyterLab as the script asks for, which comes late; what is run is kept.
FAKE = """<script>
  const cell = (...tags) => ({ model: { getMetadata: () => tags } });
  const content = { widgets: [cell(), cell("exercise"), cell("explorer"), cell("explorer")] };
  const panel = { content, context: { path: PATH, ready: Promise.resolve() },
    sessionContext: { ready: Promise.resolve() } };
  window.ran = [];
  setTimeout(() => { window.jupyterapp = { shell: { currentWidget: panel }, commands: {
    execute: async (command) => ran.push([command, content.activeCellIndex]) } }; }, 150);
</script>""".replace("PATH", json.dumps(NOTEBOOK))


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    opened = browser.new_page()
    yield opened
    opened.close()


@pytest.mark.parametrize("link, ran", [
    (f"?path={NOTEBOOK}&run=first", [["notebook:run-all-above", 2], ["notebook:run-cell", 2]]),
    (f"?path={NOTEBOOK}", []),
    ("?path=notebooks/02.ipynb&run=first", []),
])  # fmt: skip
def test_a_link_runs_the_first_cells(page: Any, link: str, ran: list[Any]) -> None:
    """All above the first explorer, and then this; only in the notebook that the link names."""
    page.route("**/*", lambda route: route.fulfill(body=FAKE, content_type="text/html"))
    page.goto(f"http://lab.invalid/index.html{link}")
    page.add_script_tag(content=(SITE / "first.js").read_text(encoding="utf-8"))
    if ran:
        page.wait_for_function(f"ran.length === {len(ran)}", timeout=10_000)
    page.wait_for_timeout(400)
    assert page.evaluate("ran") == ran


def test_a_folded_explorer_opens_with_the_last_reading_above_it(page: Any) -> None:
    fold = "<details class='{}'><summary>a</summary>b</details>"
    page.set_content("".join(map(fold.format, ["reading", "reading", "asked", "reading", "asked"])))
    script = (SITE / "static" / "explorer.js").read_text(encoding="utf-8")
    page.add_script_tag(content=script)
    opened = []
    for reading in page.locator(".reading > summary").all():
        reading.click()
        page.wait_for_timeout(50)
        opened.append([fold.get_attribute("open") == "" for fold in page.locator(".asked").all()])
    assert opened == [[False, False], [True, False], [True, True]]
