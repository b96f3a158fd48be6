"""The handout: two printed pages, from the notebooks and the cheat sheet.

Chromium prints it, because it draws the notebooks' formulas (MathML) by itself and writes a PDF
that is tagged, with the figures' alternative texts; and it prints the slides anyway.
"""

from __future__ import annotations

import base64
import html
import re
import shutil
from pathlib import Path
from typing import Any

from ..notebooks import ATTACHED, FOLDER
from . import markup
from .slides import notebook

STATIC = Path(__file__).parent / "static"
CHEAT_SHEET = FOLDER / "cheatsheet.md"
#: Three figures to keep, each the result of a prediction, and what is said of it.
FIGURES = {
    "01-a": "Served at a quarter: nothing fails, and the facts are gone (notebook 01).",
    "06-b": "The first step over the rank: which line is flat depends on the optimiser (06).",
    "09-c": "Every run by what it learned and what it kept; each rank has its front (09).",
}
#: Formulas by the notebook that derives them, in words as in signs.
FORMULAS = (
    ("An adapter adds to the weight", r"$W = W_0 + s\,B A$", "01"),
    ("The scale, by LoRA's rule and by rsLoRA's", r"$s = \alpha/r$, $\;s = \alpha/\sqrt{r}$", "01"),
    ("To keep a scale from rank $r$ to $r'$: alpha times", r"$r'/r$, $\;\sqrt{r'/r}$", "04"),
    ("A loader that ignores `use_rslora` applies", r"$1/\sqrt{r}$ of the strength", "04"),
    ("A scale on a truncated SVD costs", r"$\text{error}^2 = (1-s)^2 E_r + 1 - E_r$", "03"),
    ("The first step's progress, SGD and Adam", r"$r\,s^2$, $\;r\,s$", "06"),
)  # fmt: skip


def _symbols() -> str:
    """Notebook 01's table of symbols."""
    for cell in notebook("01").cells:
        found = re.search(r"^\| symbol \|.*?(?=\n\n)", cell.source, flags=re.M | re.S)
        if found:
            return markup.html(found[0])
    raise ValueError("notebook 01 must have a table that begins with | symbol |")


def _figure(key: str, pictures: Path) -> str:
    for before, cell in zip(notebook(key[:2]).cells, notebook(key[:2]).cells[1:]):
        alt: Any = ATTACHED.search(cell.source)
        if f'"{key}"' in before.source and alt:
            file = pictures / f"{key}.png"
            file.write_bytes(base64.b64decode(cell.attachments["result.png"]["image/png"]))
            said = html.escape(alt[1])
            return (
                f'<figure><img src="pictures/{file.name}" alt="{said}">'
                f"<figcaption>{FIGURES[key]}</figcaption></figure>"
            )
    raise ValueError(f"no picture is the result of prediction {key}")


def _card() -> str:
    """The cheat sheet, without its title."""
    text = CHEAT_SHEET.read_text(encoding="utf-8").split("\n", 1)[1]
    return markup.html(text)


def sheet(title: str, body: str, kind: str = "") -> str:
    """A page to be read and printed; `kind` is the class of what it holds."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<title>{html.escape(title)}</title><link rel="icon" href="data:,">'
        f'<link rel="stylesheet" href="sheet.css"></head>\n<body><main class="{kind}">\n{body}\n'
        "</main></body></html>\n"
    )


def page(pictures: Path) -> str:
    """The handout as a page; its figures are written into a folder."""
    pictures.mkdir(parents=True, exist_ok=True)
    formulas = "".join(
        f"<tr><td>{markup.inline(words)}</td><td>{markup.inline(formula)}</td><td>{where}</td></tr>"
        for words, formula, where in FORMULAS
    )
    figures = "".join(_figure(key, pictures) for key in FIGURES)
    return sheet(
        "LoRA Rank Lab: handout",
        "<h1>LoRA Rank Lab</h1><p>What rank, scale and learning rate do to a LoRA update.</p>"
        f"<h2>Symbols</h2>{_symbols()}<h2>Formulas</h2><table><thead><tr><th>what</th>"
        f"<th>formula</th><th>notebook</th></tr></thead><tbody>{formulas}</tbody></table>"
        f"<h2>Three figures to keep</h2>{figures}"
        f'<section class="card"><h2>What to set</h2>{_card()}</section>',
        "handout",
    )


def write(folder: Path) -> Path:
    """The handout's page into a folder; the file."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(STATIC / "sheet.css", folder)
    file = folder / "handout.html"
    file.write_text(page(folder / "pictures"), encoding="utf-8")
    return file
