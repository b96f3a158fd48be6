"""Tensors on disk, read one at a time, from one safetensors file or from several with an index.

A file is read in bounded pieces and never mapped into memory: where a mapped file
shrinks, the process is killed. NumPy has no bfloat16, which is the upper half of a
float32.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np

from ..validation import Array
from .header import Entry, FileError, check_name, read_header, read_json, shown

#: The types that weights may have here, and what NumPy reads them as.
FLOATS = {"F16": np.float16, "BF16": np.float32, "F32": np.float32, "F64": np.float64}
#: How each lies in the file.
_STORED = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}

PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
HOW_TO_CONVERT = (
    "a pickle can run code when it is opened, so it is not read; where you trust it, convert it: "
    "safetensors.torch.save_file(torch.load(PATH, weights_only=True), 'new.safetensors')"
)
#: Below this no tensor is held against the memory that is free.
_SMALL = 64_000_000
#: A file in the same folder: no separator of any system, no `..`.
_PLAIN = re.compile(r"\w[\w. +-]*\.safetensors")


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
    _kept: dict[str, Array] = field(default_factory=dict, repr=False)
    _open: dict[Path, BufferedReader] = field(default_factory=dict, repr=False)
    _marks: dict[Path, tuple[int, ...]] = field(default_factory=dict, repr=False)

    def read(self, name: str, start: int = 0, stop: int | None = None) -> Array:
        """Rows [start, stop) of a tensor, all by default, as float16, 32 or 64.

        Raises FileError if it is no float type, holds NaN or infinity, is larger than
        the memory that is free, or the file has gone or changed.
        """
        entry = self.entries[name]
        if entry.dtype not in FLOATS:
            raise FileError(
                f"{shown(self.path)}: tensor {name} has type {entry.dtype}; weights must be "
                f"one of {', '.join(FLOATS)}"
            )
        stored = np.dtype(_STORED[entry.dtype])
        rows = range(*slice(start, stop).indices(entry.shape[0] if entry.shape else 1))
        width = math.prod(entry.shape[1:]) * stored.itemsize
        content = self._bytes(name, entry.begin + width * rows.start, width * len(rows))
        array: Array = np.frombuffer(content, stored)
        if entry.dtype == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        array = array.reshape((len(rows), *entry.shape[1:]) if entry.shape else ())
        if not np.all(np.isfinite(array)):
            bad = int(array.size - np.count_nonzero(np.isfinite(array)))
            raise FileError(
                f"{shown(self.path)}: tensor {name} must hold finite numbers only, "
                f"got {bad} that are NaN or infinite"
            )
        return array

    def read_part(self, name: str, index: tuple[Any, ...] = ()) -> Array:
        """A part of a tensor, as NumPy's index takes it; () for all of it.

        The tensor of a part is kept until a part of another is asked for: those of a
        stack of experts follow each other.
        """
        if not index:
            return self.read(name)
        if isinstance(index[0], int):
            return self.read(name, index[0], index[0] + 1)[0][index[1:]]
        if name not in self._kept:
            self._kept.clear()
            self._kept[name] = self.read(name)
        return self._kept[name][index]

    def raw(self, name: str) -> bytearray:
        """The bytes of a tensor as they lie in the file."""
        entry = self.entries[name]
        return self._bytes(name, entry.begin, entry.end - entry.begin)

    def _bytes(self, name: str, begin: int, length: int) -> bytearray:
        path = self.files[name]
        _check_memory(length, f"{shown(path)}: tensor {name}")
        try:
            # Kept open: in a browser every opening fetches the whole file.
            if path not in self._open:
                self._open[path] = path.open("rb")
            self._open[path].seek(begin)
            content = bytearray(length)
            if self._open[path].readinto(content) < length:
                raise OSError("the file was cut short")
            if (
                path in self._marks
                and _mark(os.fstat(self._open[path].fileno())) != (self._marks[path])
            ):
                raise OSError("the file has been replaced or changed since its header was read")
        except (OSError, MemoryError) as error:
            why = getattr(error, "strerror", None) or str(error) or "not enough memory"
            raise FileError(f"{shown(path)}: tensor {name} cannot be read ({why})") from None
        return content


def _mark(found: os.stat_result) -> tuple[int, ...]:
    """What another file, or other content, has otherwise."""
    return found.st_ino, found.st_size, found.st_mtime_ns


def _check_memory(length: int, what: str) -> None:
    """Raise FileError if so many bytes are more than half of the memory that is free.

    Half, because a computation needs them in another type as well.
    """
    if length < _SMALL:
        return
    free = free_memory()
    if free is not None and 2 * length > free:
        raise FileError(
            f"{what} takes {length / 1e9:.3g} GB, and of {free / 1e9:.3g} GB of free memory at "
            "most half can be used for one tensor"
        )


def free_memory() -> int | None:
    """Bytes of memory that are free, None where the system does not say (Linux does)."""
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError):
        pass
    return None


def open_file(path: Path) -> Tensors:
    """The tensors of one safetensors file.

    Raises FileError if it is not a safetensors file, or a pickle.
    """
    where = shown(path)
    if path.suffix.lower() in PICKLED:
        raise FileError(f"{where}: {HOW_TO_CONVERT}")
    if not path.exists():
        raise FileError(f"{where} does not exist")
    if not path.is_file() or path.suffix.lower() != ".safetensors":
        raise FileError(f"{where} must be a file that ends in .safetensors")
    mark = _mark(path.stat())
    header = read_header(path)
    files = dict.fromkeys(header.entries, path)
    return Tensors(path, header.entries, files, header.metadata, _marks={path: mark})


def open_checkpoint(path: Path) -> Tensors:
    """The tensors of a checkpoint: a .safetensors file, an index, or a folder with either.

    Raises
    ------
    FileError
        If there is none or more than one, if an index names a file outside its
        folder, or if index and shards disagree.
    """
    if path.is_dir():
        found = sorted(path.glob("*.safetensors.index.json")) or sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            pickled = any(p.suffix in PICKLED for p in path.iterdir())
            raise FileError(
                f"{shown(path)} must hold one .safetensors.index.json or one .safetensors "
                f"file, got {len(found)}" + (f"; it has a pickle: {HOW_TO_CONVERT}" * pickled)
            )
        path = found[0]
    return _open_shards(path) if path.name.endswith(".index.json") else open_file(path)


def _open_shards(index: Path) -> Tensors:
    where = shown(index)
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise FileError(f"{where} must have a weight_map of tensor names to files")
    shards: dict[str, Tensors] = {}
    for name, file in weight_map.items():
        check_name(name, where)
        if not isinstance(file, str) or not _PLAIN.fullmatch(file):
            raise FileError(
                f"{where}: tensor {name} lies in {shown(file)}; only plain file names "
                "in the same folder are allowed"
            )
        if file not in shards and not (index.parent / file).exists():
            raise FileError(
                f"{shown(index.parent / file)} does not exist, as {index.name} says: get it"
            )
        if file not in shards:
            shards[file] = open_file(index.parent / file)
    entries, files = {}, {}
    for file, shard in shards.items():
        for name, entry in shard.entries.items():
            if weight_map.get(name) != file:
                raise FileError(
                    f"{where} disagrees with {shown(file)}, which holds tensor {name}: "
                    f"the index says {shown(weight_map.get(name, 'nothing'))}"
                )
            entries[name], files[name] = entry, shard.path
    missing = [name for name in weight_map if name not in entries]
    if missing:
        raise FileError(
            f"{where}: tensor {missing[0]} is not in {shown(weight_map[missing[0]])}, as it says"
        )
    marks = {path: mark for shard in shards.values() for path, mark in shard._marks.items()}
    return Tensors(index, entries, files, {}, _marks=marks)
