"""What a format says beside the factors: read, and written anew for a copy.

sd-scripts states alpha and rank as text in a file's header, and settings of its network as
JSON. Diffusers' metadata (lora_adapter_metadata) has PEFT's settings, for each component of a
pipeline or, from save_lora_adapter, for all. PEFT and mlx-lm have a config in a folder.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..tensorfile import (
    FileError,
    Job,
    beside,
    check_new,
    new_as,
    no_more_open,
    parse_json,
    shown,
    write_jobs,
)
from .modules import Adapter, Module
from .peft import CONFIG, WEIGHTS, write_config
from .tensor_names import in_model, mended

ALPHA = ".alpha"
MLX_WEIGHTS = "adapters.safetensors"
#: The file that holds the factors, for formats that are folders.
_FOLDERS = {"peft": WEIGHTS, "mlx": MLX_WEIGHTS}
METADATA = "lora_adapter_metadata"
#: Where headers state alpha and rank.
PLACES = (
    ("ss_network_alpha", "ss_network_dim"), ("lora_alpha", "lora_rank"), ("lora_alpha", "r"),
    ("lora_alpha", "rank"), ("network_alpha", "network_dim"), ("alpha", "rank"),
    ("adapter.lora.alpha", ""),
)  # fmt: skip
#: Settings of sd-scripts' network that a copy's factors no longer follow.
_SETTINGS = ("rs_lora", "split_qkv", "conv_dim", "conv_alpha", "conv_rank")


def components(metadata: Mapping[str, str], where: str) -> dict[str, dict[str, Any]]:
    """Diffusers' metadata: the settings of each part of a pipeline, or of all under ""."""
    if METADATA not in metadata:
        return {}
    raw = parse_json(metadata[METADATA].encode(), f"the metadata of {where}")
    parts: dict[str, dict[str, Any]] = {}
    whole = {"r", "lora_alpha"} & raw.keys()
    for key, value in raw.items():
        part, _, name = ("", "", key) if whole else key.partition(".")
        parts.setdefault(part, {})[name] = value
    return parts


def in_component(name: str, parts: Mapping[str, Any]) -> tuple[str | None, str]:
    """The part of a pipeline that a module lies in, None for none, and its name there."""
    part, _, rest = name.replace(".processor", "").partition(".")
    if parts.get(part):
        return part, rest
    return ("" if parts.get("") else None), f"{part}.{rest}".rstrip(".")


def rewritten(
    metadata: Mapping[str, str],
    ranks: Sequence[int],
    alphas: Sequence[float],
    parts: Mapping[str, Mapping[str, Any]],
) -> dict[str, str]:
    """The header of a copy whose modules have these ranks and alphas; all else as it was.

    A value that is not the same for all is "Dynamic" in sd-scripts' names, as its own resizing
    has it, and left out in others, and so are hashes of the old factors. `parts` are the new
    settings of each component in Diffusers' metadata.
    """
    kept = {key: value for key, value in metadata.items() if not key.startswith("sshs_")}
    of_parts = [(key, f"{key[:-11]}.r") for key in kept if key.endswith(".lora_alpha")]
    for place in (*PLACES, *of_parts):
        for key, values in zip(place, ({f"{each:.9g}" for each in alphas}, set(map(str, ranks)))):
            if key in kept and len(values) > 1 and not key.startswith("ss_"):
                del kept[key]
            elif key in kept:
                kept[key] = values.pop() if len(values) == 1 else "Dynamic"
    network = kept.pop("ss_network_args", None)
    if network is not None and (left := _without(network)) is not None:
        kept["ss_network_args"] = left
    if METADATA in kept:
        made = {
            f"{part}.{key}" if part else key: value
            for part, config in parts.items()
            for key, value in config.items()
        }
        kept[METADATA] = json.dumps(made, indent=2, allow_nan=False)
    return kept


def _without(text: str) -> str | None:
    """The settings of sd-scripts' network but for those of rank and scale; None if unreadable."""
    try:
        given = parse_json(text.encode(), "ss_network_args")
    except FileError:
        return None
    if not given.keys() & set(_SETTINGS):
        return text
    return json.dumps({key: value for key, value in given.items() if key not in _SETTINGS})


def config_with(
    adapter: Adapter,
    ranks: Sequence[int],
    alphas: Sequence[float],
    settings: Callable[[Mapping[str, Any], Sequence[tuple[str, int]]], Mapping[str, Any]],
    mlx_scale: float | None = None,
) -> dict[str, Any]:
    """An adapter's config, or a file's metadata, for new ranks and alphas of its modules.

    `settings` makes the new settings of PEFT, from the old ones and the modules that they are
    for: each one's name there, and its place in the adapter. `mlx_scale` is the new scale of an
    MLX adapter, None for the old one.
    """
    names = [in_model(module.name) for module in adapter.modules]
    if adapter.source == "peft":
        return dict(settings(adapter.config, [(name, i) for i, name in enumerate(names)]))
    if adapter.source == "mlx":
        given = dict(adapter.config["lora_parameters"])
        scale = given["scale"] if mlx_scale is None else mlx_scale
        return {**adapter.config, "lora_parameters": {**given, "rank": max(ranks), "scale": scale}}
    parts = components(adapter.config, shown(adapter.path))
    placed: dict[str | None, list[tuple[str, int]]] = {}
    for i, name in enumerate(names):
        part, inside = in_component(name, parts)
        placed.setdefault(part, []).append((inside, i))
    made = {part: settings(config, placed.get(part, [])) for part, config in parts.items()}
    return rewritten(adapter.config, ranks, alphas, made)


def check_copied(adapter: Adapter, out: Path | None) -> None:
    """Raise FileError if no copy of an adapter would be right, or `out` cannot be made."""
    where = shown(adapter.path)
    if adapter.source == "gguf":
        raise FileError(
            f"{where}: GGUF files are read and not written; copy the folder that it was made "
            "from, and convert the copy with llama.cpp's convert_lora_to_gguf.py"
        )
    for each in adapter.findings:
        if each.kind == "base changed":
            raise FileError(f"{where}: {each.text}")
    if out is not None:
        check_new(out, adapter.source in _FOLDERS)


def unread(adapter: Adapter) -> list[str]:
    """Tensors of updates that are not read, and so cannot be scaled or cut."""
    odd = [name for each in adapter.findings if each.kind == "odd" for name in each.names]
    kinds = ("of ", "LoRA tensor")
    return odd + [name for name, kind in adapter.ignored.items() if kind.startswith(kinds)]


def remarks(adapter: Adapter) -> list[str]:
    """What a copy of an adapter mends, takes along and leaves, in sentences."""
    said = []
    names = {name: mended(name, adapter.source) for name in adapter.tensors.entries}
    if changed := [name for name, new in names.items() if new != name]:
        said.append(
            f"Names of {len(changed)} tensors are mended, such as {shown(changed[0])}, now "
            f"{shown(names[changed[0]])}."
        )
    if adapter.source in _FOLDERS:
        taken, left = _beside(adapter)
        for text, files in (("Copied along", [*map(str, taken)]), ("Not copied", left)):
            if files:
                said.append(f"{text}: {shown(', '.join(files), 300)}.")
    if odd := unread(adapter):
        said.append(f"Copied as they are, because they are not read: {len(odd)}, such as "
                    f"{shown(odd[0])}.")  # fmt: skip
    return said


def _beside(adapter: Adapter) -> tuple[list[Path], list[str]]:
    own = {each.name for each in adapter.tensors.files.values()}
    return beside(adapter.path, {CONFIG, f"{WEIGHTS}.index.json", *own})


def raw(adapter: Adapter, name: str) -> Job:
    """A tensor as it lies in the file, under a name that loaders know."""
    entry = adapter.tensors.entries[name]
    kinds = {mended(name, adapter.source): (entry.dtype, entry.shape)}
    return Job(kinds, lambda: [adapter.tensors.raw(name)])


def number(adapter: Adapter, name: str, value: float) -> Job:
    """An alpha."""
    return Job({mended(name, adapter.source): ("F32", ())}, lambda: [np.array(value)])


def alpha_keys(adapter: Adapter, module: Module) -> list[str]:
    """The tensors that state a module's alpha."""
    found = [each.place.partition(" ")[2] for each in module.stated if each.place.endswith(ALPHA)]
    return [name for name in found if name in adapter.tensors.entries]


def bias_key(adapter: Adapter, B_key: str) -> str:
    """The name of B's bias, which is scaled as B is; "" for none."""
    name = f"{B_key.removesuffix('.weight')}.bias"
    return name if ".lora_B." in name and name in adapter.tensors.entries else ""


def save_copy(
    adapter: Adapter,
    out: Path,
    jobs: Sequence[Job],
    config: Mapping[str, Any],
    folds: Mapping[str, float],
    read: Callable[[Path], Adapter],
) -> None:
    """Write a copy in the format of the adapter, and read it back before it gets its name.

    `folds` says what each module's B has been multiplied by. Raises FileError if the copy would
    be read with another scale than that leaves.
    """
    where = shown(adapter.path)
    with new_as(out, adapter.source in _FOLDERS) as draft:
        if adapter.source in _FOLDERS:
            write_config(draft / CONFIG, config)
            said = {"format": "pt", **adapter.tensors.metadata}
            write_jobs(draft / _FOLDERS[adapter.source], jobs, said, where)
            for file in _beside(adapter)[0]:
                (draft / file).parent.mkdir(exist_ok=True)
                shutil.copyfile(adapter.path / file, draft / file)
        else:
            write_jobs(draft, jobs, config, where)
        folder = [adapter.path] if adapter.source in _FOLDERS else []
        no_more_open(draft, [*adapter.tensors.files.values(), *folder])
        kept = {in_model(m.name): m.scale / folds.get(m.name, 1.0) for m in adapter.modules}
        try:
            scales = {in_model(each.name): each.scale for each in read(draft).modules}
        except FileError:
            scales = {}
        for name, scale in kept.items():
            if not np.isclose(scales.get(name, 0.0), scale, rtol=1e-6, atol=0):
                raise FileError(
                    f"{where}: the copy of module {shown(name)} would be read with the scale "
                    f"{scales.get(name, 0):g} instead of {scale:g}"
                )
