"""One run of LoRA in training, under both rules and alpha = 2r, to steer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .. import training, validation
from ..lora.scaling import RSLORA, RULES
from ..training import sweeps
from ..validation import Array
from .look import (
    COLOURS,
    GREY,
    LABELS,
    LINES,
    OPTIMISERS,
    TWICE_LABEL,
    TWICE_LOOK,
    listed,
    ticks,
)  # fmt: skip
from .picture import Picture

RUN_STEPS = 100


#: A loss that rises above this, of 1 at the start, is said to.
_SPIKE = 1.1
#: What can be changed about a run: the settings of `training.train`.
CHANGES: Mapping[str, Mapping[str, float]] = {
    "plain": {}, "epsilon": {"epsilon": 1.0}, "decay": {"decay": 0.1}, "clipping": {"clip": 1.0},
}  # fmt: skip
#: As it is said, in words and on buttons.
SAID = {
    "plain": "plain", "epsilon": "epsilon 1", "decay": "weight decay 0.1",
    "clipping": "clipped to 1",
}  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A run of T steps under each habit; losses are relative to that at the start.

    loss, size (of the update, over the target's): (3, T + 1), habits by steps. diverged_at:
    (3,), the step, or -1. floor: the best possible loss at this rank. scales: of each habit.
    """

    rank: int
    alpha: float
    learning_rate: float
    optimiser: str
    update: str
    change: str
    loss: Array
    size: Array
    diverged_at: Array
    floor: float
    scales: list[float]

    @property
    def peaks(self) -> Array:
        """(3,): the highest loss of each run, of 1 at the start."""
        return np.asarray(self.loss.max(axis=-1))


class TrainingRun(Picture[Run]):
    """One training run under both rules and alpha = 2r: its loss, and the size of its update.

    Settings: rank (1 to 64), alpha (> 0), learning_rate (> 0), optimiser ("sgd" or "adam"),
    update ("style" or "facts"), change (one of `CHANGES`: nothing, a large epsilon, weight
    decay, clipped gradients).

    Examples
    --------
    >>> picture = TrainingRun().draw(rank=64, alpha=16, learning_rate=1, optimiser="sgd")
    >>> picture.drawn.diverged_at >= 0
    array([False,  True,  True])
    """

    size = (8.8, 3.9)
    LOSS_LIMITS = (1e-4, 1e3)
    SIZE_LIMITS = (0, 4.5)

    def build(self) -> None:
        left, right = self.figure.subplots(1, 2)
        left.set(title="loss, relative to the start", xlabel="step", yscale="log",
                 xlim=(0, RUN_STEPS), ylim=self.LOSS_LIMITS)  # fmt: skip
        ticks(left, "y", [1e-4, 0.001, 0.01, 0.1, 1, 10, 100, 1000])
        right.set(title="length of the update, over the target's", xlabel="step",
                  xlim=(0, RUN_STEPS), ylim=self.SIZE_LIMITS)  # fmt: skip
        for ax in (left, right):
            ax.axhline(1, color=GREY, linewidth=1)
        self.floor = self.moves(left.axhline(np.nan, color=GREY, linestyle=":", linewidth=1.5))
        self.loss, self.size_lines, self.crosses = {}, {}, {}
        for habit in sweeps.HABITS:
            look = dict(TWICE_LOOK) if habit == sweeps.TWICE else {
                "color": COLOURS[habit], "linestyle": LINES[habit]
            }  # fmt: skip
            look.pop("marker", None)
            self.loss[habit] = self.moving_line(left, **look)
            self.size_lines[habit] = self.moving_line(right, **look)
            self.crosses[habit] = self.moving_line(
                left, linestyle="", marker="X", markersize=11, color=look["color"], clip_on=False
            )
        self.legend(
            [*self.loss.values(), self.floor, self.crosses[RSLORA]],
            [*(LABELS[rule] for rule in RULES), TWICE_LABEL, "best at this rank", "diverged"],
        )

    def numbers(
        self, rank: int = 16, alpha: float = 16, learning_rate: float = 1e-3,
        optimiser: str = "adam", update: str = "facts", change: str = "plain",
    ) -> Run:  # fmt: skip
        validation.choice("change", change, tuple(CHANGES))
        loss = sweeps.article_loss(update)
        scales = [sweeps.scale_under(habit, alpha, rank) for habit in sweeps.HABITS]
        A = training.init_A(np.random.RandomState(0), rank, loss.target.shape[1])
        history = training.train(
            loss, A, scales, learning_rate, optimiser, RUN_STEPS, **CHANGES[change]
        )
        start = history.loss[0, 0]
        return Run(
            rank, alpha, learning_rate, optimiser, update, change,
            loss=history.loss / start,
            size=history.norm / history.target_norm,
            diverged_at=history.diverged_at,
            floor=float(loss.floor(rank) / start),
            scales=scales,
        )  # fmt: skip

    def place(self, numbers: Run) -> str:
        steps, said = np.arange(RUN_STEPS + 1), []
        self.floor.set_ydata([numbers.floor] * 2)
        for i, habit in enumerate(sweeps.HABITS):
            at, peak = int(numbers.diverged_at[i]), numbers.peaks[i]
            for lines, each in ((self.loss, numbers.loss), (self.size_lines, numbers.size)):
                lines[habit].set_data(steps, np.where(np.isfinite(each[i]), each[i], np.nan))
            # The cross stands on the upper edge, at the step where the run was stopped.
            top = self.LOSS_LIMITS[1]
            self.crosses[habit].set_data([at] if at >= 0 else [], [top] if at >= 0 else [])
            spike = f"rises to {peak:.2g} and " if peak > _SPIKE else ""
            outcome = (
                f"diverges at step {at}" if at >= 0 else f"{spike}ends at {numbers.loss[i][-1]:.2g}"
            )
            said.append(f"with {habit} (scale {numbers.scales[i]:.3g}) the loss {outcome}")
        return (
            f"{OPTIMISERS[numbers.optimiser]} on {numbers.update}, rank {numbers.rank}, alpha "
            f"{numbers.alpha:g}, learning rate {numbers.learning_rate:.2g}, "
            f"{SAID[numbers.change]}, {RUN_STEPS} steps, 1 at the start: {'; '.join(said)}. "
            "The best possible loss at this rank is "
            f"{numbers.floor:.2g}."
        )

    def finding(self, numbers: Run) -> str:
        at = f"At rank {numbers.rank}"
        lost = [habit for habit, step in zip(sweeps.HABITS, numbers.diverged_at) if step >= 0]
        if lost:
            return f"{at} training diverges with {listed(lost)}."
        peaks = dict(zip(sweeps.HABITS, numbers.peaks))
        calm = [habit for habit, peak in peaks.items() if peak <= _SPIKE]
        if len(calm) == len(peaks):
            last = numbers.loss[:, -1]
            return f"{at} no run spikes; the losses end at {last.min():.2g} to {last.max():.2g}."
        worst = max(peaks, key=peaks.__getitem__)
        never = f", never with {listed(calm)}" if calm else ""
        peak = f"{peaks[worst]:.2g}" if peaks[worst] < 100 else f"{peaks[worst]:.0f}"
        return f"{at} the loss spikes to {peak} times its start with {worst}{never}."
