"""Adapter folders as PEFT writes them: a config and a safetensors file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ..lora import scaling
from ..tensorfile import FileError, open_checkpoint, open_file, read_json, shown
from .assembly import assemble, dead, left_out, nothing_read
from .modules import GROUPED, LEAST_ALPHA, PAIR, Adapter, Finding, Stated
from .patterns import Patterns, compile_patterns, exactly, find
from .tensor_names import BIAS, TRAINED_BIAS, in_model, label, sort_names

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
#: PEFT's own defaults, for settings that a config leaves out.
DEFAULTS = {"r": 8, "lora_alpha": 8}

#: Settings under which B A alone is not the update, or is laid out in another way.
_NOT_READ = ("use_qalora", "use_bdlora", "kasa_config", "arrow_config", "monteclora_config")
#: Methods whose update is a product that is read here, and what they call alpha.
_READ = {"LORA": "lora_alpha", "LOHA": "alpha", "LOKR": "alpha"}
#: Starts that change the base weights, so that the adapter belongs to the changed ones.
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


def read_peft(folder: Path) -> Adapter:
    """An adapter from a folder that PEFT's save_pretrained wrote.

    Raises
    ------
    FileError
        If a file is missing or damaged, config and weights disagree, nothing of the
        weights can be read, or the config asks for a method whose update is no product.
    """
    where, weights = shown(folder), folder / WEIGHTS
    config = read_json(folder / CONFIG)
    settings = check_config(config, shown(folder / CONFIG))
    if not weights.exists() and (folder / f"{WEIGHTS}.index.json").is_file():
        tensors = open_checkpoint(folder / f"{WEIGHTS}.index.json")
    elif not weights.exists():
        if (folder / "adapter_model.bin").exists():
            open_file(folder / "adapter_model.bin")  # a pickle: the error says how to convert it
        raise FileError(f"{where} has no {WEIGHTS}")
    else:
        tensors = open_file(weights)
    names = sort_names(tensors.entries)
    modules = assemble(
        tensors, names, lambda name, rank: settings.scales(in_model(name), rank), in_model,
        lambda name: settings.experts_rank(in_model(name)), transposed=settings.transposed,
    )  # fmt: skip
    if not modules:
        raise FileError(nothing_read(shown(weights), names))
    for module in modules:
        expected = settings.rank_of(module.name)
        if (
            module.form in (PAIR, GROUPED)
            and not module.parts["A"].index
            and module.rank != expected
        ):
            raise FileError(
                f"{where}: config and weights disagree on module {module.name}: rank {expected} by "
                f"{CONFIG}, {module.rank} by its factors, which r or rank_pattern has to say"
            )
    ignored = {name: label(name) for name in names.left}
    for name, kind in ignored.items():
        if settings.biases and name.endswith(".bias") and kind != BIAS:
            ignored[name] = TRAINED_BIAS
    findings = [*dead(names.pairs), *left_out(ignored, names.odd), *settings.findings]
    if TRAINED_BIAS in ignored.values():
        text = "Trained biases are part of the change to the model; vLLM refuses such adapters."
        findings.append(Finding("bias", text))
    return Adapter(folder, "peft", tuple(modules), tensors, config, ignored, tuple(findings))


class Settings:
    """The part of a config that sets ranks and scales, checked."""

    def __init__(self, config: Mapping[str, Any], where: str) -> None:
        called = _READ.get(str(config.get("peft_type", "LORA")), "lora_alpha")
        given = {key: v for key, v in config.items() if v is not None}
        merged = {**DEFAULTS, called: DEFAULTS["lora_alpha"], **given}
        self._rank = _number(merged["r"], "r", where, whole=True)
        self._alpha = _number(merged[called], called, where)
        self._ranks = self._patterns(merged, "rank_pattern", where)
        self._alphas = self._patterns(merged, "alpha_pattern", where)
        use_rslora = _flag(merged, "use_rslora", where)
        self.rule = scaling.RSLORA if use_rslora else scaling.STANDARD
        self.transposed = _flag(merged, "fan_in_fan_out", where)
        self.biases = merged.get("bias", "none") != "none"
        self._experts = [str(each) for each in _list(merged.get("target_parameters"))]
        self.findings = tuple(_about(merged, called in config and config[called] is None))

    @staticmethod
    def _patterns(merged: Mapping[str, Any], key: str, where: str) -> Patterns:
        raw = merged.get(key, {})
        if not isinstance(raw, dict):
            raise FileError(f"{where}: {key} must be an object, got {shown(raw)}")
        for name, value in raw.items():
            _number(value, f"{key}[{shown(name)}]", where, whole=key == "rank_pattern")
        return compile_patterns(raw, where)

    def rank_of(self, name: str) -> int:
        """The rank of a module."""
        return int(find(self._ranks, name, self._rank))

    def alpha_of(self, name: str) -> float:
        """The alpha of a module."""
        return float(find(self._alphas, name, self._alpha))

    def scales(self, name: str, rank: int, place: str = CONFIG) -> list[Stated]:
        """What a config states of a module's scale; `rank` is that of its factors, or 0."""
        return [Stated(place, self.alpha_of(name), self.rule, rank or self.rank_of(name))]

    def experts_rank(self, name: str) -> int:
        """The rank of one expert, if a module is a stack of them (target_parameters); else 0."""
        module = name.replace(".base_layer", "")
        parents = [each.rpartition(".")[0] for each in self._experts]
        of_experts = any(module == one or module.endswith(f".{one}") for one in parents if one)
        return self.rank_of(name) if of_experts else 0


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _about(config: Mapping[str, Any], no_alpha: bool) -> Iterator[Finding]:
    """What a config says of an adapter beside its scale."""
    start = shown(config.get("init_lora_weights", ""), 30).lower()
    if start.startswith(_CHANGES_BASE):
        yield Finding(
            "base changed",
            f"init_lora_weights is {start}: the base weights were changed before training. s B A "
            "is not the update, and copies of other rank would be wrong: let PEFT convert it first "
            "(save_pretrained with path_initial_model_for_weight_conversion).",
        )
    if no_alpha:
        yield Finding("no alpha", f"{CONFIG}: alpha is null, on which PEFT stops; 8 is taken here.")
    if config.get("layer_replication"):
        text = "layer_replication is set: the adapter belongs to a model with repeated layers."
        yield Finding("layers repeated", text)
    if config.get("alora_invocation_tokens"):
        text = "An aLoRA acts only after its invocation tokens, in loaders that know it."
        yield Finding("alora", text)


def check_config(config: Mapping[str, Any], where: str) -> Settings:
    """The settings of a LoRA config.

    Raises FileError if it is of another method or variant, or a value is not allowed.
    """
    kind = config.get("peft_type")
    if not isinstance(kind, str) or kind not in _READ:
        hint = "; PEFT itself reads its other methods" if isinstance(kind, str) else ""
        listed = ", ".join(map(repr, _READ))
        raise FileError(f"{where}: peft_type must be one of {listed}, got {kind!r:.40}{hint}")
    for key in _NOT_READ:
        if config.get(key):
            raise FileError(
                f"{where}: {key} is set; that variant of LoRA is not read. PEFT merges it, and "
                "`inspect MERGED --against BASE` reads the result"
            )
    return Settings(config, where)


def _number(value: Any, name: str, where: str, whole: bool = False) -> float:
    good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    low, high = (1, 2**31) if whole else (LEAST_ALPHA, 1 / LEAST_ALPHA)
    if not good or not low <= value <= high:
        kind = f"a {'whole ' * whole}number between {low} and {high:g}"
        raise FileError(f"{where}: {name} must be {kind}, got {shown(repr(value))}")
    return float(value)


def _flag(config: Mapping[str, Any], name: str, where: str) -> bool:
    value = config.get(name, False)
    if not isinstance(value, bool):
        raise FileError(f"{where}: {name} must be true or false, got {shown(value)}")
    return value


def reconfigure(
    config: Mapping[str, Any],
    names: Sequence[str],
    ranks: Sequence[int],
    alphas: Sequence[float],
    rule: str,
    others: bool = False,
) -> dict[str, Any]:
    """A config with these ranks, alphas and rule; all else as it was.

    The highest rank (servers compare r with what they have room for) and the most frequent alpha
    are the config's own, the rest goes to patterns that match one module each. Where there are
    `others`, modules that stay as they are, what matched them before matches them still.
    """
    r, alpha = max(ranks), Counter(alphas).most_common(1)[0][0]
    if others:
        r, alpha = (config.get(key) or DEFAULTS[key] for key in ("r", "lora_alpha"))
    patterns: dict[str, dict[str, Any]] = {
        "rank_pattern": {exactly(n): each for n, each in zip(names, ranks) if each != r or others},
        "alpha_pattern": {
            exactly(n): _plain(each) for n, each in zip(names, alphas) if each != alpha or others
        },
    }
    for key, own in patterns.items():
        own |= {name: each for name, each in (config.get(key) or {}).items() if others}
    return {
        **_started(config), "r": r, "lora_alpha": _plain(alpha),
        "use_rslora": rule == scaling.RSLORA, **patterns,
    }  # fmt: skip


def unscaled(config: Mapping[str, Any], rank: int | None) -> dict[str, Any]:
    """A config by which every alpha is its rank, so that s is 1.

    `rank` is that of all modules; with None each keeps its own.
    """
    called = _READ.get(str(config.get("peft_type", "LORA")), "lora_alpha")
    r = rank or config.get("r") or DEFAULTS["r"]
    ranks = {} if rank else dict(config.get("rank_pattern") or {})
    made = {**_started(config), "r": r, called: r, "rank_pattern": ranks}
    made["alpha_pattern"] = dict(ranks)
    return made if called == "alpha" else {**made, "use_rslora": False}


def _started(config: Mapping[str, Any]) -> Mapping[str, Any]:
    """A config whose start takes any rank: PEFT repeats it on loading, and these do not."""
    if str(config.get("init_lora_weights")).lower() not in ("orthogonal", "mica", "eva"):
        return config
    return {**config, "init_lora_weights": True, **{key: None for key in config if "eva_" in key}}


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write a config as PEFT does: sorted, but for patterns, of which the first match counts."""
    text = json.dumps({key: config[key] for key in sorted(config)}, indent=2, allow_nan=False)
    with path.open("x", encoding="utf-8") as file:
        file.write(text + "\n")


def _plain(value: float) -> float | int:
    """A whole number without its `.0`, as PEFT's own configs have it."""
    return int(value) if value == int(value) else value
