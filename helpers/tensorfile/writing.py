"""Writing safetensors files a tensor at a time, and never over anything that exists."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .. import validation
from ..validation import Array
from .header import SIZES, FileError, shown
from .tensors import FLOATS, PICKLED

#: A tensor's type and shape, as in the header.
Kind = tuple[str, tuple[int, ...]]
#: What of a folder holds weights or the state of a training, by its ending.
_WEIGHTS = (*PICKLED, ".safetensors", ".gguf", ".npz", ".npy", ".h5", ".msgpack", ".onnx")


@dataclass(frozen=True)
class Job:
    """Tensors that are made together, and what makes them when their turn comes.

    `make` gives an array for each of `kinds`, or the bytes as they will lie in the file.
    """

    kinds: Mapping[str, Kind]
    make: Callable[[], Iterable[Array | bytes | bytearray]]


def write_jobs(path: Path, jobs: Sequence[Job], metadata: Mapping[str, str], where: str) -> None:
    """Write a safetensors file of such tensors, wide types first, one job at a time.

    Raises FileError, with `where` in front, if an entry is too large for its type.
    """
    jobs = sorted(jobs, key=lambda job: -max(SIZES[dtype] for dtype, _ in job.kinds.values()))

    def contents() -> Iterator[bytes | bytearray]:
        for job in jobs:
            for (name, (dtype, _)), made in zip(job.kinds.items(), job.make()):
                try:
                    yield encode(made, dtype, name) if isinstance(made, np.ndarray) else made
                except FileError as error:
                    raise FileError(f"{where}: {error}") from None

    kinds = {name: kind for job in jobs for name, kind in job.kinds.items()}
    if len(kinds) < sum(len(job.kinds) for job in jobs):
        raise FileError(f"{where}: two tensors of its copy would have one name")
    write_safetensors(path, kinds, contents(), metadata)


def check_new(path: Path, folder: bool) -> None:
    """Raise FileError, before any work, if `path` exists or cannot be what is to be made."""
    if not folder and path.suffix != ".safetensors":
        raise FileError(f"{shown(path)} must end in .safetensors, as its source does")
    if os.path.lexists(path):
        raise FileError(f"{shown(path)} exists already: nothing is ever overwritten")


@contextmanager
def new_as(path: Path, folder: bool) -> Iterator[Path]:
    """As `new`, for a folder, which is made, or for a file that may be read back before."""
    with new(path) as draft:
        if folder:
            draft.mkdir()
            yield draft
        else:
            # Only this ending is read.
            made = draft.with_name(draft.name + ".safetensors")
            try:
                yield made
                made.rename(draft)
            finally:
                with suppress(OSError):
                    made.unlink()


def beside(folder: Path, without: Iterable[str]) -> tuple[list[Path], list[str]]:
    """The files of a folder that a copy of its weights takes along, and what it leaves.

    Weights, pickles and folders are left, but for one that holds templates of a tokenizer.
    Links are followed inside the folder and to the store of a hub's cache, and no further: a
    folder from elsewhere must not carry the reader's own files into the copy.

    Returns
    -------
    files : list of Path
        Relative to the folder.
    left : list of str
    """
    taken, left = list[Path](), list[str]()
    home = folder.resolve()
    above = [each.parent for each in (home, *home.parents)]
    stores = [home, *(each.parent / "blobs" for each in above if each.name == "snapshots")]
    for path in sorted([*folder.iterdir(), *folder.glob("additional_chat_templates/*")]):
        name = path.relative_to(folder)
        if name.as_posix() in without or name.as_posix() == "additional_chat_templates":
            continue
        real = path.resolve()
        inside = any(real.is_relative_to(store) for store in stores)
        if path.is_file() and inside and path.suffix.lower() not in _WEIGHTS:
            taken.append(name)
        else:
            left.append(name.as_posix())
    return taken, left


def no_more_open(made: Path, sources: Iterable[Path]) -> None:
    """Let nobody read a copy who could not read all of its sources; nothing is opened to anyone.

    A source that is a folder counts by who may enter it.
    """
    common = 0o777
    for source in sources:
        mode = source.stat().st_mode
        if source.is_dir():
            mode = sum(each for bit, each in ((0o010, 0o070), (0o001, 0o007)) if mode & bit)
        common &= mode
    # Who may read may also look into a folder.
    folders = common | (common & 0o044) >> 2
    for each in (made, *(made.rglob("*") if made.is_dir() else ())):
        allowed = (folders if each.is_dir() else common) | 0o700
        each.chmod(stat.S_IMODE(each.stat().st_mode) & allowed)


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
        if os.path.isdir(draft):
            shutil.rmtree(draft, ignore_errors=True)
        else:
            with suppress(OSError):  # a name too long for a draft was never made
                draft.unlink()


def left_over(path: Path) -> list[Path]:
    """Drafts of `path` that lie beside it: of a run that was killed, or of one that still works.

    Nobody can tell which from another machine, so they are named and never deleted.
    """
    drawn = re.compile(rf"\.{re.escape(path.name)}\.[0-9a-f]{{8}}(\.safetensors)?")
    with suppress(OSError):  # a folder may be written to and not listed
        return sorted(each for each in path.parent.iterdir() if drawn.fullmatch(each.name))
    return []


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
