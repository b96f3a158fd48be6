"""Writing safetensors files a tensor at a time, and never over anything that exists."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .. import validation
from ..validation import Array
from .header import SIZES, FileError, shown
from .tensors import FLOATS

#: A tensor's type and shape, as in the header.
Kind = tuple[str, tuple[int, ...]]


@contextmanager
def new(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, which becomes `path` if all goes well.

    Whether a file or a folder is made there is up to the caller. On an error
    nothing is left behind.

    Raises FileError if `path` exists, or its folder does not.
    """
    where = shown(path)
    if os.path.lexists(path):
        raise FileError(f"{where} exists already: nothing is ever overwritten")
    if not path.parent.is_dir():
        raise FileError(f"the folder {shown(path.parent)} does not exist")
    draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        yield draft
        if draft.is_dir():
            # An empty folder may be replaced; nothing else that has come up meanwhile is.
            os.rename(draft, path)
        else:
            _move_file(draft, path)
    except OSError as error:
        raise FileError(f"{where} cannot be written ({error.strerror or error})") from None
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)


def _move_file(draft: Path, path: Path) -> None:
    """Move without replacing: a hard link fails where something exists, a rename would not."""
    try:
        os.link(draft, path)
    except FileExistsError:
        raise
    except (OSError, AttributeError):
        # No links, here or in a browser: claim the name first, then replace our own claim.
        with path.open("xb"):
            pass
        os.replace(draft, path)


def write_safetensors(
    path: Path,
    kinds: Mapping[str, Kind],
    contents: Iterable[bytes | bytearray],
    metadata: Mapping[str, str],
) -> None:
    """Write a safetensors file: the header from `kinds`, then `contents` in the same order.

    Raises ValueError if a content is not as long as its kind says.
    """
    header: dict[str, object] = {"__metadata__": dict(metadata)} if metadata else {}
    begin, lengths = 0, []
    for name, (dtype, shape) in kinds.items():
        lengths.append(SIZES[dtype] * int(np.prod(shape, dtype=object)))
        header[name] = {
            "dtype": dtype, "shape": list(shape), "data_offsets": [begin, begin + lengths[-1]],
        }  # fmt: skip
        begin += lengths[-1]
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for length, content in zip(lengths, contents):
            if len(content) != length:
                raise ValueError(f"content must have {length} bytes, got {len(content)}")
            file.write(content)


def save(path: str | Path, tensors: Mapping[str, Array], dtype: str = "F32") -> None:
    """Write arrays as a safetensors file that does not exist yet.

    Parameters
    ----------
    path : str or Path
    tensors : dict of str to array
    dtype : "F16", "BF16", "F32" or "F64"

    Raises
    ------
    FileError
        If `path` exists, or an entry is too large for the type.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.tensorfile import open_file
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = Path(folder, "new.safetensors")
    ...     save(file, {"w": np.eye(2)}, "F16")
    ...     print(open_file(file).entries["w"].shape)
    (2, 2)
    """
    validation.choice("dtype", dtype, tuple(FLOATS))
    kinds = {name: (dtype, np.shape(array)) for name, array in tensors.items()}
    contents = (encode(np.asarray(array), dtype, name) for name, array in tensors.items())
    with new(Path(path)) as draft:
        write_safetensors(draft, kinds, contents, {})


def encode(array: Array, dtype: str, name: str) -> bytes:
    """The bytes of an array in one of the float types, rounded to nearest even.

    Raises FileError if an entry is too large for the type.
    """
    with np.errstate(over="ignore"):
        if dtype == "BF16":
            bits = array.astype("<f4").view("<u4").astype(np.uint64)
            coded = ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")
            fits = np.all((coded & 0x7F80) != 0x7F80)
        else:
            coded = array.astype({"F16": "<f2", "F32": "<f4", "F64": "<f8"}[dtype])
            fits = np.all(np.isfinite(coded))
    if not fits:
        raise FileError(f"tensor {name}: an entry is too large for type {dtype}")
    return coded.tobytes()
