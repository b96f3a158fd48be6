"""What our texts say, sentence by sentence, without their Markdown."""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

ROOT = Path(__file__).parents[2]
#: Texts that are no notebook, by the name of the file that holds their claims.
PAGES = {
    "README": "README.md",
    "cheatsheet": "notebooks/cheatsheet.md",
    "landing": "tools/site/index.md",
}
#: What an instructor has: the notes on all notebooks, the quiz, and the pages of a guide.
TEACHING = {
    "notes": ROOT / "teaching" / "notes",
    "quiz": ROOT / "teaching" / "quiz.toml",
    "guide": ROOT / "teaching",
}
GUIDE = ("README.md", "setup.md", "checklists.md", "page.md", "hub/README.md")
_TABLE_LINE = re.compile(r"^\|[ :|-]+\|$")


@dataclass(frozen=True)
class Passage:
    """A sentence as a reader sees it, the heading above it, and the cell that it stands in."""

    words: str
    heading: str = ""
    cell: str = ""


def plain(text: str) -> str:
    """Markdown without links and emphasis, on one line."""
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"\*\*?(?=\S)(.+?)(?<=\S)\*\*?", r"\1", text)
    return " ".join(text.split())


def blocks(text: str) -> list[str]:
    """Paragraphs, list items and headings of a piece of Markdown; code is left out."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    found = re.split(r"\n\s*\n|\n(?=\s*(?:[-*]|\d+\.) )", text)
    return [re.sub(r"^\s*(?:[-*]|\d+\.) ", "", block) for block in found]


def split(text: str) -> list[str]:
    """The sentences of a paragraph."""
    # Not after a digit and full stop: "v1. 2".
    return re.split(r"(?<=[a-zA-Z)$%*`0-9][.!?])\s+(?=[A-Z*(`$α])", plain(text))


def sentences(text: str) -> list[str]:
    """The sentences of a piece of Markdown, list items kept apart, headings left out.

    A paragraph that leads to the cheat sheet says nothing by itself.
    """
    found: list[str] = []
    for block in blocks(text):
        if block.lstrip().startswith(("#", "<!--", "![")) or "](cheatsheet.md)" in block:
            continue
        found += split(block)
    return [sentence for sentence in found if sentence]


def notebook(name: str) -> dict[str, Any]:
    """A notebook as it is stored, by its number, or an appendix by its name."""
    folder = ROOT / "notebooks"
    (path,) = [*folder.glob(f"{name}_*.ipynb"), *folder.glob(f"appendix/{name}.ipynb")]
    return dict(json.loads(path.read_text(encoding="utf-8")), path=path)


def texts() -> list[str]:
    """Every text, by the name of its file of claims."""
    folder = ROOT / "notebooks"
    series = sorted(path.name[:2] for path in folder.glob("[0-9][0-9]_*.ipynb"))
    return [
        *PAGES,
        *series,
        *sorted(path.stem for path in folder.glob("appendix/*.ipynb")),
        *TEACHING,
    ]


def _pieces(name: str) -> Iterator[tuple[str, str]]:
    """The Markdown of a text, cell by cell; what is generated is left out."""
    if name in PAGES:
        source = (ROOT / PAGES[name]).read_text(encoding="utf-8")
        yield "", re.sub(r"\A---\n.*?^---$", "", source, flags=re.M | re.S)
        return
    if name in TEACHING:
        yield from {"notes": _notes, "quiz": _quiz, "guide": _guide}[name]()
        return
    for cell in notebook(name)["cells"]:
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] == "markdown" and not {"navigation", "path"} & set(tags):
            yield cell["id"], "".join(cell["source"])


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def _notes() -> Iterator[tuple[str, str]]:
    """The notes, and what each path is for; not the ideas that notes are after, which are wrong."""
    for block in _toml(TEACHING["notes"].with_name("paths.toml"))["path"]:
        yield f"path {block['key']}", block["for"]
    for path in sorted(TEACHING["notes"].glob("*.toml")):
        content = _toml(path)
        for part in ("goal", "stuck", "demo"):
            said = content[part]
            yield f"{path.stem} {part}", said if isinstance(said, str) else "\n\n".join(said)
        for block in [each for kind in ("prediction", "exercise", "argued")
                      for each in content.get(kind, ())]:  # fmt: skip
            for part in ("wrong", "say", "answer"):
                if part in block:
                    yield f"{block.get('key', path.stem)} {part}", block[part]


def _quiz() -> Iterator[tuple[str, str]]:
    """Each question → its right answer; wrong ones are what somebody believes."""
    for block in _toml(TEACHING["quiz"])["question"]:
        (right,) = (option["text"] for option in block["options"] if option.get("right"))
        yield block["key"], f"{block['text']} → {right}"


def _guide() -> Iterator[tuple[str, str]]:
    """Its pages without the tables that are written from what they show."""
    for page in GUIDE:
        source = (TEACHING["guide"] / page).read_text(encoding="utf-8")
        yield page, re.sub(r"<!-- (\w+) -->\n.*?<!-- /\1 -->", "", source, flags=re.S)


def passages(name: str) -> list[Passage]:
    """All that a text says: sentences, headings and rows of tables.

    A picture's words are left out: a test holds them to what the picture was drawn from.
    """
    found, heading = [], ""
    for cell, source in _pieces(name):
        source = re.sub(r"^(\|.*\|)$", r"\n\1\n", source, flags=re.M)
        source = re.sub(r"</?(details|summary|p|li|ul|ol|div|nav|h\d)\b[^>]*>", "\n\n", source)
        source = re.sub(r"<!--.*?-->|</?[a-zA-Z][^>]*>", "", source, flags=re.S)
        for block in blocks(source):
            block = html.unescape(block).strip()
            if block.startswith("![") or _TABLE_LINE.match(block):
                continue
            if block.startswith("|"):
                # As the table of claims quotes a row.
                row = block.strip("| ").replace(" | ", ": ", 1)
                found.append(Passage(plain(row), heading, cell))
                continue
            if block.startswith("#"):
                title, _, block = block.partition("\n")
                heading = plain(title.lstrip("# "))
                found.append(Passage(heading, heading, cell))
            found += [Passage(each, heading, cell) for each in split(block) if each]
    return found
