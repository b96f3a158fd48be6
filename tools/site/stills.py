"""Static figures for pages: vectors in the page's theme, drawn as the notebooks draw them.

A notebook stores its figures as PNGs. Here its cells are run once more, and each figure that they
show is drawn by the same code into markup, named by its title and description.
"""

from __future__ import annotations

import hashlib
import html
import os
import re
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import patch

import nbformat

from .classes import Classes


def name(description: str) -> str:
    """Words as the alternative text of a stored picture has them, which has no brackets."""
    return re.sub(r"[][]", "", description)


#: Of one notebook: its figures, by their names, and the styles that they need.
Figures = tuple[dict[str, str], dict[str, str]]


def begin(paths: list[Path], drawing: ProcessPoolExecutor) -> dict[Path, Future[Figures]]:
    """Have the figures of each notebook drawn. Takes half a minute of both cores."""
    return {path: drawing.submit(_drawn, path) for path in paths}


def finish(
    begun: dict[Path, Future[Figures]],
) -> tuple[dict[Path, dict[str, str]], dict[str, str]]:
    """The figures of each notebook, by their names, and all styles.

    Raises RuntimeError where a cell fails.
    """
    found = {path: each.result() for path, each in begun.items()}
    styles = {key: style for _, used in found.values() for key, style in used.items()}
    return {path: figures for path, (figures, _) in found.items()}, styles


def markup(picture: Any) -> str:
    """A figure as a page shows it, under its title, which wraps where the page is narrow.

    One line, so that Markdown takes it for one thing.
    """
    from helpers.figures.vector import Drawing

    return (
        f'<div class="rank-lab-still scroll"><p class="rank-lab-title">'
        f'{html.escape(name(picture.title))}</p><div role="img" '
        f'aria-label="{html.escape(name(picture.description))}">'
        f"{own_ids(Drawing(picture).still_html(), picture.alt)}</div></div>"
    )


def own_ids(drawn: str, whose: str) -> str:
    """Markup in which each marker is defined once, by an id that no other figure has."""
    suffix = hashlib.sha256(whose.encode()).hexdigest()[:8]
    seen: set[str] = set()

    def once(found: re.Match[str]) -> str:
        again = found[1] in seen
        seen.add(found[1])
        return "" if again else found[0]

    drawn = re.sub(r'<defs><path id="(m\w{8})"[^>]*/></defs>', once, drawn)
    return re.sub(r'( id="| href="#)(m\w{8})"', rf'\1\2-{suffix}"', drawn)


def _drawn(path: Path) -> Figures:
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output

    from helpers.figures import Picture

    classes, figures = Classes(), {}

    def still(picture: Any) -> bytes:
        figures[name(picture.alt)] = classes.instead(markup(picture))
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
