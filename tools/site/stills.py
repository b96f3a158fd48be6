"""Static figures for pages: vectors in the page's theme, drawn as the notebooks draw them.

A notebook stores its figures as PNGs. Here its cells are run once more, and each figure that they
show is drawn by the same code into markup, named by its description.
"""

from __future__ import annotations

import html
import os
import re
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat

from .classes import Classes


def name(description: str) -> str:
    """A description as the alternative text of a stored picture has it, which has no brackets."""
    return re.sub(r"[][]", "", description)


def build(paths: list[Path]) -> tuple[dict[Path, dict[str, str]], dict[str, str]]:
    """The figures of each notebook, by their names, and the styles that they need.

    Takes a minute of both cores of a small machine. Raises RuntimeError where a cell fails.
    """
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as processes:
        found = list(processes.map(_drawn, paths))
    styles = {key: style for _, used in found for key, style in used.items()}
    return {path: figures for path, (figures, _) in zip(paths, found)}, styles


def markup(picture: Any) -> str:
    """A figure as a page shows it. One line, so that Markdown takes it for one thing."""
    from helpers.figures.vector import Drawing

    return (
        f'<div class="rank-lab-still scroll"><div role="img" '
        f'aria-label="{html.escape(name(picture.description))}">'
        f"{Drawing(picture).still_html()}</div></div>"
    )


def _drawn(path: Path) -> tuple[dict[str, str], dict[str, str]]:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    from helpers.figures import Picture

    classes, figures = Classes(), {}

    def still(picture: Any) -> bytes:
        figures[name(picture.description)] = classes.instead(markup(picture))
        return b""

    os.chdir(path.parent)
    shell = InteractiveShell.instance()
    shell.reset(new_session=False)
    with patch.object(Picture, "still", still):
        for cell in nbformat.read(path, 4).cells:
            if cell.cell_type != "code":
                continue
            with capture_output():
                ran = shell.run_cell(cell.source)
            if not ran.success and "raises-exception" not in cell.metadata.get("tags", []):
                raise RuntimeError(f"{path.name}: {cell.source!r} fails: {ran.error_in_exec}")
    return figures, classes.styles
