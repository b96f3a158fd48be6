"""How much an adapter holds: which runs of `adaptation.adapt` ask it.

Settings are chosen in the worlds of `grid.CHOOSE` and reported in those of `grid.REPORT`.
"""

from __future__ import annotations

from .grid import CHOOSE, REPORT, Setting, adapted

SCALE = 16.0
#: At one rate that was not tuned: people, rank and steps, in every world that reports. 800
#: people are held out of the fits. `LONGER` goes on in the first world.
RUNS = (
    ("400", 1, 1600), ("200", 1, 800), ("400", 2, 1600), ("800", 2, 3200), ("800", 4, 3200),
)  # fmt: skip
LONGER = (("200", 1, 1600), ("400", 1, 3200))
RATE, BATCH = 3e-3, 64

#: The share of the steps in which the rate falls: all of them after the warm-up.
FALLING = 0.95
#: Rank 1 with its rate and batch tuned in the first world that chooses, by placement: people, how
#: often each is seen, and rates with texts a step.
TUNING: dict[str, tuple[int, int, tuple[tuple[float, int], ...]]] = {
    "all": (200, 128, ((3e-3, 64), (1e-2, 64), (3e-3, 16), (1e-2, 16))),
    "query, value": (32, 512, ((1e-2, 16), (3e-3, 16), (3e-2, 16), (0.1, 16))),
}
#: In every matrix, reported: without tuning and as tuned, in the first worlds that report.
EVERY, EVERY_WORLDS = ((3e-3, 64), (1e-2, 16)), 2

#: An adapter small enough to see each person more often, in query and value: people, rank, how
#: often each is seen, in how many of the worlds that report. 64 and 96 people are held out of
#: the fit; 48 people at rank 1 are seen twice as often, again and again.
SEEN, SEEN_RATE, SEEN_BATCH = "query, value", 1e-2, 16
SEEN_RUNS = (
    (48, 1, 512, 3), (96, 2, 512, 3), (64, 1, 512, 1), (48, 1, 1024, 2), (48, 1, 2048, 2),
    (48, 1, 4096, 2), (48, 1, 8192, 1),
)  # fmt: skip
#: The first of them at the rate that recalled most in the first world; in another it loses all.
SEEN_EDGE, SEEN_EDGE_WORLDS = 3e-2, 2
#: Does longer training want another rate? Asked of the first world that chooses.
SEEN_LONGER, SEEN_LONGER_RATES = (48, 1, 1024), (1e-2, 3e-3, 3e-2)


def untuned() -> list[Setting]:
    """Trained for long at one scale and rate."""
    return [
        adapted(seed, rank, SCALE, RATE, task=task, steps=steps, batch=BATCH)
        for seed in REPORT
        for task, rank, steps in (*RUNS, *(LONGER if seed == REPORT[0] else ()))
    ]


def long(
    seed: int, placement: str, people: int, rank: int, seen: int, rate: float, batch: int
) -> Setting:
    """An adapter that sees each of some people so often, at a rate that falls throughout."""
    placed = {} if placement == "all" else {"placement": placement}
    return adapted(seed, rank, SCALE, rate, task=f"{people}", batch=batch,
                   steps=people * seen // batch, cool_down=FALLING, **placed)  # fmt: skip


def tuned() -> list[Setting]:
    """The rate tuned in the worlds that choose; then used in those that report."""
    chosen = [
        long(CHOOSE[0], placement, people, 1, seen, rate, batch)
        for placement, (people, seen, tried) in TUNING.items()
        for rate, batch in tried
    ]
    chosen += [long(CHOOSE[0], SEEN, *SEEN_LONGER, rate, SEEN_BATCH) for rate in SEEN_LONGER_RATES]
    people, seen, _ = TUNING["all"]
    reported = [
        long(seed, "all", people, 1, seen, rate, batch)
        for seed in REPORT[:EVERY_WORLDS]
        for rate, batch in EVERY
    ]
    reported += [
        long(seed, SEEN, *each, SEEN_RATE, SEEN_BATCH)
        for *each, worlds in SEEN_RUNS
        for seed in REPORT[:worlds]
    ]
    edge = [
        long(seed, SEEN, *SEEN_RUNS[0][:3], SEEN_EDGE, SEEN_BATCH)
        for seed in REPORT[:SEEN_EDGE_WORLDS]
    ]
    return [*chosen, *reported, *edge]
