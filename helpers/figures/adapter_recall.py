"""What the small model writes and recalls with an adapter that is truncated or scaled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ..lora.scaling import RSLORA, STANDARD, loader_ratio
from ..model import recall, results, shipped, tasks
from .look import COLOURS, MARKERS
from .recall import SIDES, Recall, Recalled


@dataclass(frozen=True)
class Adapted(Recalled):
    """What the model recalls with a shipped adapter.

    rule: the one that it was trained with. ratio: of its scale, what an alpha/r loader applies.
    """

    adapter: str
    rule: str
    ratio: float


class AdapterBehaviour(Recall[Adapted]):
    """What the small model recalls and writes with one of the shipped adapters.

    Settings: rank (>= 0), scale (>= 0, over the trained scale), person (1 to 25),
    adapter (one of `tasks.SHIPPED_ADAPTERS`).

    Examples
    --------
    >>> picture = AdapterBehaviour().draw(rank=16, scale=0.25, person=2, adapter="people")
    >>> picture.drawn.ratio
    0.25
    """

    highest: ClassVar[int] = tasks.ADAPTERS["people"].rank
    SCALE_TITLE = r"over the scale, at rank 16 ($\blacktriangle$ an $\alpha/r$ loader)"
    RANK_TITLE = "over the rank it is cut to, at scale 1"

    @property
    def limits(self) -> dict[str, tuple[int, int]]:
        """Ranks up to the adapters' own."""
        return {"rank": (1, self.highest)}

    def build(self) -> None:
        super().build()
        right = self.figure.axes[1]
        self.loader = self.moving_line(
            right, color=COLOURS[STANDARD], linestyle="", marker=MARKERS[STANDARD], markersize=9
        )

    def numbers(
        self, rank: int = 16, scale: float = 1.0, person: int = 2, adapter: str = "people"
    ) -> Adapted:
        now = recall.with_adapter(adapter, rank, scale)
        curves = {side: results.adapter(adapter, side) for side in SIDES}
        first = shipped.adapter(adapter).modules[0]
        ratio = float(loader_ratio(first.rank, first.rule, STANDARD))
        return Adapted(person, now, curves, adapter, first.rule, ratio)

    def place(self, numbers: Adapted) -> str:
        self.loader.set_data([numbers.ratio], [0])
        return super().place(numbers)

    def subject(self, numbers: Adapted) -> str:
        kept, now = tasks.ADAPTERS[numbers.adapter], numbers.now
        rule = (
            f"{RSLORA}; an alpha/r loader applies {numbers.ratio:g} of it"
            if numbers.rule == RSLORA
            else STANDARD
        )
        return (
            f"Adapter {kept.name}, {kept.label} (trained with {rule}), at rank {now.rank} and "
            f"scale {now.scale:g}"
        )
