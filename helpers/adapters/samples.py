"""The adapters that ship with the series: LoRA of the small model, in PEFT's files.

How they were made: ``experiments/adapters.py``, and the record in ``helpers/data/adapters.json``.
"""

from __future__ import annotations

from functools import lru_cache

from .. import validation
from ..lora.truncation import SVD
from ..model import shipped as shipped_model
from ..model.tasks import SHIPPED_ADAPTERS
from ..model.update import decompose
from .model import Adapter
from .peft import CONFIG, WEIGHTS
from .reading import read

#: See notebook 07 for their tasks.
SHIPPED = tuple(SHIPPED_ADAPTERS)


@lru_cache(maxsize=len(SHIPPED))
def shipped(name: str) -> Adapter:
    """One of the adapters that ship.

    Parameters
    ----------
    name : str
        One of `SHIPPED`.

    Raises
    ------
    DataError
        If its files are missing, or are not those that were recorded.
    """
    folder = shipped_model.DATA / "adapters" / validation.choice("name", name, SHIPPED)
    recorded = shipped_model.measured("adapters")["made"].get(name, {}).get("sha256", {})
    for file in (CONFIG, WEIGHTS):
        shipped_model.check(folder / file, recorded.get(file))
    return read(folder)


def applied(adapter: Adapter) -> dict[str, SVD]:
    """The update of every matrix of the small model, decomposed, for `truncation.apply`.

    Raises ValueError if the adapter is one of another model.
    """
    base = shipped_model.base()
    deltas = {module.name: adapter.delta(module) for module in adapter.modules}
    fits = base.keys() == deltas.keys() and all(
        base[name].shape == delta.shape for name, delta in deltas.items()
    )
    if not fits:
        raise ValueError(
            "adapter must be one of the small model, with all of its matrices, "
            f"got {len(deltas)} modules such as {next(iter(deltas))}"
        )
    ranks = {module.name: module.rank for module in adapter.modules}
    return {name: parts.truncated(ranks[name]) for name, parts in decompose(deltas).items()}
