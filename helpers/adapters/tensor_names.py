"""The names of tensors and modules: what each ends in.

Names in the field differ in how they end. Those of other methods are known by a part of
them: see `OTHERS`, and what would read each.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..tensorfile import Entry
from .modules import EMBEDDING, LINEAR

#: How the names of factors end, by the style of who writes them. Group 2 says which half it is.
STYLES = {
    "peft": r"(.+)\.lora_([AB])\.weight",
    "peft with an adapter's name": r"(.+)\.lora_([AB])\.(?!weight$|bias$|alpha$)[^.]+(?:\.weight)?",
    "peft without .weight": r"(.+)\.lora_([AB])",
    "peft embedding": r"(.+)\.lora_embedding_([AB])(?:\.[^.]+)?",
    "kohya": r"(.+)\.lora_(down|up)\.weight",
    "diffusers": r"(.+)(?:\.lora|\.lora_linear_layer|_lora)\.(down|up)\.weight",
    "xlabs": r"(.+_lora\d+)\.(down|up)\.weight",
    "mlx": r"(.+)\.lora_([ab])",
}
#: What makes an update other than B A: of AdaLoRA, KaSA and LoRA-XS.
_MIDDLE = re.compile(r"(.+)\.(lora_E|lora_diag|(?:\w+_)?lora_latent_mapping)(?:\..+)?")
_STYLES = {style: re.compile(pattern) for style, pattern in STYLES.items()}
_HALF = {"A": "A", "down": "A", "a": "A", "B": "B", "up": "B", "b": "B"}

#: Scaled by s, as the update is.
BIAS = "bias of B"
DORA = "DoRA magnitude"
TRAINED_BIAS = "trained bias"
WHOLE = "weights saved whole"
ADDED = "difference that is added whole"
ODD = "not read"
EMPTY = "empty: saved under ZeRO-3 or FSDP without gathering"
RESHAPED = "new shape of a base weight"
APART = "save each adapter into a file of its own"
IGNORED = "alpha beside factors of PEFT, whose config says it"
BUNDLED = "embedding bundled with the factors"
#: What to do with factors of a type that is not read.
CAST = "Cast it to bfloat16 first: {name: each.to(torch.bfloat16)}, without a scale beside it"
#: What else may lie in such files, by ending: no part of a spectrum, and said so.
EXTRAS = {
    ".lora_magnitude_vector": DORA,
    ".dora_scale": DORA,
    ".magnitude": DORA,  # ai-toolkit
    ".lora_B.bias": BIAS,
    ".base_layer.weight": "copy of a base weight",
    ".base_layer.bias": "copy of a base weight",
    ".alpha": IGNORED,
    ".trainable_tokens_delta": "trained tokens",
    **dict.fromkeys((".diff", ".diff_b", ".diff_m", ".w_norm", ".b_norm"), ADDED),
    ".reshape_weight": RESHAPED,
    ".scalar": "scalar that the training multiplied the update by",
}
#: What every name in the file begins with, and no name of the model does.
PREFIX = "base_model.model."
#: What compiling and distributing put in front of names, and of those in the base model.
WRAPPED = re.compile(
    r"^(?:(?:_orig_mod|module|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.)+(?=.)"
    r"|(?<=\.)(?:(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\.)+(?=.)"
)
#: What ends a name of PEFT's, an adapter's name in it, and whether .weight follows.
_INFIX = re.compile(
    r"(\.lora_(?:embedding_)?[AB]|\.lora_magnitude_vector)(\.(?!weight$|bias$|alpha$)[^.]+)?(\.weight|\.bias)?$"
)
#: Other methods by a part of their names, and what reads them; no spectrum of B A describes them.
OTHERS = {
    ".hada_": ("LoHa", "ComfyUI and PEFT"),
    ".lokr_": ("LoKr", "ComfyUI and PEFT"),
    ".lora_mid": ("a Tucker product (lora_mid)", "ComfyUI"),
    ".oft_": ("OFT or BOFT, which turns weights", "PEFT or ComfyUI"),
    ".boft_": ("BOFT, which turns weights", "PEFT"),
    ".ia3_": ("IA3, which multiplies", "PEFT"),
    ".on_input": ("LyCORIS's IA3, which multiplies", "LyCORIS"),
    ".vera_": ("VeRA, whose matrices follow from a seed", "PEFT"),
    ".lora_E": ("AdaLoRA", "PEFT"),
    ".lora_diag": ("KaSA", "PEFT"), "lora_latent_mapping": ("LoRA-XS", "its own code"),
    ".randlora_": ("RandLoRA", "PEFT"), ".fourierft_": ("FourierFT", "PEFT"),
    ".vblora_": ("VB-LoRA", "PEFT"), ".hra_": ("HRA", "PEFT"), ".c3a_": ("C3A", "PEFT"),
    ".miss_": ("MiSS", "PEFT"), ".bone_": ("Bone", "PEFT"), ".shira_": ("SHiRA", "PEFT"),
    ".road_": ("RoAd", "PEFT"), ".waveft_": ("WaveFT", "PEFT"), ".delora_": ("DeLoRA", "PEFT"),
    ".gralora_": ("GraLoRA", "PEFT"), ".prompt_embeddings": ("a soft prompt", "PEFT"),
    ".a1.weight": ("GLoRA", "ComfyUI"), ".a2.weight": ("GLoRA", "ComfyUI"),
    ".b1.weight": ("GLoRA", "ComfyUI"), ".b2.weight": ("GLoRA", "ComfyUI"),
    ".bm.weight": ("GLoRA", "ComfyUI"), ".rescale": ("OFT or BOFT, which turns weights", "ComfyUI"),
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A module's name and kind, the names of its factors, and how they end."""

    name: str
    kind: str
    A_key: str
    B_key: str
    style: str


@dataclass
class Names:
    """The tensors of a file by what they are.

    Parameters
    ----------
    pairs : list of Pair
        In the order of the file.
    odd : dict of str to str
        Factors that cannot be read, and why.
    left : list of str
        All other tensors.
    """

    pairs: list[Pair] = field(default_factory=list)
    odd: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def sort_names(entries: Mapping[str, Entry]) -> Names:
    """Pairs of factors, and what else there is. One odd module does not hide the others."""
    found, halves, twice = Names(), dict[tuple[str, str], dict[str, str]](), set[str]()
    for name, entry in entries.items():
        style, match = _style(name)
        if match is None:
            found.left.append(name)
        elif 0 in entry.shape and len(entry.shape) < 2:
            found.odd[name] = EMPTY
        else:
            keys = halves.setdefault((match[1], style), {})
            if (half := _HALF[match[2]]) in keys:
                twice.add(match[1])
                found.odd[name] = f"module {match[1]} has more than one pair of factors: {APART}"
            else:
                keys[half] = name
    middles = {m[1]: m[2] for name in found.left if (m := _MIDDLE.fullmatch(name))}
    styles: dict[str, list[str]] = {}
    for module, style in halves:
        styles.setdefault(module, []).append(style)
    for (module, style), keys in halves.items():
        if len(keys) < 2:
            ((half, name),) = keys.items()
            ends = dict(zip("AB", _partner(name, style)))
            other = f"{name[: -len(ends[half])]}{ends['B' if half == 'A' else 'A']}"
            reason = EMPTY if other in found.odd else f"lacks its other half, {other}"
            found.odd[name] = reason
        elif module in middles:
            reason = (
                f"module {module} has {middles[module]} between its factors: it is no B A alone"
            )
            found.odd |= dict.fromkeys(keys.values(), reason)
        elif len(styles[module]) > 1 or module in twice:
            found.odd |= dict.fromkeys(
                keys.values(), f"module {module} has more than one pair of factors: {APART}"
            )
        else:
            kind = EMBEDDING if style == "peft embedding" else LINEAR
            found.pairs.append(Pair(module, kind, keys["A"], keys["B"], style))
    return found


def _style(name: str) -> tuple[str, re.Match[str] | None]:
    if "lora" in name:
        for style, pattern in _STYLES.items():
            if match := pattern.fullmatch(name):
                return style, match
    return "", None


def _partner(name: str, style: str) -> tuple[str, str]:
    """How the names of A and B end in this style, as this one ends."""
    match = _STYLES[style].fullmatch(name)
    assert match is not None
    ending = name[match.start(2) :]
    rest = ending[len(match[2]) :]
    halves = {"A": "AB", "B": "AB", "a": "ab", "b": "ab"}.get(match[2], ("down", "up"))
    return f"{halves[0]}{rest}", f"{halves[1]}{rest}"


def label(name: str) -> str:
    """What a tensor is that is no factor. The answer does not depend on how long a name is."""
    if name.startswith("bundle_emb."):
        return BUNDLED
    if re.search(r"\.lora_B\.[^.]+\.bias$", name):
        return BIAS
    if ".lora_magnitude_vector." in name:
        return DORA
    for ending, kind in EXTRAS.items():
        if name.endswith(ending) and not name.endswith((".lora_A.alpha", ".lora_B.alpha")):
            return kind
    for part, (what, reader) in OTHERS.items():
        if part in f".{name}":
            return f"of {what}: not read here; {reader} would"
    if re.search(r"\.lora_[^.]*(\.|$)|\.lora\.[^.]*(\.[^.]*)?$", name):
        return "LoRA tensor of no known kind"
    return WHOLE


def in_model(name: str) -> str:
    """A module's name in the base model, without what training put in front of it."""
    return WRAPPED.sub("", name.rpartition(PREFIX)[2]).replace("__orig_mod", "")


def mended(name: str, source: str) -> str:
    """A tensor's name as loaders look for it, from the one that it has.

    What compiling, distributing or an adapter's name put in is taken out, what PEFT wants added.
    """
    if source not in ("peft", "kohya", "diffusers", "lycoris"):
        return name
    inner = in_model(name)
    if match := _INFIX.search(inner):
        half, infix, ending = match.groups()
        if half.endswith(("lora_A", "lora_B")):
            ending = ending or ".weight"
        elif infix or "embedding" in half:
            ending = ""
        inner = inner[: match.start()] + half + (ending or "")
    return PREFIX + inner if source == "peft" else inner
