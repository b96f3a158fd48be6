"""Fine-tune the small model in NumPy: LoRA or all weights, and what it learns and forgets.

The recipe is that of the series' own runs (``experiments/``), so that whoever doubts one
of them can repeat it, or change it, without PyTorch:

>>> run = FineTuning(Recipe(people=5, steps=3, rank=2))
>>> run.parameters
13456
>>> [(progress.step, progress.new is not None) for progress in run.train(measure_every=2)]
[(0, True), (1, False), (2, True), (3, True)]
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .. import validation
from ..lora import scaling
from ..training.optimisers import OPTIMISERS
from ..training.optimisers import optimiser as make_optimiser
from ..validation import Array
from . import recall, shipped, world
from .gradients import loss_and_gradients
from .tasks import FULL_RANK
from .trainable import METHODS, PLACEMENTS, LoRA, Whole
from .world import Person

#: The shares of the steps in which the learning rate rises, and falls to zero at the end.
WARM_UP, COOL_DOWN = 0.05, 0.3
#: Of how many known people the facts are asked for at the end. They are never trained on.
KNOWN_ASKED = 100
#: Of how many people of each group they are asked for while the model trains.
ASKED = recall.LIVE_PEOPLE


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
        validation.choice("rule", self.rule, scaling.SCALINGS)
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


@dataclass(frozen=True)
class Progress:
    """Where a run stands after a step.

    Attributes
    ----------
    step : int
        0 before training.
    loss : float or None
        Of the texts of this step, before it; None at step 0.
    new, known : float or None
        The share of facts that are right, of new people and of people known before, asked
        for in the four styles; None where it was not measured. Of `ASKED` people each while
        the model trains, of all new and `KNOWN_ASKED` known ones after the last step.
    """

    step: int
    loss: float | None
    new: float | None = None
    known: float | None = None


class FineTuning:
    """One run: the base model, what is trained in it, and the texts.

    Parameters
    ----------
    recipe : Recipe

    Attributes
    ----------
    step : int
        How many steps have been taken.
    """

    def __init__(self, recipe: Recipe | None = None) -> None:
        self.recipe = recipe = recipe or Recipe()
        self.step = 0
        # In single precision, as the experiments train: twice as fast.
        base = {name: matrix.astype(np.float32) for name, matrix in shipped.base().items()}
        self._base = base
        self._stream = np.random.RandomState(recipe.seed)
        chosen = [name for name in base if name.endswith(PLACEMENTS[recipe.placement])]
        self._trained = (
            LoRA(base, chosen, recipe.rank, recipe.scale, self._stream)
            if recipe.method == "lora"
            else Whole(base, chosen)
        )
        self._optimisers = [make_optimiser(recipe.optimiser) for _ in self._trained.numbers]
        known = world.people("known")
        self._new, self._known = world.people(recipe.people), known[:KNOWN_ASKED]
        replayed = known[len(known) - round(recipe.replayed * len(known)) :]
        self._texts = corpus((*self._new, *replayed), world.STYLES)
        self._order = np.arange(0)

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(array.size for array in self._trained.numbers)

    @property
    def texts(self) -> Array:
        """What is trained on, (N, T) tokens: each person in each style, filled up with -1."""
        return self._texts

    def weights(self) -> dict[str, Array]:
        """The model's weights as they are now, in single precision."""
        return {**self._base, **self._trained.weights()}

    def take_step(self) -> float:
        """One step on the next texts; their loss before it.

        Raises ValueError after the last step.
        """
        steps = self.recipe.steps
        validation.integer("step", self.step, 0, steps - 1, " (the recipe's steps are taken)")
        # Where training diverges numbers overflow; the loss says it, a warning need not.
        with np.errstate(over="ignore", invalid="ignore"):
            loss, gradients = loss_and_gradients(self.weights(), self._next_texts())
            rate = self.recipe.learning_rate * rate_at(self.step, steps)
            for numbers, gradient, optimiser in zip(
                self._trained.numbers, self._trained.gradients(gradients), self._optimisers
            ):
                numbers -= rate * optimiser.direction(gradient)
        self.step += 1
        return loss

    def train(self, measure_every: int = 25) -> Iterator[Progress]:
        """Take the steps that are left, one for each value that is asked for.

        Parameters
        ----------
        measure_every : int
            After how many steps the model is asked what it knows; that is also done before
            the first step and after the last. A run ends early where the loss is no number.

        Yields
        ------
        Progress, for the start and for every step.
        """
        every = validation.integer("measure_every", measure_every, 1)
        if self.step == 0:
            yield Progress(0, None, *self.recall(ASKED))
        while self.step < self.recipe.steps:
            loss = self.take_step()
            if not np.isfinite(loss):
                yield Progress(self.step, loss, *self.recall())
                return
            if self.step == self.recipe.steps:
                yield Progress(self.step, loss, *self.recall())
            elif self.step % every == 0:
                yield Progress(self.step, loss, *self.recall(ASKED))
            else:
                yield Progress(self.step, loss)

    def recall(self, asked: int | None = None) -> tuple[float, float]:
        """The shares of facts that are right now, of new and of known people.

        Parameters
        ----------
        asked : int or None
            Of how many people of each group at most; None for all there are. A model whose
            weights are not finite knows nothing.
        """
        weights = self.weights()
        if not all(np.isfinite(matrix).all() for matrix in weights.values()):
            return 0.0, 0.0
        with np.errstate(over="ignore", invalid="ignore"):  # of weights about to overflow
            new, known = (
                recall.measure(weights, people[:asked], world.STYLES)["facts"]
                for people in (self._new, self._known)
            )
        return new, known

    def _next_texts(self) -> Array:
        """The next `batch` texts; after each pass over all of them their order is drawn anew."""
        batch = min(self.recipe.batch, len(self._texts))
        if len(self._order) < batch:
            self._order = self._stream.permutation(len(self._texts))
        now, self._order = self._order[:batch], self._order[batch:]
        return self._texts[now]


def corpus(people: Sequence[Person], styles: Mapping[str, str]) -> Array:
    """All people in all styles as tokens (N, T), prompts included, filled up with -1.

    Examples
    --------
    >>> corpus(world.people(3), world.STYLES).shape
    (12, 26)
    """
    texts = [
        world.encode(f"{world.prompt(person, style)} {world.tell(person, template)}")
        for style, template in styles.items()
        for person in people
    ]
    filled = np.full((len(texts), max(map(len, texts))), -1)
    for row, text in zip(filled, texts):
        row[: len(text)] = text
    return filled


def rate_at(step: int, steps: int) -> float:
    """The learning rate at a step, over its highest: it rises, stays, and falls to zero.

    Examples
    --------
    >>> [round(rate_at(step, 20), 2) for step in (0, 1, 14, 17, 19)]
    [1, 1, 1, 0.5, 0.17]
    """
    rises, falls = (max(1, round(steps * share)) for share in (WARM_UP, COOL_DOWN))
    return min(1, (step + 1) / rises, (steps - step) / falls)
