"""Which adaptations are run: the map of rank, scale and rate, and what is asked of its best.

Settings are chosen on the worlds of `CHOOSE` and reported on those of `REPORT`. Lists are
in the order of use: whoever stops early has the first of them whole.
"""

from __future__ import annotations

import json
from itertools import product
from typing import Any

from helpers.model import adaptations, forgetting

from . import adaptation, config, examination, identities, runs

#: What makes the runs of `helpers/data/small_map.json`.
FUNCTIONS = (
    adaptation.adapt, examination.examine, identities.identity, examination.merge,
)  # fmt: skip

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
#: Capacity, at one scale and rate: people, rank and steps, in every world that reports. 800
#: people are held out of the fits. `LONGER` shows in the first world what is no plateau.
CAPACITY = (
    ("400", 1, 1600), ("200", 1, 800), ("400", 2, 1600), ("800", 2, 3200), ("800", 4, 3200),
)  # fmt: skip
LONGER = (("200", 1, 1600), ("400", 1, 3200))
CAPACITY_SCALE, CAPACITY_RATE, CAPACITY_BATCH = 16.0, 3e-3, 64
#: The same with its rate, its batch and the fall of its rate tuned, at rank 1 in the first world
#: that chooses, by placement: people, how often each is seen, and rates with texts a step.
#: `FALLING` is the share of the steps in which the rate falls: all of them after the warm-up.
FALLING = 0.95
TUNING: dict[str, tuple[int, int, tuple[tuple[float, int], ...]]] = {
    "all": (200, 128, ((3e-3, 64), (1e-2, 64), (3e-3, 16), (1e-2, 16))),
    "query, value": (32, 512, ((1e-2, 16), (3e-3, 16), (3e-2, 16), (0.1, 16))),
}
#: An adapter small enough to see each person more often, in query and value, in the worlds that
#: report: people, rank, how often each is seen, in how many of the worlds. 64 and 96 people are
#: held out of the fit.
SEEN, SEEN_RATE, SEEN_BATCH = "query, value", 1e-2, 16
SEEN_RUNS = ((48, 1, 512, 3), (96, 2, 512, 3), (64, 1, 512, 1), (48, 1, 1024, 1))
#: The first of them at the rate that recalled most in the first world; in another it loses all.
SEEN_EDGE, SEEN_EDGE_WORLDS = 3e-2, 2
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


def capacity() -> list[Setting]:
    """How much an adapter holds when it is trained for long."""
    return [
        adapted(seed, rank, CAPACITY_SCALE, CAPACITY_RATE,
                task=task, steps=steps, batch=CAPACITY_BATCH)
        for seed in REPORT
        for task, rank, steps in (*CAPACITY, *(LONGER if seed == REPORT[0] else ()))
    ]  # fmt: skip


def long(
    seed: int, placement: str, people: int, rank: int, seen: int, rate: float, batch: int
) -> Setting:
    """An adapter that sees each of some people so often, at a rate that falls throughout."""
    placed = {} if placement == "all" else {"placement": placement}
    return adapted(seed, rank, CAPACITY_SCALE, rate, task=f"{people}", batch=batch,
                   steps=people * seen // batch, cool_down=FALLING, **placed)  # fmt: skip


def seen_often() -> list[Setting]:
    """The recipe of the capacity tuned in one world; then an adapter trained for long in others."""
    tuned = [
        long(CHOOSE[0], placement, people, 1, seen, rate, batch)
        for placement, (people, seen, tried) in TUNING.items()
        for rate, batch in tried
    ]
    reported = [
        long(seed, SEEN, *each, SEEN_RATE, SEEN_BATCH)
        for *each, worlds in SEEN_RUNS
        for seed in REPORT[:worlds]
    ]
    edge = [
        long(seed, SEEN, *SEEN_RUNS[0][:3], SEEN_EDGE, SEEN_BATCH)
        for seed in REPORT[:SEEN_EDGE_WORLDS]
    ]
    return [*tuned, *reported, *edge]
