"""Reading an adapter in whichever of the formats it is.

kohya's sd-scripts write an `.alpha` for each module. Where no place states a scale, s is 1,
that is alpha = rank: networks/merge_lora.py takes the rank as the default, and ComfyUI 1.
Diffusers' metadata (lora_adapter_metadata) has PEFT's settings, for each component of a
pipeline or, from save_lora_adapter, for all. mlx-lm states the scale itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import numpy as np

from ..lora.scaling import RSLORA, STANDARD
from ..tensorfile import FileError, Tensors, open_file, open_gguf, read_json, shown
from .assembly import assemble, left_out, nothing_read
from .formats import (
    ALPHA,
    METADATA,
    MLX_WEIGHTS,
    PLACES,
    components,
    in_component,
)
from .modules import Adapter, Finding, Stated
from .peft import CONFIG, WEIGHTS, Settings, read_peft
from .structures import disagreements
from .tensor_names import DORA, PREFIX, label, sort_names

CONVENTION = "nowhere: alpha is the rank by convention"
#: An alpha that was given as a whole number may be saved as one.
_WHOLE = {"I32": "<i4", "I64": "<i8"}


def read(path: str | Path) -> Adapter:
    """An adapter from a folder of PEFT's or MLX's, or from one file.

    Parameters
    ----------
    path : str or Path
        A folder with adapter_config.json; its weights; or another .safetensors or .gguf
        file: in the names of kohya's sd-scripts, Diffusers, LyCORIS or llama.cpp.

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
        path = path.expanduser() if path.parts[:1] == ("~",) and not path.exists() else path
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError, RuntimeError):
        exists = is_folder = False
    if not exists:
        hub = len(path.parts) == 2 and not path.suffix and not path.parent.exists()
        hint = ": a name on a hub is not a path, so download it first" if hub else ""
        raise FileError(f"{shown(path)} does not exist{hint}")
    if path.name in (WEIGHTS, MLX_WEIGHTS) and (path.parent / CONFIG).is_file():
        path, is_folder = path.parent, True
    if not is_folder:
        return read_single(path)
    if not (path / CONFIG).is_file():
        raise FileError(f"{shown(path)} has no {CONFIG}{_instead(path)}")
    if (path / MLX_WEIGHTS).exists() and not (path / WEIGHTS).exists():
        return _read_mlx(path)
    return read_peft(path)


def _instead(folder: Path) -> str:
    """What in a folder that is no adapter might be one."""
    others = sorted(each.name for each in folder.glob("*.safetensors"))
    if others:
        return f"; to read a file in it, name the file: {shown(', '.join(others))}"
    inside = sorted(each.parent.name for each in folder.glob(f"*/{CONFIG}"))
    return f"; it holds {shown(', '.join(inside))}: name one of these folders" * bool(inside)


def read_single(path: Path) -> Adapter:
    """An adapter from one file.

    Raises FileError if the file is damaged, or nothing in it can be read as an update.
    """
    tensors = open_gguf(path) if path.suffix.lower() == ".gguf" else open_file(path)
    where = shown(path)
    names = sort_names(tensors.entries)
    styles = {each.style for each in names.pairs}
    if any(each.A_key.startswith(PREFIX) for each in names.pairs):
        raise FileError(
            f"{where} holds PEFT's weights, and their scale is not in them: name the folder "
            f"that has {CONFIG} beside them"
        )
    if styles == {"mlx"} and path.suffix.lower() != ".gguf":
        raise FileError(
            f"{where} holds MLX's factors, and their scale is not in them: name the folder that "
            f"has {CONFIG} beside {MLX_WEIGHTS}"
        )
    parts = _components(tensors, where)
    any_alpha = any(name.endswith(ALPHA) for name in names.left)
    modules = assemble(tensors, names, partial(_scales, tensors, parts, any_alpha))
    if not modules:
        raise FileError(nothing_read(where, names.odd))
    alphas = {f"{each.name}{ALPHA}" for each in modules}
    reasons = {name.rpartition(".lora_")[0]: reason for name, reason in names.odd.items()}
    for name in [each for each in names.left if each.endswith(ALPHA) and each not in alphas]:
        reason = reasons.get(name.removesuffix(ALPHA), "belongs to no module that is read")
        names.odd.setdefault(name, reason)
    left = [name for name in names.left if name not in alphas and name not in names.odd]
    ignored = {name: label(name) for name in left}
    findings = [*left_out(ignored, names.odd), *disagreements(modules)]
    wrapped = tuple(each.name for each in names.pairs if "_orig_mod" in each.name)
    if wrapped:
        text = f"{len(wrapped)} names hold '_orig_mod', which no loader knows: copies leave it out."
        findings.append(Finding("dead", text, wrapped))
    if len(styles) > 1:
        text = f"Names of {len(styles)} styles ({', '.join(sorted(styles))}): a loader may take "
        findings.append(Finding("mixed names", f"{text}those of one and ignore the others."))
    without = [each.name for each in modules if each.stated[0].place == CONVENTION]
    if without:
        text = (
            f"{len(without)} of {len(modules)} modules have no alpha: alpha is the rank there, "
            "by this format's convention. Check it with the tool that trained them."
        )
        findings.append(Finding("no alpha", text, tuple(without)))
    source = "kohya" if "kohya" in styles else "diffusers" if styles else "lycoris"
    source = "gguf" if path.suffix.lower() == ".gguf" else source
    return Adapter(
        path, source, tuple(modules), tensors, tensors.metadata, ignored, tuple(findings)
    )


def _read_mlx(folder: Path) -> Adapter:
    """An adapter that mlx-lm trained: its scale stands in the config, its factors transposed."""
    where, config = shown(folder / CONFIG), read_json(folder / CONFIG)
    if config.get("fine_tune_type") == "full":
        raise FileError(
            f"{where}: fine_tune_type is full: {MLX_WEIGHTS} holds whole weights, which "
            "`inspect NEW --against BASE` reads"
        )
    given = config.get("lora_parameters")
    scale = given.get("scale") if isinstance(given, dict) else None
    if isinstance(scale, bool) or not isinstance(scale, (int, float)):
        raise FileError(f"{where}: lora_parameters must have a scale, got {shown(scale)}")
    tensors = open_file(folder / MLX_WEIGHTS)
    names = sort_names(tensors.entries)

    def scales(_: str, rank: int) -> list[Stated]:
        return [Stated(f"{CONFIG}, scale", float(scale) * (rank or 1), STANDARD, rank or 1)]

    modules = assemble(tensors, names, scales, turned=True)
    if not modules:
        raise FileError(nothing_read(shown(tensors.path), names.odd))
    ignored = {name: DORA if name.endswith(".m") else label(name) for name in names.left}
    findings = left_out(ignored, names.odd)
    return Adapter(folder, "mlx", tuple(modules), tensors, config, ignored, findings)


def _scales(
    tensors: Tensors, parts: Mapping[str, Settings], any_alpha: bool, name: str, rank: int
) -> list[Stated]:
    """Every place that states a module's scale: metadata, its alpha tensor, the header."""
    found: list[Stated] = []
    part, inside = in_component(name, parts)
    if part is not None:
        settings = parts[part]
        found += settings.scales(inside, rank, METADATA)
        if rank and settings.rank_of(inside) != rank:
            raise FileError(
                f"{shown(tensors.path)}: metadata and weights disagree on module {name}: rank "
                f"{settings.rank_of(inside)} by the metadata, {rank} by its factors"
            )
    alpha, header = _alpha(tensors, name), _header(tensors.metadata, rank)
    if alpha is not None and rank:
        found.append(Stated(f"tensor {name}{ALPHA}", alpha, STANDARD, rank))
    elif any_alpha and not found and rank:
        found.append(Stated(CONVENTION, float(rank), STANDARD, rank))
    # Convolutions often have an alpha and a rank of their own, which the header does not say.
    if header is not None and "conv" not in name:
        # Split into parts of the header's rank: then each part was trained with its scale.
        split = header.rank < rank and rank % header.rank == 0
        split = split and _flag(tensors.metadata, "split_qkv")
        found[:0] = [header] if split else []
        found += [header] if not split and header.rank == rank else []
    if not found and rank:
        found.append(Stated(CONVENTION, float(rank), STANDARD, rank))
    return found


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


def _header(metadata: Mapping[str, str], rank: int) -> Stated | None:
    """What the header says of alpha and rank; nothing where that is no number."""
    rule = RSLORA if _flag(metadata, "rs_lora") else STANDARD
    for alpha_key, rank_key in PLACES:
        try:
            alpha = float(metadata[alpha_key])
            dim = int(metadata[rank_key]) if rank_key else rank
        except (KeyError, ValueError, OverflowError):
            continue
        if 1e-30 <= alpha <= 1e30 and 1 <= dim < 2**31:
            return Stated(f"header {alpha_key}", alpha, rule, dim)
    return None


def _flag(metadata: Mapping[str, str], name: str) -> bool:
    """Whether a setting of sd-scripts' network is true: as text or as itself."""
    given = metadata.get("ss_network_args", "").replace(" ", "").lower()
    return f'"{name}":"true"' in given or f'"{name}":true' in given


def _components(tensors: Tensors, where: str) -> dict[str, Settings]:
    return {
        part: Settings(config, f"the metadata of {where}")
        for part, config in components(tensors.metadata, where).items()
    }
