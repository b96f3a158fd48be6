"""Every notebook as a reader sees it, in pieces one can look at, light and dark.

    python tests/browser/screenshots.py OUTDIR [NOTEBOOK ...]

writes OUTDIR/NOTEBOOK-light-01.png, ... and the same with -dark-.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tools import lab

THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}


def capture(page: Any, stem: Path) -> None:
    """Scroll through the notebook, a screenful at a time."""
    page.evaluate("document.activeElement?.blur()")
    scroller = page.locator(".jp-WindowedPanel-outer").first
    step = scroller.evaluate("node => node.clientHeight") - 40  # some overlap, no line is cut
    # Not scrollHeight: JupyterLab lets one scroll far past the end.
    height = scroller.evaluate(
        "node => node.scrollTop + [...node.querySelectorAll('.jp-Cell')].at(-1)"
        ".getBoundingClientRect().bottom - node.getBoundingClientRect().top"
    )
    for number in range(int((height - 40) // step) + 1):
        scroller.evaluate("(node, top) => node.scrollTo(0, top)", number * step)
        page.wait_for_timeout(150)
        page.screenshot(path=f"{stem}-{number + 1:02}.png")


def main(folder: Path, names: list[str]) -> None:
    """Capture these notebooks, or all, into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright, lab.Server() as server:
        context = server.context(lab.launch(playwright))
        for name in names or lab.notebooks():
            page = server.open(context, Path(name).name)
            lab.run(page)
            lab.Explorer.all(page)
            for look, theme in THEMES.items():
                page.evaluate(
                    "theme => jupyterapp.commands.execute('apputils:change-theme', { theme })",
                    theme,
                )
                page.wait_for_timeout(1500)  # the style sheet is loaded anew
                capture(page, folder / f"{Path(name).stem}-{look}")
            server.close(page)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
