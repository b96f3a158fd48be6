"""What the experiments measured, as arrays: one row a seed, NaN where a seed has no run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array
from . import world
from .shipped import measured, spectra
from .tasks import ADAPTERS, LARGEST, TASKS

#: Families of LoRA runs: what a rank holds, at one learning rate that suits all ranks; and
#: sweeps over the learning rate.
CAPACITY, SWEEP = "capacity", "sweep"
#: The alpha that each is trained with.
ALPHA = {CAPACITY: 4, SWEEP: 16}
PRETRAINED_TASKS = ("style", "facts")


@dataclass(frozen=True)
class Curves:
    """Measured shares over one setting.

    Attributes
    ----------
    at : (N,) array
        The setting: ranks, scales or learning rates, rising.
    seeds : tuple of int
        The K seeds.
    values : dict of str to (K, N) array
        Such as "facts" and "style", between 0 and 1.
    """

    at: Array
    seeds: tuple[int, ...]
    values: dict[str, Array]

    def mean(self, name: str) -> Array:
        """Over the seeds, (N,)."""
        return np.asarray(np.nanmean(self.values[name], axis=0))

    def spread(self, name: str) -> float:
        """The largest distance between two seeds at one setting."""
        values = self.values[name]
        return float(np.max(np.nanmax(values, axis=0) - np.nanmin(values, axis=0)))

    def reaches(self, name: str, level: float) -> Array:
        """(K,): for each seed the lowest setting from which on all are at `level` or above.

        NaN where even the last setting is below.
        """
        enough = np.logical_and.accumulate((self.values[name] >= level)[:, ::-1], axis=1)[:, ::-1]
        return np.where(enough.any(axis=1), self.at[enough.argmax(axis=1)], np.nan)


def _curves(rows: Iterable[dict[str, Any]], setting: str, names: Iterable[str]) -> Curves:
    rows = list(rows)
    at = sorted({row[setting] for row in rows})
    seeds = tuple(sorted({row["seed"] for row in rows}))
    values = {name: np.full((len(seeds), len(at)), np.nan) for name in names}
    for row in rows:
        for name, array in values.items():
            array[seeds.index(row["seed"]), at.index(row[setting])] = row.get(name, np.nan)
    return Curves(np.array(at, dtype=float), seeds, values)


def _measured_on(side: str) -> tuple[str, ...]:
    return ("facts", "style", "known", *(("energy",) if side == "ranks" else ()))


def truncated(task: str, side: str = "ranks") -> Curves:
    """The small model's full update of a task, truncated ("ranks") or scaled ("scales").

    Values: "facts", "style", "known" (facts of people known before) and, over ranks,
    "energy".
    """
    validation.choice("task", task, tuple(TASKS))
    validation.choice("side", side, ("ranks", "scales"))
    rows = [
        {"seed": run["seed"], **row}
        for run in measured()["full"]
        if run["task"] == task
        for row in run[side]
    ]
    return _curves(rows, side.removesuffix("s"), _measured_on(side))


def before(task: str) -> dict[str, Array]:
    """What the base model does on a task, before fine-tuning: "facts", "style", "known", (K,)."""
    validation.choice("task", task, tuple(TASKS))
    runs = sorted(
        (run for run in measured()["full"] if run["task"] == task), key=lambda run: run["seed"]
    )
    return {
        name: np.array([run["before"][name] for run in runs])
        for name in ("facts", "style", "known")
    }


def needed_rank(task: str) -> Array:
    """(K,): for each seed the lowest rank at which the truncated update recalls 90 %.

    Of the style's words for "saga", of the facts for new people. Found by halving the
    range of ranks, so exact to one rank where recall rises with the rank.
    """
    validation.choice("task", task, tuple(TASKS))
    rows = [row for row in measured()["needed"] if row["task"] == task]
    return np.array([row["rank"] for row in sorted(rows, key=lambda row: row["seed"])], dtype=float)


def _lora(family: str) -> list[dict[str, Any]]:
    return [row for row in measured("small_lora")["runs"] if row["family"] == family]


def trained(task: str) -> Curves:
    """LoRA trained on a task, over the rank, at one learning rate that suits all ranks.

    Parameters
    ----------
    task : str
        One of `tasks.TASKS`, or "1600".

    Returns
    -------
    Curves with "facts", "style", "known" and "parameters", those of the adapter.
    """
    validation.choice("task", task, (*TASKS, LARGEST.name))
    rows = [row for row in _lora(CAPACITY) if row["task"] == task]
    return _curves(rows, "rank", ("facts", "style", "known", "parameters"))


def exposures(people: str) -> float:
    """How often each fact was seen in `trained`, in the mean: steps x batch over people.

    Parameters
    ----------
    people : str
        "25", "100", "400" or "1600".

    Examples
    --------
    >>> exposures("400"), exposures("1600")
    (144.0, 72.0)
    """
    count = int(validation.choice("people", people, ("25", "100", "400", "1600")))
    (seen,) = {row["steps"] * row["batch"] for row in _lora(CAPACITY) if row["task"] == people}
    return seen / count


def over_rates(optimiser: str, use_rslora: bool, rank: int) -> Curves:
    """LoRA trained on 100 people over the learning rate: "facts" and "known"."""
    validation.choice("optimiser", optimiser, ("adamw", "sgd"))
    rows = [
        row
        for row in _lora(SWEEP)
        if (row["optimiser"], row["rank"]) == (optimiser, rank)
        and (row["use_rslora"] == use_rslora or rank == 1)
    ]
    return _curves(rows, "learning_rate", ("facts", "known"))


def adapter(name: str, side: str = "ranks") -> Curves:
    """A LoRA that was kept, its update truncated ("ranks") or scaled ("scales").

    Parameters
    ----------
    name : str
        One of `tasks.ADAPTERS`.

    Returns
    -------
    Curves with "facts", "style", "known" and, over ranks, "energy".
    """
    validation.choice("name", name, tuple(ADAPTERS))
    validation.choice("side", side, ("ranks", "scales"))
    rows = [
        {"seed": run["seed"], **row}
        for run in measured("adapters")["runs"]
        if run["name"] == name
        for row in run[side]
    ]
    return _curves(rows, side.removesuffix("s"), _measured_on(side))


def adapter_spectrum(name: str) -> dict[str, Array]:
    """Medians over the modules of a LoRA that was kept, (K,): a value for each seed.

    Keys: "stable", "effective", "rank90", "rank99".
    """
    validation.choice("name", name, tuple(ADAPTERS))
    rows = [run["spectrum"] for run in measured("adapters")["runs"] if run["name"] == name]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def bits_per_parameter(people: ArrayLike, recall: ArrayLike, parameters: ArrayLike) -> Array:
    """Bits of facts that are recalled, over the numbers of the adapter.

    A fact counts its full bits when it is recalled and none when not; guesses are so
    rarely right that they are left out.
    """
    stored = np.asarray(people) * np.asarray(recall) * world.bits_per_person()
    return np.asarray(stored / validation.positive_array("parameters", parameters))


def pretrained_truncated(task: str) -> Curves:
    """SmolLM2's full update of a task, truncated: "facts", "style", "fluent" and "energy"."""
    validation.choice("task", task, PRETRAINED_TASKS)
    rows = [
        {"seed": run["seed"], **row}
        for run in measured("pretrained")["full"]
        if run["task"] == task
        for row in run["ranks"]
    ]
    return _curves(rows, "rank", ("facts", "style", "fluent", "energy"))


def pretrained_trained(task: str, use_rslora: bool, learning_rate: float) -> Curves:
    """LoRA trained on SmolLM2, over the rank: "facts", "style", "fluent" and "parameters"."""
    validation.choice("task", task, PRETRAINED_TASKS)
    rows = [
        row
        for row in measured("pretrained")["lora"]
        if row["task"] == task
        and row["learning_rate"] == learning_rate
        and (row["use_rslora"] == use_rslora or row["rank"] == 1)
    ]
    return _curves(rows, "rank", ("facts", "style", "fluent", "parameters"))


def pretrained_rates(task: str) -> tuple[float, ...]:
    """The learning rates at which LoRA was trained on a task, rising."""
    validation.choice("task", task, PRETRAINED_TASKS)
    rows = measured("pretrained")["lora"]
    return tuple(sorted({row["learning_rate"] for row in rows if row["task"] == task}))


def pretrained_spectra(task: str) -> dict[str, list[Array]]:
    """Singular values of SmolLM2's full update of a task (first seed), by kind of matrix.

    Returns
    -------
    dict from kind, such as "q_proj", to one descending array a layer.
    """
    validation.choice("task", task, PRETRAINED_TASKS)
    found: dict[str, list[Array]] = {}
    for name, values in spectra().items():
        if name.startswith(f"{task}."):
            found.setdefault(name.rsplit(".", 1)[1], []).append(values)
    return found
