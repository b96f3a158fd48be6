"""All of the kit in one folder, for `make teach` and for the site."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from .. import lab
from ..notebooks import NOTEBOOKS
from ..project import ROOT
from ..site import served
from . import editions, handout, markup, notes, paths, quiz, slides

#: Documents that are handed out as they are.
DOCUMENTS = ("setup.md", "checklists.md")
PAGE = ROOT / "teaching" / "page.md"


def readable(file: Path) -> Path:
    """A Markdown file as a page beside it."""
    text = file.read_text(encoding="utf-8")
    title = re.sub(r"^#\s*", "", text.splitlines()[0])
    made = file.with_suffix(".html")
    made.write_text(handout.sheet(title, markup.html(text)), encoding="utf-8")
    return made


def printed(root: Path, page: str, file: Path) -> bool:
    """A page below `root` as a tagged PDF, by Chromium; whether there is a Chromium."""
    chromium = lab.chromium()
    if chromium is None:
        return False
    with served.serving(served.files(root)) as address:
        subprocess.run(
            [
                chromium, "--headless", *lab.FLAGS, "--no-pdf-header-footer",
                "--virtual-time-budget=20000", f"--print-to-pdf={file}", f"{address}/{page}",
            ],
            check=True, capture_output=True, timeout=300,
        )  # fmt: skip
    return True


def build(folder: Path, explorers: str) -> set[str]:
    """Everything but PDFs into a folder; the explorers that slides show, which lie there."""
    shutil.rmtree(folder, ignore_errors=True)
    quiz.write(folder / "quiz")
    editions.write(NOTEBOOKS, folder / "notebooks")
    for edition in editions.EDITIONS:
        place = folder / "notebooks" / edition
        shutil.make_archive(str(place), "zip", place)
    made = notes.write(folder / "notes")
    for name in DOCUMENTS:
        made.append(Path(shutil.copy(ROOT / "teaching" / name, folder / "notes")))
    for file in made:
        readable(file)
    shutil.copy(handout.STATIC / "sheet.css", folder / "notes")
    handout.write(folder / "handout")
    _, names = slides.write(folder / "slides", explorers)
    return names


def pdfs(root: Path, folder: Path, decks: bool) -> bool:
    """The handout as a PDF, and the decks; whether there is a Chromium to print them."""
    place = folder.relative_to(root).as_posix()
    if not printed(root, f"{place}/handout/handout.html", folder / "handout" / "handout.pdf"):
        return False
    for path in paths.read() if decks else ():
        page = f"{place}/slides/{path.key}.html?print-pdf"
        printed(root, page, folder / "slides" / f"{path.key}.pdf")
    return True


def page(decks: bool) -> str:
    """The site's page "Teach this", as Markdown; links lead into the kit's folder."""
    rows = [
        f'<li>{path.name} ({path.takes} minutes): <a href="teach/slides/{path.key}.html">'
        f"slides</a>{_pdf(path.key) if decks else ''}, "
        f'<a href="teach/notes/path_{path.key}.html">running sheet</a></li>'
        for path in paths.read()
    ]
    notebooks = " ".join(
        f'<a href="teach/notes/{path.name[:2]}.html">{path.name[:2]}</a>' for path in NOTEBOOKS
    )
    text = PAGE.read_text(encoding="utf-8")
    return text.replace("@DECKS@", f"<ul>{''.join(rows)}</ul>").replace("@NOTES@", notebooks)


def _pdf(key: str) -> str:
    return f' (<a href="teach/slides/{key}.pdf">PDF</a>)'
