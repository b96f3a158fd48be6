"""Which runs make `helpers/data/small_map.json`, by part and in their order.

A part is looked at as it is run: what comes later in it may hang on what came before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import adaptation, capacity, examination, grid, identities

#: What makes the runs.
FUNCTIONS = (
    adaptation.adapt, examination.examine, identities.identity, examination.merge,
)  # fmt: skip

Plan = Iterator[tuple[Callable[..., dict[str, Any]], list[grid.Setting]]]


def the_map() -> Plan:
    """Rank x scale x learning rate, and full fine-tuning, in the worlds that choose."""
    for seed in grid.CHOOSE:
        yield adaptation.adapt, grid.full(seed) + grid.the_map(seed)


def report() -> Plan:
    """What was chosen, in worlds that had no part in it: as trained, cut and turned down."""
    yield adaptation.adapt, [*grid.trio(), *(s for w in grid.REPORT for s in grid.full(w))]
    yield examination.examine, grid.examined()


def questions() -> Plan:
    """Old data mixed in, merging, identities, placement, four bits, capacity."""
    yield identities.identity, grid.identity()
    yield adaptation.adapt, grid.mixed()
    yield examination.merge, grid.merged()
    for asked in (grid.placed, grid.told, grid.refined, grid.around, grid.twice):
        yield adaptation.adapt, asked()
    yield examination.examine, grid.quantised()
    yield adaptation.adapt, capacity.untuned() + capacity.tuned()
    yield adaptation.adapt, grid.earlier()
    yield examination.examine, grid.earlier_best()


PARTS: dict[str, Callable[[], Plan]] = {"map": the_map, "report": report, "questions": questions}
