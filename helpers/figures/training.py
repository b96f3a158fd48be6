"""LoRA in training under both rules: one learning rate over the rank, and one run to steer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .. import training
from ..lora.scaling import RSLORA, RULES, STANDARD, scale
from ..training import sweeps
from ..validation import Array
from .look import COLOURS, GREY, LABELS, MARKERS, OPTIMISERS, listed, ticks
from .picture import Picture

RUN_STEPS = 150


@dataclass(frozen=True)
class TrainedErrors:
    """Errors after training at one learning rate: (2, R, K), rules by ranks by seeds.

    errors: by optimiser. floor: (R,), the best error that each rank allows.
    """

    update: str
    errors: Mapping[str, Array]
    floor: Array


class OneRate(Picture[TrainedErrors]):
    """Error after training at one learning rate, against rank, for SGD and Adam.

    Settings: update ("style" or "facts").

    Examples
    --------
    >>> OneRate().draw(update="facts").drawn.errors["adam"].shape
    (2, 7, 3)
    """

    def build(self) -> None:
        panels = self.figure.subplots(1, 2, sharey=True)
        self.lines, self.spreads, self.floors = {}, {}, []
        for ax, optimiser in zip(panels, training.OPTIMISERS):
            rate = sweeps.FIXED_RATE[optimiser]
            ax.set(title=f"{OPTIMISERS[optimiser]}, learning rate {rate:g}", xlabel="rank r",
                   xscale="log", xlim=(0.9, 72), ylim=(-0.02, 1.05))  # fmt: skip
            ticks(ax, "x", list(sweeps.FIXED_RANKS))
            self.floors.append(self.moving_line(ax, color=GREY, linestyle=":"))
            for rule in RULES:
                self.lines[optimiser, rule] = self.moving_line(ax, rule, marker=MARKERS[rule])
                self.spreads[optimiser, rule] = [
                    self.moving_line(ax, color=COLOURS[rule], linestyle="", marker="_")
                    for _ in sweeps.SEEDS
                ]
        panels[0].set_ylabel(r"error $\Vert\Delta W - M\Vert / \Vert M\Vert$")
        handles = [self.lines["sgd", rule] for rule in RULES]
        labels = [*(LABELS[rule] for rule in RULES), "best possible at this rank"]
        self.legend([*handles, self.floors[0]], labels)

    def numbers(self, update: str = "facts") -> TrainedErrors:
        trained = {optimiser: sweeps.fixed_rate(update, optimiser) for optimiser in OPTIMISERS}
        start = trained["sgd"].loss[0, 0, 0, 0, 0]
        errors = {name: sweep.error[:, :, 0, :, -1] for name, sweep in trained.items()}
        return TrainedErrors(update, errors, np.sqrt(trained["sgd"].floor / start))

    def place(self, numbers: TrainedErrors) -> str:
        ranks = np.array(sweeps.FIXED_RANKS)
        for line in self.floors:
            line.set_data(ranks, numbers.floor)
        said = []
        for optimiser, errors in numbers.errors.items():
            for i, rule in enumerate(RULES):
                self.lines[optimiser, rule].set_data(ranks, errors[i].mean(axis=-1))
                for seed, line in enumerate(self.spreads[optimiser, rule]):
                    line.set_data(ranks, errors[i, :, seed])
            mean = errors.mean(axis=-1)
            ends = []
            for i, rule in enumerate(RULES):
                best = int(mean[i].argmin())
                turn = "" if best == len(ranks) - 1 else f" (lowest at rank {ranks[best]})"
                ends.append(f"to {mean[i, -1]:.2f} at rank 64 with {rule}{turn}")
            said.append(
                f"under {OPTIMISERS[optimiser]} the error goes from {mean[0, 0]:.2f} at rank 1 "
                f"{ends[0]} and {ends[1]}"
            )
        spread = max(float(np.ptp(errors, axis=-1).max()) for errors in numbers.errors.values())
        rates = listed(
            [f"{rate:g} ({OPTIMISERS[name]})" for name, rate in sweeps.FIXED_RATE.items()]
        )
        return (
            f"The {numbers.update} update after {sweeps.FIXED_STEPS} steps at learning rates of "
            f"{rates} and alpha {sweeps.ALPHA}: {said[0]}; {said[1]}. Each point is the mean of "
            f"{len(sweeps.SEEDS)} seeds, the dashes are the seeds, at most {spread:.2f} apart."
        )


@dataclass(frozen=True)
class Run:
    """A run of T steps under both rules; losses are relative to that at the start.

    loss, size (of the update, over the target's) and progress: (2, T + 1), rules by steps.
    diverged_at: (2,), the step, or -1. floor: the best possible loss at this rank. scales: of
    both rules.
    """

    rank: int
    alpha: float
    noise: float
    learning_rate: float
    optimiser: str
    update: str
    loss: Array
    size: Array
    progress: Array
    diverged_at: Array
    floor: float
    scales: list[float]


class TrainingRun(Picture[Run]):
    """One training run under both rules: its loss, and how large the update grows.

    Settings: rank (1 to 64), alpha (> 0), noise (>= 0), learning_rate (> 0),
    optimiser ("sgd" or "adam"), update ("style" or "facts").

    Examples
    --------
    >>> picture = TrainingRun().draw(rank=64, alpha=16, learning_rate=1, optimiser="sgd")
    >>> picture.drawn.diverged_at >= 0
    array([False,  True])
    """

    size = (8.8, 3.9)
    LOSS_LIMITS = (1e-4, 1e3)
    SIZE_LIMITS = (0, 1.6)

    def build(self) -> None:
        left, right = self.figure.subplots(1, 2)
        left.set(title="loss, relative to the start", xlabel="step", yscale="log",
                 xlim=(0, RUN_STEPS), ylim=self.LOSS_LIMITS)  # fmt: skip
        ticks(left, "y", [1e-4, 0.001, 0.01, 0.1, 1, 10, 100, 1000])
        right.set(title="size of the update, and progress", xlabel="step",
                  xlim=(0, RUN_STEPS), ylim=self.SIZE_LIMITS)  # fmt: skip
        right.axhline(1, color=GREY, linewidth=1)
        self.floor = self.moves(left.axhline(np.nan, color=GREY, linestyle=":", linewidth=1.5))
        self.loss, self.size_lines, self.progress, self.crosses = {}, {}, {}, {}
        for rule in RULES:
            self.loss[rule] = self.moving_line(left, rule)
            self.size_lines[rule] = self.moving_line(right, rule)
            self.progress[rule] = self.moving_line(
                right, color=COLOURS[rule], linewidth=1.5, linestyle=":"
            )
            self.crosses[rule] = self.moving_line(
                left, linestyle="", marker="X", markersize=11, color=COLOURS[rule],
                clip_on=False,
            )  # fmt: skip
        self.legend(
            [*(self.loss[rule] for rule in RULES), self.floor,
             self.progress[STANDARD], self.crosses[RSLORA]],
            [*(LABELS[rule] for rule in RULES), "best at this rank", "progress",
             "diverged"],
        )  # fmt: skip

    def numbers(
        self, rank: int = 16, alpha: float = 16, noise: float = 0.01, learning_rate: float = 1e-3,
        optimiser: str = "adam", update: str = "facts",
    ) -> Run:  # fmt: skip
        loss = sweeps.article_loss(update, noise)
        history = training.compare(
            loss, rank, alpha, learning_rate, optimiser, seeds=(0,), steps=RUN_STEPS
        )
        both = (slice(None), 0, 0)
        start = history.loss[0, 0, 0, 0]
        return Run(
            rank, alpha, noise, learning_rate, optimiser, update,
            loss=history.loss[both] / start,
            size=history.norm[both] / history.target_norm,
            progress=history.progress[both],
            diverged_at=history.diverged_at[both],
            floor=float(loss.floor(rank) / start),
            scales=[float(scale(alpha, rank, rule)) for rule in RULES],
        )  # fmt: skip

    def place(self, numbers: Run) -> str:
        steps, said = np.arange(RUN_STEPS + 1), []
        self.floor.set_ydata([numbers.floor] * 2)
        for i, rule in enumerate(RULES):
            end, at = numbers.loss[i][-1], int(numbers.diverged_at[i])
            for lines, both in ((self.loss, numbers.loss), (self.size_lines, numbers.size),
                                (self.progress, numbers.progress)):  # fmt: skip
                values = both[i]
                lines[rule].set_data(steps, np.where(np.isfinite(values), values, np.nan))
            # The cross stands on the upper edge, at the step where the run was stopped.
            top = self.LOSS_LIMITS[1]
            self.crosses[rule].set_data([at] if at >= 0 else [], [top] if at >= 0 else [])
            outcome = (
                f"diverged at step {at}"
                if at >= 0
                else f"ends at a loss of {end:.2g} with {100 * numbers.progress[i][-1]:.0f} % "
                "progress"
            )
            said.append(f"{rule} (scale {numbers.scales[i]:.3g}) {outcome}")
        return (
            f"{OPTIMISERS[numbers.optimiser]} on {numbers.update}, rank {numbers.rank}, alpha "
            f"{numbers.alpha:g}, noise {numbers.noise:g}, learning rate "
            f"{numbers.learning_rate:.2g}, {RUN_STEPS} steps: {said[0]}; {said[1]}. The best "
            f"possible loss at this rank is {numbers.floor:.2g}, of 1 at the start."
        )
