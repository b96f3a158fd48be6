"""The README's picture: the series' first explorer in a real JupyterLab, its switch flipped.

    python -m tools.picture

Needs Chromium, like the browser tests, whose server it uses.
"""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import sync_playwright

from . import lab

ROOT = Path(__file__).parent.parent
CODE = "import sys\n\nsys.path.insert(0, '..')\n\nfrom helpers import explorers\n\nexplorers.hook()"


def main() -> None:
    with sync_playwright() as playwright, lab.Server() as server:
        browser = lab.launch(playwright)
        name = "picture.ipynb"
        notebook = new_notebook(cells=[new_code_cell(CODE)])
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        nbformat.write(notebook, server.root / "notebooks" / name)
        page = server.open(server.context(browser), name)
        page.set_viewport_size({"width": 1366, "height": 1100})
        lab.run(page)
        explorer = lab.Explorer.all(page)[0]
        page.get_by_role("button", name="Server ignores use_rslora").click()
        explorer.until(lambda now: "ignores" in now["words"], "the switch is not flipped")
        box = page.locator(".widget-vbox").first
        page.mouse.click(700, 5)  # takes the focus off the button
        page.wait_for_timeout(500)
        target = ROOT / "tools" / "site" / "explorer.png"
        place = box.bounding_box()
        assert place is not None
        page.screenshot(path=str(target), clip={**place, "width": 900})
        browser.close()
    print(f"wrote {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
