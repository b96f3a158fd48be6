"""The one error for files that cannot be read, and how values are shown in it."""

from __future__ import annotations

from pathlib import Path


class AdapterError(ValueError):
    """A file or folder is not an adapter or checkpoint that can be read, or not one to write to.

    The message is one line: what is wrong, where, and what is allowed.
    """


def shown(value: object, most: int = 80) -> str:
    """A short form of `value` on one line, without control characters."""
    text = str(value) if isinstance(value, (str, Path, Exception)) else repr(value)
    text = "".join(each if each.isprintable() else "?" for each in text)
    return text if len(text) <= most else text[: most - 3] + "..."
