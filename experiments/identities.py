"""What makes a scale and a learning rate the same, exactly, and what breaks it.

W + s (A B) trained at rate eta is W + A B' with B' = s B, A at eta and B' at its own rate:
s eta under Adam, s^2 eta under SGD. So s is the ratio of B's rate to A's, and nothing else.
Each row of `PAIRS` is one more condition, and what is predicted of the pair under it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch

from . import adaptation, model, small
from .config import Training

#: The scale whose pair with scale 1 is trained.
SCALE = 4.0
#: Two updates are called equal where their difference is at most this, of their size. In
#: double precision, equal ones differ by about 1e-9 after 40 steps.
EQUAL = 1e-4


@dataclass(frozen=True)
class Pair:
    """Training with scale s against scale 1, and whether both end alike.

    Attributes
    ----------
    equal : bool
        The prediction.
    both : dict
        Settings of `Training` that both have.
    up : dict
        Settings of the optimiser for B' alone; "lr" is a factor.
    start : str
        Of `adaptation.STARTS`.
    start_scale : float
        B' starts at this times B.
    rate : float
        The second's rate for all, over the first's.
    """

    equal: bool
    both: dict[str, Any] = field(default_factory=dict)
    up: dict[str, float] = field(default_factory=dict)
    start: str = "uniform"
    start_scale: float = 1.0
    scale: float = SCALE
    rate: float = 1.0


S = SCALE
#: Adam's eps is divided by s for B' where nothing else is said, as the identity needs.
EXACT = {"lr": S, "eps": 1e-8 / S}
PAIRS = {
    "B's rate times s": Pair(True, up=EXACT),
    "one rate times s for both": Pair(False, rate=S),
    "one rate times sqrt(s) for both": Pair(False, rate=math.sqrt(S)),
    "eps as it is": Pair(True, up={"lr": S}),
    "large eps": Pair(False, {"eps": 1e-4}, {"lr": S}),
    "large eps, B's divided by s": Pair(True, {"eps": 1e-4}, {"lr": S, "eps": 1e-4 / S}),
    "weight decay": Pair(False, {"weight_decay": 0.1}, EXACT),
    "weight decay, B's divided by s": Pair(
        True, {"weight_decay": 0.1}, {**EXACT, "weight_decay": 0.1 / S}
    ),
    "clipping": Pair(False, {"clip": 0.3}, EXACT),
    "batch of 8": Pair(True, {"batch": 8}, EXACT),
    "gaussian start": Pair(True, up=EXACT, start="gaussian"),
    "A zero, same B": Pair(False, up=EXACT, start="up"),
    "A zero, B times s": Pair(True, up=EXACT, start="up", start_scale=S),
    "LoRA+ with ratio 16 is s times 16": Pair(True, up={"lr": 16, "eps": 1e-8 / 16}, scale=16.0),
    "SGD, B's rate times s": Pair(False, {"optimiser": "sgd"}, {"lr": S}),
    "SGD, B's rate times s^2": Pair(True, {"optimiser": "sgd"}, {"lr": S**2}),
    "SGD with clipping": Pair(False, {"optimiser": "sgd", "clip": 0.3}, {"lr": S**2}),
}
RATES = {"adamw": 1e-3, "sgd": 0.1}


def identity(seed: int, pair: str, rank: int = 8, steps: int = 40) -> dict[str, Any]:
    """Train a pair in double precision; how far apart their updates end, of their size.

    Returns
    -------
    "predicted" and "found" (equal or not), "difference" ||dW1 - dW2|| / ||dW1|| over all
    matrices, and the loss of both.
    """
    made = PAIRS[pair]
    base = {name: matrix.double() for name, matrix in small.base_of(seed).items()}
    optimiser = made.both.get("optimiser", "adamw")
    training = Training(
        steps, **{"learning_rate": RATES[optimiser], "batch": 32, "cool_down": 0.0, **made.both}
    )
    first, first_losses = _trained(base, seed, rank, made.scale, training, made.start)
    rate = training.learning_rate * made.rate
    second_training = Training(**{**vars(training), "learning_rate": rate})
    up = {**made.up, "lr": rate * made.up.get("lr", 1.0)}
    if optimiser == "sgd":
        up.pop("eps", None)
    second, second_losses = _trained(
        base, seed, rank, 1.0, second_training, made.start, up, made.start_scale
    )
    apart = _norm({name: first[name] - second[name] for name in first}) / _norm(first)
    return {
        "predicted": made.equal,
        "found": apart <= EQUAL,
        "difference": apart,
        "losses": [first_losses[-1], second_losses[-1]],
    }


def _trained(
    base: model.Weights, seed: int, rank: int, scale: float, training: Training, start: str,
    up: dict[str, float] | None = None, start_scale: float = 1.0,
) -> tuple[model.Weights, list[float]]:  # fmt: skip
    factors = {
        name: (down.detach().double(), start_scale * up_.detach().double())
        for name, (down, up_) in adaptation.start_factors(base, rank, seed, start).items()
    }
    started = {name: scale * (down @ up_) for name, (down, up_) in factors.items()}
    downs, ups = ([pair[i].requires_grad_() for pair in factors.values()] for i in (0, 1))
    groups = [{"params": downs}, {"params": ups, **(up or {})}]
    texts = adaptation.corpus("100", seed)
    losses = model.fit(groups, lambda: small.merged(base, factors, scale), texts, training, seed)
    with torch.no_grad():
        changed = {n: scale * (down @ up_) - started[n] for n, (down, up_) in factors.items()}
    return changed, losses


def _norm(update: model.Weights) -> float:
    return math.sqrt(sum(float((matrix**2).sum()) for matrix in update.values()))
