"""The quiz before and after: `teaching/quiz.toml` as paper, as GIFT for Moodle, as a page."""

from __future__ import annotations

import html
import re
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..claims.bound import names
from ..project import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

STATIC = Path(__file__).parent / "static"
SOURCE = ROOT / "teaching" / "quiz.toml"
TITLE = "What do you believe about rank and scale?"


@dataclass(frozen=True)
class Option:
    """An answer to choose, and what somebody believes who chooses it; "" for the right one."""

    text: str
    right: bool = False
    believes: str = ""


@dataclass(frozen=True)
class Question:
    """A question with its options; `check` has expressions that make the right one right."""

    key: str
    notebook: str
    text: str
    options: tuple[Option, ...]
    check: tuple[str, ...]

    @property
    def answer(self) -> int:
        """Which option is right, from 0."""
        (right,) = (i for i, option in enumerate(self.options) if option.right)
        return right


def read(path: Path = SOURCE) -> list[Question]:
    """The questions of a file. Raises ValueError for one without exactly one right option,
    and for a wrong option without the misconception behind it."""
    found = []
    for block in tomllib.loads(path.read_text(encoding="utf-8"))["question"]:
        options = tuple(Option(**option) for option in block.pop("options"))
        right = sum(option.right for option in options)
        if right != 1:
            raise ValueError(f"{block['key']} must have one right option, got {right}")
        for option in options:
            if option.right == bool(option.believes):
                raise ValueError(
                    f"{block['key']}: a wrong option has `believes`, a right one none, got {option}"
                )
        found.append(Question(options=options, **{**block, "check": tuple(block["check"])}))
    return found


def wrong(questions: Sequence[Question]) -> list[str]:
    """The checks that are not true, a line each."""
    known = names()
    return [
        f"{question.key}: not true, {check}"
        for question in questions
        for check in question.check
        if not eval(check, dict(known))
    ]


def _escaped(text: str) -> str:
    for sign in "\\~=#{}:":
        text = text.replace(sign, "\\" + sign)
    return text


def gift(questions: Sequence[Question]) -> str:
    """Moodle's import format, with each misconception as feedback."""
    parts = []
    for question in questions:
        lines = [f"::{question.key}:: {_escaped(question.text)} {{"]
        for option in question.options:
            sign = "=" if option.right else "~"
            feedback = f" #Believes\\: {_escaped(option.believes)}" if option.believes else ""
            lines.append(f"  {sign}{_escaped(option.text)}{feedback}")
        parts.append("\n".join([*lines, "}"]))
    return "\n\n".join(parts) + "\n"


def paper(questions: Sequence[Question], key: bool) -> str:
    """The sheet to hand out, as Markdown; or its key, with what each wrong answer shows."""
    lines = [f"# {TITLE}" + (" The key" if key else ""), ""]
    if not key:
        lines += ["One answer to each question. Before and after: the same sheet.", ""]
    for number, question in enumerate(questions, 1):
        lines += [f"**{number}.** {question.text}", ""]
        for letter, option in zip("abcd", question.options):
            if not key:
                lines.append(f"- ( ) **{letter}.** {option.text}")
            elif option.right:
                lines.append(f"- **{letter}. {option.text}** Right; notebook {question.notebook}.")
            else:
                lines.append(f"- {letter}. {option.text} *Believes:* {option.believes}")
        lines.append("")
    return "\n".join(lines)


def _html(text: str) -> str:
    return re.sub(r"`(.+?)`", r"<code>\1</code>", html.escape(text))


def page(questions: Sequence[Question]) -> str:
    """The quiz as a page: native controls, marked by `static/quiz.js`, which sends nothing."""
    parts = [
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        '<meta http-equiv="Content-Security-Policy"'
        """ content="default-src 'self'; img-src data:">""",
        f'<title>{TITLE}</title><link rel="icon" href="data:,">'
        '<link rel="stylesheet" href="quiz.css"></head><body><main>',
        f"<h1>{TITLE}</h1>",
        "<p>One answer to each question. Nothing leaves this page.</p>",
        f'<form class="quiz" data-count="{len(questions)}">',
    ]
    for number, question in enumerate(questions, 1):
        parts.append(f'<fieldset data-answer="{question.answer}">')
        parts.append(f"<legend>{number}. {_html(question.text)}</legend>")
        for i, option in enumerate(question.options):
            said = html.escape(
                f"Right: notebook {question.notebook} shows it."
                if option.right
                else f"Not so. The idea behind it: {option.believes}"
            )
            parts.append(
                f'<label><input type="radio" name="{question.key}" value="{i}" '
                f'data-said="{said}"> {_html(option.text)}</label>'
            )
        parts.append('<p class="said" role="status"></p></fieldset>')
    parts.append('<button type="submit">Mark my answers</button>')
    parts.append('<p class="score" role="status"></p></form></main>')
    parts.append('<script src="quiz.js"></script></body></html>\n')
    return "\n".join(parts)


def write(folder: Path) -> list[Path]:
    """All forms of the quiz into a folder; the files."""
    questions = read()
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "quiz.md": paper(questions, key=False),
        "quiz_key.md": paper(questions, key=True),
        "quiz.gift.txt": gift(questions),
        "quiz.html": page(questions),
    }
    for name, text in content.items():
        (folder / name).write_text(text, encoding="utf-8")
    for name in ("quiz.js", "quiz.css"):
        content[name] = str(shutil.copy(STATIC / name, folder))
    return [folder / name for name in content]
