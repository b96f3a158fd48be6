"""Simulated weight updates: a low-rank "style" and a high-rank "facts".

The construction is the one of the article "The LoRA Assumption That Breaks in
Production" (MarkTechPost, April 2026): two orthonormal bases, a line of singular
values between them, and a little noise everywhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType, ModuleType
from typing import Any, Protocol

import numpy as np

from .. import validation
from ..validation import Array

#: What the article fixes: a 64 x 64 weight, legacy seed 42, noise of 0.01.
ARTICLE_SHAPE = (64, 64)
ARTICLE_SEED = 42
ARTICLE_NOISE = 0.01
ARTICLE_ALPHA = 16
STYLE: dict[str, Any] = {"rank": 4, "largest": 5.0, "smallest": 0.5}
FACTS: dict[str, Any] = {"rank": 64, "largest": 3.0, "smallest": 0.5}

#: The two updates, in the order in which they are drawn.
NAMES = ("style", "facts")


class NormalSource(Protocol):
    """Anything that draws standard normals: RandomState or Generator."""

    def standard_normal(self, size: tuple[int, int]) -> Array: ...


@dataclass(frozen=True)
class SimulatedUpdate:
    """A signal of known rank and, apart from it, one fixed draw of noise.

    Attributes
    ----------
    U : (d, n) array
        Orthonormal columns.
    singular_values : (n,) array
        Singular values of the signal, descending.
    V : (k, n) array
        Orthonormal columns.
    unit_noise : (d, k) array
        Standard normal entries; they are multiplied by the noise level.
    """

    U: Array
    singular_values: Array
    V: Array
    unit_noise: Array

    @property
    def shape(self) -> tuple[int, int]:
        """(d, k), the shape of the weight."""
        return self.U.shape[0], self.V.shape[0]

    @property
    def rank(self) -> int:
        """True rank n of the signal."""
        return len(self.singular_values)

    def signal(self) -> Array:
        """The update without noise, U diag(S) V^T, of shape (d, k)."""
        return self.U @ np.diag(self.singular_values) @ self.V.T

    def matrix(self, noise: float = ARTICLE_NOISE) -> Array:
        """The update with noise of standard deviation `noise`, of shape (d, k).

        Raises ValueError if `noise` is negative or not finite.
        """
        noise = validation.number("noise", noise, 0)
        return self.signal() + noise * self.unit_noise


def simulate(
    generator: NormalSource,
    shape: tuple[int, int] = ARTICLE_SHAPE,
    rank: int = 4,
    largest: float = 5.0,
    smallest: float = 0.5,
) -> SimulatedUpdate:
    """Draw an update of known rank from `generator`.

    U is drawn before V and both before the noise. The noise is always drawn, so
    the next update from the same generator does not depend on the noise level.

    Parameters
    ----------
    generator : numpy.random.RandomState or numpy.random.Generator
        Source of the draws. Only RandomState's stream is frozen (NEP 19), so
        outputs that must not change use ``RandomState(seed)``.
    shape : (int, int)
        (d, k): rows and columns of the weight.
    rank : int
        True rank n of the signal, between 1 and min(d, k).
    largest, smallest : float
        Ends of the line of n singular values; 0 < smallest <= largest.

    Raises
    ------
    TypeError
        If `generator` cannot draw.
    ValueError
        If any other argument is out of range.

    Examples
    --------
    >>> update = simulate(np.random.RandomState(0), shape=(8, 6), rank=2, largest=5, smallest=1)
    >>> np.linalg.svd(update.matrix(noise=0.0), compute_uv=False)[:3].round(6).tolist()
    [5.0, 1.0, 0.0]
    """
    if isinstance(generator, ModuleType) or not hasattr(generator, "standard_normal"):
        # numpy.random itself could draw, but from the global stream.
        raise TypeError(
            "generator must be a numpy.random.RandomState or Generator, "
            f"got {type(generator).__name__}"
        )
    d, k = validation.shape("shape", shape)
    n = validation.integer("rank", rank, 1, min(d, k), " (the smaller side of the update)")
    largest = validation.number("largest", largest, 0, above=True)
    smallest = validation.number("smallest", smallest, 0, largest, above=True)
    U, _ = np.linalg.qr(generator.standard_normal((d, n)))
    V, _ = np.linalg.qr(generator.standard_normal((k, n)))
    unit_noise = generator.standard_normal((d, k))
    return SimulatedUpdate(U, np.linspace(largest, smallest, n), V, unit_noise)


@lru_cache(maxsize=1)
def article_updates() -> Mapping[str, SimulatedUpdate]:
    """The article's two updates, ``{"style": ..., "facts": ...}``, drawn in its order.

    ``article_updates()["style"].matrix()`` is the article's style matrix bit for
    bit. The arrays are read-only, because every caller shares them.

    Examples
    --------
    >>> {name: (update.shape, update.rank) for name, update in article_updates().items()}
    {'style': ((64, 64), 4), 'facts': ((64, 64), 64)}
    """
    generator = np.random.RandomState(ARTICLE_SEED)
    drawn = {
        "style": simulate(generator, ARTICLE_SHAPE, **STYLE),
        "facts": simulate(generator, ARTICLE_SHAPE, **FACTS),
    }
    for update in drawn.values():
        for array in (update.U, update.singular_values, update.V, update.unit_noise):
            array.setflags(write=False)
    return MappingProxyType(drawn)


def article_singular_values(name: str, noise: float = ARTICLE_NOISE) -> Array:
    """Singular values (64,) of an article update at a noise level, read-only.

    One factorisation per noise level, cached: a slider that comes back pays nothing.

    Raises ValueError for a name other than "style" or "facts" or negative noise.

    Examples
    --------
    >>> article_singular_values("style")[:5].round(2).tolist()
    [4.99, 3.5, 2.01, 0.52, 0.14]
    """
    name = validation.choice("name", name, NAMES)
    return _singular_values(name, validation.number("noise", noise, 0))


@lru_cache(maxsize=256)
def _singular_values(name: str, noise: float) -> Array:
    values = np.linalg.svd(article_updates()[name].matrix(noise), compute_uv=False)
    values.setflags(write=False)
    return values
