"""The one error for files that cannot be read, and how values are shown in it."""

from __future__ import annotations

from pathlib import Path


class AdapterError(ValueError):
    """A file or folder is not an adapter or checkpoint that can be read, or not one to write to.

    The message is one line: what is wrong, where, and what is allowed.
    """


def shown(value: object, most: int = 80) -> str:
    """A short form of `value` on one line, without control characters; of a path, its end."""
    is_text = isinstance(value, (str, Path, Exception))
    text = "".join(
        each if each.isprintable() else "?" for each in (str(value) if is_text else repr(value))
    )
    if len(text) <= most:
        return text
    return "..." + text[3 - most :] if isinstance(value, Path) else text[: most - 3] + "..."
