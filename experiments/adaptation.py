"""The small model adapted to new people: LoRA at any rank, scale and rate, or all weights.

One function, `adapt`, makes the whole map: what is learned (new facts) against what is
forgotten (facts of people known before).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from helpers.model import recall, world
from helpers.model.recipe import COOL_DOWN

from . import config, model, small
from .config import Training

#: Which matrices are adapted, by the ends of their names.
PLACEMENTS = {
    "query, value": (".query", ".value"),
    "attention": (".query", ".key", ".value", ".output"),
    "attention, mlp": (".query", ".key", ".value", ".output", ".up", ".down"),
    "all": ("",),
}
#: How a LoRA starts: A random and B zero, PEFT's "gaussian", or A zero and B random.
STARTS = ("uniform", "gaussian", "up")

Update = dict[str, torch.Tensor]


def adapt(
    seed: int,
    rank: int | None,
    scale: float,
    learning_rate: float,
    optimiser: str = "adamw",
    task: str = "100",
    steps: int = 400,
    batch: int = 32,
    placement: str = "all",
    replayed: float = 0.0,
    quantised: bool = False,
    cool_down: float = COOL_DOWN,
) -> dict[str, Any]:
    """Adapt the base model of a world to new people; what it then knows.

    Parameters
    ----------
    seed : int
        Of the world, its base, the start of the factors and the order of the texts.
    rank : int or None
        Of the LoRA; None trains all weights of the matrices.
    scale : float
        The scale s in W + s (down up). Without a rank it has no effect: give 1.
    replayed : float
        The share of the known people whose texts are mixed in. They are the last of
        the known people, so "known", which asks for the first 100, is never trained on.
    quantised : bool
        Start from the base in four bits (NF4), as QLoRA does.
    cool_down : float
        The share of the steps, at the end, in which the rate falls to zero in a line.
    """
    training = Training(steps, learning_rate, batch, optimiser, cool_down=cool_down)
    base = starting_base(seed, quantised)
    update, losses, parameters = train(
        base, seed, rank, scale, training, task, placement=placement, replayed=replayed
    )
    return {"parameters": parameters, **judged(base, update, losses, task, seed)}


def judged(
    base: model.Weights, update: Update, losses: list[float], task: str, seed: int
) -> dict[str, Any]:
    """Loss and behaviour of an update; a run that diverged knows nothing."""
    finite = all(bool(torch.isfinite(matrix).all()) for matrix in update.values())
    if not (finite and np.isfinite(losses[-1])):
        return {"diverged": True, "loss": None, "facts": 0.0, "style": 0.0, "known": 0.0}
    norm = math.sqrt(sum(float((matrix.double() ** 2).sum()) for matrix in update.values()))
    return {
        "diverged": False,
        "loss": round(float(np.mean(losses[-10:])), 6),
        "norm": round(norm, 4),
        **small.behaviour(small.as_numpy(added(base, update)), task, seed),
    }


def train(
    base: model.Weights,
    seed: int,
    rank: int | None,
    scale: float,
    training: Training,
    task: str = "100",
    *,
    placement: str = "all",
    replayed: float = 0.0,
    texts: torch.Tensor | None = None,
    start: str = "uniform",
    up_group: Mapping[str, float] | None = None,
) -> tuple[Update, list[float], int]:
    """The update of every adapted matrix, the loss at every step, how many numbers were trained.

    `texts` replaces those of the task. `up_group` holds settings of the optimiser for B
    alone: "lr", "eps", "weight_decay".
    """
    chosen = [name for name in base if name.endswith(PLACEMENTS[placement])]
    frozen = {name: matrix for name, matrix in base.items() if name not in chosen}
    texts = corpus(task, seed, replayed) if texts is None else texts
    if rank is None:
        weights = {name: base[name].clone().requires_grad_() for name in chosen}
        parameters: list[Any] = list(weights.values())
        losses = model.fit(parameters, lambda: {**frozen, **weights}, texts, training, seed)
        with torch.no_grad():
            update = {name: weights[name] - base[name] for name in chosen}
    else:
        factors = start_factors({name: base[name] for name in chosen}, rank, seed, start)
        downs, ups = ([pair[i] for pair in factors.values()] for i in (0, 1))
        parameters = [*downs, *ups]
        groups = [{"params": downs}, {"params": ups, **up_group}] if up_group else parameters
        part = {name: base[name] for name in chosen}
        losses = model.fit(
            groups, lambda: {**frozen, **small.merged(part, factors, scale)}, texts, training, seed
        )
        with torch.no_grad():
            update = {name: scale * (down @ up) for name, (down, up) in factors.items()}
    return update, losses, sum(each.numel() for each in parameters)


def start_factors(base: model.Weights, rank: int, seed: int, start: str) -> small.Factors:
    """The factors (down, up) of every matrix before training; "uniform" as in `small`."""
    generator = torch.Generator().manual_seed(seed)
    factors = {}
    for name, matrix in base.items():
        rows, columns = matrix.shape
        down, up = torch.zeros(rows, rank), torch.zeros(rank, columns)
        if start == "up":
            up.uniform_(-(rank**-0.5), rank**-0.5, generator=generator)
        elif start == "gaussian":
            down.normal_(0, 1 / rank, generator=generator)
        else:
            down.uniform_(-(rows**-0.5), rows**-0.5, generator=generator)
        factors[name] = (down.requires_grad_(), up.requires_grad_())
    return factors


def corpus(task: str, seed: int, replayed: float = 0.0) -> torch.Tensor:
    """The texts of the task's people, and of a share of the known ones (the last of them)."""
    people, styles = recall.task(task, seed)
    known = world.people("known", seed)
    count = round(replayed * len(known))
    if count > len(known) - config.EVALUATED_KNOWN:
        raise ValueError(
            f"replayed must leave the {config.EVALUATED_KNOWN} known people that are asked about, "
            f"got {replayed} of {len(known)}"
        )
    return model.corpus((*people, *known[len(known) - count :]), styles)


def added(base: model.Weights, update: Update, dial: float = 1.0) -> model.Weights:
    """The base with `dial` times the update."""
    return {
        name: matrix + dial * update[name] if name in update else matrix
        for name, matrix in base.items()
    }


def starting_base(seed: int, quantised: bool = False) -> model.Weights:
    """The base of a world, in single precision or rounded to four bits."""
    base = small.base_of(seed)
    return {name: nf4(matrix) for name, matrix in base.items()} if quantised else base


#: The 16 values of NF4 (QLoRA, Dettmers et al. 2023, arXiv 2305.14314, appendix E).
NF4 = torch.tensor(
    [-1.0, -0.6961928, -0.5250731, -0.3949175, -0.2844414, -0.1847734, -0.0910500, 0.0,
     0.0795803, 0.1609302, 0.2461123, 0.3379152, 0.4407098, 0.5626170, 0.7229568, 1.0]
)  # fmt: skip


def nf4(matrix: torch.Tensor, block: int = 64) -> torch.Tensor:
    """Each number to the nearest of NF4's 16 values times its block's largest magnitude."""
    flat = matrix.reshape(-1)
    padded = torch.nn.functional.pad(flat, (0, -len(flat) % block)).reshape(-1, block)
    largest = padded.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)
    nearest = ((padded / largest)[..., None] - NF4).abs().argmin(dim=-1)
    return (NF4[nearest] * largest).reshape(-1)[: len(flat)].reshape(matrix.shape)
