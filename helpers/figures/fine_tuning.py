"""A run that fine-tunes the small model: its loss, what it learns and what it forgets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..model.fine_tuning import ASKED, Progress
from ..model.recipe import KNOWN_ASKED, Recipe
from ..validation import Array
from .look import COLOURS, GREY, LINES, MARKERS, OPTIMISERS
from .picture import Picture


@dataclass(frozen=True)
class SoFar:
    """A run as far as it has come.

    steps, losses: (N,), of every step taken. asked: (K,), the steps after which facts were
    asked for; new, known: (K,), the shares of them that were right. result: both for all
    people, at the end; None before it.
    """

    recipe: Recipe
    steps: Array
    losses: Array
    asked: Array
    new: Array
    known: Array
    result: tuple[float, float] | None


class FineTuningRun(Picture[SoFar]):
    """Loss and facts over the steps of one run, while it trains or after.

    Parameters
    ----------
    steps : int
        Where the axes end: the steps of the recipe.

    Settings: recipe (a `recipe.Recipe`), progress (a list of `fine_tuning.Progress`), result
    (what `fine_tuning.FineTuning.recall` returns at the end).

    Examples
    --------
    >>> progress = [Progress(0, None, 0.02, 1.0), Progress(1, 2.5), Progress(2, 2.0, 0.5, 0.75)]
    >>> picture = FineTuningRun(50).draw(recipe=Recipe(steps=50), progress=progress)
    >>> picture.description[:73]
    'After step 2 of 50 the loss is 2. Right are 50 % of the facts of 25 new p'
    """

    def __init__(self, steps: int = 200) -> None:
        self.steps = steps
        super().__init__()

    def build(self) -> None:
        left, right = self.figure.subplots(1, 2)
        left.set(title="loss of each step's texts", xlabel="step", yscale="log",
                 xlim=(0, 1.02 * self.steps), ylim=(1e-4, 20))  # fmt: skip
        right.set(title="facts right", xlabel="step", ylabel="share",
                  xlim=(-0.01 * self.steps, 1.02 * self.steps), ylim=(-0.03, 1.05))  # fmt: skip
        self.loss = self.moving_line(left, color=COLOURS["facts"], linewidth=1.2)
        # What was known lies under the rest, where they meet.
        self.known = self.moving_line(right, color=GREY, linestyle="-.", marker="v")
        self.new = self.moving_line(
            right, color=COLOURS["facts"], linestyle=LINES["facts"], marker=MARKERS["facts"]
        )
        self.legend([self.new, self.known], ["of new people", "of people known before"])

    def numbers(
        self,
        recipe: Recipe,
        progress: Sequence[Progress],
        result: tuple[float, float] | None = None,
    ) -> SoFar:
        taken = [each for each in progress if each.loss is not None]
        asked = [each for each in progress if each.new is not None]
        return SoFar(
            recipe,
            np.array([each.step for each in taken]),
            np.array([each.loss for each in taken], dtype=float),
            np.array([each.step for each in asked]),
            np.array([each.new for each in asked], dtype=float),
            np.array([each.known for each in asked], dtype=float),
            result,
        )

    def place(self, numbers: SoFar) -> str:
        self.loss.set_data(numbers.steps, numbers.losses)
        self.new.set_data(numbers.asked, numbers.new)
        self.known.set_data(numbers.asked, numbers.known)
        return f"{_stands(numbers)} {described(numbers.recipe)}"

    def finding(self, numbers: SoFar) -> str:
        if numbers.result is not None:
            step, (new, known) = numbers.steps[-1], numbers.result
        elif len(numbers.asked):
            step, new, known = numbers.asked[-1], numbers.new[-1], numbers.known[-1]
        else:
            return "No facts were asked for yet."
        return (
            f"After step {step}, {100 * new:.0f} % of the new facts are right and "
            f"{100 * known:.0f} % of the known ones."
        )


def _stands(numbers: SoFar) -> str:
    """Where a run stands, in a sentence or two."""
    steps = numbers.recipe.steps
    if not len(numbers.steps):
        return f"Nothing is trained yet, of {steps} steps."
    step, loss = numbers.steps[-1], numbers.losses[-1]
    if np.isfinite(loss):
        stands = f"After step {step} of {steps} the loss is {loss:.2g}."
    else:
        stands = f"At step {step} of {steps} training broke down: the loss is no number."
    if numbers.result is not None:
        new, known = numbers.result
        whom = f"all {numbers.recipe.people} new people", f"{KNOWN_ASKED} people known before"
    elif len(numbers.asked):
        new, known = numbers.new[-1], numbers.known[-1]
        many = min(ASKED, numbers.recipe.people)
        whom = f"{many} new people", f"{ASKED} people known before"
        if numbers.asked[-1] < step:
            whom = whom[0], f"{whom[1]}, asked after step {numbers.asked[-1]}"
    else:
        return stands
    return (
        f"{stands} Right are {100 * new:.0f} % of the facts of {whom[0]} and {100 * known:.0f} % "
        f"of those of {whom[1]}."
    )


def described(recipe: Recipe) -> str:
    """A recipe in a sentence.

    >>> described(Recipe(method="full", learning_rate=0.001))
    'All weights in all matrices; Adam at 0.001, 32 texts per step; 25 new people; seed 0.'
    """
    if recipe.method == "lora":
        what = f"LoRA of rank {recipe.rank} and scale {recipe.scale:.3g} ({recipe.rule}, alpha "
        what += f"{recipe.alpha:g})"
    else:
        what = "All weights"
    where = "in all matrices" if recipe.placement == "all" else f"in {recipe.placement} only"
    old = f", and {100 * recipe.replayed:.0f} % of the known ones" if recipe.replayed else ""
    return (
        f"{what} {where}; {OPTIMISERS[recipe.optimiser]} at {recipe.learning_rate:g}, "
        f"{recipe.batch} texts per step; {recipe.people} new people{old}; seed {recipe.seed}."
    )
