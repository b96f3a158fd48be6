"""How long a notebook takes, and how tall it is, estimated from what is stored.

    python -m tools.minutes      a line for each notebook

Minutes are those of careful reading: prose at 200 words a minute, every reading unfolded; 9
seconds a line of code; a minute a figure; 45 seconds a table and a prediction; two minutes an
explorer; three minutes an exercise. Hints, solutions and sources are left out. With these
numbers one careful reading of the first edition, timed, comes out within a quarter where the
reader did not get stuck.

Screens are those of JupyterLab in a window of 1366 x 768, all cells run, folds closed, and no
prediction answered. `PIXELS` has the heights, fitted to a measurement of the whole series there.
"""

from __future__ import annotations

import base64
import html
import math
import re
import struct
import sys
from typing import Any

import nbformat

from .project import ROOT

#: In minutes.
WORDS_A_MINUTE = 200
COSTS = {
    "line": 0.15, "figure": 1, "table": 0.75, "prediction": 0.75, "explorer": 2, "exercise": 3,
}  # fmt: skip
SCREEN = 768
#: How wide an output is, how many characters stand in a line of prose, and heights: a line of
#: prose and of code, the space under a block, a row of a table, what a cell adds, the forms.
PIXELS = {
    "width": 888, "characters": 138, "line": 20, "code": 17.3, "gap": 13, "row": 29,
    "heading": 38, "cell": 30, "formula": 50, "explorer": 500, "number": 98, "choice": 98,
    "curve": 226,
}  # fmt: skip

HELP = re.compile(r"<details><summary>(?:Hint|Solution)</summary>.*?</details>", re.S)
FOLD = re.compile(r"<details.*?</details>", re.S)
FENCE = re.compile(r"^```.*?^```[ \t]*$", re.M | re.S)
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"


def tags(cell: Any) -> list[str]:
    """What a cell is tagged with."""
    return list(cell.metadata.get("tags", []))


def own(notebook: Any) -> list[Any]:
    """The cells that are a notebook's own: without its first cell and its navigation."""
    return [cell for cell in notebook.cells if not {"bootstrap", "navigation"} & set(tags(cell))]


def lines_of_code(cell: Any) -> int:
    """Lines of a cell that are not empty."""
    return sum(bool(line.strip()) for line in cell.source.splitlines())


def words(notebook: Any) -> int:
    """Words of prose, readings among them; no hints, no solutions, no sources, no code.

    Examples
    --------
    >>> from nbformat.v4 import new_markdown_cell, new_notebook
    >>> words(new_notebook(cells=[new_markdown_cell("Three short *words*. ```no```")]))
    4
    """
    found = 0
    for cell in own(notebook):
        if cell.cell_type == "markdown":
            text = HELP.sub(" ", cell.source.split("\n## Sources")[0])
            text = re.sub(r"!\[[^\]]*\]\([^)]*\)|\]\([^)]*\)|<[^>]*>", " ", FENCE.sub(" ", text))
            found += len(text.split())
    return found


def counts(notebook: Any) -> dict[str, int]:
    """How many lines of code, figures, tables, predictions, explorers and exercises there are."""
    found = dict.fromkeys(COSTS, 0)
    for cell in own(notebook):
        if cell.cell_type == "markdown":
            found["prediction"] += cell.source.count("**Predict.**")
            found["figure"] += len(cell.get("attachments", {}))
        elif "exercise" in tags(cell):
            found["exercise"] += 1
        else:
            found["line"] += lines_of_code(cell)
            found["explorer"] += "explorer" in tags(cell)
            for output in cell.outputs:
                found["figure"] += "image/png" in output.get("data", {})
                found["table"] += "<table" in output.get("data", {}).get("text/html", "")
    return found


def minutes(notebook: Any) -> float:
    """Minutes of careful reading; see the module's text."""
    rest = sum(COSTS[kind] * count for kind, count in counts(notebook).items())
    return words(notebook) / WORDS_A_MINUTE + rest


def stated(notebook: Any) -> int:
    """The minutes that the title cell says. Raises ValueError if it says none."""
    found = re.search(r"^\*\*Time:\*\* (\d+) minutes", notebook.cells[0].source, flags=re.M)
    if found is None:
        raise ValueError('the title cell must say "**Time:** N minutes"')
    return int(found[1])


def _rows(text: str, width: float) -> int:
    return max(1, math.ceil(len(text) / width))


def prose_height(source: str) -> float:
    """Of rendered Markdown, folds closed."""
    size = PIXELS
    text, folds = FOLD.subn("", source)
    height = size["cell"] + folds * size["line"]
    for fence in FENCE.findall(text):
        height += fence.count("\n") * size["code"] + size["gap"]
    for block in re.split(r"\n\s*\n", FENCE.sub("", text)):
        block = re.sub(r"\]\([^)]*\)", "]", block.strip())
        if not block:
            continue
        if block.startswith("|"):
            height += (block.count("\n")) * size["row"]
        elif block.startswith("#"):
            height += size["heading"]
        elif block.startswith("$$"):
            height += size["formula"]
        else:
            items = re.split(r"\n(?=\s*(?:[-*]|\d+\.) )", block)
            height += sum(_rows(item, size["characters"]) * size["line"] for item in items)
        height += size["gap"]
    return height


def output_height(output: Any) -> float:
    """Of one output: a picture, a form, an explorer, a table or lines of text."""
    size, data = PIXELS, output.get("data", {})
    if output.output_type == "stream":
        return output.text.count("\n") * size["code"]
    if "image/png" in data:
        wide, tall = struct.unpack(">II", base64.b64decode(data["image/png"])[16:24])
        return float(tall * min(1, size["width"] / wide))
    table = data.get("text/html", "")
    if 'data-prediction="' in table:
        kind = re.search(r"&quot;kind&quot;: &quot;(\w+)", table)
        return size[kind[1]] if kind else size["choice"]
    if WIDGET_VIEW in data:
        return size["explorer"]
    if "<tr" in table:
        return table.count("<tr") * size["row"]
    shown = html.unescape(re.sub(r"<[^>]*>", "", table)) or data.get("text/plain", "")
    return _rows(shown, size["characters"]) * size["line"]


def screens(notebook: Any) -> float:
    """How many windows of 768 pixels a notebook fills, run."""
    height = 0.0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            height += prose_height(cell.source)
            continue
        hidden = "bootstrap" in tags(cell)
        code = 2 if hidden else cell.source.count("\n") + 1
        height += code * PIXELS["code"] + PIXELS["cell"]
        height += sum(output_height(output) + PIXELS["gap"] / 2 for output in cell.outputs)
    return height / SCREEN


def main() -> int:
    """Print what is estimated."""
    print("notebook                            stated  minutes  screens  longest cell")
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        notebook = nbformat.read(path, 4)
        code = [cell for cell in own(notebook) if cell.cell_type == "code"]
        longest = max(map(lines_of_code, code), default=0)
        print(f"{path.stem:<35} {stated(notebook):>6} {minutes(notebook):>8.0f} "
              f"{screens(notebook):>8.1f} {longest:>13}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
