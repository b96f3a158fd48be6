"""Reading an adapter in one file, in kohya's or Diffusers' names.

kohya's sd-scripts write an `.alpha` for each module. Where it is missing, the
multiplier is 1, that is alpha = rank: networks/merge_lora.py takes the rank as
the default and networks/resize_lora.py sets the scale to 1.0. (The trainer's own
--network_alpha defaults to 1, but a file trained so says alpha = 1.) Both
formats know alpha / r only, unless Diffusers' metadata says use_rslora.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..lora import scaling
from .errors import AdapterError, shown
from .files import Tensors, open_file
from .header import parse_json
from .model import Adapter, make_module
from .peft import CONFIG, PREFIX, Settings
from .tensor_names import DIFFUSERS, KOHYA, extras, notes, pair

METADATA = "lora_adapter_metadata"
ALPHA = ".alpha"
#: An alpha that was given as a whole number may be saved as one.
_WHOLE = {"I32": "<i4", "I64": "<i8"}


def read_single(path: Path) -> Adapter:
    """An adapter from one .safetensors file in kohya's or Diffusers' names.

    Raises
    ------
    AdapterError
        If the file is damaged, holds no pair of LoRA factors, or a factor or an
        alpha does not fit.
    """
    tensors = open_file(path)
    where = shown(path)
    pairs, left = pair(tensors.entries, {**KOHYA, **DIFFUSERS}, where)
    if not pairs:
        raise AdapterError(f"{where} holds no LoRA factors in kohya's or Diffusers' names")
    if any(each.A_key.startswith(PREFIX) for each in pairs):
        raise AdapterError(
            f"{where} holds PEFT's weights, and their multiplier is not in them: name the folder "
            f"that has {CONFIG} beside them"
        )
    components = _components(tensors, where)
    modules = []
    for each in pairs:
        part, _, name = each.name.partition(".")
        alpha, rule = _alpha(tensors, each.name), scaling.STANDARD
        if part in components:
            alpha, rule = components[part].alpha_of(name), components[part].rule
        module = make_module(
            tensors, each.name, each.kind, each.A_key, each.B_key, alpha=alpha, rule=rule
        )
        if part in components and components[part].rank_of(name) != module.rank:
            raise AdapterError(
                f"{where}: metadata and weights disagree on module {each.name}: rank "
                f"{components[part].rank_of(name)} by the metadata, {module.rank} by its factors"
            )
        modules.append(module)
    orphans = [name for name in left if name.endswith(ALPHA)]
    known = {module.name + ALPHA for module in modules}
    unknown = [name for name in orphans if name not in known]
    if unknown:
        raise AdapterError(f"{where}: tensor {unknown[0]} belongs to no module of the file")
    ignored = extras([name for name in left if name not in known], where)
    said = list(notes(ignored))
    without = sum(
        module.name + ALPHA not in tensors.entries
        and module.name.partition(".")[0] not in components
        for module in modules
    )
    if without:
        said.append(
            f"{without} of {len(modules)} modules have no alpha: alpha is the rank there, "
            "by this format's convention. Check it with the tool that trained them."
        )
    kohya = any(each.A_key.endswith(".lora_down.weight") for each in pairs)
    return Adapter(
        path, "kohya" if kohya else "diffusers", tuple(modules), tensors, tensors.metadata,
        ignored, tuple(said),
    )  # fmt: skip


def _alpha(tensors: Tensors, name: str) -> float | None:
    """The module's alpha, None where it has none."""
    key = name + ALPHA
    if key not in tensors.entries:
        return None
    entry = tensors.entries[key]
    if entry.shape not in ((), (1,)):
        raise AdapterError(
            f"{shown(tensors.path)}: tensor {key} must hold one number, got shape {entry.shape}"
        )
    if entry.dtype in _WHOLE:
        return float(np.frombuffer(tensors.raw(key), _WHOLE[entry.dtype])[0])
    return float(tensors.read(key).reshape(()))


def _components(tensors: Tensors, where: str) -> dict[str, Settings]:
    """The settings of each part of a pipeline, from the metadata that Diffusers writes."""
    if METADATA not in tensors.metadata:
        return {}
    raw = parse_json(tensors.metadata[METADATA].encode(), f"the metadata of {where}")
    parts: dict[str, dict[str, object]] = {}
    for key, value in raw.items():
        part, _, name = key.partition(".")
        parts.setdefault(part, {})[name] = value
    return {part: Settings(config, f"the metadata of {where}") for part, config in parts.items()}
