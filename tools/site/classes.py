"""Styles as classes: pages that forbid styles in elements can show what is drawn."""

from __future__ import annotations

import hashlib
import html
import re

_STYLED = re.compile(r'<[^<>]*? style="([^"]*)"[^<>]*>')


class Classes:
    """The styles of elements, and the class that stands in the place of each.

    >>> classes = Classes()
    >>> classes.instead('<b class="a" style="color: red">!</b>')
    '<b class="deb1fb a">!</b>'
    >>> classes.css()
    '.deb1fb{color: red}'
    """

    def __init__(self, styles: dict[str, str] | None = None) -> None:
        self.styles: dict[str, str] = styles or {}

    def instead(self, markup: str) -> str:
        """Markup without styles in its elements."""
        return _STYLED.sub(self._classed, markup)

    def css(self) -> str:
        """The style sheet."""
        return "\n".join(f".{name}{{{style}}}" for name, style in sorted(self.styles.items()))

    def _classed(self, found: re.Match[str]) -> str:
        style = html.unescape(found[1])
        name = "d" + hashlib.md5(style.encode()).hexdigest()[:5]
        if self.styles.setdefault(name, style) != style:
            raise ValueError(f"{style!r} must have a class of its own, got that of another")
        tag = found[0].replace(f' style="{found[1]}"', "", 1)
        if ' class="' in tag:
            return tag.replace(' class="', f' class="{name} ', 1)
        return re.sub(r"^<[\w:]+", lambda start: f'{start[0]} class="{name}"', tag)
