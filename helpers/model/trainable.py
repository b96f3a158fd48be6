"""What is trained in a model: the factors of a LoRA, or all weights of some matrices.

>>> W = {"layers.0.query": np.ones((4, 4))}
>>> lora = LoRA(W, ["layers.0.query"], rank=1, scale=2, stream=np.random.RandomState(0))
>>> lora.A[0].shape, lora.B[0].shape
((1, 4), (4, 1))
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..training.init import init_A
from ..training.loop import factor_gradients
from ..validation import Array

METHODS = ("lora", "full")
#: Which matrices are trained, by the ends of their names.
PLACEMENTS: dict[str, tuple[str, ...]] = {
    "all": ("",),
    "attention, mlp": (".query", ".key", ".value", ".output", ".up", ".down"),
    "attention": (".query", ".key", ".value", ".output"),
    "query, value": (".query", ".value"),
}


class LoRA:
    """W^T + s B A for each chosen W, stored as PEFT stores them. Only A and B are trained.

    `numbers` holds A (r, rows of W) of every matrix, then B (columns of W, r) of every one.
    A starts Kaiming-uniform, B at zero, so the model starts as the base.
    """

    def __init__(
        self,
        base: Mapping[str, Array],
        chosen: Sequence[str],
        rank: int,
        scale: float,
        stream: np.random.RandomState,
    ) -> None:
        self.base = {name: base[name] for name in chosen}
        self.scale = scale
        shapes = [matrix.shape for matrix in self.base.values()]
        self.A = [init_A(stream, rank, rows).astype(np.float32) for rows, _ in shapes]
        self.B = [np.zeros((columns, rank), dtype=np.float32) for _, columns in shapes]
        self.numbers = [*self.A, *self.B]

    def weights(self) -> dict[str, Array]:
        """W + s (B A)^T."""
        return {
            name: W + (self.scale * B @ A).T
            for (name, W), A, B in zip(self.base.items(), self.A, self.B)
        }

    def gradients(self, of_weights: Mapping[str, Array]) -> list[Array]:
        """Those at A and at B from those at every W, in the order of `numbers`."""
        pairs = [
            factor_gradients(of_weights[name].T, A, B, self.scale)
            for name, A, B in zip(self.base, self.A, self.B)
        ]
        return [pair[i] for i in (0, 1) for pair in pairs]


class Whole:
    """All weights of the chosen matrices are trained."""

    def __init__(self, base: Mapping[str, Array], chosen: Sequence[str]) -> None:
        self.trained = {name: base[name].copy() for name in chosen}
        self.numbers = list(self.trained.values())

    def weights(self) -> dict[str, Array]:
        """The chosen matrices as they are now."""
        return self.trained

    def gradients(self, of_weights: Mapping[str, Array]) -> list[Array]:
        """Those of the chosen matrices."""
        return [of_weights[name] for name in self.trained]
