"""What can be done to an update once it is trained: cut, turned down, put on four bits, merged."""

from __future__ import annotations

from statistics import median
from typing import Any

import torch

from helpers.lora import intruders
from helpers.model import recall, world
from helpers.model import update as model_update

from . import adaptation, config, model, small
from .adaptation import Update
from .config import Training

#: Dials on the whole update, ranks that it is cut to, and dials on what is left of a cut.
DIALS = (0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95)
CUTS = (8, 16, 32)
BOTH = ((8, 16, 32), (1.15,))
#: What is left of the intruders' singular values.
INTRUDER_DIALS = (0.5,)


def examine(
    seed: int,
    rank: int | None,
    scale: float,
    learning_rate: float,
    optimiser: str = "adamw",
    task: str = "100",
    steps: int = 400,
    batch: int = 32,
    quantised: bool = False,
) -> dict[str, Any]:
    """Train as `adaptation.adapt` does; then cut, turn down and quantise what came out.

    "after" has a row for each cut and dial (rank None: not cut), "intruders" one for each
    dial on the intruders alone, "four_bits" one for each way to serve on a base of four bits.
    """
    base = adaptation.starting_base(seed, quantised)
    training = Training(steps, learning_rate, batch, optimiser)
    update, losses, parameters = adaptation.train(base, seed, rank, scale, training, task)
    found = {
        "parameters": parameters,
        **adaptation.judged(base, update, losses, task, seed),
    }
    if found["diverged"]:
        return found
    weights, change = small.as_numpy(base), small.as_numpy(update)
    parts = model_update.decompose(change)
    full = max(map(min, (matrix.shape for matrix in change.values())))

    def left(cut: int | None, dial: float) -> dict[str, Any]:
        whole = model_update.apply_update(weights, parts, full if cut is None else cut, dial)
        return {"rank": cut, "dial": dial, **_facts(whole, task, seed)}

    cuts = [cut for cut in CUTS if cut < (rank or full)]
    found["after"] = [
        *(left(None, dial) for dial in DIALS),
        *(left(cut, 1.0) for cut in cuts),
        *(left(cut, dial) for cut in BOTH[0] if cut in cuts for dial in BOTH[1]),
    ]
    return {
        **found,
        **_intruders(weights, change, task, seed),
        "four_bits": _four_bits(base, update, task, seed),
        "energy": {str(cut): round(model_update.captured_energy(parts, cut), 4) for cut in cuts},
    }


def _facts(weights: Any, task: str, seed: int) -> dict[str, float]:
    found = small.behaviour(weights, task, seed)
    return {name: found[name] for name in ("facts", "known")}


def _intruders(weights: Any, change: Any, task: str, seed: int) -> dict[str, Any]:
    """How many there are in each matrix, and what turning them down does."""
    after = {name: weights[name] + change[name] for name in weights}
    counts = {name: len(intruders.intruders(weights[name], after[name])) for name in weights}
    rows = []
    for dial in INTRUDER_DIALS:
        less = {name: intruders.turned_down(weights[name], after[name], dial) for name in weights}
        rows.append({"dial": dial, **_facts(less, task, seed)})
    return {"intruders": rows, "intruder_counts": counts}


def _four_bits(base: Any, update: Update, task: str, seed: int) -> list[dict[str, Any]]:
    """The update beside a base of four bits, and merged into one that is rounded then."""
    rounded = {name: adaptation.nf4(matrix) for name, matrix in base.items()}
    merged = adaptation.added(base, update)
    ways = {
        "base alone": rounded,
        "beside": adaptation.added(rounded, update),
        "merged, then rounded": {name: adaptation.nf4(matrix) for name, matrix in merged.items()},
    }
    return [
        {"way": way, **_facts(small.as_numpy(weights), task, seed)} for way, weights in ways.items()
    ]


#: Ways to merge two updates; each dial is on both.
SUMS = (1.0, 0.85, 0.7, 0.5)
TIES_DIALS = (1.0, 0.7)
#: Of each of the two adapters.
STEPS = 400


def merge(seed: int, other: str, rank: int, scale: float, learning_rate: float) -> dict[str, Any]:
    """Train 100 new people and another task apart, then merge the two adapters.

    Parameters
    ----------
    other : str
        "saga" for the new style of the known people, or "people" for the next 100 new ones.

    Returns
    -------
    "alone" (each adapter by itself) and "merged", each row with "facts" of
    the 100 people, "other" (of the other task: facts), and "known"; "cosine", the median
    over the matrices of the cosine between the two updates.
    """
    base = small.base_of(seed)
    training = Training(STEPS, learning_rate, 32)
    tasks = {"first": recall.task("100", seed), "other": _other(other, seed)}
    updates = {}
    for name, (people, styles) in tasks.items():
        texts = model.corpus(people, styles)
        updates[name], _, _ = adaptation.train(base, seed, rank, scale, training, texts=texts)

    def row(update: Update, **of: Any) -> dict[str, Any]:
        weights = small.as_numpy(adaptation.added(base, update))
        marks = _facts(weights, "saga" if other == "saga" else "100", seed)
        first = recall.measure(weights, *tasks["first"])
        people, styles = tasks["other"]
        second = recall.measure(weights, people[: config.EVALUATED_KNOWN], styles)
        return {**of, "facts": first["facts"], "other": second["facts"], "known": marks["known"]}

    first, second = updates["first"], updates["other"]
    plain = {name: first[name] + second[name] for name in first}
    tied = {name: ties([first[name], second[name]]) for name in first}
    return {
        "cosine": median(_cosine(first[name], second[name]) for name in first),
        "alone": [row(update, task=name) for name, update in updates.items()],
        "merged": [
            *(row(_dialled(plain, dial), way="sum", dial=dial) for dial in SUMS),
            *(row(_dialled(tied, dial), way="ties", dial=dial) for dial in TIES_DIALS),
        ],
    }


def _other(name: str, seed: int) -> Any:
    if name == "saga":
        return recall.task("saga", seed)
    return world.people(200, seed)[100:], dict(world.STYLES)


def _dialled(update: Update, dial: float) -> Update:
    return {name: dial * matrix for name, matrix in update.items()}


def _cosine(one: torch.Tensor, two: torch.Tensor) -> float:
    product = float((one.double() * two.double()).sum())
    return product / max(float(one.double().norm() * two.double().norm()), 1e-30)


def ties(updates: list[torch.Tensor], density: float = 0.2) -> torch.Tensor:
    """TIES-merging of one matrix (Yadav et al. 2023, arXiv 2306.01708), without its lambda.

    Keep the largest `density` of each update's numbers, elect each place's sign by the sum,
    and average those that agree with it.
    """
    kept = []
    for update in updates:
        count = max(1, round(density * update.numel()))
        least = update.abs().flatten().kthvalue(update.numel() - count + 1).values
        kept.append(torch.where(update.abs() >= least, update, torch.zeros_like(update)))
    stack = torch.stack(kept)
    agree = (stack.sum(dim=0).sign() == stack.sign()) & (stack != 0)
    count = agree.sum(dim=0).clamp(min=1)
    return torch.where(agree, stack, torch.zeros_like(stack)).sum(dim=0) / count
