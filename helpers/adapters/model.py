"""An adapter as the rest of the package sees it, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..lora import scaling
from ..validation import Array
from .errors import AdapterError, shown
from .files import FLOATS, Tensors

LINEAR = "linear"
EMBEDDING = "embedding"
#: Alphas below this, or above its inverse, are taken for damage; no arithmetic overflows within.
LEAST_ALPHA = 1e-30


@dataclass(frozen=True)
class Module:
    """One adapted module: its update is multiplier x B A, with B (d x r) and A (r x k).

    Parameters
    ----------
    name : str
        As in the base model.
    kind : str
        "linear", "embedding", or "conv1d" to "conv3d".
    shape : (int, int)
        (d, k) of B A. A convolution's k is inputs x kernel; an embedding's B A is
        (dimension, tokens), the transpose of its weight.
    rank : int
        r, the rows of A.
    alpha : float
    rule : str
        "alpha/r" or "alpha/sqrt(r)".
    A_key, B_key : str
        The names of the tensors.
    dtype : str
        The type of A in the file.
    kernel : tuple of int
        A convolution's (inputs, height, width), empty otherwise.
    transposed : bool
        Whether the base weight is stored as (inputs, outputs): `fan_in_fan_out`.
    """

    name: str
    kind: str
    shape: tuple[int, int]
    rank: int
    alpha: float
    rule: str
    A_key: str
    B_key: str
    dtype: str
    kernel: tuple[int, ...] = ()
    transposed: bool = False

    @property
    def multiplier(self) -> float:
        """The s that the adapter was trained with."""
        return float(scaling.scale(self.alpha, self.rank, self.rule))


@dataclass(frozen=True)
class Adapter:
    """The modules of an adapter, and what else its files hold.

    Parameters
    ----------
    path : Path
    source : str
        "peft", "kohya" or "diffusers".
    modules : tuple of Module
        In the order of the file.
    tensors : Tensors
        Where the factors are read from, when they are needed.
    config : dict
        adapter_config.json, or the metadata of a single file.
    ignored : dict of str to str
        Tensors that are no factor, and what they are. None of them is in a spectrum.
    notes : tuple of str
        What a reader should know: sentences about the ignored tensors and settings.
    """

    path: Path
    source: str
    modules: tuple[Module, ...]
    tensors: Tensors
    config: Mapping[str, Any]
    ignored: Mapping[str, str]
    notes: tuple[str, ...]

    def factors(self, module: Module) -> tuple[Array, Array]:
        """B (d x r) and A (r x k) as they lie in the file, in its precision.

        Raises AdapterError if they hold NaN or infinity.
        """
        A, B = self.tensors.read(module.A_key), self.tensors.read(module.B_key)
        return B.reshape(module.shape[0], module.rank), A.reshape(module.rank, module.shape[1])

    def delta(self, module: Module) -> Array:
        """The update in float64 and in the layout of the base weight: multiplier x B A.

        For checks: it forms the whole matrix, which a spectrum never needs.
        """
        B, A = (factor.astype(np.float64) for factor in self.factors(module))
        product = module.multiplier * (B @ A)
        if module.kernel:
            return product.reshape(module.shape[0], *module.kernel)
        return product.T if module.transposed or module.kind == EMBEDDING else product


def check_alpha(alpha: float, where: str) -> None:
    """Raise AdapterError if an alpha, read or to be written, is out of range."""
    if not LEAST_ALPHA <= alpha <= 1 / LEAST_ALPHA:
        raise AdapterError(
            f"{where}: alpha must be between {LEAST_ALPHA} and {1 / LEAST_ALPHA:g}, got {alpha:g}"
        )


def make_module(
    tensors: Tensors, name: str, kind: str, A_key: str, B_key: str, **settings: Any
) -> Module:
    """A module from the names of its two factors, once their shapes fit.

    Parameters
    ----------
    settings : alpha (None for the rank), rule, transposed

    Raises
    ------
    AdapterError
        If the factors' types are not floats, their shapes do not fit each other
        or the kind of module, or alpha is out of range.
    """
    where = f"{shown(tensors.path)}: module {name}"
    A, B = tensors.entries[A_key], tensors.entries[B_key]
    for key, entry in ((A_key, A), (B_key, B)):
        if entry.dtype not in FLOATS:
            raise AdapterError(
                f"{where}: {key} has type {entry.dtype}; weights must be one of {', '.join(FLOATS)}"
            )
    axes = len(A.shape)
    fits = axes == len(B.shape) and 2 <= axes <= 5 and 0 not in A.shape + B.shape
    if not fits or B.shape[1] != A.shape[0] or any(side != 1 for side in B.shape[2:]):
        raise AdapterError(
            f"{where}: A of shape {A.shape} and B of shape {B.shape} do not fit; allowed are "
            "(r, k) and (d, r), or for a convolution (r, inputs, kernel) and (d, r, 1), with every "
            "side at least 1"
        )
    rank, k = A.shape[0], int(np.prod(A.shape[1:], dtype=object))
    alpha = settings.pop("alpha", None)
    alpha = float(rank if alpha is None else alpha)
    check_alpha(alpha, where)
    if axes > 2:
        kind, settings["transposed"] = f"conv{axes - 2}d", False
    return Module(
        name, kind, (B.shape[0], k), rank, alpha, A_key=A_key, B_key=B_key, dtype=A.dtype,
        kernel=A.shape[1:] if axes > 2 else (), **settings,
    )  # fmt: skip
