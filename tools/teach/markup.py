"""Markdown of the notebooks as HTML for slides and handout: formulas become MathML."""

from __future__ import annotations

import re
from typing import Any

import math_core
from markdown_it import MarkdownIt

_MATH = math_core.LatexToMathML(annotation=False)
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$(?!\s)(.+?)(?<!\s)\$", flags=re.S)
_LINK = re.compile(r"(?<!!)\[([^\]]+)\]\([^)]*\)")
#: Stands for a formula while the rest is rendered.
_HELD = "\N{OBJECT REPLACEMENT CHARACTER}"


def html(markdown: str) -> str:
    """Rendered Markdown; links keep their words only, since a slide is no place to leave from.

    Code comes without its fence's language; HTML inside is dropped.
    """
    formulas: list[str] = []

    def held(found: re.Match[str]) -> str:
        block, inline = found.groups()
        formulas.append(_MATH.convert_with_local_state(block or inline, displaystyle=bool(block)))
        return _HELD

    text = _FORMULA.sub(held, _LINK.sub(r"\1", markdown))
    made: Any = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return re.sub(_HELD, lambda _: formulas.pop(0), made).strip()


def inline(markdown: str) -> str:
    """The same without the paragraph around it."""
    return re.sub(r"^<p>(.*)</p>$", r"\1", html(markdown), flags=re.S)
