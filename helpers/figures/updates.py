"""What the two simulated updates look like, whole, truncated and in rank-one pieces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..lora import spectrum, truncation, updates
from ..validation import Array
from .look import COLOURS, GREY, HEAT, NAMES, listed
from .picture import Picture


@lru_cache(maxsize=32)
def _svd(name: str, noise: float) -> truncation.SVD:
    """Of an article update at a noise level, cached: rank sliders reuse it."""
    return truncation.svd(updates.article_updates()[name].matrix(noise))


@dataclass(frozen=True)
class Truncations:
    """Both updates and their best approximations of rank r.

    matrices: (64, 64) by (name, "update" or "kept"). errors: relative, by name.
    """

    rank: int
    noise: float
    matrices: Mapping[tuple[str, str], Array]
    errors: Mapping[str, float]


class TwoUpdates(Picture[Truncations]):
    """Each update beside its best approximation of rank r.

    Settings: rank (1 to 64), noise (>= 0).

    Examples
    --------
    >>> picture = TwoUpdates().draw(rank=4, noise=0)
    >>> print(f"{picture.drawn.errors['facts']:.3f}")
    0.922
    """

    size = (8.8, 2.4)
    colormap = HEAT

    def build(self) -> None:
        panels = self.figure.subplots(1, 4)
        self.images = {}
        for ax, (name, what) in zip(panels, [(n, w) for n in NAMES for w in ("update", "kept")]):
            ax.set(xticks=[], yticks=[])
            ax.set_title(f"{name} update" if what == "update" else f"{name}, rank r kept")
            for spine in ax.spines.values():
                spine.set(visible=True, color=COLOURS[name], linewidth=2)
            self.images[name, what] = self.moves(
                ax.imshow(np.zeros((64, 64)), cmap=HEAT, vmin=-0.9, vmax=0.9,
                          interpolation="nearest")
            )  # fmt: skip
        self.figure.colorbar(self.images["facts", "kept"], ax=panels, label="entry", shrink=0.8)

    def numbers(self, rank: int = 4, noise: float = 0.01) -> Truncations:
        matrices, errors = {}, {}
        for name, update in updates.article_updates().items():
            svd = _svd(name, noise)
            matrices[name, "update"] = update.matrix(noise)
            matrices[name, "kept"] = svd.truncated(rank).matrix()
            errors[name] = float(spectrum.truncation_error(svd.S)[rank - 1])
        return Truncations(rank, noise, matrices, errors)

    def place(self, numbers: Truncations) -> str:
        for key, image in self.images.items():
            image.set_data(numbers.matrices[key])
        rank = numbers.rank
        B, A = 64 * rank, rank * 64
        said = [f"{name} with a relative error of {numbers.errors[name]:.3f}" for name in NAMES]
        return (
            f"Rank {rank} keeps {B + A} numbers (B has {B}, A has {A}) in place of {64 * 64}. At "
            f"noise {numbers.noise:g} they rebuild {listed(said)}."
        )

    def finding(self, numbers: Truncations) -> str:
        style, facts = (numbers.errors[name] for name in NAMES)
        return (
            f"Rank {numbers.rank} rebuilds style with an error of {style:.2f} and facts with one "
            f"of {facts:.2f}."
        )


@dataclass(frozen=True)
class Component:
    """The r-th rank-one component of an update, those up to it, and what they leave.

    matrices: (64, 64) by `Components.TITLES`. share: of the energy, in this component.
    captured: of the energy, in all up to it.
    """

    rank: int
    noise: float
    update: str
    singular_value: float
    matrices: Mapping[str, Array]
    share: float
    captured: float


class Components(Picture[Component]):
    """An update as a stack of rank-one components: the r-th, the first r together, the rest.

    Settings: rank (1 to 64), noise (>= 0), update ("style" or "facts").

    Examples
    --------
    >>> picture = Components().draw(rank=3, noise=0.01, update="style")
    >>> print(f"{picture.drawn.singular_value:.1f}")
    2.0
    """

    size = (8.8, 3.2)
    colormap = HEAT
    TITLES = ("component r alone", "components 1 to r together", "what is still missing")

    def build(self) -> None:
        self.images = {}
        panels = self.figure.subplots(1, 3)
        for ax, title in zip(panels, self.TITLES):
            ax.set(xticks=[], yticks=[], title=title)
            for spine in ax.spines.values():
                spine.set(visible=True, color=GREY)
            self.images[title] = self.moves(
                ax.imshow(np.zeros((64, 64)), cmap=HEAT, vmin=-0.5, vmax=0.5,
                          interpolation="nearest")
            )  # fmt: skip
        self.figure.colorbar(
            self.images[self.TITLES[0]], ax=panels, label="entry", shrink=0.8, extend="both"
        )

    def numbers(self, rank: int = 1, noise: float = 0.01, update: str = "style") -> Component:
        svd = _svd(update, noise)
        U, S, Vt = svd
        component = S[rank - 1] * np.outer(U[:, rank - 1], Vt[rank - 1])
        together = svd.truncated(rank).matrix()
        missing = updates.article_updates()[update].matrix(noise) - together
        return Component(
            rank, noise, update, float(S[rank - 1]),
            matrices=dict(zip(self.TITLES, (component, together, missing))),
            share=float(S[rank - 1] ** 2 / np.sum(S**2)),
            captured=float(spectrum.captured_energy(S)[rank - 1]),
        )  # fmt: skip

    def place(self, numbers: Component) -> str:
        for title, image in self.images.items():
            image.set_data(numbers.matrices[title])
        return (
            f"{numbers.update.capitalize()} at noise {numbers.noise:g}: component "
            f"{numbers.rank} has the singular value {numbers.singular_value:.2f} and "
            f"{100 * numbers.share:.1f} % of the energy. The components up to it hold "
            f"{100 * numbers.captured:.1f} %."
        )

    def finding(self, numbers: Component) -> str:
        first, hold = f"first {numbers.rank} components", "hold"
        if numbers.rank == 1:
            first, hold = "first component", "holds"
        return (
            f"The {first} of {numbers.update} {hold} {100 * numbers.captured:.1f} % of its energy."
        )
