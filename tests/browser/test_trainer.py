"""The trainer in a real JupyterLab: it trains, shows it, hears Stop, and lets cells run."""

from __future__ import annotations

from typing import Any

import nbformat

from tools import lab

CELLS = [
    'import sys\nsys.path.insert(0, "..")\nfrom helpers.trainer import Trainer',
    "trainer = Trainer(people=5, steps=800, batch=8)\ntrainer",
    "print(len(trainer.runs), trainer.running, 'answered')",
]
BOX = "document.querySelector('.widget-vbox')"
BUTTON = f"[...{BOX}.querySelectorAll('button')].find(b => b.innerText.trim() === '%s')"


def count(page: Any) -> int:
    """The step that the page shows, 0 before the first run."""
    return page.evaluate(f"+({BOX}.innerText.match(/step (\\d+) of 800,/)?.[1] ?? 0)")


def press(page: Any, name: str) -> None:
    page.evaluate(f"{BUTTON % name}.focus()")
    page.keyboard.press("Enter")


def enabled(page: Any, name: str) -> bool:
    return not page.evaluate(f"{BUTTON % name}.disabled")


def picture(page: Any) -> str:
    return page.evaluate(f"{BOX}.querySelector('.rank-lab-moving').innerHTML")


def test_it_trains_stops_and_leaves_the_kernel_to_others(
    server: lab.Server, open_notebook: Any
) -> None:
    notebook = nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS],
        # Without it JupyterLab asks which kernel to start, and waits.
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3"}},
    )
    nbformat.write(notebook, server.root / "notebooks" / "trainer.ipynb")
    page = open_notebook("trainer.ipynb")
    assert lab.failed(lab.run(page)) == []
    lab.until(
        lambda: page.evaluate(f"!!{BOX}?.querySelector('.rank-lab-stage')?.ariaLabel"), "no picture"
    )
    words = page.evaluate(f"{BOX}.querySelector('[role=status]').innerText")
    assert "Nothing is trained yet, of 800 steps." in words
    assert page.evaluate(f"{BOX}.querySelector('.rank-lab-stage').ariaLabel") == words.strip()
    heard = page.evaluate(
        f"[...{BOX}.querySelectorAll('[role=slider]')].map(s => s.ariaLabel).join()"
    )
    assert heard == "rank r,alpha,learning rate,steps,batch,new people,old data,seed"
    first = picture(page)
    press(page, "Start training")
    lab.until(lambda: count(page) >= 5, lambda: f"at step {count(page)}", 60)
    assert enabled(page, "Stop") and not enabled(page, "Start training")
    lab.until(lambda: picture(page) != first, "no new picture", 60)
    # Another cell is answered while it trains.
    page.evaluate(
        "probe.panel().content.activeCellIndex = 2;"
        "window.jupyterapp.commands.execute('notebook:run-cell'); null"
    )
    lab.until(
        lambda: "0 True answered" in str(page.evaluate("probe.cells()[2].outputs")),
        lambda: f"the cell says {page.evaluate('probe.cells()[2].outputs')}",
        60,
    )
    at = count(page)
    press(page, "Stop")
    lab.until(lambda: enabled(page, "Start training"), "it does not stop", 60)
    assert count(page) < 800
    assert count(page) - at < 50
    words = page.evaluate(f"{BOX}.querySelector('[role=status]').innerText")
    assert f"After step {count(page)} of 800 the loss is" in words
    assert page.evaluate(f"{BOX}.querySelector('table').rows.length") == 2
