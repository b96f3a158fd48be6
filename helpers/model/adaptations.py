"""The runs of the map as they ship: every way to adapt the small model to 100 new people.

What is done with them, choosing and comparing, is in `forgetting`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from .. import validation
from ..lora import scaling
from ..validation import Array
from .forgetting import RATES, REPORT, Points, points
from .recipe import COOL_DOWN
from .shipped import measured
from .world import bits_per_person

#: What a run is where nothing else is said: the defaults of `experiments.adaptation.adapt`.
PLAIN: dict[str, Any] = {
    "optimiser": "adamw", "task": "100", "steps": 400, "batch": 32,
    "placement": "all", "replayed": 0.0, "quantised": False, "cool_down": COOL_DOWN,
}  # fmt: skip
SETTING = ("rank", "scale", "learning_rate", *PLAIN)
EXAMINED = ("dial", "cut", "both")

Row = dict[str, Any]


@lru_cache(maxsize=1)
def rows() -> tuple[Row, ...]:
    """Every run, one a setting and world: settings, "facts", "known", "loss", "norm".

    "seed" is the world; "rank" None stands for all weights. Sweeps of `small_lora.json`
    under AdamW are among them; they have no "norm".
    """
    record = measured("small_map")
    swept = from_sweeps(measured("small_lora")["runs"])
    found: dict[tuple[Any, ...], Row] = {}
    for row in (*record.get("examine", ()), *swept, *record.get("adapt", ())):
        whole = {**PLAIN, **row}
        found[(whole["seed"], *(whole[key] for key in SETTING))] = whole
    return tuple(found.values())


def from_sweeps(runs: Iterable[Mapping[str, Any]]) -> list[Row]:
    """The sweeps over the learning rate in `small_lora.json` as points of the map.

    100 people, alpha 16, AdamW: alpha and the scaling become the scale "scale".
    """
    plain = ("task", "alpha", "use_rslora", "optimiser", "steps", "batch", "seconds")
    return [
        {
            **{key: value for key, value in run.items() if key not in plain},
            "scale": float(scaling.scale(run["alpha"], run["rank"], _RULE[run["use_rslora"]])),
        }
        for run in runs
        if (run["task"], run["alpha"], run["optimiser"]) == ("100", 16, "adamw")
    ]


_RULE = {False: scaling.STANDARD, True: scaling.RSLORA}


def _plain(row: Row, *free: str) -> bool:
    return all(row[key] == value for key, value in PLAIN.items() if key not in free)


def on_grid(optimiser: str, learning_rate: float) -> bool:
    """Whether a rate is one of the map's own, and not one that was run between them."""
    return optimiser != "adamw" or learning_rate in RATES


def lora(rank: int, worlds: Sequence[int] = REPORT, finer: bool = False) -> Points:
    """LoRA in all matrices under AdamW, by (scale, learning rate).

    Parameters
    ----------
    finer : bool
        Rates between the map's own too.
    """
    validation.integer("rank", rank, 1)
    mine = (row for row in plain_lora(finer) if row["rank"] == rank)
    return points(mine, ("scale", "learning_rate"), worlds)


def map_rows() -> list[Row]:
    """Every run under AdamW with nothing else changed: any rank, all weights too, any rate."""
    return [row for row in rows() if _plain(row)]


def plain_lora(finer: bool = False) -> list[Row]:
    """Every run of a LoRA in all matrices under AdamW with nothing else changed.

    At the map's own rates, or with `finer` at those between them too.
    """
    return [
        row for row in map_rows()
        if row["rank"] is not None and (finer or on_grid("adamw", row["learning_rate"]))
    ]  # fmt: skip


def full(worlds: Sequence[int] = REPORT, finer: bool = False) -> Points:
    """All weights, by (optimiser, learning rate); `finer` as in `lora`."""
    mine = (row for row in rows() if row["rank"] is None and _plain(row, "optimiser"))
    found = points(mine, ("optimiser", "learning_rate"), worlds)
    return found if finer else found.where(on_grid)


def examined(rank: int | None, kind: str, worlds: Sequence[int] = REPORT) -> Points:
    """What is left of an update, by (scale, learning rate, rank of the cut, dial).

    Parameters
    ----------
    rank : int or None
        Of the LoRA; None for all weights.
    kind : str
        "dial" for the whole update times a dial, "cut" for the best part of a lower rank,
        "both" for these and for cuts with a dial. The update as it was trained (cut None,
        dial 1) is in each.
    """
    validation.choice("kind", kind, EXAMINED)
    found = []
    for run in measured("small_map").get("examine", ()):
        if run["rank"] != rank or run.get("quantised") or run["diverged"]:
            continue
        trained = {"rank": None, "dial": 1.0, "facts": run["facts"], "known": run["known"]}
        for row in (trained, *run["after"]):
            if kind == "both" or row is trained or (row["rank"] is None) == (kind == "dial"):
                if kind != "cut" or row["dial"] == 1.0:
                    found.append({**run, **row, "cut": row["rank"]})
    return points(found, ("scale", "learning_rate", "cut", "dial"), worlds)


def mixed(rank: int | None, worlds: Sequence[int] = REPORT) -> Points:
    """Old data mixed in, by (scale, learning rate, share of the known people)."""
    mine = (row for row in rows() if row["rank"] == rank and _plain(row, "replayed"))
    found = points(mine, ("scale", "learning_rate", "replayed"), worlds)
    with_old = {(scale, rate) for scale, rate, share in found.settings if share}
    return found.where(lambda scale, rate, share: (scale, rate) in with_old)


def placed(placement: str, rank: int, worlds: Sequence[int] = REPORT) -> Points:
    """LoRA in some matrices only, by (scale, learning rate)."""
    mine = (
        row for row in rows()
        if (row["rank"], row["placement"]) == (rank, placement) and _plain(row, "placement")
    )  # fmt: skip
    return points(mine, ("scale", "learning_rate"), worlds)


def intruders(rank: int | None, worlds: Sequence[int] = REPORT) -> tuple[Points, Array]:
    """Intruder dimensions turned down, by (scale, learning rate, dial), and how many there are.

    Returns
    -------
    Points, and the number over all matrices in each world, (K,); NaN where there is no run.
    """
    runs = [
        run for run in measured("small_map").get("examine", ())
        if run["rank"] == rank and not run.get("quantised") and not run["diverged"]
    ]  # fmt: skip
    found = [
        {**run, **row}
        for run in runs
        for row in (*run["intruders"], {**{k: run[k] for k in ("facts", "known")}, "dial": 1.0})
    ]
    counts = {run["seed"]: float(sum(run["intruder_counts"].values())) for run in runs}
    numbers = np.array([counts.get(world, np.nan) for world in worlds])
    return points(found, ("scale", "learning_rate", "dial"), worlds), numbers


def four_bits(rank: int | None, trained_on: bool, worlds: Sequence[int] = REPORT) -> Points:
    """Served on a base of four bits, by (scale, learning rate, way).

    Parameters
    ----------
    trained_on : bool
        Whether the update was trained on the base of four bits, as in QLoRA.
    """
    found = [
        {**run, **row}
        for run in measured("small_map").get("examine", ())
        if run["rank"] == rank and bool(run.get("quantised")) == trained_on
        for row in (*run.get("four_bits", ()), {"way": "as trained"})
    ]
    return points(found, ("scale", "learning_rate", "way"), worlds)


def merged(other: str, worlds: Sequence[int] = REPORT) -> dict[tuple[str, float], dict[str, Array]]:
    """Two adapters merged: for each (way, dial) arrays (K,) of "facts", "other" and "known".

    ("first", 1) and ("other", 1) are the two by themselves.
    """
    validation.choice("other", other, ("saga", "people"))
    found: dict[tuple[str, float], dict[str, Array]] = {}
    names = ("facts", "other", "known")
    for run in measured("small_map").get("merge", ()):
        if run["other"] != other or run["seed"] not in worlds:
            continue
        alone = [{**row, "way": row["task"], "dial": 1.0} for row in run["alone"]]
        for row in (*alone, *run["merged"]):
            empty = {name: np.full(len(worlds), np.nan) for name in names}
            each = found.setdefault((row["way"], row["dial"]), empty)
            for name in names:
                each[name][list(worlds).index(run["seed"])] = row[name]
    return found


def identities() -> list[Row]:
    """Pairs of settings that are said to be the same, or not: a row for each pair and world."""
    return list(measured("small_map").get("identity", ()))


def capacity() -> list[Row]:
    """Long runs of other numbers of people, with "bits" per number of the adapter."""
    found = []
    for row in rows():
        if row["task"] in ("100", "saga"):
            continue
        stored = int(row["task"]) * row["facts"] * bits_per_person()
        exposures = row["steps"] * row["batch"] / int(row["task"])
        found.append({**row, "bits": stored / row["parameters"], "exposures": exposures})
    return found


def bits_when_full(runs: Iterable[Mapping[str, Any]], level: float = 0.9) -> float:
    """Bits per number of adapters that are full: the mean over runs that recall less than `level`.

    NaN where no adapter is full.
    """
    bits = [run["bits"] for run in runs if run["facts"] < validation.number("level", level, 0, 1)]
    return float(np.mean(bits)) if bits else float("nan")


def predicted_recall(people: int, parameters: int, bits: float) -> float:
    """What an adapter should recall of so many people, if each of its numbers holds `bits`."""
    validation.integer("people", people, 1)
    validation.integer("parameters", parameters, 1)
    return min(1.0, bits * parameters / (people * bits_per_person()))
