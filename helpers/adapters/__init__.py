"""Your own adapter: the rank that it uses, the scale that a loader applies, a smaller copy.

python -m helpers.adapters inspect PATH
"""

from ..lora.several import Spectrum, captured, error_at
from ..tensorfile import FileError, save
from .copying.checkpoints import difference, extract
from .copying.combining import merge
from .copying.copies import bake, truncate
from .formats import remarks
from .modules import Adapter, Finding, Module, Part, Stated
from .reading import read
from .reporting.applying import Applied, applied
from .reporting.checking import Check, check, checks
from .reporting.loading import Loader, Profile, loaders, profiles
from .reporting.placing import layer_map
from .reporting.report import Group, Row, groups, rows, sentences
from .reporting.summary import Answer, answer, check_table, group_table, table
from .singular_values import Cut, plan, spectra, total_error

__all__ = [
    "Adapter", "Answer", "Applied", "Check", "Cut", "FileError", "Finding", "Group",
    "Loader", "Module", "Part", "Profile", "Row", "Spectrum", "Stated", "answer", "applied",
    "bake", "captured", "check", "check_table", "checks", "difference", "error_at",
    "extract", "group_table", "groups", "layer_map", "loaders", "merge", "plan", "profiles",
    "read", "remarks", "rows", "save", "sentences", "spectra", "table", "total_error", "truncate",
   
]  # fmt: skip
