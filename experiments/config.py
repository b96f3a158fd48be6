"""Every setting of the experiments, in one place."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

from helpers.lora.scaling import RSLORA
from helpers.model import forgetting, results, tasks
from helpers.model.recipe import COOL_DOWN, WARM_UP, rate_at
from helpers.model.tasks import FULL_RANK

ROOT = Path(__file__).resolve().parents[1]
#: What the notebooks read.
DATA = ROOT / "helpers" / "data"
#: One file per finished run. Not part of the project: delete it to start over.
RUNS = ROOT / "experiments" / "runs"

#: Whether runs that ship with the series (`records`) are made again all the same.
ANEW = False

SEEDS = (0, 1, 2)
RANKS = (1, 2, 4, 8, 16, 32, 64)


@dataclass(frozen=True)
class SmallModel:
    """The small transformer."""

    width: int = FULL_RANK
    hidden: int = 256
    layers: int = 3
    context: int = 36


@dataclass(frozen=True)
class Training:
    """One training run; the learning rate warms up, stays, and falls to zero at the end."""

    steps: int
    learning_rate: float
    batch: int = 64
    optimiser: str = "adamw"
    warm_up: float = WARM_UP
    cool_down: float = COOL_DOWN
    weight_decay: float = 0.0
    eps: float = 1e-8
    #: The largest norm that the gradient of all parameters together may have.
    clip: float | None = None

    def rate_at(self, step: int) -> float:
        """The learning rate at a step, over its highest."""
        return rate_at(step, self.steps, self.warm_up, self.cool_down)


SMALL = SmallModel()
#: On how many people recall is measured: those of the task, and those known before.
EVALUATED, EVALUATED_KNOWN = 400, 100
#: The recall that `needed_rank` looks for.
LEVEL = 0.9

PRETRAINING = Training(steps=1000, learning_rate=5e-3)
#: Full fine-tuning, by task.
FULL = {
    "saga": Training(steps=250, learning_rate=1e-3),
    "25": Training(steps=200, learning_rate=1e-3),
    "100": Training(steps=300, learning_rate=1e-3),
    "400": Training(steps=500, learning_rate=1e-3),
}
#: Capacity runs: task, steps, batch, ranks, seeds.
CAPACITY = (
    ("saga", 250, 64, RANKS, SEEDS),
    ("25", 200, 32, RANKS, SEEDS),
    ("100", 400, 32, RANKS, SEEDS),
    ("400", 900, 64, (1, 2, 3, 4, 8), SEEDS),
    ("1600", 1800, 64, (8, 16), SEEDS[:1]),
)
#: Optimiser, learning rates, ranks.
SWEEPS = (
    ("adamw", (3e-4, 1e-3, 3e-3, 1e-2), (1, 4, 16, 64)),
    ("sgd", (0.1, 0.3, 1.0, 3.0), (4, 16, 64)),
)


@dataclass(frozen=True)
class Adapter:
    """A LoRA that is kept: its factors are shipped, or only measured."""

    task: str
    rank: int
    alpha: float
    use_rslora: bool
    training: Training
    ships: bool = True


#: Trained as in the capacity runs, all with the scale 1.
_ADAPTER_TRAINING = {
    "people": Training(400, 3e-3, 32),
    "crowd": Training(900, 3e-3),
    "style": Training(250, 3e-3),
    "wide": Training(400, 3e-3, 32),
}
ADAPTERS = {
    name: Adapter(
        kept.task.name, kept.rank, kept.alpha, kept.rule == RSLORA, _ADAPTER_TRAINING[name],
        kept.ships,
    )
    for name, kept in tasks.ADAPTERS.items()
}  # fmt: skip
SCALES = (0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0, 3.0, 4.0)
#: SmolLM2: full fine-tuning, then LoRA by task (its learning rate is swept).
PRETRAINED_FULL = {
    "facts": Training(steps=60, learning_rate=5e-5, batch=12),
    "style": Training(steps=30, learning_rate=5e-5, batch=8),
}
PRETRAINED_LORA = {
    "facts": Training(steps=60, learning_rate=5e-4, batch=12),
    "style": Training(steps=30, learning_rate=5e-4, batch=8),
}
#: LoRA's task, learning rate and use_rslora, in the order in which they are run, seed by
#: seed: whoever stops early has the first lines whole.
PRETRAINED_LINES = (
    ("facts", 2e-3, False),
    ("facts", 5e-4, True),
    ("style", 5e-4, False),
    ("facts", 5e-4, False),
    ("facts", 2e-3, True),
    ("style", 5e-4, True),
    ("facts", 1e-4, False),
    ("facts", 1e-4, True),
)
PRETRAINED_RANKS = (1, 8, 64)
PRETRAINED_TRUNCATIONS = (1, 4, 16, 64, 256)

#: SmolLM2's forgetting: how many invented people, how they are taught, what is then measured.
FORGETTING_PEOPLE = 12
FORGETTING_TRAINING: dict[str, Any] = {"steps": 40, "batch": 8}
FORGETTING_DIALS = (0.75,)
#: The scales of each rank: those of alpha = 16 under both rules, that of alpha = 2r, and at rank
#: 64 a large one, so that three scales can be compared.
FORGETTING_SCALES: dict[int, tuple[float, ...]] = {
    1: (16.0, 2.0), 4: (4.0, 8.0, 2.0), 16: (1.0, 4.0, 2.0), 64: (0.25, 2.0, 16.0),
    256: (0.0625, 1.0, 2.0),
}  # fmt: skip
#: Rates in half decades, then those between them.
FORGETTING_RATES = (
    (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2),
    (1.8e-5, 5.6e-5, 1.8e-4, 5.6e-4, 1.8e-3, 5.6e-3, 1.8e-2),
)
#: Which of them: the rate of all weights, and the rate times sqrt(s r) of LoRA.
FORGETTING_FULL, FORGETTING_BAND = (1.7e-5, 5e-4), (2.5e-3, 4e-2)
#: Four times the steps: rank (None: all weights), scale, rates.
FORGETTING_LONGER = (
    (None, 1.0, (1e-5, 1.8e-5, 3e-5, 5.6e-5, 1e-4)),
    (64, 2.0, (5.6e-5, 1e-4, 1.8e-4, 3e-4, 5.6e-4)),
    (4, 4.0, (1.8e-4, 3e-4, 5.6e-4, 1e-3, 1.8e-3)),
)


def in_band(band: tuple[float, float], rank: int, scale: float, rate: float) -> bool:
    """Whether the rate times sqrt(s r), which tells how far training goes, lies in a band."""
    low, high = band
    return low <= (scale * rank) ** 0.5 * rate <= high


def forgetting_grid() -> list[dict[str, Any]]:
    """All runs of `pretrained_forgetting`: whoever stops early has the first of them whole."""
    worlds = (*forgetting.CHOOSE, *forgetting.REPORT)
    grid = []
    for rates in FORGETTING_RATES:
        each: list[tuple[int | None, float, float]] = [
            (rank, scale, rate)
            for rank, scales in FORGETTING_SCALES.items()
            for scale, rate in product(scales, rates)
            if in_band(FORGETTING_BAND, rank, scale, rate)
        ]
        low, high = FORGETTING_FULL
        each += [(None, 1.0, rate) for rate in rates if low <= rate <= high]
        grid += [_forgets(seed, *setting) for seed in worlds for setting in each]
    grid += [
        {**_forgets(seed, rank, scale, rate), "steps": 4 * FORGETTING_TRAINING["steps"]}
        for seed in worlds
        for rank, scale, rates in FORGETTING_LONGER
        for rate in rates
    ]
    return grid


def _forgets(seed: int, rank: int | None, scale: float, rate: float) -> dict[str, Any]:
    return {"seed": seed, "rank": rank, "scale": scale, "learning_rate": rate}


def rules(rank: int) -> tuple[bool, ...]:
    """use_rslora off and on; at rank 1 both are the same."""
    return (False,) if rank == 1 else (False, True)


def pretrained_grid() -> list[dict[str, Any]]:
    """All LoRA runs of the pre-trained model."""
    return [
        {"task": task, "seed": seed, "rank": rank, "alpha": 16, "use_rslora": use_rslora,
         "learning_rate": rate}
        for task, rate, use_rslora in PRETRAINED_LINES
        for seed in SEEDS
        for rank in PRETRAINED_RANKS
        if use_rslora in rules(rank)
    ]  # fmt: skip


def lora_grid() -> list[dict[str, Any]]:
    """All LoRA runs of the small model, one seed after the other."""

    def run(**changes: Any) -> dict[str, Any]:
        common = {
            "alpha": results.ALPHA[results.SWEEP],
            "optimiser": "adamw",
            "batch": 32,
            "steps": 400,
        }
        return {**common, **changes}

    grid = []
    for seed in SEEDS:
        # What each rank holds, at one rate that suits them all.
        for task, steps, batch, ranks, seeds in CAPACITY:
            for rank in ranks if seed in seeds else ():
                grid.append(
                    run(seed=seed, task=task, rank=rank, alpha=results.ALPHA[results.CAPACITY],
                        use_rslora=True, learning_rate=3e-3, steps=steps, batch=batch)
                )  # fmt: skip
        # Both scalings over the learning rate.
        for optimiser, rates, ranks in SWEEPS:
            for rate, rank in product(rates, ranks):
                for use_rslora in rules(rank):
                    grid.append(
                        run(seed=seed, task="100", rank=rank, use_rslora=use_rslora,
                            learning_rate=rate, optimiser=optimiser)
                    )  # fmt: skip
    return grid
