"""Names of tensors to pairs of factors: what every format has in common."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .errors import AdapterError, shown

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

#: Scaled by the multiplier, as the update is.
BIAS = "bias of B"
#: What else may lie in such files, by ending: no part of a spectrum, and said so.
EXTRAS = {
    ".lora_magnitude_vector": "DoRA magnitude",
    ".lora_magnitude_vector.weight": "DoRA magnitude",
    ".dora_scale": "DoRA magnitude",
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
    AdapterError
        If a factor lacks its other half, two pairs claim one module, or a tensor
        belongs to a method that is not LoRA.
    """
    names = list(names)
    known, used, pairs = set(names), set(), {}
    for name in names:
        other = next((label for part, label in _OTHERS.items() if part in name), None)
        if other is not None:
            raise AdapterError(f"{where}: tensor {name} belongs to {other}, which is not read")
        for (a, b), kind in endings.items():
            ours, theirs = (a, b) if name.endswith(a) else (b, a)
            if not name.endswith(ours) or name in used:
                continue
            module = name[: -len(ours)]
            partner = module + theirs
            if not module or partner not in known:
                raise AdapterError(f"{where}: tensor {name} lacks its other half, {partner}")
            if module in pairs:
                raise AdapterError(f"{where}: module {module} has more than one pair of factors")
            pairs[module] = Pair(module, kind, module + a, module + b)
            used |= {name, partner}
            break
    return list(pairs.values()), [name for name in names if name not in used]


def extras(names: Iterable[str], where: str) -> dict[str, str]:
    """What each tensor is that is no factor.

    Raises AdapterError for a LoRA tensor that nothing here knows.
    """
    found = {}
    for name in names:
        kind = next((kind for ending, kind in EXTRAS.items() if name.endswith(ending)), None)
        if kind is None and ("lora_" in name.rpartition(".")[0][-24:] or ".lora." in name):
            raise AdapterError(f"{where}: the LoRA tensor {shown(name)} is of no known kind")
        found[name] = kind or "weights saved whole"
    return found


def notes(ignored: Mapping[str, str]) -> tuple[str, ...]:
    """One sentence for each kind of tensor that is left out of the spectra."""
    made = []
    for kind in dict.fromkeys(ignored.values()):
        count = sum(each == kind for each in ignored.values())
        made.append(f"Not in any spectrum: {kind}, {count} tensor{'s' * (count > 1)}.")
    if "DoRA magnitude" in ignored.values():
        made.append("DoRA rescales the sum of weight and update: the spectra are of B A alone.")
    return tuple(made)
