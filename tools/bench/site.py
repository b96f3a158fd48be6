"""How long a reader waits, on static pages and in the browser edition, and for how many bytes.

    python -m tools.bench.site [--json FILE]

Everything comes from this machine, so these are the times of work, not of a network: first
text, first figure (a notebook opens with its stored ones), a moved slider. The explorer of the
landing page is moved on a phone's screen: until the slider can be used, and what one step of it
takes, from the key to the laid-out page. "Warm" is a second
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
#: Its first slider starts at the largest of 16 ranks: down to the lowest, and up again.
KEYS = ["ArrowLeft"] * 15 + ["ArrowRight"] * 15
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
    figure = opened.locator(".rank-lab-still").first
    begin = time.perf_counter()
    figure.scroll_into_view_if_needed()
    figure.evaluate("() => new Promise(requestAnimationFrame)")
    shown = loaded + time.perf_counter() - begin
    opened.close()
    return {"first text, s": text, "first figure, s": shown, "MB": sent / 1e6}


PHONE = {"width": 375, "height": 667}
#: Milliseconds that each step of the slider takes, down and up again, and the share of them that
#: is done within a frame of a 60 Hz screen.
STEPS = """async () => {
  const slider = document.querySelector("[type=range]"), box = slider.closest(".rank-lab");
  const taken = [];
  for (let i = 0; i < 60; i++) {
    const step = Number(slider.max) - 15 + Math.abs((i % 30) - 15);
    const begin = performance.now();
    slider.value = step;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
    box.getBoundingClientRect();
    taken.push(performance.now() - begin);
    await new Promise(requestAnimationFrame);
  }
  return taken;
}"""


def landing(browser: Any, address: str) -> tuple[dict[str, Any], list[float]]:
    """One first visit to the landing page, on a phone: its slider, and then its steps."""
    served.Files.sent = 0
    # The page's policy forbids what waits in it, text that is evaluated.
    context = browser.new_context(viewport=PHONE, device_scale_factor=2, bypass_csp=True)
    opened = context.new_page()
    opened.goto(f"{address}/index.html", wait_until="commit")
    usable = opened.wait_for_function(
        "document.querySelector('[type=range]:enabled') && performance.now()", polling=10
    ).json_value()
    sent = served.Files.sent
    opened.wait_for_load_state("networkidle")
    row = {"slider usable, s": usable / 1000, "kB by then": sent / 1000,
           "kB in all": served.Files.sent / 1000}  # fmt: skip
    taken = opened.evaluate(STEPS)
    context.close()
    return row, taken


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
    # The explorer waits for a prediction: somebody presses "Show me" as soon as it is asked.
    opened.wait_for_function("probe.skipping().length > 0", polling=EVERY, timeout=300_000)
    opened.evaluate("probe.skipping()[0].click()")
    opened.wait_for_function("probe.explorers().length > 0", polling=EVERY, timeout=300_000)
    explorer = served.lab.Explorer.all(opened)[0]
    opened.evaluate(WATCH)
    explorer.focus(0)
    press(opened, KEYS[0])
    moved = time.perf_counter() - begin
    row = {"first text, s": text, "stored figure, s": stored, "drawn figure, s": figure}
    sent = served.Files.sent / 1e6
    taken = [press(opened, key) for key in KEYS[1:]]
    opened.close()
    return {**row, "slider moved, s": moved, "MB": sent}, taken


def main() -> None:
    options = arguments(__doc__)
    if not os.environ.get("SITE_IS_BUILT"):
        python = served.ROOT / ".venv-site" / "bin" / "python"
        command = [str(python), "-m", "tools.site.build", "--pyodide", "pypi"]
        subprocess.run(command, cwd=served.ROOT, check=True)
    pages, editions, presses, landings, steps = [], [], [], [], []
    with sync_playwright() as playwright, served.site() as address:
        browser = served.lab.launch(playwright)
        for visit in range(1, 4):
            row, taken = landing(browser, address)
            landings.append({"first visit": visit, **row})
            steps += [each / 1000 for each in taken]
        context = browser.new_context(viewport=served.lab.VIEWPORT)
        context.add_init_script(path=served.lab.PROBE)
        for visit in ("cold", "warm"):
            pages.append({"visit": visit, **page(context, address)})
        for visit in ("cold", "warm"):
            row, taken = edition(context, address)
            editions.append({"visit": visit, **row})
            presses += taken
        browser.close()
    moved, stepped = summary(presses), summary(steps)
    table("The landing page on a phone:", landings)
    table("A step of its slider, ms:", [stepped])
    table(f"The static page of {PAGE}:", pages)
    table(f"{NOTEBOOK} in the browser edition:", editions)
    table("Key press to changed picture there, ms:", [moved])
    save(
        options.json,
        {"landing": landings, "step": stepped, "page": pages, "edition": editions, "slider": moved},
    )


if __name__ == "__main__":
    main()
