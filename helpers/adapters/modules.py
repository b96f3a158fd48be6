"""An adapter as the rest of the package sees it, whatever file it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..lora import factored, scaling
from ..tensorfile import FileError, Tensors
from ..validation import Array

LINEAR = "linear"
EMBEDDING = "embedding"
#: Alphas below this, or above its inverse, are taken for damage; no arithmetic overflows within.
LEAST_ALPHA = 1e-30

#: What a module's update is made of, and the roles that `Module.parts` has then.
PAIR = "pair"  # B A, of "B" and "A"
GROUPED = "grouped"  # a convolution in groups: B's blocks stand below each other
TUCKER = "Tucker"  # B (mid A), of "B", "mid" and "A": a convolution in three parts
HADAMARD = "Hadamard"  # (B1 A1) * (B2 A2), of "B1", "A1", "B2", "A2": LoHa
KRONECKER = "Kronecker"  # W1 x W2, each of one part, "W1", or of two, "W1a" and "W1b": LoKr
FULL = "full"  # a difference that is added whole, "D"


@dataclass(frozen=True)
class Part:
    """Where a factor lies: in tensor `key`, or what NumPy's `index` takes of it."""

    key: str
    index: tuple[Any, ...] = ()
    transposed: bool = False


@dataclass(frozen=True)
class Stated:
    """What one place says of a module's scale.

    Parameters
    ----------
    place : str
        Such as "adapter_config.json" or "tensor x.alpha".
    alpha : float
    rule : str
        "alpha/r" or "alpha/sqrt(r)".
    rank : int
        The r that the rule divides by.
    """

    place: str
    alpha: float
    rule: str
    rank: int

    @property
    def scale(self) -> float:
        """The s that follows."""
        return scaling.scale_of(self.alpha, self.rank, self.rule)


@dataclass(frozen=True)
class Module:
    """One adapted module: its update is s times a product, of B (d x r) and A (r x k) for a pair.

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
        r, the rows of A, by which alpha is divided.
    alpha : float
    rule : str
        "alpha/r" or "alpha/sqrt(r)".
    parts : dict of str to Part
        Where the factors lie, by their role in the form.
    dtype : str
        The type of A in the file.
    kernel : tuple of int
        A convolution's (inputs, height, width), empty otherwise.
    transposed : bool
        Whether the base weight is stored as (inputs, outputs): `fan_in_fan_out`.
    form : str
        What the update is made of: `PAIR`, `GROUPED`, `TUCKER`, `HADAMARD`, `KRONECKER`, `FULL`.
    highest : int
        The highest rank that a product of such parts can have; r for a pair.
    stated : tuple of Stated
        Every place that states the scale; the first is the one that `alpha` and `rule` follow.
    """

    name: str
    kind: str
    shape: tuple[int, int]
    rank: int
    alpha: float
    rule: str
    parts: Mapping[str, Part]
    dtype: str
    kernel: tuple[int, ...] = ()
    transposed: bool = False
    form: str = PAIR
    highest: int = 0
    stated: tuple[Stated, ...] = ()

    @property
    def plain(self) -> bool:
        """Whether it is a pair of whole tensors, which a copy can write anew."""
        return self.form == PAIR and not any(each.index for each in self.parts.values())

    @property
    def scale(self) -> float:
        """The scale s that the adapter was trained with."""
        return scaling.scale_of(self.alpha, self.rank, self.rule)


@dataclass(frozen=True)
class Finding:
    """Something that whoever uses the adapter should know.

    `kind` is a short name, such as "left out" or "base changed", `text` a sentence or two, and
    `names` are the tensors or modules that it is about; none where it is about all.
    """

    kind: str
    text: str
    names: tuple[str, ...] = ()


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
    findings : tuple of Finding
        About the ignored tensors and the settings.
    """

    path: Path
    source: str
    modules: tuple[Module, ...]
    tensors: Tensors
    config: Mapping[str, Any]
    ignored: Mapping[str, str]
    findings: tuple[Finding, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """The findings as sentences."""
        return tuple(each.text for each in self.findings)

    def part(self, module: Module, role: str) -> Array:
        """One factor as it lies in the file, in its precision; FileError for NaN or infinity."""
        part = module.parts[role]
        array = self.tensors.read_part(part.key, part.index)
        return array.T if part.transposed else array

    def factors(self, module: Module) -> tuple[Array, Array]:
        """B (d x r) and A (r x k) as they lie in the file, in its precision.

        Of a Tucker or a Hadamard product those of the same product, with inner side `highest`.

        Examples
        --------
        >>> from helpers.model import shipped
        >>> people = shipped.adapter("people")
        >>> B, A = people.factors(people.modules[0])
        >>> B.shape, A.shape
        ((128, 16), (16, 466))
        """
        d, k = module.shape
        if module.form == HADAMARD:
            return factored.hadamard(*self.sides(module, "1"), *self.sides(module, "2"))
        B, A = self.sides(module, "")
        return B.reshape(d, module.highest), A.reshape(module.highest, k)

    def sides(self, module: Module, number: str) -> tuple[Array, Array]:
        """The two sides of one product of a module: "B1" and "A1" for number 1, say."""
        B, A = self.part(module, f"B{number}"), self.part(module, f"A{number}")
        if f"mid{number}" in module.parts:
            A = factored.tucker(self.part(module, f"mid{number}"), A.reshape(len(A), -1))
        B, A = B.reshape(len(B), -1), A.reshape(len(A), -1)
        return (factored.in_blocks(B, len(A)) if module.form == GROUPED else B), A

    def halves(self, module: Module) -> tuple[Array, Array]:
        """The two matrices of a Kronecker product, each multiplied out from its own parts."""
        found = []
        for name in ("W1", "W2"):
            if name in module.parts:
                W = self.part(module, name)
            else:
                B, A = self.part(module, f"{name}a"), self.part(module, f"{name}b")
                if f"{name}mid" in module.parts:
                    A = factored.tucker(self.part(module, f"{name}mid"), A)
                W = B.astype(np.float64) @ A.reshape(len(A), -1).astype(np.float64)
            found.append(W.reshape(len(W), -1).astype(np.float64))
        return found[0], found[1]

    def delta(self, module: Module) -> Array:
        """The update in float64 and in the layout of the base weight: s B A for a pair.

        For checks: it forms the whole matrix, which a spectrum never needs.

        Examples
        --------
        >>> from helpers.model import shipped
        >>> people = shipped.adapter("people")
        >>> people.delta(people.modules[0]).shape  # of the embedding: tokens x dimension
        (466, 128)
        """
        if module.form == FULL:
            product: Array = self.part(module, "D").reshape(module.shape).astype(np.float64)
        elif module.form == KRONECKER:
            product = np.asarray(np.kron(*self.halves(module)))
        else:
            B, A = (factor.astype(np.float64) for factor in self.factors(module))
            product = B @ A
        product = module.scale * product
        if module.kernel:
            return product.reshape(module.shape[0], *module.kernel)
        return product.T if module.transposed or module.kind == EMBEDDING else product


def check_alpha(alpha: float, where: str) -> None:
    """Raise FileError if an alpha, read or to be written, is out of range."""
    if not LEAST_ALPHA <= alpha <= 1 / LEAST_ALPHA:
        raise FileError(
            f"{where}: alpha must be between {LEAST_ALPHA} and {1 / LEAST_ALPHA:g}, got {alpha:g}"
        )
