"""The header of a safetensors file, checked before anything is read by it.

A file is an 8-byte little-endian length, a JSON object of that length, and the
bytes of the tensors (the format's own description, huggingface/safetensors).
Their own library takes the last of two entries with one name; here that is an
error, as are names that would draw on a terminal.
"""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Bytes per element of the types that the format knows.
SIZES = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "F8_E8M0": 1, "I16": 2, "U16": 2,
    "F16": 2, "BF16": 2, "I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8,
}  # fmt: skip

#: JSON above these is refused unread: a file, and a header. The format would allow a header of
#: 100 MB, which is 400 MB as text if a single sign of it is an emoji, and once more in a string.
MOST_BYTES = 10_000_000
MOST_HEADER = 25_000_000
#: What is read of a file takes this much memory and twice the file's size, at most. Names of
#: numbers take most, with 230 bytes for each comma or bracket.
_MEMORY, _BYTES_A_MARK = 200_000_000, 250
#: Configs and headers are nested five deep. What prints or writes JSON calls itself at each level.
MOST_NESTED = 100
LONGEST_NAME = 300
#: What a download that went wrong begins with, and what it is.
_NO_WEIGHTS = {
    b"version ": "a git-lfs pointer and not the weights: get them with git lfs pull",
    b"<!doctyp": "a web page and not a safetensors file: download the file itself",
    b"<html": "a web page and not a safetensors file: download the file itself",
}
MOST_AXES = 8


class FileError(ValueError):
    """A file or folder cannot be read as what it should be, or cannot be written.

    The message is one line: what is wrong, where, and what is allowed.
    """


def shown(value: object, most: int = 80) -> str:
    """A short form of `value` on one line, without control characters; of a path, its end."""
    text = str(value) if isinstance(value, (str, Path, Exception)) else repr(value)
    if not text.isprintable():
        text = "".join(each if each.isprintable() else "?" for each in text)
    if len(text) <= most:
        return text
    return "..." + text[3 - most :] if isinstance(value, Path) else text[: most - 3] + "..."


@dataclass(frozen=True)
class Entry:
    """Where one tensor lies: type, shape, and bytes [begin, end) of the file."""

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


@dataclass(frozen=True)
class Header:
    """The tensors of a file by name, in the order of their bytes, and its metadata."""

    entries: dict[str, Entry]
    metadata: dict[str, str]


def parse_json(text: bytes, where: str, size: int = 0) -> dict[str, Any]:
    """A JSON object from UTF-8 bytes: no duplicate names, NaN, infinity or endless nesting.

    `size` is that of the file, if the text is a part of it.
    """
    marks = sum(map(text.count, (b",", b"[", b"{")))
    most = (_MEMORY + 2 * max(size, len(text))) // _BYTES_A_MARK
    if marks > most:
        raise FileError(f"{where} has {marks} commas and brackets, at most {most} are allowed")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            twice = Counter(name for name, _ in pairs).most_common(1)[0][0]
            raise FileError(f"{where} has the name {shown(twice)} twice")
        return made

    def refuse(constant: str) -> None:
        raise FileError(f"{where} holds {shown(constant)}: only finite numbers are allowed")

    def finite(number: str) -> float:
        # 1e400 is valid JSON, and infinity to Python.
        value = float(number)
        if not math.isfinite(value):
            refuse(number)
        return value

    try:
        made = json.loads(
            text.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse,
            parse_float=finite,
        )  # fmt: skip
    except FileError:
        raise
    except (ValueError, RecursionError) as error:
        raise FileError(f"{where} is not valid JSON ({shown(error)})") from None
    if not isinstance(made, dict):
        raise FileError(f"{where} must be a JSON object, got {type(made).__name__}")
    if _deeper(made, MOST_NESTED):
        raise FileError(f"{where} is nested more than {MOST_NESTED} deep")
    return made


def _deeper(value: dict[str, Any], most: int) -> bool:
    """Whether lists and objects are nested more than `most` deep; without recursion."""
    level: list[Any] = [value]
    for _ in range(most):
        level = [
            part
            for each in level
            for part in (each.values() if isinstance(each, dict) else each)
            if isinstance(part, (dict, list))
        ]
    return bool(level)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of at most 10 MB."""
    where = shown(path)
    if path.exists() and not path.is_file():
        raise FileError(f"{where} must be a file")
    try:
        with path.open("rb") as file:
            # As much as there is, and one byte more: `read` reserves what it is asked for.
            content = file.read(min(os.fstat(file.fileno()).st_size, MOST_BYTES) + 1)
    except OSError as error:
        raise FileError(f"{where} cannot be read ({error.strerror})") from None
    if len(content) > MOST_BYTES:
        raise FileError(f"{where} has more than the {MOST_BYTES} bytes that are allowed")
    return parse_json(content, where)


def check_name(name: str, where: str) -> str:
    """Return a name of a tensor or module if it is short and printable."""
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise FileError(
            f"{where} has a name of {len(name)} characters, {shown(name, 40)!r}: names must be "
            f"printable, with 1 to {LONGEST_NAME} characters"
        )
    return name


def read_header(path: Path) -> Header:
    """Read and check the header of a safetensors file.

    Raises
    ------
    FileError
        If the file cannot be opened, is cut short, or its header is not valid:
        wrong lengths, unknown types, duplicate or unprintable names, offsets
        that overlap or leave a gap.
    """
    where = shown(path)
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            first = file.read(8)
            for beginning, what in _NO_WEIGHTS.items():
                if first.lower().startswith(beginning):
                    raise FileError(f"{where} is {what}")
            length = int.from_bytes(first, "little")
            if size < 8 or length > size - 8:
                raise FileError(
                    f"{where} is cut short: its header says {length} bytes, the file has {size}"
                )
            if length > MOST_HEADER:
                raise FileError(
                    f"{where} has a header of {length} bytes, at most {MOST_HEADER} are allowed"
                )
            raw = parse_json(file.read(length), f"the header of {where}", size)
    except OSError as error:
        raise FileError(f"{where} cannot be read ({error.strerror})") from None
    metadata = raw.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict) or not all(map(_is_text, [*metadata, *metadata.values()])):
        raise FileError(f"{where} has metadata that is not text to text")
    entries = [(check_name(name, where), _entry(name, raw[name], where)) for name in raw]
    entries.sort(key=lambda item: (item[1].begin, item[1].end))
    expected = 0
    for name, entry in entries:
        if entry.begin != expected:
            raise FileError(
                f"{where}: tensor {name} starts at byte {entry.begin}, {expected} was expected"
            )
        expected = entry.end
    if expected != size - 8 - length:
        raise FileError(f"{where} must hold {expected} bytes of tensors, got {size - 8 - length}")
    start = 8 + length
    placed = {
        name: Entry(entry.dtype, entry.shape, start + entry.begin, start + entry.end)
        for name, entry in entries
    }
    return Header(placed, metadata)


def _is_text(value: Any) -> bool:
    """Whether the value is a string of whole characters: JSON can write half of one, \\ud800."""
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _entry(name: str, raw: Any, where: str) -> Entry:
    fields = raw if isinstance(raw, dict) else {}
    dtype = fields.get("dtype")
    shape, offsets = (_counts(fields.get(key)) for key in ("shape", "data_offsets"))
    if not isinstance(dtype, str) or dtype not in SIZES:
        raise FileError(
            f"{where}: tensor {name} has the unknown type {shown(dtype)}; known: {', '.join(SIZES)}"
        )
    if shape is None or len(shape) > MOST_AXES or offsets is None or len(offsets) != 2:
        raise FileError(
            f"{where}: tensor {name} must have a shape and two data_offsets of whole numbers, "
            f"got {shown(raw)}"
        )
    needed = math.prod(shape) * SIZES[dtype]
    if offsets[1] - offsets[0] != needed:
        raise FileError(
            f"{where}: tensor {name} of type {dtype} and shape {shape} must have {needed} bytes, "
            f"got {offsets[1] - offsets[0]}"
        )
    return Entry(dtype, tuple(shape), offsets[0], offsets[1])


def _counts(value: Any) -> list[int] | None:
    """The value if it is a list of whole numbers in [0, 2^63), otherwise None."""
    good = isinstance(value, list) and all(
        type(each) is int and 0 <= each < 2**63 for each in value
    )
    return value if good else None
