"""Which adaptations are run: the map of rank, scale and rate, and what is asked of its best.

Settings are chosen on the worlds of `CHOOSE` and reported on those of `REPORT`. Lists are
in the order of use: whoever stops early has the first of them whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product
from typing import Any

from . import adaptation, config, examination, identities

#: What makes the runs of `helpers/data/small_map.json`.
FUNCTIONS = (
    adaptation.adapt, examination.examine, identities.identity, examination.merge,
)  # fmt: skip

CHOOSE, REPORT = (0, 1, 2), (3, 4, 5)
RANKS = (1, 4, 16, 64)
#: Absolute multipliers s; AdamW's learning rates.
SCALES = (4.0, 0.25, 16.0, 1.0)
RATES = (1e-3, 3e-4, 1e-4, 3e-3, 1e-2, 3e-5)
#: Where sqrt(s) times the rate is smaller nothing is learned, and where it is larger training
#: breaks down: wide in the first world, which shows that, narrow in the others.
BANDS = {0: (1e-4, 1.3e-2), 1: (1.5e-4, 7e-3), 2: (1.5e-4, 7e-3)}
#: Full fine-tuning: optimiser and rates.
FULL_RATES = (
    ("adamw", (3e-4, 1e-3, 1e-4, 3e-3, 3e-5)),
    ("sgd", (0.1, 0.3, 0.03, 1.0, 0.01)),
)

Setting = dict[str, Any]


def adapted(seed: int, rank: int | None, scale: float, rate: float, **other: Any) -> Setting:
    """One setting of `adaptation.adapt`."""
    return {"seed": seed, "rank": rank, "scale": scale, "learning_rate": rate, **other}


def full(seed: int) -> list[Setting]:
    """Full fine-tuning over its own rates, in one world."""
    return [
        adapted(seed, None, 1.0, rate, **({} if optimiser == "adamw" else {"optimiser": optimiser}))
        for optimiser, rates in FULL_RATES
        for rate in rates
    ]


def the_map(seed: int) -> list[Setting]:
    """Rank x scale x learning rate in one world, without what `small.lora` has measured."""
    low, high = BANDS[seed]
    made = {(run["seed"], run["rank"], s, run["learning_rate"]) for run, s in _swept()}
    return [
        adapted(seed, rank, scale, rate)
        for scale, rate, rank in product(SCALES, RATES, reversed(RANKS))
        if low <= scale**0.5 * rate <= high and (seed, rank, scale, rate) not in made
    ]


def _swept() -> Iterable[tuple[Setting, float]]:
    """The sweeps of `config.lora_grid` under AdamW: setting and multiplier."""
    for run in config.lora_grid():
        if run["alpha"] == 16 and run["optimiser"] == "adamw":
            yield run, 16 / (run["rank"] ** 0.5 if run["use_rslora"] else run["rank"])
