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
from ..training.optimisers import optimiser as make_optimiser
from ..validation import Array
from . import recall, shipped, world
from .gradients import loss_and_gradients
from .recipe import KNOWN_ASKED, Recipe, rate_at
from .trainable import PLACEMENTS, LoRA, Whole
from .world import Person

#: Of how many people of each group facts are asked for while the model trains.
ASKED = recall.LIVE_PEOPLE


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
        for in the four styles; None where it was not measured. Of at most `ASKED` people
        each, which is quick; `FineTuning.recall` asks for all.
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
            ended = self.step == self.recipe.steps or not np.isfinite(loss)
            if ended or self.step % every == 0:
                yield Progress(self.step, loss, *self.recall(ASKED))
            else:
                yield Progress(self.step, loss)
            if ended:
                return

    def recall(self, asked: int | None = None) -> tuple[float, float]:
        """The shares of facts that are right now, of new and of known people.

        Parameters
        ----------
        asked : int or None
            Of how many people of each group at most; None for all new and `KNOWN_ASKED`
            known ones, as the experiments do. A model whose weights are not finite knows
            nothing.
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


def stored_run() -> tuple[Recipe, list[Progress], tuple[float, float]]:
    """A run that ships (``experiments/live.py`` made it): its recipe, progress and recall.

    Examples
    --------
    >>> recipe, progress, (new, known) = stored_run()
    >>> recipe.rank, progress[-1].step, new
    (8, 200, 1.0)
    """
    stored = shipped.measured("small_live")
    progress = [Progress(*row) for row in stored["progress"]]
    return Recipe(**stored["recipe"]), progress, (stored["new"], stored["known"])
