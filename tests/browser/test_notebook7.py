"""Notebook 7 is another front end over the same parts: one notebook, one slider."""

from __future__ import annotations

from typing import Any

import lab
import pytest


def test_a_slider_moves_picture_and_words(browser: Any) -> None:
    pytest.importorskip("notebook")
    name = next((name for name in lab.notebooks() if name.startswith("03")), None)
    if name is None:
        pytest.skip("there is no notebook 03")
    with lab.Server("notebook") as server:
        context = server.context(browser)
        page = server.open(context, name)
        assert lab.failed(lab.run(page)) == []
        explorer = lab.Explorer.all(page)[0]
        start = explorer.state()
        explorer.focus(0)
        # Notebook 7 takes the arrow keys for itself, before any ipywidgets slider sees them.
        page.keyboard.press("PageUp")
        explorer.until(
            lambda now: now["picture"] != start["picture"] and now["words"] != start["words"],
            "no new picture and words",
        )
        context.close()
