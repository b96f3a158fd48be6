"""Where a single file states the scale of a module: metadata, its alpha tensor, the header.

sd-scripts' header has alpha and rank of a training. Tools that rename its factors to PEFT's
names fold alpha into them and keep the header (musubi-tuner's convert_lora.py, read at
30c658c); so there it is said, and does not count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ..lora.scaling import RSLORA, STANDARD
from ..tensorfile import FileError, Tensors, shown
from .formats import ALPHA, METADATA, PLACES, components, in_component
from .modules import Finding, Module, Stated
from .peft import Settings

CONVENTION = "nowhere: alpha is the rank by convention"
#: An alpha that was given as a whole number may be saved as one.
_WHOLE = {"I32": "<i4", "I64": "<i8"}


def scales(
    tensors: Tensors,
    parts: Mapping[str, Settings],
    any_alpha: bool,
    folded: bool,
    name: str,
    rank: int,
) -> list[Stated]:
    """Every place that states a module's scale, by its full name; the first one counts.

    Parameters
    ----------
    parts : dict of str to Settings
        What the metadata says of each part of a pipeline, see `in_parts`.
    any_alpha : bool
        Whether any module of the file has an alpha tensor.
    folded : bool
        Whether the factors' names are such that sd-scripts' header does not count.
    """
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
    alpha, header = _alpha(tensors, name), _header(tensors.metadata, name, rank)
    if alpha is not None and rank:
        found.append(Stated(f"tensor {name}{ALPHA}", alpha, STANDARD, rank))
    elif (any_alpha or (folded and _trained(header))) and not found and rank:
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


def _trained(header: Stated | None) -> bool:
    """Whether a header is one of sd-scripts' trainings."""
    return header is not None and header.place.startswith("header ss_")


def _alpha(tensors: Tensors, name: str) -> float | None:
    """The module's alpha, None where it has none."""
    key = name + ALPHA
    if key not in tensors.entries:
        return None
    entry = tensors.entries[key]
    if math.prod(entry.shape) != 1:
        raise FileError(
            f"{shown(tensors.path)}: tensor {key} must hold one number, got shape {entry.shape}"
        )
    if entry.dtype in _WHOLE:
        return float(np.frombuffer(tensors.raw(key), _WHOLE[entry.dtype])[0])
    return float(tensors.read(key).reshape(()))


def _header(metadata: Mapping[str, str], name: str, rank: int) -> Stated | None:
    """What the header says of alpha and rank; nothing where that is no number.

    SimpleTuner puts the part of the pipeline before both; LightX2V states no rank.
    """
    rule = RSLORA if _flag(metadata, "rs_lora") else STANDARD
    part = name.partition(".")[0]
    for alpha_key, rank_key in ((f"{part}.lora_alpha", f"{part}.r"), *PLACES):
        try:
            alpha = float(metadata[alpha_key])
            dim = int(metadata.get(rank_key, rank))
        except (KeyError, ValueError, OverflowError):
            continue
        if 1e-30 <= alpha <= 1e30 and 1 <= dim < 2**31:
            return Stated(f"header {alpha_key}", alpha, rule, dim)
    return None


def _flag(metadata: Mapping[str, str], name: str) -> bool:
    """Whether a setting of sd-scripts' network is true: as text or as itself."""
    given = metadata.get("ss_network_args", "").replace(" ", "").lower()
    return f'"{name}":"true"' in given or f'"{name}":true' in given


def in_parts(tensors: Tensors, where: str) -> dict[str, Settings]:
    """What Diffusers' metadata says, for each part of a pipeline or for all under ""."""
    return {
        part: Settings(config, f"the metadata of {where}")
        for part, config in components(tensors.metadata, where).items()
    }


def disagreements(modules: Sequence[Module]) -> Iterator[Finding]:
    """Modules whose scale is stated twice, and not alike."""
    differing: dict[tuple[str, str], list[Module]] = {}
    for module in modules:
        first, *others = module.stated
        for other in others:
            if not np.isclose(first.scale, other.scale, rtol=1e-3, atol=0):
                differing.setdefault((_place(first), _place(other)), []).append(module)
    for (one, two), some in differing.items():
        first = some[0].stated[0]
        other = next(each for each in some[0].stated if _place(each) == two)
        text = (
            f"{len(some)} of {len(modules)} modules have two scales: {first.scale:.4g} by {one}, "
            f"which is taken here, and {other.scale:.4g} by {two}, such as {shown(some[0].name)}."
        )
        yield Finding("scales disagree", text, tuple(each.name for each in some))


def _place(stated: Stated) -> str:
    """The place without the name of one module."""
    if stated.place.startswith("nowhere"):
        return "convention"
    return "alpha tensors" if stated.place.endswith(".alpha") else stated.place
