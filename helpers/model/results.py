"""What the experiments measured, as arrays: one row per seed, NaN where a seed has no run."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array
from . import world
from .curves import Curves, from_rows
from .shipped import measured, spectra
from .tasks import ADAPTERS, LARGEST, TASKS

#: Families of LoRA runs: what a rank holds, at one learning rate that suits all ranks; and
#: sweeps over the learning rate.
CAPACITY, SWEEP = "capacity", "sweep"
#: The alpha that each is trained with.
ALPHA = {CAPACITY: 4, SWEEP: 16}
PRETRAINED_TASKS = ("style", "facts")


def _measured_on(side: str) -> tuple[str, ...]:
    return ("facts", "style", "known", *(("energy",) if side == "ranks" else ()))


def truncated(task: str, side: str = "ranks") -> Curves:
    """The small model's full update of a task, truncated ("ranks") or scaled ("scales").

    Values: "facts", "style", "known" (facts of people known before) and, over ranks,
    "energy".

    Examples
    --------
    >>> curves = truncated("100")
    >>> curves.at.astype(int).tolist()
    [1, 2, 4, 8, 16, 32, 64, 128]
    >>> curves.mean("facts").round(2).tolist()
    [0.02, 0.04, 0.07, 0.25, 0.88, 1.0, 1.0, 1.0]
    """
    validation.choice("task", task, tuple(TASKS))
    validation.choice("side", side, ("ranks", "scales"))
    rows = [
        {"seed": run["seed"], **row}
        for run in measured()["full"]
        if run["task"] == task
        for row in run[side]
    ]
    return from_rows(rows, side.removesuffix("s"), _measured_on(side))


def before(task: str) -> dict[str, Array]:
    """What the base model does on a task, before fine-tuning: "facts", "style", "known", (K,).

    Examples
    --------
    >>> before("100")["facts"].round(2).tolist()
    [0.01, 0.01, 0.02]
    """
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

    Of the task's measure: the style's words for "saga", the facts for new people. Found by
    bisection, so exact to one rank where recall rises with the rank.

    Examples
    --------
    >>> needed_rank("100").tolist()
    [17.0, 17.0, 17.0]
    """
    validation.choice("task", task, tuple(TASKS))
    rows = [row for row in measured()["needed"] if row["task"] == task]
    return np.array([row["rank"] for row in sorted(rows, key=lambda row: row["seed"])], dtype=float)


def _lora(family: str) -> list[dict[str, Any]]:
    return [row for row in measured("small_lora")["runs"] if row["family"] == family]


def trained(task: str) -> Curves:
    """LoRA trained on a task, over the rank, at one learning rate that suits all ranks (3e-3).

    Parameters
    ----------
    task : str
        One of `tasks.TASKS`, or "1600".

    Returns
    -------
    Curves with "facts", "style", "known" and "parameters", those of the adapter.

    Examples
    --------
    >>> curves = trained("100")
    >>> dict(zip(curves.at.astype(int).tolist(), curves.mean("facts").round(2).tolist()))
    {1: 0.95, 2: 1.0, 4: 1.0, 8: 1.0, 16: 1.0, 32: 1.0, 64: 1.0}
    """
    validation.choice("task", task, (*TASKS, LARGEST.name))
    rows = [row for row in _lora(CAPACITY) if row["task"] == task]
    return from_rows(rows, "rank", ("facts", "style", "known", "parameters"))


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
    """LoRA trained on 100 people over the learning rate: "facts" and "known".

    Examples
    --------
    >>> curves = over_rates("adamw", use_rslora=True, rank=16)
    >>> dict(zip(curves.at.tolist(), curves.mean("facts").round(2).tolist()))
    {0.0003: 1.0, 0.001: 1.0, 0.003: 1.0, 0.01: 0.0}
    """
    validation.choice("optimiser", optimiser, ("adamw", "sgd"))
    rows = [
        row
        for row in _lora(SWEEP)
        if (row["optimiser"], row["rank"]) == (optimiser, rank)
        and (row["use_rslora"] == use_rslora or rank == 1)
    ]
    return from_rows(rows, "learning_rate", ("facts", "known"))


def adapter(name: str, side: str = "ranks") -> Curves:
    """A kept adapter's update, truncated ("ranks") or scaled ("scales").

    Parameters
    ----------
    name : str
        One of `tasks.ADAPTERS`.

    Returns
    -------
    Curves with "facts", "style", "known" and, over ranks, "energy".

    Examples
    --------
    >>> adapter("people").mean("facts").round(2).tolist()
    [0.06, 0.18, 0.7, 1.0, 1.0]
    """
    validation.choice("name", name, tuple(ADAPTERS))
    validation.choice("side", side, ("ranks", "scales"))
    rows = [
        {"seed": run["seed"], **row}
        for run in measured("adapters")["runs"]
        if run["name"] == name
        for row in run[side]
    ]
    return from_rows(rows, side.removesuffix("s"), _measured_on(side))


def adapter_spectrum(name: str) -> dict[str, Array]:
    """Medians over the modules of a kept adapter, (K,): one per seed.

    Keys: "stable", "effective", "rank90", "rank99".

    Examples
    --------
    >>> adapter_spectrum("people")["effective"].round(1).tolist()
    [12.6, 12.0, 12.2]
    """
    validation.choice("name", name, tuple(ADAPTERS))
    rows = [run["spectrum"] for run in measured("adapters")["runs"] if run["name"] == name]
    return {key: np.array([row[key] for row in rows]) for key in rows[0]}


def bits_per_parameter(people: ArrayLike, recall: ArrayLike, parameters: ArrayLike) -> Array:
    """Bits of recalled facts per weight of the adapter.

    A recalled fact counts its full bits, any other none; guesses are right too rarely to
    matter. Arguments broadcast: numbers of people, shares of the facts, numbers of weights.
    Raises ValueError unless `parameters` are above 0.

    Examples
    --------
    >>> bits_per_parameter(100, 1.0, 6728).round(2).tolist()
    0.37
    """
    stored = np.asarray(people) * np.asarray(recall) * world.bits_per_person()
    return np.asarray(stored / validation.positive_array("parameters", parameters))


def pretrained_truncated(task: str) -> Curves:
    """SmolLM2's full update of a task, truncated: "facts", "style", "fluent" and "energy".

    Examples
    --------
    >>> curves = pretrained_truncated("facts")
    >>> dict(zip(curves.at.astype(int).tolist(), curves.mean("facts").round(2).tolist()))
    {1: 0.04, 4: 0.2, 16: 0.64, 64: 0.83, 256: 0.89}
    """
    validation.choice("task", task, PRETRAINED_TASKS)
    rows = [
        {"seed": run["seed"], **row}
        for run in measured("pretrained")["full"]
        if run["task"] == task
        for row in run["ranks"]
    ]
    return from_rows(rows, "rank", ("facts", "style", "fluent", "energy"))


def pretrained_trained(task: str, use_rslora: bool, learning_rate: float) -> Curves:
    """LoRA trained on SmolLM2, over the rank: "facts", "style", "fluent" and "parameters".

    Examples
    --------
    >>> curves = pretrained_trained("facts", use_rslora=False, learning_rate=2e-3)
    >>> dict(zip(curves.at.astype(int).tolist(), curves.mean("facts").round(2).tolist()))
    {1: 0.96, 8: 0.97, 64: 0.98}
    """
    validation.choice("task", task, PRETRAINED_TASKS)
    rows = [
        row
        for row in measured("pretrained")["lora"]
        if row["task"] == task
        and row["learning_rate"] == learning_rate
        and (row["use_rslora"] == use_rslora or row["rank"] == 1)
    ]
    return from_rows(rows, "rank", ("facts", "style", "fluent", "parameters"))


def pretrained_rates(task: str) -> tuple[float, ...]:
    """The learning rates at which LoRA was trained on a task, rising.

    Examples
    --------
    >>> pretrained_rates("facts")
    (0.0001, 0.0005, 0.002)
    """
    validation.choice("task", task, PRETRAINED_TASKS)
    rows = measured("pretrained")["lora"]
    return tuple(sorted({row["learning_rate"] for row in rows if row["task"] == task}))


def pretrained_spectra(task: str) -> dict[str, list[Array]]:
    """Singular values of SmolLM2's full update of a task (first seed), by kind of matrix.

    Returns
    -------
    dict from kind, such as "q_proj", to one descending array per layer.

    Examples
    --------
    >>> kinds = pretrained_spectra("style")
    >>> sorted(kinds), len(kinds["q_proj"])
    (['down_proj', 'gate_proj', 'k_proj', 'o_proj', 'q_proj', 'up_proj', 'v_proj'], 30)
    """
    validation.choice("task", task, PRETRAINED_TASKS)
    by_kind: dict[str, list[Array]] = {}
    for name, values in spectra().items():
        if name.startswith(f"{task}."):
            by_kind.setdefault(name.rsplit(".", 1)[1], []).append(values)
    return by_kind
