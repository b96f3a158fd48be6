"""Parts 1 and 2: the small transformer, its full updates cut short, and trained LoRA."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from helpers.lora import scaling
from helpers.model import recall, tasks, transformer, world
from helpers.model.tasks import FULL_RANK
from helpers.model.update import apply_update, captured_energy, decompose

from . import config, model, runs
from .config import SMALL, Training


def pretrain(seed: int) -> dict[str, Any]:
    """The base model of one world."""
    weights = model.new_weights(SMALL, seed)
    for matrix in weights.values():
        matrix.requires_grad_()
    texts = model.corpus(world.people("known", seed), world.STYLES)
    losses = model.fit(list(weights.values()), lambda: weights, texts, config.PRETRAINING, seed)
    # What is shipped is half precision, so that is what every experiment starts from.
    half = {name: matrix.detach().half() for name, matrix in weights.items()}
    known = recall.measure(as_numpy(half), world.people("known", seed), world.STYLES)
    return {"loss": losses[-1], "known": known, "tensors": half}


def full(seed: int, task: str) -> dict[str, Any]:
    """Fine-tune all weights on a task; measure the update truncated to each rank."""
    base = base_of(seed)
    weights = {name: matrix.clone().requires_grad_() for name, matrix in base.items()}
    people, styles = recall.task(task, seed)
    texts = model.corpus(people, styles)
    losses = model.fit(list(weights.values()), lambda: weights, texts, config.FULL[task], seed)
    update = {name: (weights[name].detach() - base[name]).half() for name in base}
    parts = decompose(as_numpy(update))
    rows = [
        {
            "rank": rank,
            "energy": captured_energy(parts, rank),
            **behaviour(apply_update(as_numpy(base), parts, rank), task, seed),
        }
        for rank in (*config.RANKS, FULL_RANK)
    ]
    scales = [
        {
            "scale": s,
            **behaviour(apply_update(as_numpy(base), parts, FULL_RANK, s), task, seed),
        }
        for s in config.SCALES
    ]
    return {
        "loss": losses[-1],
        "before": behaviour(as_numpy(base), task, seed),
        "ranks": rows,
        "scales": scales,
        "singular_values": {name: np.round(p.S, 5).tolist() for name, p in parts.items()},
        "tensors": update,
    }


def needed_rank(seed: int, task: str) -> dict[str, Any]:
    """The lowest rank at which the truncated update recalls enough, by bisection.

    Recall of the style for the new style, of the facts for new people. The full update
    recalls all of both, and recall is taken to rise with the rank.
    """
    name = tasks.task(task).measure
    base, update = as_numpy(base_of(seed)), runs.tensors(full, seed=seed, task=task)
    parts = decompose(as_numpy(update))
    people, styles = recall.task(task, seed)
    people = people[: config.EVALUATED]

    def recalled(rank: int) -> float:
        return recall.measure(apply_update(base, parts, rank), people, styles)[name]

    low, high = 0, FULL_RANK  # not enough, and enough
    seen = {}
    while high - low > 1:
        middle = (low + high) // 2
        seen[middle] = recalled(middle)
        low, high = (low, middle) if seen[middle] >= config.LEVEL else (middle, high)
    return {"rank": high, "seen": seen}


def lora(
    seed: int,
    task: str,
    rank: int,
    alpha: float,
    use_rslora: bool,
    learning_rate: float,
    optimiser: str,
    steps: int,
    batch: int,
) -> dict[str, Any]:
    """Train a LoRA in every matrix: W + s (down up), with up starting at zero."""
    scale = float(scaling.scale(alpha, rank, scaling.RSLORA if use_rslora else scaling.STANDARD))
    training = Training(steps, learning_rate, batch, optimiser)
    base, factors, losses = train_lora(seed, task, rank, scale, training)
    parameters = [factor for pair in factors.values() for factor in pair]
    found = {
        "parameters": sum(factor.numel() for factor in parameters),
        "loss": float(np.mean(losses[-10:])),
        "diverged": not np.isfinite(losses[-1]),
    }
    with torch.no_grad():
        weights = merged(base, factors, scale)
    if not all(bool(torch.isfinite(matrix).all()) for matrix in weights.values()):
        return {**found, "diverged": True, "loss": None, "facts": 0.0, "style": 0.0, "known": 0.0}
    if found["diverged"]:
        found["loss"] = None
    return {**found, **behaviour(as_numpy(weights), task, seed)}


Factors = dict[str, tuple[torch.Tensor, torch.Tensor]]


def merged(base: model.Weights, factors: Factors, scale: float) -> model.Weights:
    """The base's weights with s (down up) added to each."""
    return {name: base[name] + scale * (down @ up) for name, (down, up) in factors.items()}


def train_lora(
    seed: int, task: str, rank: int, scale: float, training: Training
) -> tuple[model.Weights, Factors, list[float]]:
    """The base's weights, trained (down, up) of every matrix, and the loss at every step."""
    base = base_of(seed)
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for name, matrix in base.items():
        bound = 1 / math.sqrt(len(matrix))  # Kaiming-uniform, as PEFT has it
        down = torch.empty(len(matrix), rank).uniform_(-bound, bound, generator=generator)
        factors[name] = (down, torch.zeros(rank, matrix.shape[1]))
    parameters = [pair[i] for i in (0, 1) for pair in factors.values()]
    for factor in parameters:
        factor.requires_grad_()
    people, styles = recall.task(task, seed)
    texts = model.corpus(people, styles)
    losses = model.fit(parameters, lambda: merged(base, factors, scale), texts, training, seed)
    return base, factors, losses


def base_of(seed: int) -> model.Weights:
    """The pre-trained weights of one world, in single precision."""
    saved = runs.tensors(pretrain, seed=seed)
    return {name: matrix.float() for name, matrix in saved.items()}


def as_numpy(weights: model.Weights) -> dict[str, Any]:
    """PyTorch's weights for the helpers."""
    return {name: matrix.detach().float().numpy() for name, matrix in weights.items()}


def behaviour(weights: transformer.Weights, task: str, seed: int) -> dict[str, float]:
    """Recall of facts and of style on the task, and of facts on the known people."""
    record = tasks.task(task)
    found = recall.measure(weights, record.people(seed)[: config.EVALUATED], record.styles)
    known = world.people("known", seed)[: config.EVALUATED_KNOWN]
    return {**found, "known": recall.measure(weights, known, record.other_styles)["facts"]}
