"""Files that ship in `helpers/data`: whole, or one line that says how to get them back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import stat
from pathlib import Path
from typing import Any

DATA = Path(__file__).parent / "data"

#: Bytes of a file; the largest that ships has a million.
_MOST = 50_000_000

#: HEAD, since a damaged file may have been staged, too.
_GET_BACK = (
    "Get it back with `git checkout HEAD -- helpers/data` in the project's folder, or without git "
    "by unpacking the project or installing the project again (`pip install --force-reinstall`); "
    "`make experiments` makes results anew."
)


class DataError(RuntimeError):
    """A file that ships with the series is missing or damaged."""


def damaged(file: Path, why: str) -> DataError:
    """The error that names the file, what is wrong with it, and how to get it back."""
    return DataError(f"{file.name} is damaged: {why}. {_GET_BACK}")


def read_object(file: Path) -> dict[str, Any]:
    """The object in a file of JSON. Raises DataError if it cannot be read or holds another."""
    try:
        content = json.loads(str(_bytes(file), "utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file.name} is damaged ({error}). {_GET_BACK}") from None
    if not isinstance(content, dict):
        raise damaged(file, "it holds no object")
    return content


def check(file: Path, digest: str | None) -> bytes:
    """The bytes of a file that ships, once they are those that were recorded.

    Raises DataError if they are not, or the file is missing.
    """
    content = _bytes(file)
    if digest_of(file.name, content) != digest:
        raise damaged(file, "it is not the file that was recorded")
    return content


def digest_of(name: str, content: bytes) -> str:
    """The sha256 of a file that ships; of JSON, that of its content, however it is laid out.

    JupyterLite hands JSON out as JavaScript writes it: without spaces, and 1.0 as 1.
    """
    if name.endswith(".json"):
        with contextlib.suppress(ValueError, RecursionError):
            plain = json.loads(str(content, "utf-8"), parse_float=_number)
            content = json.dumps(plain, sort_keys=True).encode()
    return hashlib.sha256(content).hexdigest()


def _number(text: str) -> float | int:
    value = float(text)
    return int(value) if value.is_integer() else value


def _bytes(file: Path) -> bytes:
    """Of a plain file: a pipe would never end, and neither would a device."""
    try:
        found = file.stat()
        if not stat.S_ISREG(found.st_mode):
            raise damaged(file, "it is no plain file")
        if found.st_size > _MOST:
            raise damaged(file, f"it has {found.st_size} bytes")
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file.name} cannot be read ({error.strerror}). {_GET_BACK}") from None
