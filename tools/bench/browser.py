"""From a key press to the changed picture on the page, in a real JupyterLab.

    python -m tools.bench.browser [--json FILE]

The same sliders, moved by the same keys: on our explorer of the error over rank, on the same
with its picture as a PNG, and on `interact` with all drawn anew, each in a notebook of its own.
They take turns, so that all meet the same machine. A press counts until the browser has decoded
the new picture and is about to paint it. Then, alone, the explorer in which a small language
model writes.
"""

from __future__ import annotations

import inspect
from typing import Any

import nbformat
from playwright.sync_api import BrowserContext, Page, sync_playwright

from .. import lab
from . import interact, png
from .report import arguments, save, summary, table

USUAL = inspect.getsource(interact).replace("from __future__ import annotations\n", "")
PNG = inspect.getsource(png).replace("from __future__ import annotations\n", "")
START = 'import sys\nsys.path.insert(0, "..")\nfrom helpers import controls, explorers'
WAYS = {
    "explorer": "explorers.error_over_rank()",
    "png": f"{PNG}\nPng(explorers.error_over_rank()).widget",
    "interact": f"""{USUAL}
import ipywidgets

def show(**settings):
    redraw(**settings)
    plt.show()

_ = ipywidgets.interact(
    show,
    rank=controls.rank_slider(8),
    alpha=controls.alpha_slider(16),
    noise=controls.noise_slider(0.01),
)
""",
}
CODE = {**WAYS, "behaviour": "explorers.behaviour()"}
#: In the language model's explorer, whose alternative would be to train anew: its sliders, each
#: moved from its lower end, and how many steps.
BEHAVIOUR = {"rank": 11, "scale": 10, "noise": 14}
#: Which slider, which key, how often; each noise level comes for the first time.
TURNS = [
    ("rank", "ArrowRight", 10), ("alpha", "ArrowLeft", 6), ("noise", "ArrowRight", 10),
    ("rank", "ArrowRight", 10), ("alpha", "ArrowRight", 12), ("rank", "ArrowLeft", 10),
]  # fmt: skip
SLIDERS = ("rank", "alpha", "noise")

WATCH = """
() => {
  const area = document.querySelector(".jp-OutputArea:has(.widget-hslider)");
  window.handles = [...area.querySelectorAll(".noUi-handle")];
  const picture = () => {
    const image = area.querySelector("img");  // interact takes it away before it brings another
    return image ? image.src : area.querySelector(".rank-lab-moving")?.innerHTML;
  };
  let shown = picture();
  let pressed, done;
  document.addEventListener("keydown", (event) => {
    pressed = event.timeStamp;
    window.taken = new Promise((resolve) => (done = resolve));
  }, { capture: true });
  new MutationObserver(async () => {
    const now = picture();
    if (!now || now === shown) return;
    shown = now;
    await area.querySelector("img")?.decode();
    requestAnimationFrame(() => done(performance.now() - pressed));
  }).observe(area, { subtree: true, childList: true, attributes: true });
}
"""


def press(page: Page, key: str) -> float:
    """Press a key; seconds until the picture has changed."""
    page.keyboard.press(key)
    taken = page.evaluate("probe.within(20, window.taken)")
    page.wait_for_timeout(100)  # whatever else the change sets off is over
    return taken / 1000


def opened(server: lab.Server, context: BrowserContext, way: str) -> Page:
    """A notebook with this way alone, run and watched."""
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in (START, CODE[way])],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, server.root / "notebooks" / f"{way}.ipynb")
    page = server.open(context, f"{way}.ipynb")
    if wrong := lab.failed(lab.run(page)):
        raise RuntimeError(wrong)
    page.wait_for_selector(".jp-OutputArea :is(img, .rank-lab-moving svg)")
    page.evaluate(WATCH)
    return page


def measure(pages: dict[str, Page]) -> dict[str, dict[str, list[float]]]:
    """Seconds for every press, by way and slider."""
    taken: dict[str, Any] = {way: {slider: [] for slider in SLIDERS} for way in WAYS}
    for slider, key, count in TURNS:
        for way, page in pages.items():
            page.bring_to_front()
            page.evaluate("number => window.handles[number].focus()", SLIDERS.index(slider))
            press(page, key)  # the first after a change of way is not counted
            taken[way][slider] += [press(page, key) for _ in range(count - 1)]
    return taken


def measure_behaviour(page: Page) -> list[dict[str, Any]]:
    """Milliseconds for each slider of the language model's explorer."""
    rows, every = [], []
    page.bring_to_front()
    for place, (slider, count) in enumerate(BEHAVIOUR.items()):
        page.evaluate("number => window.handles[number].focus()", place)
        page.keyboard.press("Home")
        page.wait_for_timeout(1000)
        taken = [press(page, "ArrowRight") for _ in range(count)]
        every += taken
        rows.append({"slider": slider, **summary(taken)})
    return [*rows, {"slider": "all", **summary(every)}]


def main() -> None:
    options = arguments(__doc__)
    with sync_playwright() as playwright, lab.Server() as server:
        context = server.context(lab.launch(playwright))
        taken = measure({way: opened(server, context, way) for way in WAYS})
        written = measure_behaviour(opened(server, context, "behaviour"))
    rows = []
    for slider in (*SLIDERS, "all"):
        each = {
            way: summary(
                [t for name in SLIDERS if slider in (name, "all") for t in taken[way][name]]
            )
            for way in WAYS
        }
        row: dict[str, Any] = {"slider": slider, "n": each["explorer"]["n"]}
        for way in WAYS:
            row |= {f"{way} median": each[way]["median_ms"], f"{way} p95": each[way]["p95_ms"]}
        for way in ("png", "interact"):
            row[f"{way} ratio"] = each[way]["median_ms"] / each["explorer"]["median_ms"]
        rows.append(row)
    table("Key press to changed picture, ms:", rows)
    table("Key press to new text and picture of the language model, ms:", written)
    save(options.json, {"browser": rows, "behaviour": written})


if __name__ == "__main__":
    main()
