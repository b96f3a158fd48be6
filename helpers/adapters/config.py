"""An adapter_config.json that says each module's rank and alpha."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ..lora import scaling
from .patterns import exactly


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
