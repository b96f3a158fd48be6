"""Tensors on disk, one at a time.

Half, single and double precision are read through the safetensors library, which
maps the file into memory. Where it is not installed, as in some browsers, NumPy
reads the same bytes. It has no bfloat16, so those are always read here, as the
upper half of a float32. Nothing is ever unpickled.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from ..validation import Array
from .errors import AdapterError, shown
from .header import MOST_BYTES, Entry, parse_json, read_header

safe_open: Any
try:
    from safetensors import SafetensorError, safe_open
except ImportError:
    safe_open = None

    class SafetensorError(Exception):  # type: ignore[no-redef]
        """Never raised without the library."""


#: The types that weights may have here, and what NumPy reads them as.
FLOATS = {"F16": np.float16, "BF16": np.float32, "F32": np.float32, "F64": np.float64}
#: How each lies in the file.
_STORED = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
HOW_TO_CONVERT = (
    "a pickle can run code when it is opened, so it is not read; where you trust it, convert it: "
    "safetensors.torch.save_file(torch.load(PATH, weights_only=True), 'new.safetensors')"
)
#: Mapped pages count as this process's memory, so a file is mapped anew after so many bytes.
_REMAP = 64_000_000


@dataclass
class Tensors:
    """The tensors of one or more safetensors files, read when they are asked for.

    Parameters
    ----------
    path : Path
        What was opened, for messages.
    entries : dict of str to Entry
    files : dict of str to Path
        The file that holds each tensor.
    metadata : dict of str to str
        Of a single file; empty for shards.
    """

    path: Path
    entries: dict[str, Entry]
    files: dict[str, Path]
    metadata: dict[str, str]
    _open: dict[Path, Any] = field(default_factory=dict, repr=False)
    _bytes: dict[Path, BufferedReader] = field(default_factory=dict, repr=False)
    _read: int = field(default=0, repr=False)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Array:
        """Rows [start, stop) of a tensor, all by default, as float16, 32 or 64.

        Raises AdapterError if it is no float type, or holds NaN or infinity, or
        the file has gone or changed.
        """
        entry = self.entries[name]
        if entry.dtype not in FLOATS:
            raise AdapterError(
                f"{shown(self.path)}: tensor {name} has type {entry.dtype}; weights must be "
                f"one of {', '.join(FLOATS)}"
            )
        try:
            if entry.dtype == "BF16" or safe_open is None:
                array = self._by_numpy(name, start, stop)
            elif start == 0 and stop is None:
                array = self._handle(name).get_tensor(name)
            else:
                array = self._handle(name).get_slice(name)[start:stop]
        except (OSError, SafetensorError) as error:
            raise AdapterError(
                f"{shown(self.files[name])}: tensor {name} cannot be read ({shown(error)})"
            ) from None
        if not np.all(np.isfinite(array)):
            bad = int(array.size - np.count_nonzero(np.isfinite(array)))
            raise AdapterError(
                f"{shown(self.path)}: tensor {name} must hold finite numbers only, "
                f"got {bad} that are NaN or infinite"
            )
        return array

    def raw(self, name: str) -> bytes:
        """The bytes of a tensor as they lie in the file."""
        entry = self.entries[name]
        try:
            with self.files[name].open("rb") as file:
                file.seek(entry.begin)
                content = file.read(entry.end - entry.begin)
        except OSError as error:
            raise AdapterError(
                f"{shown(self.files[name])} cannot be read ({error.strerror})"
            ) from None
        if len(content) < entry.end - entry.begin:
            raise AdapterError(f"{shown(self.files[name])} was cut short while it was read")
        return content

    def _by_numpy(self, name: str, start: int, stop: int | None) -> Array:
        """Rows of a tensor, without the library."""
        entry = self.entries[name]
        stored = np.dtype(_STORED[entry.dtype])
        rows = range(*slice(start, stop).indices(entry.shape[0] if entry.shape else 1))
        width = int(np.prod(entry.shape[1:], dtype=np.int64))
        first = entry.begin + stored.itemsize * width * rows.start
        # One file, kept open: in a browser every opening fetches all of it.
        path = self.files[name]
        if path not in self._bytes:
            self._bytes[path] = path.open("rb")
        self._bytes[path].seek(first)
        content = bytearray(stored.itemsize * len(rows) * width)
        if self._bytes[path].readinto(content) < len(content):
            raise OSError("the file was cut short")
        read: Array = np.frombuffer(content, stored)
        if entry.dtype == "BF16":
            read = (read.astype(np.uint32) << 16).view(np.float32)
        return read.reshape((len(rows), *entry.shape[1:]) if entry.shape else ())

    def _handle(self, name: str) -> Any:
        """The library's handle on the file that holds a tensor."""
        entry, path = self.entries[name], self.files[name]
        if self._read > _REMAP:
            self._open.clear()
            self._read = 0
        self._read += entry.end - entry.begin
        if path not in self._open:
            self._open[path] = safe_open(path, framework="np")
        return self._open[path]


def open_file(path: Path) -> Tensors:
    """The tensors of one safetensors file.

    Raises AdapterError if it is not a safetensors file, or a pickle.
    """
    where = shown(path)
    if path.suffix.lower() in PICKLED:
        raise AdapterError(f"{where}: {HOW_TO_CONVERT}")
    if not path.exists():
        raise AdapterError(f"{where} does not exist")
    if not path.is_file() or path.suffix.lower() != ".safetensors":
        raise AdapterError(f"{where} must be a file that ends in .safetensors")
    header = read_header(path)
    try:
        # The library's own checks; it also sees what ours have overlooked.
        if safe_open is not None:
            safe_open(path, framework="np")
    except (OSError, SafetensorError) as error:
        raise AdapterError(f"{where} is not a safetensors file ({shown(error)})") from None
    return Tensors(path, header.entries, dict.fromkeys(header.entries, path), header.metadata)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file of at most 10 MB."""
    where = shown(path)
    if path.exists() and not path.is_file():
        raise AdapterError(f"{where} must be a file")
    try:
        with path.open("rb") as file:
            # As much as there is, and one byte more: `read` reserves what it is asked for.
            content = file.read(min(os.fstat(file.fileno()).st_size, MOST_BYTES) + 1)
    except OSError as error:
        raise AdapterError(f"{where} cannot be read ({error.strerror})") from None
    if len(content) > MOST_BYTES:
        raise AdapterError(f"{where} has more than the {MOST_BYTES} bytes that are allowed")
    return parse_json(content, where)
