"""Your own adapter: the rank that it uses, the scale that a loader applies, a smaller copy.

python -m helpers.adapters inspect PATH
"""

from ..lora.several import Spectrum, captured, error_at
from ..tensorfile import FileError, save
from .checkpoints import difference, extract
from .combining import merge
from .copies import bake, truncate
from .formats import remarks
from .modules import Adapter, Finding, Module, Part, Stated
from .reading import read
from .report import Row, layer_map, rows, sentences, table
from .scale_audit import Audit, Loader, audit, loaders, verdict
from .singular_values import Cut, plan, spectra, total_error

__all__ = [
    "Adapter", "Audit", "Cut", "FileError", "Finding", "Loader", "Module", "Part", "Row",
    "Spectrum", "Stated", "audit", "bake", "captured", "difference", "error_at", "extract",
    "layer_map", "loaders", "merge", "plan", "read", "remarks", "rows", "save", "sentences",
    "spectra", "table", "total_error", "truncate", "verdict",
]  # fmt: skip
