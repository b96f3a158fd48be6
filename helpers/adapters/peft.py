"""Adapter folders as PEFT writes them: a config and a safetensors file.

How PEFT finds a module's own rank or alpha in rank_pattern and alpha_pattern: a key is
a regular expression that must match the module's whole name, or what follows one of its
dots; the first key that matches wins (get_pattern_key in peft/utils/other.py, PEFT 0.21).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..lora import scaling
from ..tensorfile import FileError, open_file, read_json, shown
from .modules import LEAST_ALPHA, LINEAR, Adapter, Finding
from .tensor_names import PEFT, extras, left_out, make_module, pair

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"
#: What every name in the file begins with, and no name of the model does.
PREFIX = "base_model.model."
#: PEFT's own defaults, for settings that a config leaves out.
DEFAULTS = {"r": 8, "lora_alpha": 8}

#: A pattern beyond these could keep Python's matcher busy for hours.
_LONGEST = 600
_MOST_REPEATS = 4
_MOST_WAYS = 10_000

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
    FileError
        If a file is missing or damaged, config and weights disagree, or the
        config asks for a variant of LoRA whose update is not multiplier x B A.
    """
    where = shown(folder)
    if not (folder / CONFIG).is_file():
        others = sorted(each.name for each in folder.glob("*.safetensors"))
        hint = f"; to read a file in it, name the file: {shown(', '.join(others))}" * bool(others)
        raise FileError(f"{where} has no {CONFIG}{hint}")
    if not (folder / WEIGHTS).exists():
        # A pickle in its place gets the error that says how to convert it.
        pickled = folder / "adapter_model.bin"
        raise FileError(f"{where} has no {WEIGHTS}") if not pickled.exists() else _of(pickled)
    config = read_json(folder / CONFIG)
    settings = check_config(config, shown(folder / CONFIG))
    tensors = open_file(folder / WEIGHTS)
    pairs, left = pair(tensors.entries, PEFT, shown(folder / WEIGHTS))
    if not pairs:
        raise FileError(f"{shown(folder / WEIGHTS)} holds no LoRA factors")
    modules = []
    for each in pairs:
        name = each.name.removeprefix(PREFIX)
        module = make_module(
            tensors, name, each.kind, (each.A_key, each.B_key),
            (CONFIG, settings.alpha_of(name), settings.rule),
            transposed=settings.transposed and each.kind == LINEAR,
        )  # fmt: skip
        if module.rank != settings.rank_of(name):
            raise FileError(
                f"{where}: config and weights disagree on module {name}: rank "
                f"{settings.rank_of(name)} by {CONFIG}, {module.rank} by its factors"
            )
        modules.append(module)
    ignored = extras(left, shown(folder / WEIGHTS))
    findings = (*left_out(ignored), *settings.findings)
    return Adapter(folder, "peft", tuple(modules), tensors, config, ignored, findings)


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
        self.findings = tuple(
            Finding(
                "base changed",
                f"init_lora_weights is {start}: the base weights were changed before training.",
            )
            for name in _CHANGES_BASE
            if start.startswith(name)
        )

    @staticmethod
    def _patterns(merged: Mapping[str, Any], key: str, where: str) -> list[Any]:
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


def check_config(config: Mapping[str, Any], where: str) -> Settings:
    """The settings of a LoRA config.

    Raises FileError if it is of another method or variant, or a value is not allowed.
    """
    kind = config.get("peft_type")
    if kind != "LORA":
        raise FileError(f"{where}: peft_type must be 'LORA', got {shown(repr(kind))}")
    for key in _NOT_READ:
        if config.get(key):
            raise FileError(f"{where}: {key} is set; that variant of LoRA is not read")
    return Settings(config, where)


def _number(value: Any, name: str, where: str, whole: bool = False) -> float:
    good = isinstance(value, int if whole else (int, float)) and not isinstance(value, bool)
    low, high = (1, 2**31) if whole else (LEAST_ALPHA, 1 / LEAST_ALPHA)
    if not good or not low <= value <= high:
        kind = f"a {'whole ' * whole}number between {low} and {high:g}"
        raise FileError(f"{where}: {name} must be {kind}, got {shown(value)}")
    return value if whole else float(value)


def _flag(config: Mapping[str, Any], name: str, where: str) -> bool:
    value = config.get(name, False)
    if not isinstance(value, bool):
        raise FileError(f"{where}: {name} must be true or false, got {shown(value)}")
    return value


def _of(pickled: Path) -> FileError:
    try:
        open_file(pickled)
    except FileError as error:
        return error
    raise AssertionError("a pickle was opened")


def find(compiled: list[tuple[re.Pattern[str], Any]], name: str, default: Any) -> Any:
    """The value of the first pattern that matches `name`, or the default."""
    return next((value for pattern, value in compiled if pattern.match(name)), default)


def compile_patterns(patterns: Mapping[str, Any], where: str) -> list[tuple[re.Pattern[str], Any]]:
    """The patterns as PEFT reads them, in their order.

    Raises FileError if one is no regular expression, or one that could take
    very long: too many repetitions, or a repeated group.
    """
    compiled = []
    for key, value in patterns.items():
        _check(key, where)
        try:
            compiled.append((re.compile(rf"(.*\.)?({key})$"), value))
        except (re.error, RecursionError, OverflowError) as error:
            raise FileError(
                f"{where}: {shown(key)} is not a regular expression ({shown(error)})"
            ) from None
    return compiled


def exactly(name: str) -> str:
    """The pattern that matches this module and no other."""
    return "^" + re.escape(name)


def _check(key: str, where: str) -> None:
    plain = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", key)
    repeats = len(re.findall(r"[*+{]", plain))
    # Each alternative and each optional part multiplies the ways to match at worst.
    ways = 2 ** min(plain.count("?"), 64)
    for group in re.split(r"[()]", plain):
        ways *= 1 + group.count("|")
    if len(key) > _LONGEST or repeats > _MOST_REPEATS or ways > _MOST_WAYS or ")*" in plain \
            or ")+" in plain or "){" in plain:  # fmt: skip
        raise FileError(
            f"{where}: the pattern {shown(key)} is too involved to match safely; at most "
            f"{_LONGEST} characters, {_MOST_REPEATS} repetitions and no repeated group are allowed"
        )


def reconfigure(
    config: Mapping[str, Any],
    names: Sequence[str],
    ranks: Sequence[int],
    alphas: Sequence[float],
    rule: str,
) -> dict[str, Any]:
    """A config with these ranks, alphas and rule; all else as it was.

    The highest rank and the most frequent alpha are the config's own, the others go to
    rank_pattern and alpha_pattern, under patterns that match one module each. (The
    highest, because servers compare r with the most they have room for.)
    """
    r, alpha = max(ranks), Counter(alphas).most_common(1)[0][0]
    return {
        **config,
        "r": r,
        "lora_alpha": _plain(alpha),
        "use_rslora": rule == scaling.RSLORA,
        "rank_pattern": {exactly(n): each for n, each in zip(names, ranks) if each != r},
        "alpha_pattern": {
            exactly(n): _plain(each) for n, each in zip(names, alphas) if each != alpha
        },
    }


def write_config(path: Path, config: Mapping[str, Any]) -> None:
    """Write a config as PEFT does: sorted, indented, finite numbers only."""
    text = json.dumps(config, indent=2, sort_keys=True, allow_nan=False)
    with path.open("x", encoding="utf-8") as file:
        file.write(text + "\n")


def _plain(value: float) -> float | int:
    """A whole number without its `.0`, as PEFT's own configs have it."""
    return int(value) if value == int(value) else value
