"""Your own adapter: the rank that it uses, the scale that a reader applies, a smaller copy.

python -m helpers.adapters inspect PATH
"""

from .baking import bake
from .checkpoints import difference
from .cores import Spectrum, spectra
from .errors import AdapterError
from .model import Adapter, Module
from .planning import Cut, plan, total_error
from .reading import read
from .report import Row, layer_map, rows, sentences, table
from .scales import READERS, Audit, audit
from .truncating import truncate

__all__ = [
    "READERS", "Adapter", "AdapterError", "Audit", "Cut", "Module", "Row", "Spectrum", "audit",
    "bake", "difference", "layer_map", "plan", "read", "rows", "sentences", "spectra", "table",
    "total_error", "truncate",
]  # fmt: skip
