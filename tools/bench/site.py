"""How long a reader waits, on the static page and in the browser edition, and for how many bytes.

    python -m tools.bench.site [--json FILE]

Everything comes from this machine, so these are the times of work, not of a network: first
text, first figure (a notebook opens with its stored ones), a moved slider. "Warm" is a second
visit with the same browser profile. The bytes are those that the server sent; a published site
sends text, scripts and WebAssembly compressed. Needs what `make test-site` needs, and builds
the site as it does.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from .report import arguments, save, summary, table

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "site"))
from ..site import served
from .browser import WATCH, press

#: The heaviest page, and the notebook that a reader opens first.
PAGE, NOTEBOOK = "07_learning_rates", "01_setup"
PRESSES = 30
#: Milliseconds between two looks at the page, which cost it time.
EVERY = 50
FIGURE = "() => probe.stills().some((still) => still.drawn)"
PAINTED = """
() => new Promise((resolve) => {
  const first = performance.getEntriesByName("first-contentful-paint")[0];
  if (first) return resolve(first.startTime / 1000);
  new PerformanceObserver((list) => resolve(list.getEntries()[0].startTime / 1000)).observe({
    type: "paint", buffered: true });
})
"""


def page(context: Any, address: str) -> dict[str, Any]:
    """One visit to the static page."""
    served.Files.sent = 0
    opened = context.new_page()
    begin = time.perf_counter()
    opened.goto(f"{address}/{PAGE}.html", wait_until="load")
    loaded = time.perf_counter() - begin
    text, sent = opened.evaluate(PAINTED), served.Files.sent
    figure = opened.locator("img.figure").first
    begin = time.perf_counter()
    figure.scroll_into_view_if_needed()
    figure.evaluate("image => image.decode()")
    shown = loaded + time.perf_counter() - begin
    opened.close()
    return {"first text, s": text, "first figure, s": shown, "MB": sent / 1e6}


def edition(context: Any, address: str) -> tuple[dict[str, Any], list[float]]:
    """One visit to the browser edition: run all, then move the first slider."""
    served.Files.sent = 0
    opened = context.new_page()
    begin = time.perf_counter()
    opened.goto(f"{address}/lite/lab/index.html?path=notebooks/{NOTEBOOK}.ipynb")
    opened.wait_for_function("window.probe.opened()", polling=EVERY, timeout=120_000)
    text = time.perf_counter() - begin
    opened.wait_for_function(FIGURE, polling=EVERY, timeout=300_000)
    stored = time.perf_counter() - begin
    opened.evaluate(
        "async () => { await jupyterapp.commands.execute('notebook:clear-all-cell-outputs');"
        " probe.run(); }"
    )
    opened.wait_for_function(FIGURE, polling=EVERY, timeout=300_000)
    figure = time.perf_counter() - begin
    opened.wait_for_function("probe.explorers().length > 0", polling=EVERY, timeout=300_000)
    explorer = served.lab.Explorer.all(opened)[0]
    opened.evaluate(WATCH)
    explorer.focus(0)
    press(opened, "ArrowRight")
    moved = time.perf_counter() - begin
    row = {"first text, s": text, "stored figure, s": stored, "drawn figure, s": figure}
    sent = served.Files.sent / 1e6
    taken = [press(opened, "ArrowRight") for _ in range(PRESSES)]
    opened.close()
    return {**row, "slider moved, s": moved, "MB": sent}, taken


def main() -> None:
    options = arguments(__doc__)
    if not os.environ.get("SITE_IS_BUILT"):
        python = served.ROOT / ".venv-site" / "bin" / "python"
        command = [str(python), "-m", "tools.site.build", "--pyodide", "pypi"]
        subprocess.run(command, cwd=served.ROOT, check=True)
    pages, editions, presses = [], [], []
    with sync_playwright() as playwright, served.site() as address:
        browser = served.lab.launch(playwright)
        context = browser.new_context(viewport=served.lab.VIEWPORT)
        context.add_init_script(path=served.lab.PROBE)
        for visit in ("cold", "warm"):
            pages.append({"visit": visit, **page(context, address)})
        for visit in ("cold", "warm"):
            row, taken = edition(context, address)
            editions.append({"visit": visit, **row})
            presses += taken
        browser.close()
    moved = summary(presses)
    table(f"The static page of {PAGE}:", pages)
    table(f"{NOTEBOOK} in the browser edition:", editions)
    table("Key press to changed picture there, ms:", [moved])
    save(options.json, {"page": pages, "edition": editions, "slider": moved})


if __name__ == "__main__":
    main()
