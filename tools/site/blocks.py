"""An explorer as a part of a page, and as a page of its own, for `static/explorer.js` to move."""

from __future__ import annotations

import html
import inspect
import json
import os
from collections.abc import Callable, Collection
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from helpers import explorers
from helpers.explorer import Explorer
from helpers.figures import theme, vector
from helpers.figures.vector import Fragment

from . import bake
from .bake import Baked, Control
from .classes import Classes

#: Stands in a block for the way from the page to the explorers' folder.
_FOLDER = "@EXPLORERS@"
#: A page of its own allows nothing but the site's own files: not even a style in an element.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'"
)


@dataclass(frozen=True)
class Block:
    """An explorer for pages: its name, what it is, its markup and the styles that this needs.

    picture: the name of what it draws with.
    """

    name: str
    title: str
    picture: str
    markup: str
    styles: dict[str, str]

    def at(self, folder: str) -> str:
        """The markup for a page from which `folder` leads to the explorers' files.

        It is one line, so that Markdown takes it for one thing.
        """
        return self.markup.replace(_FOLDER, folder)

    def folded(self, folder: str) -> str:
        """The same in a fold, where a prediction above asks for what it shows."""
        return (
            '<details class="asked">'
            "<summary>Explorer: it shows what a prediction above asks for</summary>"
            f"{self.at(folder)}</details>"
        )

    def page(self) -> str:
        """A page that can stand in the frame of another."""
        return (
            '<!doctype html>\n<html lang="en" class="rank-lab-page">\n<head>\n'
            '<meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            f"<title>{html.escape(self.title)} · LoRA Rank Lab</title>\n"
            '<link rel="icon" href="../_static/favicon.svg">\n'
            '<link rel="stylesheet" href="../_static/drawn.css">\n'
            '<link rel="stylesheet" href="../_static/explorer.css">\n'
            '<script src="../_static/explorer.js" defer></script>\n</head>\n<body>\n<main>\n'
            f"<h1>{html.escape(self.title)}</h1>\n{self.at('')}\n"
            '<p class="rank-lab-note">From <a href="../index.html" target="_top">LoRA Rank Lab</a>'
            ", where it comes with its explanation.</p>\n</main>\n</body>\n</html>\n"
        )


def factories() -> dict[str, Callable[[], Explorer]]:
    """What makes each explorer, by name."""
    return {
        name: made
        for name, made in vars(explorers).items()
        if inspect.isfunction(made) and made.__module__ == explorers.__name__
    }


def processes() -> ProcessPoolExecutor:
    """Two that draw. One thread each: many small products are slower with more."""
    os.environ.update(OPENBLAS_NUM_THREADS="1", OMP_NUM_THREADS="1")
    return ProcessPoolExecutor(2, mp_context=get_context("spawn"))


def begin(
    folder: Path, drawing: ProcessPoolExecutor, only: Collection[str] = ()
) -> list[Future[Block]]:
    """Have every explorer drawn, or some, with tables into a folder.

    Takes a minute of both cores of a small machine. Raises ValueError where `bake.FEWER` names an
    explorer that there is not.
    """
    names = list(factories())
    if unknown := bake.FEWER.keys() - {*names}:
        raise ValueError(f"FEWER must name explorers, got {', '.join(sorted(unknown))}")
    names = [name for name in names if not only or name in only]
    # Those with the most combinations first: begun last, one would keep the other core waiting.
    names.sort(key=lambda name: name not in bake.FEWER)
    return [drawing.submit(_built, name, folder) for name in names]


def finish(folder: Path, begun: list[Future[Block]]) -> dict[str, Block]:
    """Blocks by name, once they are drawn, and a page of each into the folder."""
    blocks = {block.name: block for block in (each.result() for each in begun)}
    for block in blocks.values():
        (folder / f"{block.name}.html").write_text(block.page(), encoding="utf-8")
    return blocks


def css(blocks: dict[str, Block], others: dict[str, str]) -> str:
    """The style sheet of what is drawn: colours of both themes, panels, styles as classes.

    others: the styles of what is drawn besides explorers.
    """
    styles = {name: style for block in blocks.values() for name, style in block.styles.items()}
    drawn = theme.css(":is(.rank-lab,.rank-lab-still)")
    return "\n".join([drawn, vector.CSS, Classes({**others, **styles}).css()])


def _built(name: str, folder: Path) -> Block:
    classes = Classes()
    made = factories()[name]
    explorer = made()
    baked = bake.bake(name, explorer, folder / name, classes)
    title = (made.__doc__ or "").splitlines()[0].rstrip(".")
    markup = classes.instead(_markup(baked, title))
    return Block(name, title, type(explorer.picture).__name__, markup, classes.styles)


def _markup(baked: Baked, title: str) -> str:
    moving = len(baked.panels)
    layers = [
        Fragment(panel, f'<g data-part="{part}">{svg}</g>')
        for part, (panel, svg) in enumerate(zip(baked.panels, baked.first))
    ]
    words, *text = baked.first[moving:]
    above = "".join(
        f'<div class="rank-lab-text" data-part="{moving + 1}">{each}</div>' for each in text
    )
    said = html.escape(words)
    tables = html.escape(json.dumps(baked.tables, separators=(",", ":")))
    start = json.dumps([control.start for control in baked.controls])
    return (
        f'<div class="rank-lab" data-files="{_FOLDER}{baked.name}/" data-tables="{tables}" '
        f'data-start="{start}" data-words="{moving}">'
        f'<form class="rank-lab-controls" autocomplete="off" aria-label="{html.escape(title)}">'
        f"<fieldset disabled>{_controls(baked)}</fieldset></form>"
        "<noscript><p>Its controls need JavaScript.</p></noscript>"
        f'{above}<div class="rank-lab-stage"><div role="img" aria-label="{said}">'
        f'{baked.drawing.fixed_html()}<div class="rank-lab-moving">'
        f"{baked.drawing.moving_html(layers)}</div></div></div>"
        f'<p class="rank-lab-words" data-part="{moving}">{said}</p>{_fewer(baked.controls)}'
        '<p class="rank-lab-said" role="status"></p></div>'
    )


def _controls(baked: Baked) -> str:
    """In a row that wraps; the button to go back stands with the last."""
    *others, last = (
        (_slider if control.slider else _choice)(number, control, baked.name)
        for number, control in enumerate(baked.controls)
        if len(control.values) > 1
    )
    button = '<button type="reset">Reset</button>'
    return f'{"".join(others)}<div class="rank-lab-last">{last}{button}</div>'


def _slider(number: int, control: Control, _: str) -> str:
    label = html.escape(control.labels[control.start])
    labels = html.escape(json.dumps(control.labels))
    return (
        f"<label><span>{html.escape(control.description)}</span>"
        f'<input type="range" data-control="{number}" min="0" max="{len(control.values) - 1}" '
        f'value="{control.start}" data-labels="{labels}" aria-valuetext="{label}">'
        f'<span class="rank-lab-value" aria-hidden="true">{label}</span></label>'
    )


def _choice(number: int, control: Control, explorer: str) -> str:
    buttons = "".join(
        f'<label><input type="radio" name="{explorer}-{control.name}" data-control="{number}" '
        f'value="{i}"{" checked" * (i == control.start)}><span>{html.escape(label)}</span></label>'
        for i, label in enumerate(control.labels)
    )
    return f"<fieldset><legend>{html.escape(control.description)}</legend>{buttons}</fieldset>"


def _fewer(controls: tuple[Control, ...]) -> str:
    """What the page has not and the notebook has."""
    said = [
        f"{control.description} stays at {control.labels[0]}"
        if len(control.values) == 1
        else f"{control.description} has {len(control.values)} of {control.of} steps"
        for control in controls
        if control.fewer
    ]
    if not said:
        return ""
    return f'<p class="rank-lab-note">Fewer settings than in the notebook: {", ".join(said)}.</p>'
