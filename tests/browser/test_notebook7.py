"""Notebook 7 is another front end over the same parts: one notebook, one explorer."""

from __future__ import annotations

from typing import Any

import pytest

from tools import lab


def test_keys_move_every_slider_with_picture_and_words(browser: Any) -> None:
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
        for number, control in enumerate(start["controls"]):
            assert not control["buttons"]
            explorer.focus(number)
            values = []
            # Notebook 7 takes the arrow keys for itself, before any ipywidgets slider sees them.
            for key in ("Home", "PageUp", "PageDown", "End", "PageDown", "PageUp"):
                before = explorer.state()
                page.keyboard.press(key)
                now = explorer.state()["controls"][number]
                assert now["value"] != before["controls"][number]["value"], (now, key)
                assert now["heard"] == f"slider,{now['name']},{now['value']}"
                explorer.until(
                    lambda after, before=before: (
                        after["picture"] != before["picture"] and after["words"] != before["words"]
                    ),
                    f"{now['name']}, {key}: no new picture and words",
                )
                values.append(float(now["value"]))
            low, above, low_again, high, below, high_again = values
            assert low == low_again < above
            assert below < high == high_again
        explorer.reset()
        explorer.until(lambda now: now == start, "Reset does not restore it")
        context.close()
