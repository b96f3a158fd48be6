"""Writing an rsLoRA adapter so that readers of alpha/r apply the right scale."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..lora import scaling
from .config import reconfigure, write_config
from .errors import AdapterError, shown
from .model import Adapter, check_alpha
from .output import new
from .peft import CONFIG, WEIGHTS, read_peft


def bake(adapter: Adapter, out: str | Path) -> Adapter:
    """A copy of a PEFT adapter with use_rslora off and alpha' = alpha sqrt(r).

    The weights are the same, byte for byte. Where modules differ in rank or alpha,
    alpha_pattern says so; a reader that ignores patterns as well (llama.cpp's
    converter does) still reads such an adapter wrongly.

    Parameters
    ----------
    adapter : Adapter
        From a PEFT folder, trained with use_rslora.
    out : str or Path
        A folder that does not exist.

    Returns
    -------
    Adapter
        The copy, read back.

    Raises
    ------
    AdapterError
        If `out` exists, or there is nothing to bake.
    """
    if adapter.source != "peft":
        raise AdapterError(
            f"{shown(adapter.path)} is one file in {adapter.source}'s names, which has no "
            "use_rslora to bake; only PEFT folders do"
        )
    if all(module.rule == scaling.STANDARD for module in adapter.modules):
        raise AdapterError(
            f"{shown(adapter.path)} has use_rslora off: its scale is alpha/r already, and "
            "there is nothing to bake"
        )
    names, ranks, alphas = zip(
        *(
            (
                each.name,
                each.rank,
                float(
                    scaling.equivalent_alpha(
                        each.alpha, each.rank, each.rule, each.rank, scaling.STANDARD
                    )
                ),
            )
            for each in adapter.modules
        )
    )
    for name, alpha in zip(names, alphas):
        check_alpha(alpha, f"{shown(adapter.path)}: the copy of module {name}")
    config = reconfigure(adapter.config, names, ranks, alphas, scaling.STANDARD)
    out = Path(out)
    with new(out) as draft:
        draft.mkdir()
        write_config(draft / CONFIG, config)
        shutil.copyfile(adapter.path / WEIGHTS, draft / WEIGHTS)
        check_multipliers(adapter, read_peft(draft))
    return read_peft(out)


def check_multipliers(
    before: Adapter, after: Adapter, folds: Mapping[str, float] | None = None
) -> None:
    """Raise AdapterError if a copy would be read with other multipliers than the original.

    `folds` says what each module's B has been multiplied by, if it has.
    """
    folds = folds or {}
    kept = {each.name: each.multiplier / folds.get(each.name, 1.0) for each in before.modules}
    for module in after.modules:
        if not np.isclose(module.multiplier, kept[module.name], rtol=1e-6, atol=0):
            raise AdapterError(
                f"module {module.name}: the copy would have the scale {module.multiplier:g} "
                f"instead of {kept[module.name]:g}"
            )
