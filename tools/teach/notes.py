"""Notes for the instructor: `teaching/notes/NN.toml` as a page for each notebook and each path."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import nbformat

from ..notebooks import NOTEBOOKS, title
from ..project import ROOT
from . import paths
from .paths import TeachingPath
from .sections import series

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

SOURCE = ROOT / "teaching" / "notes"


@dataclass(frozen=True)
class Prediction:
    """What stands behind a prediction: the idea that it is after, what wrong answers show, and
    what to say when the result is there."""

    key: str
    idea: str
    wrong: str
    say: str


@dataclass(frozen=True)
class Exercise:
    """The idea that an exercise is after, and what wrong answers show."""

    key: str
    idea: str
    wrong: str


@dataclass(frozen=True)
class Argued:
    """A question that gets argued, its answer, and the id of the cell with the evidence."""

    question: str
    answer: str
    cell: str


@dataclass(frozen=True)
class Notes:
    """Everything on one notebook; `demo` is a demonstration step by step."""

    number: str
    goal: str
    stuck: tuple[str, ...]
    demo: tuple[str, ...]
    predictions: dict[str, Prediction]
    exercises: dict[str, Exercise]
    argued: tuple[Argued, ...]


def _all(kind: Any, blocks: Sequence[dict[str, str]]) -> list[Any]:
    wanted = {field.name for field in fields(kind)}
    for block in blocks:
        if {*block} != wanted or not all(block.values()):
            names = ", ".join(sorted(wanted))
            raise ValueError(f"a {kind.__name__.lower()} has {names}, got {block}")
    return [kind(**block) for block in blocks]


def read(path: Path) -> Notes:
    """The notes of a file. Raises ValueError for a block with an entry too many, or too few."""
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    return Notes(
        path.stem,
        content["goal"],
        tuple(content["stuck"]),
        tuple(content["demo"]),
        {each.key: each for each in _all(Prediction, content.get("prediction", ()))},
        {each.key: each for each in _all(Exercise, content.get("exercise", ()))},
        tuple(_all(Argued, content.get("argued", ()))),
    )


@cache
def every() -> dict[str, Notes]:
    """The notes on every notebook, by its number."""
    return {path.stem: read(path) for path in sorted(SOURCE.glob("*.toml"))}


@cache
def _titles() -> dict[str, str]:
    return {path.name[:2]: title(nbformat.read(path, 4)) for path in NOTEBOOKS}


def _prediction(note: Prediction) -> str:
    return (
        f"- **{note.key}** is after the idea: {note.idea}\n"
        f"  - *A wrong answer:* {note.wrong}\n  - *Say then:* {note.say}"
    )


def _exercise(note: Exercise) -> str:
    return f"- **{note.key}** is after the idea: {note.idea}\n  - *A wrong answer:* {note.wrong}"


def page(notes: Notes) -> str:
    """The notes on a notebook, as Markdown, section by section."""
    lines = [f"# Notes on {notes.number} · {_titles()[notes.number]}", ""]
    lines += [f"**In one sentence:** {notes.goal}", "", "## Where people get stuck", ""]
    lines += [f"- {each}" for each in notes.stuck]
    lines += ["", "## A demonstration", ""]
    lines += [f"{i}. {each}" for i, each in enumerate(notes.demo, 1)]
    for section in series()[notes.number]:
        found = [_prediction(notes.predictions[key]) for key in section.predictions]
        found += [_exercise(notes.exercises[key]) for key in section.exercises]
        if found:
            minutes = f"about {max(1, round(section.minutes))} minutes of reading"
            lines += ["", f"## {section.name} ({minutes})", "", *found]
    lines += ["", "## What gets argued", ""]
    for each in notes.argued:
        lines += [f"- **{each.question}** {each.answer} (Cell `{each.cell}`.)"]
    return "\n".join([*lines, ""])


def _sheet(path: TeachingPath) -> Iterator[str]:
    yield f"# Running sheet: {path.name}\n\n{path.for_}\n\n{paths.table(path)}\n"
    yield "Minutes are estimates of careful reading, with one for each prediction.\n"
    told = set()
    for part in path.parts:
        if part.what:
            continue
        notes = every()[part.notebook]
        yield f"## {part.notebook} · {part.section}\n"
        if part.notebook not in told:
            told.add(part.notebook)
            yield f"*{notes.goal}*\n"
            yield "\n".join(f"- Stuck: {each}" for each in notes.stuck) + "\n"
        found = [_prediction(notes.predictions[key]) for key in part.found.predictions]
        found += [_exercise(notes.exercises[key]) for key in part.exercises]
        if found:
            yield "\n".join(found) + "\n"


def write(folder: Path) -> list[Path]:
    """A page for each notebook and a running sheet for each path, into a folder; the files."""
    folder.mkdir(parents=True, exist_ok=True)
    content = {f"{number}.md": page(notes) for number, notes in every().items()}
    for path in paths.read():
        content[f"path_{path.key}.md"] = "\n".join(_sheet(path))
    for name, text in content.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in content]
