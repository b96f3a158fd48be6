"""Safetensors files: read and written a tensor at a time, checked first, nothing ever executed."""

from .gguf_files import open_gguf
from .header import SIZES, Entry, FileError, parse_json, read_json, shown
from .tensors import FLOATS, Tensors, open_checkpoint, open_file
from .writing import (
    Job,
    beside,
    check_new,
    encode,
    new,
    new_as,
    save,
    write_jobs,
    write_safetensors,
)

__all__ = [
    "FLOATS", "SIZES", "Entry", "FileError", "Job", "Tensors", "beside", "check_new", "encode",
    "new", "new_as", "open_checkpoint", "open_file", "open_gguf", "parse_json", "read_json", "save",
    "shown", "write_jobs", "write_safetensors",
]  # fmt: skip
