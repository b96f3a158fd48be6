"""The worked cases of notebook 11: for each what was measured, and a table of it.

All are of the small model and 100 new people. Means and ranges are over the worlds in which no
setting was chosen, or, where those have not run one, over the choosing worlds (`settings`).
Where the rows of a table have not all run in the same worlds, both have a column.
"""

from __future__ import annotations

import numpy as np

from ..lora import scaling
from ..tables import Table
from ..validation import Array
from . import adaptations, rates, settings
from .comparisons import share
from .forgetting import CHOOSE, MATCHED, REPORT, Points, choose

NEW, KNOWN = "new facts", "known facts"
#: Known facts where settings were chosen, and where none was.
IN_BOTH = tuple(f"{KNOWN}, worlds {worlds[0]} to {worlds[-1]}" for worlds in (CHOOSE, REPORT))


def _at(points: Points, setting: tuple[object, ...]) -> tuple[Array, Array]:
    one = points.where(lambda *each: each == setting)
    missing = np.full(len(points.worlds), np.nan)
    return (one.facts[:, 0], one.known[:, 0]) if one.settings else (missing, missing)


def _in_both(rank: int, scale: float, rate: float) -> list[str]:
    """Known facts in the worlds of `IN_BOTH`, with a dash where not all of three have run it."""
    both = (
        adaptations.lora(rank, worlds).where(lambda *each: each == (scale, rate)).whole()
        for worlds in (CHOOSE, REPORT)
    )
    return [share(here.known[:, 0]) if here.settings else "-" for here in both]


def one_change() -> tuple[str, Table]:
    """Which one change keeps more known facts, all new ones learned, and all at once.

    From rank 16, alpha 16, alpha/r, rate 0.001; compared in the worlds that have run them all.

    Examples
    --------
    >>> one_change()[0]
    'rank 64'
    """
    start = ("the start", 16, 1.0, 1e-3)
    single = [("rank 64", 64, 0.25, 1e-3), ("rsLoRA on", 16, 4.0, 1e-3),
              ("a third of the rate", 16, 1.0, 3e-4)]  # fmt: skip
    all_at_once = [("all three", 64, 2.0, 3e-4), ("and alpha 128, rate a tenth", 64, 16.0, 3e-5)]
    rows, known = [], {}
    for name, rank, s, rate in (start, *single, *all_at_once):
        facts, kept = _at(adaptations.lora(rank, CHOOSE), (s, rate))
        rows.append((name, rank, f"{s:g}", f"{rate:g}", f"{facts.mean():.2f}",
                     *_in_both(rank, s, rate)))  # fmt: skip
        known[name] = kept.mean() if facts.mean() >= MATCHED else 0.0
    best = max((start, *single), key=lambda each: known[each[0]])[0]
    return best, Table(("change", "rank", "scale s", "rate", NEW, *IN_BOTH), rows)


def doubled() -> tuple[float, Table]:
    """How many times smaller the best rate is at rank 64 than at 4 if alpha = 4r, and all of them.

    Best is the rate that keeps most known facts, all new ones learned; beside it the rate of
    the lowest loss at the end. Medians of three worlds. Rank 1 is short of room and wants a
    larger rate under every rule, so it does not count.

    Examples
    --------
    >>> round(doubled()[0])
    10
    """
    best = rates.medians(rates.FOLLOWED[-1])
    return float(best[1] / best[-1]), rates.best_rates_table()


def on_or_off(rank: int = 64, alpha: float = 16) -> tuple[str, Table]:
    """Whether rsLoRA keeps more known facts than alpha/r, each at one rate and at its best.

    Compared in the worlds that have run them all.

    Examples
    --------
    >>> on_or_off()[0]
    'on'
    """
    rows, known = [], {}
    for name, rule in (("off", scaling.STANDARD), ("on", scaling.RSLORA)):
        s = float(scaling.scale(alpha, rank, rule))
        best = settings.keeps_most(rank, s)
        for rate in (3e-4, *({best.learning_rate} - {3e-4})):
            facts, kept = _at(adaptations.lora(rank, CHOOSE), (s, rate))
            rows.append((name, f"{s:g}", f"{rate:g}", f"{facts.mean():.2f}",
                         *_in_both(rank, s, rate)))  # fmt: skip
            if rate == best.learning_rate:
                known[name] = kept.mean()
    columns = ("rsLoRA", "scale s", "rate", NEW, *IN_BOTH)
    return max(known, key=lambda name: known[name]), Table(columns, rows)


#: Rank, scale and rate on both sides of what is borne, and alpha/r at the largest rate.
BORNE = (
    (4, 4.0, 1e-2), (16, 4.0, 1e-2), (4, 8.0, 1e-2), (64, 4.0, 3e-3), (64, 16.0, 3e-3),
    (64, 16.0, 1e-3), (64, 0.25, 1e-2),
)  # fmt: skip


def spike() -> tuple[str, Table]:
    """What is learned if the scale stays and the rank rises, at three rates, and by alpha/r.

    The word is for rank 16 with the scale and rate that rank 4 bears.

    Examples
    --------
    >>> spike()[0]
    'none'
    """
    rows = []
    for rank, s, rate in BORNE:
        one = settings.exactly(rank, s, rate)
        rows.append((f"r = {rank}, s = {s:g}", f"{rate:g}", f"{s * rank:g}",
                     f"{rates.times_root(rate, rank, s):.3f}", share(one.facts),
                     share(one.known)))  # fmt: skip
    kept = settings.exactly(*BORNE[1])
    said = "all" if kept.learned else "none" if kept.facts.max() < 0.05 else "some"
    return said, Table(("setting", "rate", "s r", "rate times root of s r", NEW, KNOWN), rows)


def most_borne() -> tuple[float, float]:
    """Rate times the root of s r: the most that learned all, and the least that knows nothing.

    Of all runs of the map; one that knows nothing has neither new facts nor known ones.

    Examples
    --------
    >>> [round(each, 3) for each in most_borne()]
    [0.057, 0.08]
    """
    sizes = [
        (rates.times_root(one.learning_rate, one.rank, one.scale), one)
        for one in settings.measured()
    ]
    dead = [size for size, one in sizes if max(one.facts.mean(), one.known.mean()) < 0.05]
    return max(size for size, one in sizes if one.learned), min(dead)


def dialled(dial: float = 0.7) -> tuple[float, Table]:
    """New facts of a rank 64 adapter turned down, in per cent, and other ways to forget less.

    Examples
    --------
    >>> round(dialled()[0])
    82
    """
    after = adaptations.examined(64, "both")
    (scale, rate) = after.settings[0][:2]
    rows: list[tuple[str, ...]] = []
    new = {}
    ways = [("as trained", None, 1.0), *((f"dial {d:g}", None, d) for d in (0.9, 0.8, 0.7))]
    for name, cut, turned in (*ways, ("cut to 16", 16, 1.0)):
        new[name], known = _at(after, (scale, rate, cut, turned))
        rows.append((name, share(new[name]), share(known)))
    mixed = _at(adaptations.mixed(64), (scale, rate, 0.1))
    rows.append(("10 % old data mixed in", *map(share, mixed)))
    columns = (f"rank 64, s = {scale:g}, rate {rate:g}", NEW, KNOWN)
    return float(100 * new[f"dial {dial:g}"].mean()), Table(columns, rows)


def weak_server(ranks: tuple[int, ...] = (8, 16, 64)) -> tuple[float, Table]:
    """What an alpha/r server applies of an rsLoRA adapter of the last rank, in per cent.

    Examples
    --------
    >>> weak_server()[0]
    12.5
    """
    rows = []
    for rank in ranks:
        ratio = float(scaling.loader_ratio(rank, scaling.RSLORA, scaling.STANDARD))
        alpha = float(scaling.equivalent_alpha(16, rank, scaling.RSLORA, rank, scaling.STANDARD))
        rows.append((rank, f"{100 * ratio:.1f} %", f"{alpha:.1f}"))
    columns = ("rank", "of the strength", "alpha to write, rsLoRA off")
    return 100 * ratio, Table(columns, rows)


def merged() -> tuple[float, Table]:
    """Facts of both groups that two summed adapters of rank 16 still have, in per cent.

    Examples
    --------
    >>> round(merged()[0])
    27
    """
    found = adaptations.merged("people")
    rows = [
        ("each alone", share(found["first", 1.0]["facts"]), share(found["first", 1.0]["known"]))
    ]
    both = {}
    for way, dial in (("sum", 1.0), ("sum", 0.7), ("ties", 1.0)):
        each = found[way, dial]
        both[way, dial] = (each["facts"] + each["other"]) / 2
        rows.append((f"{way}, dial {dial:g}", share(both[way, dial]), share(each["known"])))
    columns = ("two adapters", "new facts of 200 people", KNOWN)
    return float(100 * both["sum", 1.0].mean()), Table(columns, rows)


def four_bits() -> tuple[float, Table]:
    """Known facts of a rank 64 adapter beside a base of four bits, in per cent.

    Examples
    --------
    >>> round(four_bits()[0])
    75
    """
    points, known = adaptations.four_bits(64, trained_on=False), {}
    rows: list[tuple[str, ...]] = []
    for setting in points.settings:
        facts, known[setting[2]] = _at(points, setting)
        rows.append((setting[2], share(facts), share(known[setting[2]])))
    trained = adaptations.four_bits(64, trained_on=True)
    for setting in trained.settings:
        # Beside the base of four bits is how it was trained.
        if setting[2] not in ("base alone", "beside"):
            name = f"trained beside four bits, {setting[2].replace('as trained', 'so served')}"
            rows.append((name, *(share(each) for each in _at(trained, setting))))
    return float(100 * known["beside"].mean()), Table(("rank 64, NF4", NEW, KNOWN), rows)


def tenfold() -> tuple[float, Table]:
    """LoRA's best rate over that of full fine-tuning, and both.

    Best keeps most known facts, all new ones learned; rank 64. The number is for alpha 16 with
    alpha/r; the last row has a larger scale.

    Examples
    --------
    >>> tenfold()[0]
    10.0
    """
    full = adaptations.full(CHOOSE).where(lambda optimiser, rate: optimiser == "adamw")
    chosen = choose(full)
    if chosen is None:
        raise ValueError("full fine-tuning must have learned all facts at some rate")
    usual, large = (settings.keeps_most(64, s) for s in (16 / 64, 16.0))
    kept = _at(adaptations.full(), chosen)[1]
    rows = [("all weights", f"{chosen[1]:g}", share(kept))] + [
        (f"LoRA, rank 64, alpha {64 * one.scale:g}", f"{one.learning_rate:g}", share(one.known))
        for one in (usual, large)
    ]
    return usual.learning_rate / chosen[1], Table(("AdamW", "best rate", KNOWN), rows)
