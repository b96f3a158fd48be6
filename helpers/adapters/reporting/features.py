"""What an adapter has by which loaders differ: parts beside its factors, names, settings.

`helpers/data/loaders.json` says each in words, and what each loader does with it.
"""

from __future__ import annotations

from ..formats import ALPHA, METADATA
from ..modules import FULL, GROUPED, HADAMARD, KRONECKER, PAIR, TUCKER, Adapter
from ..tensor_names import (
    ADDED,
    BIAS,
    BUNDLED,
    DORA,
    IGNORED,
    PREFIX,
    RESHAPED,
    TRAINED_BIAS,
    WHOLE,
    in_model,
)
from .loading import known

#: Labels of tensors that are no factor, and the feature that they are.
_LABELS = {
    WHOLE: "saved modules", DORA: "dora", TRAINED_BIAS: "bias", BIAS: "lora bias",
    "trained tokens": "tokens", "copy of a base weight": "base copies", ADDED: "differences",
    "scalar that the training multiplied the update by": "scalar", BUNDLED: "bundled",
    RESHAPED: "new shape", IGNORED: "ignored alphas",
}  # fmt: skip
_FORMS = {
    FULL: "differences",
    GROUPED: "grouped",
    HADAMARD: "loha",
    KRONECKER: "lokr",
    TUCKER: "tucker",
}
_HEADS = ("score", "classifier")
#: The magnitudes of DoRA in single files, by their names: who wrote them, and so who reads them.
_MAGNITUDES = {".magnitude": "dora of ai-toolkit", "_magnitude_vector": "dora of PEFT"}
#: With these tensors ComfyUI takes a file for one of Flux's control adapters, and reads all of it
#: (comfy/lora_convert.py), as Diffusers does.
_CONTROL = {"img_in.lora_A.weight", "single_blocks.0.norm.key_norm.scale"}


def features(adapter: Adapter) -> dict[str, list[str]]:
    """The features by which loaders differ that an adapter has: {feature: tensors or modules}."""
    held: dict[str, list[str]] = {}

    def add(feature: str | None, *names: str) -> None:
        if feature:
            held.setdefault(feature, []).extend(names)

    folder, config = adapter.source == "peft", adapter.config
    entries = adapter.tensors.entries
    control = not folder and entries.keys() >= _CONTROL
    for name, kind in adapter.ignored.items():
        head = kind == WHOLE and any(f".{each}." in f".{name}" for each in _HEADS)
        feature = "head" if head else _LABELS.get(kind)
        if kind == DORA and adapter.source not in ("peft", "mlx"):
            plain = name.removesuffix(".weight")
            named = (each for ending, each in _MAGNITUDES.items() if plain.endswith(ending))
            feature = next(named, feature)
        add(None if control and kind in (WHOLE, BIAS) else feature, name)
    for module in adapter.modules:
        name = module.name
        add(_FORMS.get(module.form), name)
        stacked = any(each.index for each in module.parts.values())
        add("stacked experts" if stacked else None, name)
        add("lm_head" if name.endswith("lm_head") else None, name)
        add("mixed ranks" if folder and module.rank != config.get("r", 8) else None, name)
        if module.form in (PAIR, GROUPED):
            add(_name(module.parts["A"].key, folder), name)
        add("xlabs" if ".processor." in name and "_lora" in name else None, name)
    for finding in adapter.findings:
        add(finding.kind if finding.kind in ("base changed", "mixed names") else None)
    if adapter.tensors.path.name.endswith(".index.json"):
        add("sharded")
    if any(name.endswith(ALPHA) for name in entries):
        alone = "alphas" if adapter.source == "diffusers" else None
        add("metadata and alphas" if METADATA in config else alone)
    if folder:
        for feature, said in known()["features"].items():
            add(feature if config.get(said.get("setting")) else None)
        if config.get("bias", "none") not in (None, "none"):
            add("bias")
        saved = config.get("modules_to_save") or []
        for name in saved if isinstance(saved, list) else [saved]:
            add("head" if name in _HEADS else "saved modules")
        add("no settings" if {"r", "target_modules"} - config.keys() else None)
        if config.get("lora_alpha") is None:
            add("null alpha" if "lora_alpha" in config else "no alpha")
        if isinstance(config.get("target_modules"), str) and "all" not in config["target_modules"]:
            add("pattern as target")
        add("added tokens" if (adapter.path / "added_tokens.json").exists() else None)
    return held


def _name(key: str, folder: bool) -> str | None:
    """What is odd about the name of A, if anything is."""
    if not folder:
        return "names: front" if "_orig_mod" in key else None
    bare = key.partition(PREFIX)[2] or key
    if ".lora_A" not in key and ".lora_embedding_A" not in key:
        return "names: style"
    if not key.endswith((".lora_A.weight", ".lora_embedding_A")):
        return "names: ending"
    if not key.startswith(PREFIX):
        return "names: front" if PREFIX in key or in_model(bare) != bare else "names: bare"
    return "names: front" if in_model(bare) != bare else None
