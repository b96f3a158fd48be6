"""Reading an adapter folder as PEFT writes it: a config and a safetensors file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..lora import scaling
from . import patterns
from .errors import AdapterError, shown
from .files import open_file, read_json
from .model import LEAST_ALPHA, LINEAR, Adapter, make_module
from .tensor_names import PEFT, extras, notes, pair

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
#: What every name in the file begins with, and no name of the model does.
PREFIX = "base_model.model."
#: PEFT's own defaults, for settings that a config leaves out.
DEFAULTS = {"r": 8, "lora_alpha": 8}

#: Settings under which B A alone is not the update, or is laid out in another way.
_NOT_READ = (
    "target_parameters", "use_qalora", "use_bdlora", "kasa_config", "arrow_config",
    "monteclora_config",
)  # fmt: skip
#: Starts that change the base weights, so that the adapter belongs to the changed ones.
_CHANGES_BASE = ("pissa", "olora", "corda", "loftq", "lora_ga")


def read_peft(folder: Path) -> Adapter:
    """An adapter from a folder that PEFT's save_pretrained wrote.

    Raises
    ------
    AdapterError
        If a file is missing or damaged, config and weights disagree, or the
        config asks for a variant of LoRA whose update is not multiplier x B A.
    """
    where = shown(folder)
    if not (folder / CONFIG).is_file():
        others = sorted(each.name for each in folder.glob("*.safetensors"))
        hint = f"; to read a file in it, name the file: {shown(', '.join(others))}" * bool(others)
        raise AdapterError(f"{where} has no {CONFIG}{hint}")
    if not (folder / WEIGHTS).exists():
        # A pickle in its place gets the error that says how to convert it.
        pickled = folder / "adapter_model.bin"
        raise AdapterError(f"{where} has no {WEIGHTS}") if not pickled.exists() else _of(pickled)
    config = read_json(folder / CONFIG)
    settings = check_config(config, shown(folder / CONFIG))
    tensors = open_file(folder / WEIGHTS)
    pairs, left = pair(tensors.entries, PEFT, shown(folder / WEIGHTS))
    if not pairs:
        raise AdapterError(f"{shown(folder / WEIGHTS)} holds no LoRA factors")
    modules = []
    for each in pairs:
        name = each.name.removeprefix(PREFIX)
        module = make_module(
            tensors, name, each.kind, each.A_key, each.B_key, alpha=settings.alpha_of(name),
            rule=settings.rule, transposed=settings.transposed and each.kind == LINEAR,
        )  # fmt: skip
        if module.rank != settings.rank_of(name):
            raise AdapterError(
                f"{where}: config and weights disagree on module {name}: rank "
                f"{settings.rank_of(name)} by {CONFIG}, {module.rank} by its factors"
            )
        modules.append(module)
    ignored = extras(left, shown(folder / WEIGHTS))
    said = [*notes(ignored), *settings.notes]
    return Adapter(folder, "peft", tuple(modules), tensors, config, ignored, tuple(said))


class Settings:
    """The part of a config that sets ranks and multipliers, checked."""

    def __init__(self, config: Mapping[str, Any], where: str) -> None:
        merged = {**DEFAULTS, **{key: v for key, v in config.items() if v is not None}}
        self._rank = _number(merged["r"], "r", where, whole=True)
        self._alpha = _number(merged["lora_alpha"], "lora_alpha", where)
        self._ranks = self._patterns(merged, "rank_pattern", where)
        self._alphas = self._patterns(merged, "alpha_pattern", where)
        use_rslora = _flag(merged, "use_rslora", where)
        self.rule = scaling.RSLORA if use_rslora else scaling.STANDARD
        self.transposed = _flag(merged, "fan_in_fan_out", where)
        start = shown(merged.get("init_lora_weights", "")).lower()
        self.notes = tuple(
            f"init_lora_weights is {start}: the base weights were changed before training."
            for name in _CHANGES_BASE
            if start.startswith(name)
        )

    @staticmethod
    def _patterns(merged: Mapping[str, Any], key: str, where: str) -> list[Any]:
        raw = merged.get(key, {})
        if not isinstance(raw, dict):
            raise AdapterError(f"{where}: {key} must be an object, got {shown(raw)}")
        for name, value in raw.items():
            _number(value, f"{key}[{shown(name)}]", where, whole=key == "rank_pattern")
        return patterns.compile_all(raw, where)

    def rank_of(self, name: str) -> int:
        """The rank of a module."""
        return int(patterns.find(self._ranks, name, self._rank))

    def alpha_of(self, name: str) -> float:
        """The alpha of a module."""
        return float(patterns.find(self._alphas, name, self._alpha))


def check_config(config: Mapping[str, Any], where: str) -> Settings:
    """The settings of a LoRA config.

    Raises AdapterError if it is of another method or variant, or a value is not allowed.
    """
    kind = config.get("peft_type")
    if kind != "LORA":
        raise AdapterError(f"{where}: peft_type must be 'LORA', got {shown(repr(kind))}")
    for key in _NOT_READ:
        if config.get(key):
            raise AdapterError(f"{where}: {key} is set; that variant of LoRA is not read")
    return Settings(config, where)


def _number(value: Any, name: str, where: str, whole: bool = False) -> float:
    good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    low, high = (1, 2**31) if whole else (LEAST_ALPHA, 1 / LEAST_ALPHA)
    if not good or not low <= value <= high:
        kind = f"a {'whole ' * whole}number between {low} and {high:g}"
        raise AdapterError(f"{where}: {name} must be {kind}, got {shown(value)}")
    return value if whole else float(value)


def _flag(config: Mapping[str, Any], name: str, where: str) -> bool:
    value = config.get(name, False)
    if not isinstance(value, bool):
        raise AdapterError(f"{where}: {name} must be true or false, got {shown(value)}")
    return value


def _of(pickled: Path) -> AdapterError:
    try:
        open_file(pickled)
    except AdapterError as error:
        return error
    raise AssertionError("a pickle was opened")
