"""The README's picture: an explorer in a real JupyterLab, its sliders moved by keyboard.

    python -m tools.picture

Needs Chromium, like the browser tests, whose server it uses.
"""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import sync_playwright

from . import lab

ROOT = Path(__file__).parent.parent
NOTEBOOK = "08_language_model.ipynb"


def main() -> None:
    with sync_playwright() as playwright, lab.Server() as server:
        browser = lab.launch(playwright)
        page = server.open(server.context(browser), NOTEBOOK)
        page.set_viewport_size({"width": 1366, "height": 1100})
        lab.run(page)
        explorer = lab.Explorer.all(page)[0]
        before = explorer.state()["words"]
        explorer.focus(0)
        page.keyboard.press("ArrowRight")
        explorer.until(lambda now: "rank 12" in now["words"], f"still says {before}")
        box = page.locator(".widget-vbox").first
        box.scroll_into_view_if_needed()
        page.mouse.click(700, 5)  # takes the focus off the slider
        page.wait_for_timeout(500)
        target = ROOT / "tools" / "site" / "explorer.png"
        box.screenshot(path=str(target))
        browser.close()
    print(f"wrote {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
