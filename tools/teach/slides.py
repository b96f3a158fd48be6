"""A deck for each path, from the notebooks themselves: question, result, explorer, exercise.

What stands on a slide is what the notebook says; what is to be said stands in the speaker's view
(key S) and comes from the notes. Explorers are the site's own, drawn beforehand, so they move
without Python and without a network. reveal.js comes with the package sphinx-revealjs.
"""

from __future__ import annotations

import base64
import html
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat

from ..notebooks import ATTACHED, NOTEBOOKS, title
from . import markup, notes, paths
from .paths import Part, TeachingPath
from .sections import parts

STATIC = Path(__file__).parent / "static"
SERIES = "LoRA Rank Lab"
_EXPLORER = re.compile(r"^explorers\.(\w+)\(", flags=re.M)
_MEASURED = re.compile(r"<p>(Measured[: ].*?)</p>", flags=re.S)
_TABLE = re.compile(r"<table.*?</table>", flags=re.S)
#: A table with more rows, or more signs in a row, is not read from the last row of a room.
MOST_ROWS, MOST_SIGNS = 6, 70
#: Of a question with what stands above it.
MOST_WORDS = 85


@dataclass(frozen=True)
class Slide:
    """What is shown, what is said, and the name of what it is for a screen reader."""

    body: str
    said: str = ""
    kind: str = ""

    def markup(self) -> str:
        """As reveal.js takes it."""
        aside = f'<aside class="notes">{self.said}</aside>' if self.said else ""
        return f'<section class="{self.kind}">{self.body}{aside}</section>'


@cache
def notebook(number: str) -> Any:
    """A notebook of the series by its number."""
    (path,) = (path for path in NOTEBOOKS if path.name.startswith(number))
    return nbformat.read(path, 4)


class Deck:
    """A path's slides; pictures are written into `folder`, and `explorers` leads to theirs."""

    def __init__(self, path: TeachingPath, folder: Path, explorers: str) -> None:
        self.path = path
        self.folder = folder
        self.explorers = explorers

    def slides(self) -> Iterator[Slide]:
        """All of them, in order."""
        path = self.path
        yield Slide(
            f"<h1>{SERIES}</h1><p>{html.escape(path.name)}: you predict, then we look.</p>",
            markup.html(path.for_),
            "title",
        )
        seen: set[str] = set()
        for part in path.parts:
            if part.what:
                minutes = f"{part.minutes} minutes"
                yield Slide(f"<h2>{markup.inline(part.what)}</h2><p>{minutes}</p>", kind="title")
                continue
            yield from self._part(part, part.notebook not in seen)
            seen.add(part.notebook)

    def _part(self, part: Part, first: bool) -> Iterator[Slide]:
        note = notes.every()[part.notebook]
        cells = parts(notebook(part.notebook))[part.section]
        text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
        if part.exercises:
            yield from self._exercises(part, cells)
            return
        said = f"<p>{markup.inline(part.section)}: about {part.takes} minutes, estimated.</p>"
        if first:
            said += f"<p>{markup.inline(note.goal)}</p>"
            said += "".join(f"<p>Stuck: {markup.inline(each)}</p>" for each in note.stuck)
            question = markup.inline(title(notebook(part.notebook)))
            yield Slide(f'<p class="where">Notebook {part.notebook}</p><h2>{question}</h2>', said,
                        "title")  # fmt: skip
        where = f'<p class="where">{part.notebook} · {markup.inline(part.section)}</p>'
        if formula := re.search(r"\$\$.+?\$\$", text.split("**Predict.**")[0], flags=re.S):
            head = f"<h2>{markup.inline(part.section)}</h2>"
            yield Slide(head + markup.html(formula[0]), said, "title")
        asked: str | None = None
        above = ""
        for cell in cells:
            if cell.cell_type == "markdown":
                above = cell.source
                before, found, after = above.partition("**Predict.**")
                if found:
                    question = re.sub(r"Run the next cell and commit.*", "", after, flags=re.S)
                    asked = _context(before, question) + question.strip()
                continue
            key = re.search(r'predictions\.(?:number|choice|curve)\(\s*"(\d\d-\w)"', cell.source)
            if key and asked is not None:
                yield from self._prediction(note.predictions[key[1]], where, asked, cell, cells)
                asked = None
                continue
            yield from self._shown(cell, where, above)

    def _prediction(
        self, note: notes.Prediction, where: str, asked: str, cell: Any, cells: list[Any]
    ) -> Iterator[Slide]:
        said = f"<p>Everybody commits first. It is after the idea: {markup.inline(note.idea)}</p>"
        said += f"<p>A wrong answer: {markup.inline(note.wrong)}</p>"
        yield Slide(f"{where}<h2>Predict</h2>{markup.html(asked)}", said, "predict")
        stored = _stored(cell)
        measured = _MEASURED.search(stored)
        after = cells[cells.index(cell) + 1]
        alt = ATTACHED.search(after.source)
        shown = ""
        if alt:
            shown = self._picture(after.attachments["result.png"]["image/png"], alt[1], note.key)
        elif (table := _TABLE.search(stored)) and _small(table[0]):
            shown = re.sub(r"<th[^>]*></th>", "<td></td>", table[0])
        headline = f'<h2 class="measured">{measured[1] if measured else "What came out"}</h2>'
        argued = [each for each in notes.every()[note.key[:2]].argued if each.cell == after.id]
        said = "".join(
            f"<p>Argued: {markup.inline(each.question)} {markup.inline(each.answer)}</p>"
            for each in argued
        )
        say = f"<p>{markup.inline(note.say)}</p>"
        body = f"{headline}{say}{shown}"
        # A picture's own words are read from the last row only if it has most of the slide.
        kind, body = ("result pictured", body) if alt else ("result", where + body)
        yield Slide(body, said + say, kind)

    def _shown(self, cell: Any, where: str, above: str) -> Iterator[Slide]:
        """A picture and an explorer; what is said first is what the notebook says above it."""
        for output in cell.outputs:
            if "image/png" in output.get("data", {}):
                alt = output.metadata["image/png"]["alt"]
                body = where + self._picture(output.data["image/png"], alt, cell.id)
                said = markup.html(_paragraphs(above)[-1]) + f"<p>{html.escape(alt)}</p>"
                yield Slide(body, said, "picture")
        if explorer := _EXPLORER.search(cell.source):
            name = explorer[1]
            title = html.escape(f"Explorer: {name.replace('_', ' ')}")
            yield Slide(
                f'<iframe data-explorer="{self.explorers}{name}.html?theme=light" '
                f'title="{title}"></iframe>',
                "<p>Move it: click a control, then the arrow keys work. Escape gives the keys back "
                "to the slides.</p>",
                "explorer",
            )

    def _exercises(self, part: Part, cells: list[Any]) -> Iterator[Slide]:
        """An exercise's words stand in the Markdown above its cell.

        A table among them has a slide of its own.
        """
        above = table = ""
        for cell in cells:
            if cell.cell_type == "markdown":
                above = above + "\n\n" + cell.source
                continue
            key = re.search(r'exercises\.check\("(\d\d-\w+)"', cell.source)
            if key is None:
                found = _TABLE.search(_stored(cell))
                table = found[0] if found else table
                continue
            if key[1] in part.exercises:
                asked = re.split(r"</details>|^## .*$", above, flags=re.M)[-1].strip()
                note = notes.every()[part.notebook].exercises[key[1]]
                said = f"<p>It is after the idea: {markup.inline(note.idea)}</p>"
                said += f"<p>A wrong answer: {markup.inline(note.wrong)}</p>"
                where = f'<p class="where">Notebook {part.notebook}</p>'
                head = f"{where}<h2>Your turn</h2>"
                yield Slide(head + markup.html(asked), said, "exercise")
                if table:
                    yield Slide(where + table, said, "exercise")
            above = table = ""

    def _picture(self, encoded: str, alt: str, name: str) -> str:
        file = self.folder / "pictures" / f"{name}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(encoded))
        return f'<img src="pictures/{file.name}" alt="{html.escape(alt)}">'

    def page(self) -> str:
        """The deck as a page."""
        slides = "\n".join(slide.markup() for slide in self.slides())
        head = "".join(
            f'<link rel="stylesheet" href="{each}">'
            for each in ("reveal/reset.css", "reveal/reveal.css", "deck.css")
        )
        scripts = "".join(
            f'<script src="{each}"></script>'
            for each in ("reveal/reveal.js", "reveal/notes.js", "deck.js")
        )
        return (
            '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            f"<title>{SERIES}: {html.escape(self.path.name)}</title>"
            f'<link rel="icon" href="data:,">{head}</head>\n'
            f'<body><main><div class="reveal"><div class="slides">\n{slides}\n</div></div></main>'
            f"{scripts}"
            "</body></html>\n"
        )

    def explorer_names(self) -> set[str]:
        """The explorers that it shows."""
        return {
            found[1]
            for slide in self.slides()
            for found in re.finditer(r'data-explorer="[^"]*?(\w+)\.html', slide.body)
        }


def _stored(cell: Any) -> str:
    return "".join(output.get("data", {}).get("text/html", "") for output in cell.outputs)


def _paragraphs(text: str) -> list[str]:
    return text.strip().split("\n\n")


def _context(before: str, asked: str) -> str:
    """Of the paragraph above a prompt, if it is prose, the last sentences that fit on its slide."""
    last = _paragraphs(before)[-1]
    if not last or re.match(r"[#|*$<]|\d\.", last):
        return ""
    sentences = re.split(r"(?<=[.?!)]) (?=[A-Z(*$])", last)
    while sentences and len(" ".join([*sentences, asked]).split()) > MOST_WORDS:
        del sentences[0]
    return f"{' '.join(sentences)}\n\n" if sentences else ""


def _small(table: str) -> bool:
    rows = [re.sub(r"<[^>]*>", "  ", row) for row in re.findall(r"<tr.*?</tr>", table, flags=re.S)]
    return len(rows) <= MOST_ROWS + 1 and max(map(len, rows)) <= MOST_SIGNS + 30


def reveal() -> Path:
    """Where the package has reveal.js. Raises ModuleNotFoundError without the package."""
    found = find_spec("sphinx_revealjs")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("reveal.js comes with sphinx-revealjs: make ready-site")
    return Path(found.origin).parent / "_static" / "revealjs"


def write(folder: Path, explorers: str = "../explorers/") -> tuple[list[Path], set[str]]:
    """A deck for each path into a folder; the files, and the explorers that they show."""
    source = reveal()
    (folder / "reveal").mkdir(parents=True, exist_ok=True)
    for name in ("dist/reset.css", "dist/reveal.css", "dist/reveal.js", "plugin/notes/notes.js",
                 "LICENSE"):  # fmt: skip
        shutil.copy(source / name, folder / "reveal")
    for name in ("deck.css", "deck.js"):
        shutil.copy(STATIC / name, folder)
    made, names = [], set()
    for path in paths.read():
        deck = Deck(path, folder, explorers)
        file = folder / f"{path.key}.html"
        file.write_text(deck.page(), encoding="utf-8")
        made.append(file)
        names |= deck.explorer_names()
    return made, names
