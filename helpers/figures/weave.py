"""How a rank-one matrix is woven from two strips, and what two of them add up to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..validation import Array
from .look import GREY, HEAT
from .picture import Picture

#: Strengths of the columns and rows of two plaids: wide stripes, and narrow ones.
_ONE = np.repeat([1.0, 0.3, -0.6, 0.8], 3), np.repeat([0.9, -0.4, 0.7, 0.2], 3)
_TWO = np.tile([0.7, -0.7], 6), np.tile([0.8, 0.1, -0.6], 4)


@dataclass(frozen=True)
class Woven:
    """Two plaids of 12 x 12 and their sum. strips: (u, v) of each. rank: of the sum."""

    strips: tuple[tuple[Array, Array], tuple[Array, Array]]
    plaids: Mapping[str, Array]
    rank: int


class Weave(Picture[Woven]):
    """A plaid is the product of a strip of rows and a strip of columns; plaids add up.

    It has no settings.

    Examples
    --------
    >>> Weave().draw().drawn.rank
    2
    """

    size = (8.8, 3.5)
    whole = True
    colormap = HEAT
    TITLES = (r"$u_1 v_1^\top$", r"plus $u_2 v_2^\top$", "is a matrix of rank 2")

    def build(self) -> None:
        grid = self.figure.add_gridspec(
            2, 7, width_ratios=[1, 9, 1, 1, 9, 1, 9], height_ratios=[1, 9], wspace=0.03, hspace=0.04
        )
        look: dict[str, Any] = {
            "cmap": HEAT,
            "vmin": -1.1,
            "vmax": 1.1,
            "aspect": "auto",
            "interpolation": "nearest",
        }
        self.strips, self.images = [], {}
        for at, title in enumerate(self.TITLES):
            column = (1, 4, 6)[at]
            ax = self.figure.add_subplot(grid[1, column])
            self.images[title] = self.moves(ax.imshow(np.zeros((12, 12)), **look))
            ax.set_xlabel(title)
            panels = [ax]
            if at < 2:
                beside = self.figure.add_subplot(grid[1, column - 1])
                above = self.figure.add_subplot(grid[0, column])
                beside.set_xlabel(f"$u_{at + 1}$")
                above.set_title(rf"$v_{at + 1}^\top$")
                self.strips.append(
                    (
                        self.moves(beside.imshow(np.zeros((12, 1)), **look)),
                        self.moves(above.imshow(np.zeros((1, 12)), **look)),
                    )
                )
                panels += [beside, above]
            for panel in panels:
                panel.set(xticks=[], yticks=[])
                for spine in panel.spines.values():
                    spine.set(visible=True, color=GREY)

    def numbers(self) -> Woven:
        one, two = np.outer(*_ONE), np.outer(*_TWO)
        matrices = dict(zip(self.TITLES, (one, two, one + two)))
        return Woven((_ONE, _TWO), matrices, int(np.linalg.matrix_rank(one + two)))

    def place(self, numbers: Woven) -> str:
        for title, image in self.images.items():
            image.set_data(numbers.plaids[title])
        for (beside, above), (u, v) in zip(self.strips, numbers.strips):
            beside.set_data(u[:, None])
            above.set_data(v[None, :])
        side = len(numbers.strips[0][0])
        return (
            f"Each plaid is woven from two strips: a column u with a number for each of {side} "
            f"rows, and a row v with a number for each of {side} columns; every crossing is the "
            f"product of the two. Two plaids add up to a matrix of rank {numbers.rank}: "
            f"{4 * side} numbers make {side * side}."
        )

    def finding(self, numbers: Woven) -> str:
        return f"Two woven plaids add up to a matrix of rank {numbers.rank}."
