"""Part 4: LoRA adapters of the small model, kept in PEFT's file format."""

from __future__ import annotations

from statistics import median
from typing import Any

import numpy as np
import torch

from helpers.lora import scaling, spectrum
from helpers.model.update import apply_update, captured_energy, decompose

from . import config, small
from .config import Adapter

#: Matrices that are looked up by a token or a position; the others are multiplied with.
LOOKED_UP = ("embedding", "position")
_MEASURES = {
    "stable": spectrum.stable_rank,
    "effective": spectrum.effective_rank,
    "rank90": lambda values: spectrum.rank_for_energy(values, 0.9),
    "rank99": lambda values: spectrum.rank_for_energy(values, 0.99),
}


def adapter(name: str, seed: int) -> dict[str, Any]:
    """Train one of `config.ADAPTERS`, and measure it truncated to each rank and at each scale.

    The factors are measured as they are saved: in half precision.
    """
    made = config.ADAPTERS[name]
    rule = scaling.RSLORA if made.use_rslora else scaling.STANDARD
    scale = float(scaling.scale(made.alpha, made.rank, rule))
    base, factors, losses = small.train_lora(seed, made.task, made.rank, scale, made.training)
    half = {key: tuple(each.detach().half() for each in pair) for key, pair in factors.items()}
    update = {
        key: scale * (down.double() @ up.double()).numpy() for key, (down, up) in half.items()
    }
    parts, weights = decompose(update), small.as_numpy(base)
    ranks = [rank for rank in config.RANKS if rank <= made.rank]

    def behaviour(rank: int, s: float = 1.0) -> dict[str, float]:
        return small.behaviour(apply_update(weights, parts, rank, s), made.task, seed)

    found = {
        "loss": float(np.mean(losses[-10:])),
        "before": behaviour(0),
        "ranks": [
            {"rank": rank, "energy": captured_energy(parts, rank), **behaviour(rank)}
            for rank in ranks
        ],
        "scales": [{"scale": s, **behaviour(made.rank, s)} for s in config.SCALES],
        "spectrum": {
            key: median(measure(each.S[: made.rank]) for each in parts.values())
            for key, measure in _MEASURES.items()
        },
    }
    return {**found, "tensors": _named(half)} if made.ships else found


def _named(factors: dict[str, tuple[torch.Tensor, ...]]) -> dict[str, torch.Tensor]:
    """The factors under PEFT's names; its A and B act from the left, ours from the right."""
    named = {}
    for key, (down, up) in factors.items():
        pattern = "lora_embedding_{}" if key in LOOKED_UP else "lora_{}.weight"
        for letter, factor in (("A", down), ("B", up)):
            named[f"base_model.model.{key}.{pattern.format(letter)}"] = factor.T.contiguous()
    return named


def peft_config(made: Adapter, modules: list[str]) -> dict[str, Any]:
    """The adapter_config.json that goes with the factors."""
    return {
        "peft_type": "LORA",
        "task_type": None,
        "base_model_name_or_path": "the small model of LoRA Rank Lab, helpers/data/small_base",
        "r": made.rank,
        "lora_alpha": made.alpha,
        "use_rslora": made.use_rslora,
        "target_modules": sorted(modules),
        "fan_in_fan_out": True,  # the model's matrices act from the right
        "bias": "none",
        "inference_mode": True,
    }
