"""Reading an adapter in whichever of the formats it is.

kohya's sd-scripts write an `.alpha` for each module. Where it is missing, s is 1, that
is alpha = rank: networks/merge_lora.py takes the rank as the default and
networks/resize_lora.py sets the scale to 1.0. (The trainer's own --network_alpha
defaults to 1, but a file trained so says alpha = 1.) kohya's and Diffusers' files know
alpha / r only, unless Diffusers' metadata says use_rslora.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..lora import scaling
from ..tensorfile import FileError, Tensors, open_file, parse_json, shown
from .modules import Adapter, Finding
from .peft import CONFIG, PREFIX, WEIGHTS, Settings, read_peft
from .tensor_names import DIFFUSERS, KOHYA, extras, left_out, make_module, pair

METADATA = "lora_adapter_metadata"
ALPHA = ".alpha"
CONVENTION = "nowhere: alpha is the rank by convention"
#: An alpha that was given as a whole number may be saved as one.
_WHOLE = {"I32": "<i4", "I64": "<i8"}


def read(path: str | Path) -> Adapter:
    """An adapter from a PEFT folder, or from one file in kohya's or Diffusers' names.

    Parameters
    ----------
    path : str or Path
        A folder with adapter_config.json; its adapter_model.safetensors; or
        another .safetensors file.

    Raises
    ------
    FileError
        If it is none of these, or damaged. Pickled files are refused unread.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> adapter = read(shipped.DATA / "adapters" / "people")
    >>> adapter.source, len(adapter.modules), adapter.modules[0].rank
    ('peft', 21, 16)
    """
    path = Path(path)
    try:
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError):
        exists = is_folder = False
    if not exists:
        hub = len(path.parts) == 2 and not path.suffix and not path.parent.exists()
        hint = ": a name on a hub is not a path, so download it first" if hub else ""
        raise FileError(f"{shown(path)} does not exist{hint}")
    if is_folder:
        return read_peft(path)
    if path.name == WEIGHTS and (path.parent / CONFIG).is_file():
        return read_peft(path.parent)
    return read_single(path)


def read_single(path: Path) -> Adapter:
    """An adapter from one .safetensors file in kohya's or Diffusers' names.

    Raises
    ------
    FileError
        If the file is damaged, holds no pair of LoRA factors, or a factor or an
        alpha does not fit.
    """
    tensors = open_file(path)
    where = shown(path)
    pairs, left = pair(tensors.entries, {**KOHYA, **DIFFUSERS}, where)
    if not pairs:
        raise FileError(f"{where} holds no LoRA factors in kohya's or Diffusers' names")
    if any(each.A_key.startswith(PREFIX) for each in pairs):
        raise FileError(
            f"{where} holds PEFT's weights, and their multiplier is not in them: name the folder "
            f"that has {CONFIG} beside them"
        )
    components = _components(tensors, where)
    modules = []
    for each in pairs:
        part, _, name = each.name.partition(".")
        alpha, rule = _alpha(tensors, each.name), scaling.STANDARD
        place = f"tensor {each.name}{ALPHA}" if alpha is not None else CONVENTION
        if part in components:
            place = METADATA
            alpha, rule = components[part].alpha_of(name), components[part].rule
        module = make_module(
            tensors, each.name, each.kind, (each.A_key, each.B_key), (place, alpha, rule)
        )
        if part in components and components[part].rank_of(name) != module.rank:
            raise FileError(
                f"{where}: metadata and weights disagree on module {each.name}: rank "
                f"{components[part].rank_of(name)} by the metadata, {module.rank} by its factors"
            )
        modules.append(module)
    orphans = [name for name in left if name.endswith(ALPHA)]
    known = {module.name + ALPHA for module in modules}
    unknown = [name for name in orphans if name not in known]
    if unknown:
        raise FileError(f"{where}: tensor {unknown[0]} belongs to no module of the file")
    ignored = extras([name for name in left if name not in known], where)
    findings = list(left_out(ignored))
    without = [each.name for each in modules if each.stated[0].place == CONVENTION]
    if without:
        text = (
            f"{len(without)} of {len(modules)} modules have no alpha: alpha is the rank there, "
            "by this format's convention. Check it with the tool that trained them."
        )
        findings.append(Finding("no alpha", text, tuple(without)))
    kohya = any(each.A_key.endswith(".lora_down.weight") for each in pairs)
    return Adapter(
        path, "kohya" if kohya else "diffusers", tuple(modules), tensors, tensors.metadata,
        ignored, tuple(findings),
    )  # fmt: skip


def _alpha(tensors: Tensors, name: str) -> float | None:
    """The module's alpha, None where it has none."""
    key = name + ALPHA
    if key not in tensors.entries:
        return None
    entry = tensors.entries[key]
    if entry.shape not in ((), (1,)):
        raise FileError(
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
