"""The worked cases of notebook 11: for each what was measured, and a table of it.

All are of the small model and 100 new people. Means and ranges are over the worlds in which no
setting was chosen. Best rates over the rank are those of the choosing worlds.
"""

from __future__ import annotations

import numpy as np

from ..lora import scaling
from ..tables import Table
from ..validation import Array
from . import adaptations, rates, settings
from .comparisons import share
from .forgetting import CHOOSE, MATCHED, Points, choose
from .settings import Measured

NEW, KNOWN = "new facts", "known facts"


def _at(points: Points, setting: tuple[object, ...]) -> tuple[Array, Array]:
    one = points.where(lambda *each: each == setting)
    missing = np.full(len(points.worlds), np.nan)
    return (one.facts[:, 0], one.known[:, 0]) if one.settings else (missing, missing)


#: From rank 16, alpha 16, alpha/r and a rate of 0.001: the start, one change, and all of them.
CHANGES = {
    "the start": (16, 1.0, 1e-3), "rank 64": (64, 0.25, 1e-3), "rsLoRA on": (16, 4.0, 1e-3),
    "a third of the rate": (16, 1.0, 3e-4), "all three": (64, 2.0, 3e-4),
    "and alpha 128, rate a tenth": (64, 16.0, 3e-5),
}  # fmt: skip
#: How many of them change one thing, or none.
SINGLE = 4


def one_change() -> tuple[str, Table]:
    """Which one change keeps more known facts, all new ones learned, and all at once.

    From rank 16, alpha 16, alpha/r, rate 0.001.

    Examples
    --------
    >>> one_change()[0]
    'rank 64'
    """
    found = {name: settings.exactly(*each) for name, each in CHANGES.items()}
    learned = [name for name in list(CHANGES)[:SINGLE] if found[name].learned]
    best = max(learned, key=lambda name: found[name].known.mean())
    rows = [
        (name, one.rank, f"{one.scale:g}", f"{one.learning_rate:g}", share(one.facts),
         share(one.known)) for name, one in found.items()
    ]  # fmt: skip
    return best, Table(("change", "rank", "scale s", "rate", NEW, KNOWN), rows)


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


def on_or_off() -> tuple[str, Table]:
    """Whether rsLoRA keeps more known facts than alpha/r, each at one rate and at its best.

    Examples
    --------
    >>> on_or_off()[0]
    'on'
    """
    rows, known = [], {}
    for name, found in _switched().items():
        for one in found:
            rows.append((name, f"{one.scale:g}", f"{one.learning_rate:g}", share(one.facts),
                         share(one.known)))  # fmt: skip
        known[name] = found[-1].known.mean()
    columns = ("rsLoRA", "scale s", "rate", NEW, KNOWN)
    return max(known, key=lambda name: known[name]), Table(columns, rows)


def _switched(rank: int = 64, alpha: float = 16, rate: float = 3e-4) -> dict[str, list[Measured]]:
    """Off and on, each at one rate, then at the rate that suits it best."""
    found = {}
    for name, rule in (("off", scaling.STANDARD), ("on", scaling.RSLORA)):
        s = float(scaling.scale(alpha, rank, rule))
        found[name] = [settings.exactly(rank, s, rate), settings.keeps_most(rank, s)]
    return found


#: Below this share of new facts and of known ones a run counts as lost.
LOST = 0.1
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
    said = "all" if kept.learned else "none" if kept.facts.max() < LOST else "some"
    return said, Table(("setting", "rate", "s r", "rate times root of s r", NEW, KNOWN), rows)


def compared() -> list[tuple[int, float, float]]:
    """Rank, scale and rate of every setting that `one_change`, `on_or_off` and `spike` compare.

    Examples
    --------
    >>> (16, 1.0, 3e-4) in compared()
    True
    """
    switched = [
        (one.rank, one.scale, one.learning_rate) for each in _switched().values() for one in each
    ]
    return [*CHANGES.values(), *switched, *BORNE]


def most_borne() -> tuple[float, float, float]:
    """Rate times the root of s r: borne in every world, not in every one, in none.

    The most that learned all below the first run that is lost; that first run's; and the least
    from which on every run is lost. Of all runs of the map, world by world; what is lost has
    less than a tenth of the new facts and of the known ones.

    Examples
    --------
    >>> [round(each, 3) for each in most_borne()]
    [0.048, 0.057, 0.08]
    """
    runs = [
        (rates.times_root(row["learning_rate"], row["rank"], row["scale"]), row)
        for row in adaptations.plain_lora(finer=True)
    ]
    lost = [size for size, row in runs if _lost(row)]
    borne = [size for size, row in runs if row["facts"] >= MATCHED and size < min(lost)]
    last = max(size for size, row in runs if not _lost(row))
    return max(borne), min(lost), min(size for size in lost if size > last)


def _lost(row: adaptations.Row) -> bool:
    return max(row["facts"], row["known"]) < LOST


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
