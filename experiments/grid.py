"""Which adaptations are run: the map of rank, scale and rate, and what is asked of its best.

Settings are chosen on the worlds of `CHOOSE` and reported on those of `REPORT`. Lists are
in the order of use: whoever stops early has the first of them whole.
"""

from __future__ import annotations

import json
from itertools import product
from typing import Any

from helpers.model import adaptations, cases, forgetting, rates

from . import adaptation, config, identities, runs

CHOOSE, REPORT = forgetting.CHOOSE, forgetting.REPORT
RANKS = (1, 4, 16, 64)
#: Absolute scales s; AdamW's learning rates.
SCALES = (4.0, 0.25, 16.0, 1.0, 64.0)
RATES = forgetting.RATES
#: Where sqrt(s r) times the rate is smaller nothing is learned, and where it is larger
#: everything is forgotten: wide in the first world, which shows that, narrow in the others.
BANDS = {0: (1.9e-4, 4e-2), 1: (4.5e-4, 1.3e-2), 2: (4.5e-4, 1.3e-2)}
#: Full fine-tuning: optimiser and rates.
FULL_RATES = (
    ("adamw", (3e-4, 1e-3, 1e-4, 3e-3, 3e-5)),
    ("sgd", (0.1, 0.3, 0.03, 1.0, 0.01)),
)

KEYS = ("seed", "rank", "scale", "learning_rate")
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
    made = _swept()
    return [
        adapted(seed, rank, scale, rate)
        for scale, rate, rank in product(SCALES, RATES, reversed(RANKS))
        if config.in_band(BANDS[seed], rank, scale, rate) and (seed, rank, scale, rate) not in made
    ]


def _swept() -> set[tuple[Any, ...]]:
    """The settings of the map that `config.lora_grid` has."""
    rows = adaptations.from_sweeps(config.lora_grid())
    return {tuple(row[key] for key in KEYS) for row in rows}


#: Rank 64, all new facts right, by three pairs of scale and rate: is it the same update?
TRIO = ((0.25, 1e-3), (2.0, 3e-4), (16.0, 1e-4))
#: Between two rates of the map: of LoRA where sqrt(s r) times the rate is in the band, around
#: where nearly all new facts are just learned, and of all weights.
BETWEEN, BETWEEN_BAND = (1.7e-5, 6e-5, 1.7e-4, 6e-4, 1.7e-3), (4e-4, 4e-3)
BETWEEN_SCALES, BETWEEN_FULL = (4.0, 16.0, 64.0), (7e-5, 1.7e-4)
#: Beside what ranks 4 and 1 chose, at other scales or larger rates: rank, scale and rate.
BETWEEN_CHOSEN = ((4, 8.0, 1.7e-4), (4, 8.0, 6e-4), (1, 1.0, 6e-3), (1, 1.0, 1.7e-2))
#: The share of the known people that is mixed in.
REPLAYED = (0.01, 0.03, 0.1)
#: Rank at which each placement has as many numbers as all matrices at rank 4.
PLACED = (("query, value", 18), ("attention", 9), ("attention, mlp", 5), ("all", 4))
PLACED_RATES = (1e-3, 3e-3)
PLACED_SCALE = 4.0
#: Made, though nothing above asks for it: four settings outside of the first world's band; and
#: what was chosen for rank 1 before the choosing worlds had all of their map, with its neighbours.
#: They stay: no run of a reporting world is dropped because another setting was chosen after it.
EARLIER = ((1, 0.25, 3e-4), (16, 16.0, 3e-3), (64, 4.0, 3e-3), (64, 16.0, 3e-3))
EARLIER_BEST = (1, 16.0, 3e-3)
EARLIER_NEAR = ((1, 16.0, 1e-3), (1, 16.0, 1e-2), (1, 4.0, 3e-3), (1, 64.0, 3e-3))
#: The scale of the common rule alpha = 2r, and its rates.
TWICE, TWICE_RATES = 2.0, (1e-3, 3e-4, 3e-3, 1e-4)


def trio() -> list[Setting]:
    """The three pairs, in the worlds that report."""
    return [adapted(seed, 64, scale, rate) for seed in REPORT for scale, rate in TRIO]


def chosen() -> dict[int | None, tuple[float, float]]:
    """For each rank the scale and rate that the choosing worlds choose; None: full, AdamW.

    Among the map's own `RATES`: a run of a rate between them changes nothing that follows.
    """
    rows = swept_rows() + [
        {**run["settings"], **run["result"]} for run in runs.results(adaptation.adapt)
    ]
    plain = [row for row in rows if not row.keys() & {"optimiser", "task", "placement"}]
    found = {}
    for rank in (None, *reversed(RANKS)):
        mine = forgetting.points(
            (row for row in plain if row["rank"] == rank and row["learning_rate"] in RATES),
            ("scale", "learning_rate"),
            CHOOSE,
        )
        best = forgetting.choose(mine)
        if best is not None:
            found[rank] = best
    return found


def swept_rows() -> list[dict[str, Any]]:
    """What `helpers/data/small_lora.json` has of the map, as rows of `adaptation.adapt`."""
    content = json.loads((config.DATA / "small_lora.json").read_text())
    return adaptations.from_sweeps(content["runs"])


def examined() -> list[Setting]:
    """The chosen settings, reported: each rank and full fine-tuning, then cut and turned down."""
    best = chosen()
    return [adapted(seed, rank, *each) for seed in REPORT for rank, each in best.items()]


def around() -> list[Setting]:
    """The neighbours of what was chosen, in scale and rate, in the worlds that report."""
    return [
        adapted(seed, rank, *near)
        for seed in REPORT
        for rank, each in chosen().items()
        if rank is not None
        for near in forgetting.neighbours(each, (SCALES, RATES))
    ]


def refined() -> list[Setting]:
    """Between the rates of the map: in the worlds that choose, then in those that report."""
    each: list[tuple[int | None, float, float]] = [(None, 1.0, rate) for rate in BETWEEN_FULL]
    each += [
        (rank, scale, rate)
        for rank, scale, rate in product(reversed(RANKS), BETWEEN_SCALES, BETWEEN)
        if config.in_band(BETWEEN_BAND, rank, scale, rate)
    ]
    each += BETWEEN_CHOSEN
    return [adapted(seed, *setting) for seed in (*CHOOSE, *REPORT) for setting in each]


def told() -> list[Setting]:
    """What notebook 11 compares, and the best rates of each rule, in the worlds that report.

    Without what is examined there: that is trained as well.
    """
    compared = dict.fromkeys([*cases.compared(), *rates.asked_again()])
    asked = [adapted(seed, *each) for each in compared for seed in REPORT]
    trained = examined()
    return [setting for setting in asked if setting not in trained]


def mixed() -> list[Setting]:
    """Old data mixed in, with full fine-tuning and rank 64 as chosen."""
    best = chosen()
    return [
        adapted(seed, rank, *best[rank], replayed=share)
        for seed in REPORT
        for rank in (64, None)
        for share in reversed(REPLAYED)
    ]


def placed() -> list[Setting]:
    """Equal numbers of parameters in different matrices, over the rate."""
    return [
        adapted(seed, rank, PLACED_SCALE, rate,
                **({} if name == "all" else {"placement": name}))
        for seed in REPORT
        for rate in PLACED_RATES
        for name, rank in PLACED
    ]  # fmt: skip


def quantised() -> list[Setting]:
    """Trained on the base in four bits, as QLoRA is."""
    best = chosen()
    return [adapted(seed, 64, *best[64], quantised=True) for seed in REPORT]


def identity() -> list[Setting]:
    """Every pair in two worlds."""
    return [{"seed": seed, "pair": pair} for seed in REPORT[:2] for pair in identities.PAIRS]


def merged() -> list[Setting]:
    """100 people with the new style, and with 100 more people."""
    best = chosen()[16]
    return [
        {"seed": seed, "other": other, "rank": 16, "scale": best[0], "learning_rate": best[1]}
        for seed in REPORT
        for other in ("saga", "people")
    ]


def twice() -> list[Setting]:
    """The rule alpha = 2r in the choosing worlds, without what `small.lora` has measured."""
    return [
        setting
        for seed, rate, rank in product(CHOOSE, TWICE_RATES, RANKS)
        for setting in [adapted(seed, rank, TWICE, rate)]
        if tuple(setting[key] for key in KEYS) not in _swept()
    ]


def earlier() -> list[Setting]:
    """What was planned once and is recorded, see `EARLIER`."""
    first = [adapted(CHOOSE[0], *each) for each in EARLIER]
    return first + [adapted(seed, *each) for seed in REPORT for each in EARLIER_NEAR]


def earlier_best() -> list[Setting]:
    """An earlier choice, examined."""
    return [adapted(seed, *EARLIER_BEST) for seed in REPORT]
