"""What to train the small model on, and how: the settings of one run."""

from __future__ import annotations

from dataclasses import dataclass

from .. import validation
from ..lora import scaling
from ..training.optimisers import OPTIMISERS
from . import world
from .tasks import FULL_RANK
from .trainable import METHODS, PLACEMENTS

#: The shares of the steps in which the learning rate rises, and falls to zero at the end.
WARM_UP, COOL_DOWN = 0.05, 0.3
#: Of how many known people the facts are asked for at the end. They are never trained on.
KNOWN_ASKED = 100


@dataclass(frozen=True)
class Recipe:
    """What to train on what, and how.

    Attributes
    ----------
    people : int
        How many new people to learn, in the four styles that the model knows.
    method : "lora" or "full"
        LoRA, or all weights of the chosen matrices; then rank, alpha and rule have no effect.
    rank : int
    alpha : float, above 0
    rule : "alpha/r" or "alpha/sqrt(r)"
    placement : str
        One of `PLACEMENTS`: which matrices are trained.
    optimiser : "sgd" or "adam"
    learning_rate : float, above 0
        The highest; see `rate_at`.
    steps, batch : int
        How many steps, each on how many texts.
    replayed : float
        The share of the people known before whose texts are mixed into the new ones: the last
        of them, and no more than leaves the `KNOWN_ASKED` that are asked about.
    seed : int
        Of A and of the order of the texts. The world and its base are always the same.

    Raises ValueError, which names the argument, for a value that is not allowed.
    """

    people: int = 25
    method: str = "lora"
    rank: int = 8
    alpha: float = 4
    rule: str = scaling.RSLORA
    placement: str = "all"
    optimiser: str = "adam"
    learning_rate: float = 3e-3
    steps: int = 200
    batch: int = 32
    replayed: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        world.people(validation.integer("people", self.people, 1))
        validation.choice("method", self.method, METHODS)
        note = " (the width of the model)"
        validation.integer("rank", self.rank, 1, FULL_RANK, note)
        validation.number("alpha", self.alpha, 0, above=True)
        validation.choice("rule", self.rule, scaling.RULES)
        validation.choice("placement", self.placement, tuple(PLACEMENTS))
        validation.choice("optimiser", self.optimiser, OPTIMISERS)
        validation.number("learning_rate", self.learning_rate, 0, above=True)
        validation.integer("steps", self.steps, 1)
        validation.integer("batch", self.batch, 1)
        validation.number("replayed", self.replayed, 0, 1 - KNOWN_ASKED / world.KNOWN)
        validation.integer("seed", self.seed, 0, 2**32 - 1)

    @property
    def scale(self) -> float:
        """s, what stands before B A."""
        return float(scaling.scale(self.alpha, self.rank, self.rule))


def rate_at(step: int, steps: int, warm_up: float = WARM_UP, cool_down: float = COOL_DOWN) -> float:
    """The learning rate at a step, over its highest: it rises, stays, and falls to zero.

    Parameters
    ----------
    step, steps : int
        Which step, from 0, of how many.
    warm_up, cool_down : float
        The shares of the steps in which it rises and falls.

    Examples
    --------
    >>> [round(rate_at(step, 20), 2) for step in (0, 1, 14, 17, 19)]
    [1, 1, 1, 0.5, 0.17]
    """
    rises, falls = (max(1, round(steps * share)) for share in (warm_up, cool_down))
    return min(1, (step + 1) / rises, (steps - step) / falls)
