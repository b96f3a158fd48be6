"""What an explorer does under a held key and under an error."""

from __future__ import annotations

from typing import Any

import nbformat
import pytest

from tools import lab

CELLS = [
    'import sys\nsys.path.insert(0, "..")\nfrom helpers import explorers, figures',
    "explorers.error_over_rank()",
    """
class Planted(figures.ErrorOverRank):
    def numbers(self, rank):
        if rank == 9:
            raise ValueError("no picture at rank 9 <b>here</b>")
        return super().numbers(rank)

explorers.Explorer(Planted(), rank=8)
""",
]


@pytest.fixture(scope="module")
def found(server: lab.Server, open_notebook: Any) -> list[lab.Explorer]:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS],
        # Without it JupyterLab asks which kernel to start, and waits.
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, server.root / "notebooks" / "scratch.ipynb")
    page = open_notebook("scratch.ipynb")
    assert lab.failed(lab.run(page)) == []
    return lab.Explorer.all(page)


def test_a_held_key_queues_nothing(found: list[lab.Explorer]) -> None:
    explorer, page = found[0], found[0].page
    explorer.focus(0)
    page.evaluate("index => probe.countRedraws(index)", explorer.index)
    presses = 40
    for _ in range(presses):
        page.keyboard.down("ArrowRight")
        page.wait_for_timeout(25)
    page.keyboard.up("ArrowRight")
    at_release = page.evaluate("probe.redraws")
    rank = explorer.state()["controls"][0]["value"]
    explorer.until(lambda now: f"rank {rank}," in now["words"], f"not at rank {rank}")
    page.wait_for_timeout(500)
    redraws = page.evaluate("probe.redraws")
    assert int(rank) == 8 + presses
    assert f"rank {rank}," in explorer.state()["words"]
    assert 1 < redraws <= presses
    # One was being drawn when the key was released, and one is for the last value.
    assert redraws - at_release <= 2


def test_an_error_is_shown_and_goes(found: list[lab.Explorer]) -> None:
    explorer, page = found[1], found[1].page
    start = explorer.state()
    explorer.focus(0)
    page.keyboard.press("ArrowRight")
    wrong = explorer.until(lambda now: now["alert"], "no alert")
    assert "ValueError: no picture at rank 9 <b>here</b>" in wrong["alert"]
    assert wrong["picture"] == start["picture"]
    page.keyboard.press("ArrowRight")
    right = explorer.until(lambda now: "rank 10," in now["words"], "not at rank 10")
    assert right["alert"] == ""
    explorer.until(lambda now: now["picture"] != start["picture"], "no new picture")
