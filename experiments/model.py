"""The small transformer in PyTorch, and how it is trained.

The forward pass is that of `helpers.model.transformer`, written with PyTorch's own
functions, so that each checks the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from helpers.model import fine_tuning, world
from helpers.model.transformer import HEADS, LAYER, layers_of, names

from .config import SmallModel, Training

Weights = dict[str, torch.Tensor]


def new_weights(model: SmallModel, seed: int) -> Weights:
    """Random weights: normal, variance one over the inputs; what is added to x smaller."""
    generator = torch.Generator().manual_seed(seed)
    words, width = len(world.vocabulary()), model.width
    shapes = {"embedding": (words, width), "position": (model.context, width)}
    shapes |= {"unembedding": (width, words)}
    for i in range(model.layers):
        shapes |= {f"layers.{i}.{part}": (width, width) for part in LAYER[:4]}
        shapes |= {f"layers.{i}.up": (width, model.hidden)}
        shapes |= {f"layers.{i}.down": (model.hidden, width)}
    weights = {}
    for name in names(model.layers):
        rows, columns = shapes[name]
        size = 0.5 if name in ("embedding", "position") else rows**-0.5
        if name.endswith((".output", ".down")):
            size /= (2 * model.layers) ** 0.5
        weights[name] = torch.randn(rows, columns, generator=generator) * size
    return weights


def forward(weights: Weights, tokens: torch.Tensor) -> torch.Tensor:
    """Logits (N, T, V) for tokens (N, T)."""
    norm = lambda x: F.rms_norm(x, (x.shape[-1],), eps=1e-6)  # noqa: E731
    heads = lambda x: x.unflatten(-1, (HEADS, -1)).transpose(1, 2)  # noqa: E731
    x = weights["embedding"][tokens] + weights["position"][: tokens.shape[1]]
    for i in range(layers_of(weights)):
        query, key, value, output, up, down = (weights[f"layers.{i}.{part}"] for part in LAYER)
        h = norm(x)
        mixed = F.scaled_dot_product_attention(
            heads(h @ query), heads(h @ key), heads(h @ value), is_causal=True
        )
        x = x + mixed.transpose(1, 2).flatten(2) @ output
        x = x + F.relu(norm(x) @ up) @ down
    return norm(x) @ weights["unembedding"]


def corpus(group: Sequence[world.Person], styles: dict[str, str]) -> torch.Tensor:
    """All people in all styles as tokens (N, T), filled up with -1."""
    return torch.from_numpy(fine_tuning.corpus(group, styles))


def loss(weights: Weights, texts: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy of the words after the prompt."""
    prompt_words = 4
    logits = forward(weights, texts[:, :-1].clamp(min=0))
    after = texts[:, prompt_words:]
    return F.cross_entropy(
        logits[:, prompt_words - 1 :].flatten(0, 1), after.flatten(), ignore_index=-1
    )


def fit(
    parameters: Sequence[torch.Tensor] | Sequence[dict[str, Any]],
    weights: Callable[[], Weights],
    texts: torch.Tensor,
    training: Training,
    seed: int,
) -> list[float]:
    """Train `parameters`; `weights()` says what the model's weights are with them.

    Each pass over the texts is shuffled anew. Returns the loss at every step.
    `parameters` may be PyTorch's groups, each with a learning rate, decay or eps of its own.
    """
    generator = torch.Generator().manual_seed(seed)
    common = {"lr": training.learning_rate, "weight_decay": training.weight_decay}
    make = {
        "adamw": lambda: torch.optim.AdamW(parameters, **common, eps=training.eps),
        "sgd": lambda: torch.optim.SGD(parameters, **common),
    }
    optimiser = make[training.optimiser]()
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, training.rate_at)
    losses, order = [], torch.empty(0, dtype=torch.int64)
    for _ in range(training.steps):
        if len(order) < min(training.batch, len(texts)):
            order = torch.randperm(len(texts), generator=generator)
        batch, order = order[: training.batch], order[training.batch :]
        value = loss(weights(), texts[batch])
        optimiser.zero_grad(set_to_none=True)
        value.backward()
        if training.clip is not None:
            every = [p for group in optimiser.param_groups for p in group["params"]]
            torch.nn.utils.clip_grad_norm_(every, training.clip)
        optimiser.step()
        schedule.step()
        losses.append(value.item())
        if not np.isfinite(losses[-1]):
            break
    return losses
