"""GGUF files, by the gguf package: only their header is read by it, their tensors by us."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .header import Entry, FileError, check_name, shown
from .tensors import Tensors

#: The types of GGUF that are floats, as safetensors calls them; quantised ones keep their names.
_FLOATS = {"F16": "F16", "BF16": "BF16", "F32": "F32", "F64": "F64"}


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
        reader = GGUFReader(path)
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


def _text(field: Any) -> str:
    value = field.contents()
    return str(value) if isinstance(value, (str, int, float)) else ""
