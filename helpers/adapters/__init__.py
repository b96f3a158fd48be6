"""Your own adapter: the rank that it uses, the scale that a reader applies, a smaller copy.

python -m helpers.adapters inspect PATH
"""

from .checkpoints import difference
from .copies import bake
from .errors import AdapterError
from .model import Adapter, Module
from .output import save
from .planning import Cut, plan, total_error
from .reading import read
from .report import Row, layer_map, rows, sentences, table
from .samples import SHIPPED, applied, shipped
from .scale_audit import READERS, Audit, audit, verdict
from .spectra import Spectrum, spectra
from .truncating import truncate
from .whole import captured, error_at

__all__ = [
    "READERS", "SHIPPED", "Adapter", "AdapterError", "Audit", "Cut", "Module", "Row",
    "Spectrum", "applied", "audit", "bake", "captured", "difference", "error_at", "layer_map",
    "plan", "read", "rows", "save", "sentences", "shipped", "spectra", "table", "total_error",
    "truncate", "verdict",
]  # fmt: skip
