"""Safetensors files: read and written a tensor at a time, checked first, nothing ever executed."""

from .comparing import difference_of_rows, shared, sides
from .gguf_files import open_gguf
from .header import SIZES, Entry, FileError, parse_json, read_json, shown
from .tensors import FLOATS, Tensors, open_checkpoint, open_file
from .writing import (
    Job,
    Kind,
    beside,
    check_new,
    encode,
    left_over,
    new,
    new_as,
    no_more_open,
    save,
    write_jobs,
    write_safetensors,
)

__all__ = [
    "FLOATS", "SIZES", "Entry", "FileError", "Job", "Kind", "Tensors", "beside", "check_new",
    "difference_of_rows", "encode", "left_over", "new", "new_as", "no_more_open", "open_checkpoint",
    "open_file", "open_gguf", "parse_json", "read_json", "save", "shared", "shown", "sides",
    "write_jobs", "write_safetensors",
]  # fmt: skip
