"""GGUF files, by the gguf package: only their header is read by it, their tensors by us."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .header import Entry, FileError, check_name, shown
from .tensors import Tensors

#: The types of GGUF that are floats, as safetensors calls them; quantised ones keep their names.
_FLOATS = {"F16": "F16", "BF16": "BF16", "F32": "F32", "F64": "F64"}
#: Numbers and texts in a header: an adapter's has some thousand, and these take a second to read.
_MOST_PARTS = 50_000


def open_gguf(path: Path) -> Tensors:
    """The tensors of a GGUF file, and those of its fields that are a number or a text.

    Raises FileError if the gguf package is not installed, or it is not such a file.
    """
    where = shown(path)
    if not path.is_file():
        raise FileError(f"{where} must be a file that ends in .gguf")
    try:
        from gguf import GGUFReader  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise FileError(f"{where} is a GGUF file, which the package gguf reads: pip install gguf") \
            from None  # fmt: skip
    try:
        reader = _bounded(GGUFReader)(path)
        size = path.stat().st_size
        entries = {}
        for tensor in reader.tensors:
            kind = tensor.tensor_type.name
            shape = tuple(int(side) for side in reversed(tensor.shape))
            begin, length = int(tensor.data_offset), int(tensor.n_bytes)
            if begin < 0 or length < 0 or begin + length > size:
                raise ValueError(f"tensor {shown(tensor.name)} lies outside the file")
            name = check_name(str(tensor.name), where)
            entries[name] = Entry(_FLOATS.get(kind, kind), shape, begin, begin + length)
        fields = {name: _text(field) for name, field in reader.fields.items()}
    except FileError:
        raise
    except Exception as error:  # of many kinds, where the file is damaged
        raise FileError(f"{where} is not a GGUF file that can be read ({shown(error)})") from None
    return Tensors(path, entries, dict.fromkeys(entries, path), fields)


def _bounded(reader: Any) -> Any:
    """The package's reader, which stops where the file does: it would read on for ever."""

    class Bounded(reader):  # type: ignore[misc]
        parts = 0

        def _get(self, offset: int, dtype: Any, count: int = 1, *more: Any, **named: Any) -> Any:
            self.parts += 1
            if self.parts > _MOST_PARTS:
                raise ValueError(f"its header holds more than {_MOST_PARTS} numbers and texts")
            if int(offset) + int(count) * np.dtype(dtype).itemsize > len(self.data):
                raise ValueError("it is cut short")
            return super()._get(offset, dtype, count, *more, **named)

    return Bounded


def _text(field: Any) -> str:
    value = field.contents()
    return str(value) if isinstance(value, (str, int, float)) else ""
