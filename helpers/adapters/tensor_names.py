"""From the names of tensors to modules: what every format has in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ..tensorfile import FLOATS, FileError, Tensors, shown
from .modules import Finding, Module, Part, Stated, check_alpha

#: Endings of (A, B) in PEFT folders.
PEFT = {
    (".lora_A.weight", ".lora_B.weight"): "linear",
    (".lora_embedding_A", ".lora_embedding_B"): "embedding",
}
KOHYA = {(".lora_down.weight", ".lora_up.weight"): "linear"}
#: In the order of Diffusers' own history: PEFT's names, its own, and those of its old processors.
DIFFUSERS = {
    (".lora_A.weight", ".lora_B.weight"): "linear",
    (".lora.down.weight", ".lora.up.weight"): "linear",
    (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight"): "linear",
    ("_lora.down.weight", "_lora.up.weight"): "linear",
}

#: Scaled by s, as the update is.
BIAS = "bias of B"
DORA = "DoRA magnitude"
#: What else may lie in such files, by ending: no part of a spectrum, and said so.
EXTRAS = {
    ".lora_magnitude_vector": DORA,
    ".lora_magnitude_vector.weight": DORA,
    ".dora_scale": DORA,
    ".lora_B.bias": BIAS,
    ".base_layer.weight": "copy of a base weight",
    ".base_layer.bias": "copy of a base weight",
    ".trainable_tokens_delta": "trained tokens",
}
#: Other methods, which no spectrum of B A describes.
_OTHERS = {
    ".lora_mid.": "a Tucker decomposition (lora_mid)",
    ".hada_": "LoHa",
    ".lokr_": "LoKr",
    ".oft_": "OFT",
    ".lora_E": "AdaLoRA",
    ".lora_diag": "KaSA",
}


@dataclass(frozen=True)
class Pair:
    """A module's name and kind, and the names of its factors."""

    name: str
    kind: str
    A_key: str
    B_key: str


def pair(
    names: Iterable[str], endings: Mapping[tuple[str, str], str], where: str
) -> tuple[list[Pair], list[str]]:
    """Pairs of factors, in the order of `names`, and the names that are left.

    Raises
    ------
    FileError
        If a factor lacks its other half, two pairs claim one module, or a tensor
        belongs to a method that is not LoRA.
    """
    names = list(names)
    known, used, pairs = set(names), set(), {}
    for name in names:
        other = next((label for part, label in _OTHERS.items() if part in name), None)
        if other is not None:
            raise FileError(f"{where}: tensor {name} belongs to {other}, which is not read")
        for (a, b), kind in endings.items():
            ours, theirs = (a, b) if name.endswith(a) else (b, a)
            if not name.endswith(ours) or name in used:
                continue
            module = name[: -len(ours)]
            partner = module + theirs
            if not module or partner not in known:
                raise FileError(f"{where}: tensor {name} lacks its other half, {partner}")
            if module in pairs:
                raise FileError(f"{where}: module {module} has more than one pair of factors")
            pairs[module] = Pair(module, kind, module + a, module + b)
            used |= {name, partner}
            break
    return list(pairs.values()), [name for name in names if name not in used]


def make_module(
    tensors: Tensors,
    name: str,
    kind: str,
    keys: tuple[str, str],
    stated: tuple[str, float | None, str],
    transposed: bool = False,
) -> Module:
    """A module from the names of its two factors, once their shapes fit.

    Parameters
    ----------
    keys : (str, str)
        The tensors of A and B.
    stated : (str, float or None, str)
        Where the scale is stated, alpha (None for the rank), and the rule.

    Raises
    ------
    FileError
        If the factors' types are not floats, their shapes do not fit each other
        or the kind of module, or alpha is out of range.
    """
    where = f"{shown(tensors.path)}: module {name}"
    A, B = (tensors.entries[key] for key in keys)
    for key, entry in zip(keys, (A, B)):
        if entry.dtype not in FLOATS:
            raise FileError(
                f"{where}: {key} has type {entry.dtype}; weights must be one of {', '.join(FLOATS)}"
            )
    axes = len(A.shape)
    fits = axes == len(B.shape) and 2 <= axes <= 5 and 0 not in A.shape + B.shape
    if not fits or B.shape[1] != A.shape[0] or any(side != 1 for side in B.shape[2:]):
        raise FileError(
            f"{where}: A of shape {A.shape} and B of shape {B.shape} do not fit; allowed are "
            "(r, k) and (d, r), or for a convolution (r, inputs, kernel) and (d, r, 1), with every "
            "side at least 1"
        )
    rank, k = A.shape[0], int(np.prod(A.shape[1:], dtype=object))
    place, alpha, rule = stated
    alpha = float(rank if alpha is None else alpha)
    check_alpha(alpha, where)
    if axes > 2:
        kind, transposed = f"conv{axes - 2}d", False
    return Module(
        name, kind, (B.shape[0], k), rank, alpha, rule,
        {role: Part(key) for role, key in zip("AB", keys)}, A.dtype,
        kernel=A.shape[1:] if axes > 2 else (), transposed=transposed,
        stated=(Stated(place, alpha, rule, rank),),
    )  # fmt: skip


def extras(names: Iterable[str], where: str) -> dict[str, str]:
    """What each tensor is that is no factor.

    Raises FileError for a LoRA tensor that nothing here knows.
    """
    found = {}
    for name in names:
        kind = next((kind for ending, kind in EXTRAS.items() if name.endswith(ending)), None)
        if kind is None and ("lora_" in name.rpartition(".")[0][-24:] or ".lora." in name):
            raise FileError(f"{where}: the LoRA tensor {shown(name)} is of no known kind")
        found[name] = kind or "weights saved whole"
    return found


def left_out(ignored: Mapping[str, str]) -> tuple[Finding, ...]:
    """A finding for each kind of tensor that is in no spectrum."""
    found = []
    for kind in dict.fromkeys(ignored.values()):
        names = tuple(name for name, each in ignored.items() if each == kind)
        text = f"Not in any spectrum: {kind}, {len(names)} tensor{'s' * (len(names) > 1)}."
        found.append(Finding("left out", text, names))
    if DORA in ignored.values():
        text = "DoRA rescales the sum of weight and update: the spectra are of B A alone."
        found.append(Finding("dora", text))
    return tuple(found)
