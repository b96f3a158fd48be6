"""LoRA in training: the first step, learning rates over rank, and one run to steer."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from matplotlib.lines import Line2D

from .. import training
from ..lora.scaling import RSLORA, SCALINGS, STANDARD, scale
from ..training import sweeps as runs
from .picture import COLOURS, GREY, LABELS, LINES, MARKERS, Picture, listed, ticks

#: Optimisers are told apart by filled and open markers; colour names the scaling.
NAMES = {"sgd": "SGD", "adam": "Adam"}
FIRST_RANKS = (2, 4, 8, 16, 32, 64)
#: Ranks have an order, so they get a ramp: dark for the smallest.
RANK_COLOURS = ("#0B1D51", "#7A3B8F", "#C44E00", "#009980")
RANK_MARKERS = ("o", "s", "^", "D")
RUN_STEPS = 150


@lru_cache(maxsize=4)
def _first_steps(width: int, start: str) -> dict[tuple[str, str, str], training.Exponent]:
    """Measured exponents for random targets of this width, kept."""
    return training.measure_exponents(
        training.gaussian_target(width), FIRST_RANKS, range(10), start
    )


class FirstStep(Picture):
    """The first step's progress and norm against rank, relative to the smallest rank.

    Settings: start ("kaiming", "gaussian" or "peft_gaussian"), width (of the target).
    """

    size = (8.8, 4.2)

    def build(self) -> None:
        self.points, self.theory = {}, {}
        panels = self.figure.subplots(1, 2)
        titles = {"progress": "progress along the target", "norm": "Frobenius norm of the step"}
        for ax, (quantity, title) in zip(panels, titles.items()):
            ax.set(title=title, xlabel="rank r", xscale="log", yscale="log",
                   xlim=(1.8, 72), ylim=(1e-5, 30))  # fmt: skip
            ticks(ax, "x", list(FIRST_RANKS))
            ticks(ax, "y", [1e-5, 1e-4, 0.001, 0.01, 0.1, 1, 10])
            ax.axhline(1, color=GREY, linewidth=0.8)
            for optimiser in training.OPTIMISERS:
                for scaling in SCALINGS:
                    key = quantity, optimiser, scaling
                    self.theory[key] = self.moving_line(ax, color=COLOURS[scaling], linewidth=1)
                    self.points[key] = self.moving_line(
                        ax, linestyle="", color=COLOURS[scaling], marker=MARKERS[scaling],
                        fillstyle="full" if optimiser == "sgd" else "none", markersize=7,
                    )  # fmt: skip
        panels[0].set_ylabel("size relative to rank 2")
        keys = [("progress", o, s) for o in training.OPTIMISERS for s in SCALINGS]
        labels = [f"{NAMES[o]}, {LABELS[s].split(', ')[1]}" for _, o, s in keys]
        self.legend([self.points[key] for key in keys], labels)

    @staticmethod
    def numbers(start: str = "kaiming", width: int = 256) -> dict[str, Any]:
        return {"start": start, "width": width, "exponents": _first_steps(width, start)}

    def place(self, numbers: dict[str, Any]) -> str:
        ranks = np.array(FIRST_RANKS)
        said: dict[str, list[str]] = {"progress": [], "norm": []}
        for key, exponent in numbers["exponents"].items():
            mean = exponent.values.mean(axis=0)
            self.points[key].set_data(ranks, mean / mean[0])
            self.theory[key].set_data(ranks, (ranks / ranks[0]) ** exponent.theory)
            slope = round(exponent.slope, 2) + 0.0
            said[key[0]].append(
                f"{slope:.2f} for {NAMES[key[1]]} with {key[2]} (theory {exponent.theory:g})"
            )
        return (
            f"First step at width {numbers['width']}, A drawn as {numbers['start']}, 10 seeds. "
            f"Slopes of the progress over rank: {listed(said['progress'])}. Slopes of the norm: "
            f"{listed(said['norm'])}."
        )


class OneRate(Picture):
    """Error after training at one learning rate, against rank, for SGD and Adam.

    Settings: update ("style" or "facts").
    """

    def build(self) -> None:
        panels = self.figure.subplots(1, 2, sharey=True)
        self.lines, self.spreads, self.floors = {}, {}, []
        for ax, optimiser in zip(panels, training.OPTIMISERS):
            rate = runs.FIXED_RATE[optimiser]
            ax.set(title=f"{NAMES[optimiser]}, learning rate {rate:g}", xlabel="rank r",
                   xscale="log", xlim=(0.9, 72), ylim=(-0.02, 1.05))  # fmt: skip
            ticks(ax, "x", list(runs.FIXED_RANKS))
            self.floors.append(self.moving_line(ax, color=GREY, linestyle=":"))
            for scaling in SCALINGS:
                self.lines[optimiser, scaling] = self.moving_line(
                    ax, scaling, marker=MARKERS[scaling]
                )
                self.spreads[optimiser, scaling] = [
                    self.moving_line(ax, color=COLOURS[scaling], linestyle="", marker="_")
                    for _ in runs.SEEDS
                ]
        panels[0].set_ylabel(r"error $\Vert\Delta W - M\Vert / \Vert M\Vert$")
        handles = [self.lines["sgd", scaling] for scaling in SCALINGS]
        labels = [*(LABELS[scaling] for scaling in SCALINGS), "best possible at this rank"]
        self.legend([*handles, self.floors[0]], labels)

    @staticmethod
    def numbers(update: str = "facts") -> dict[str, Any]:
        sweeps = {optimiser: runs.fixed_rate(update, optimiser) for optimiser in NAMES}
        start = sweeps["sgd"].loss[0, 0, 0, 0, 0]
        return {
            "update": update,
            "errors": {name: each.error[:, :, 0, :, -1] for name, each in sweeps.items()},
            "floor": np.sqrt(sweeps["sgd"].floor / start),
        }

    def place(self, numbers: dict[str, Any]) -> str:
        ranks = np.array(runs.FIXED_RANKS)
        for line in self.floors:
            line.set_data(ranks, numbers["floor"])
        said = []
        for optimiser, errors in numbers["errors"].items():
            for i, scaling in enumerate(SCALINGS):
                self.lines[optimiser, scaling].set_data(ranks, errors[i].mean(axis=-1))
                for seed, line in enumerate(self.spreads[optimiser, scaling]):
                    line.set_data(ranks, errors[i, :, seed])
            mean = errors.mean(axis=-1)
            ends = []
            for i, scaling in enumerate(SCALINGS):
                best = int(mean[i].argmin())
                turn = "" if best == len(ranks) - 1 else f" (lowest at rank {ranks[best]})"
                ends.append(f"to {mean[i, -1]:.2f} at rank 64 with {scaling}{turn}")
            said.append(
                f"under {NAMES[optimiser]} the error goes from {mean[0, 0]:.2f} at rank 1 "
                f"{ends[0]} and {ends[1]}"
            )
        spread = max(float(np.ptp(errors, axis=-1).max()) for errors in numbers["errors"].values())
        rates = listed([f"{rate:g} ({NAMES[name]})" for name, rate in runs.FIXED_RATE.items()])
        return (
            f"The {numbers['update']} update after {runs.FIXED_STEPS} steps at learning rates of "
            f"{rates} and alpha {runs.ALPHA}: {said[0]}; {said[1]}. Each point is the mean of "
            f"{len(runs.SEEDS)} seeds, the dashes are the seeds, at most {spread:.2f} apart."
        )


class RateFan(Picture):
    """What is left to learn against the learning rate, one line a rank.

    Settings: update ("style" or "facts").
    """

    size = (8.8, 6.2)

    def build(self) -> None:
        panels = self.figure.subplots(2, 2, sharey=True)
        self.lines, self.tops = {}, {}
        for row, optimiser in zip(panels, training.OPTIMISERS):
            rates = runs.GRID_RATES[optimiser]
            for ax, scaling in zip(row, SCALINGS):
                ax.set(title=f"{NAMES[optimiser]}, {LABELS[scaling]}", xscale="log",
                       xlim=(rates[0] / 1.5, rates[-1] * 1.5), ylim=(0, 1.24))  # fmt: skip
                ax.xaxis.set_ticks([], minor=True)
                for i, rank in enumerate(runs.GRID_RANKS):
                    look: dict[str, Any] = {"color": RANK_COLOURS[i], "marker": RANK_MARKERS[i]}
                    key = optimiser, scaling, rank
                    self.lines[key] = self.moving_line(ax, label=f"rank {rank}", **look)
                    self.tops[key] = self.moving_line(
                        ax, linestyle="", color=RANK_COLOURS[i], marker="x"
                    )
        for ax in panels[1]:
            ax.set_xlabel("learning rate")
        for ax in panels[:, 0]:
            ax.set_ylabel("left to learn")
        first = [self.lines["sgd", STANDARD, rank] for rank in runs.GRID_RANKS]
        labels = [*(f"rank {rank}" for rank in runs.GRID_RANKS), "diverged"]
        self.legend([*first, self.tops["sgd", STANDARD, 1]], labels)

    @staticmethod
    def numbers(update: str = "facts") -> dict[str, Any]:
        left, shared = {}, {}
        for optimiser in NAMES:
            grid = runs.rate_grid(update, optimiser)
            left[optimiser] = grid.unlearned().mean(axis=-1)
            shared[optimiser] = grid.shared()[1]
        return {"update": update, "left": left, "shared": shared}

    def place(self, numbers: dict[str, Any]) -> str:
        for optimiser, left in numbers["left"].items():
            rates = np.array(runs.GRID_RATES[optimiser])
            for i, scaling in enumerate(SCALINGS):
                for j, rank in enumerate(runs.GRID_RANKS):
                    each = left[i, j]
                    gone = ~np.isfinite(each)
                    self.lines[optimiser, scaling, rank].set_data(
                        rates[~gone], np.minimum(each[~gone], 1.2)
                    )
                    # The first rate that diverges; ranks that share it are stacked.
                    first = rates[gone][:1]
                    height = [1.19 - 0.045 * j] * len(first)
                    self.tops[optimiser, scaling, rank].set_data(first, height)
        said = [
            f"{NAMES[optimiser]} leaves {100 * shared[0]:.1f} % at its worst rank with alpha/r and "
            f"{100 * shared[1]:.1f} % with alpha/sqrt(r)"
            for optimiser, shared in numbers["shared"].items()
        ]
        return (
            f"The {numbers['update']} update, {runs.GRID_STEPS} steps, alpha {runs.ALPHA}, mean of "
            f"{len(runs.SEEDS)} seeds. At the one learning rate of this grid that serves all ranks "
            f"best, {said[0]}; {said[1]}."
        )


class RatesOverRank(Picture):
    """Which learning rate a rank needs, and which makes it diverge, over rank.

    Settings: update ("style" or "facts").
    """

    def build(self) -> None:
        panels = self.figure.subplots(1, 2, sharey=True)
        self.lines: dict[tuple[str, str, str], Any] = {}
        for ax, optimiser in zip(panels, training.OPTIMISERS):
            ax.set(title=NAMES[optimiser], xlabel="rank r", xscale="log", yscale="log",
                   xlim=(0.9, 72), ylim=(1e-4, 10))  # fmt: skip
            ticks(ax, "x", list(runs.GRID_RANKS))
            ticks(ax, "y", [1e-4, 0.001, 0.01, 0.1, 1, 10])
            for scaling in SCALINGS:
                look: dict[str, Any] = {"color": COLOURS[scaling]}
                self.lines[optimiser, scaling, "needed"] = self.moving_line(
                    ax, linestyle=LINES[scaling], marker=MARKERS[scaling], **look
                )
                self.lines[optimiser, scaling, "diverges"] = self.moving_line(
                    ax, linestyle="", marker="x", markersize=8, markeredgewidth=2, **look
                )
                self.lines[optimiser, scaling, "limit"] = self.moving_line(
                    ax, linestyle=":", linewidth=1.2, **look
                )
        panels[0].set_ylabel("learning rate")
        handles = [
            *(self.lines["sgd", scaling, "needed"] for scaling in SCALINGS),
            Line2D([], [], color=GREY, linestyle="", marker="x", markersize=8, markeredgewidth=2),
            Line2D([], [], color=GREY, linestyle=":", linewidth=1.2),
        ]
        labels = [*(f"{LABELS[scaling]}: leaves 10 %" for scaling in SCALINGS), "diverges",
                  r"$1/(s\sigma_1)$ (SGD)"]  # fmt: skip
        self.legend(handles, labels)

    @staticmethod
    def numbers(update: str = "facts") -> dict[str, Any]:
        ranks = np.array(runs.GRID_RANKS)
        largest = runs.article_loss(update).singular_values[0]
        needed, diverges, slopes = {}, {}, {}
        limits: dict[str, Any] = {}
        for optimiser in NAMES:
            grid = runs.rate_grid(update, optimiser)
            for i, scaling in enumerate(SCALINGS):
                each = grid.needed_rate()[i]
                needed[optimiser, scaling] = each.mean(axis=-1)
                per_seed = training.log_slope(ranks, each.T)
                slopes[optimiser, scaling] = float(per_seed.mean()), float(per_seed.std(ddof=1))
                diverges[optimiser, scaling] = grid.diverging_rate()[i].min(axis=-1)
                limits[scaling] = training.stable_rate(largest, scale(runs.ALPHA, ranks, scaling))
        return {
            "update": update, "needed": needed, "diverges": diverges,
            "slopes": slopes, "limits": limits,
        }  # fmt: skip

    def place(self, numbers: dict[str, Any]) -> str:
        ranks = np.array(runs.GRID_RANKS)
        for (optimiser, scaling), needed in numbers["needed"].items():
            self.lines[optimiser, scaling, "needed"].set_data(ranks, needed)
            # Adam's steps are bounded: past its window it stops learning, it does not diverge.
            if optimiser == "sgd":
                rates = numbers["diverges"][optimiser, scaling]
                shown = np.where(np.isfinite(rates), rates, np.nan)
                self.lines[optimiser, scaling, "diverges"].set_data(ranks, shown)
                self.lines[optimiser, scaling, "limit"].set_data(ranks, numbers["limits"][scaling])
        said = [
            f"{round(slope, 1) + 0.0:.1f} for {NAMES[optimiser]} with {scaling}"
            for (optimiser, scaling), (slope, _) in numbers["slopes"].items()
        ]
        return (
            f"The learning rate that leaves 10 % of the {numbers['update']} update to learn after "
            f"{runs.GRID_STEPS} steps goes with rank to the power of {listed(said)}."
        )


class TrainingRun(Picture):
    """One training run under both scalings: its loss, and how large the update grows.

    Settings: rank (1 to 64), alpha (> 0), noise (>= 0), learning_rate (> 0),
    optimiser ("sgd" or "adam"), update ("style" or "facts").
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
        for scaling in SCALINGS:
            self.loss[scaling] = self.moving_line(left, scaling)
            self.size_lines[scaling] = self.moving_line(right, scaling)
            self.progress[scaling] = self.moving_line(
                right, color=COLOURS[scaling], linewidth=1.5, linestyle=":"
            )
            self.crosses[scaling] = self.moving_line(
                left, linestyle="", marker="X", markersize=11, color=COLOURS[scaling],
                clip_on=False,
            )  # fmt: skip
        self.legend(
            [*(self.loss[scaling] for scaling in SCALINGS), self.floor,
             self.progress[STANDARD], self.crosses[RSLORA]],
            [*(LABELS[scaling] for scaling in SCALINGS), "best at this rank", "progress",
             "diverged"],
        )  # fmt: skip

    @staticmethod
    def numbers(
        rank: int = 16, alpha: float = 16, noise: float = 0.01, learning_rate: float = 1e-3,
        optimiser: str = "adam", update: str = "facts",
    ) -> dict[str, Any]:  # fmt: skip
        loss = runs.article_loss(update, noise)
        history = training.compare(
            loss, rank, alpha, learning_rate, optimiser, seeds=(0,), steps=RUN_STEPS
        )
        both = (slice(None), 0, 0)
        return {
            "rank": rank, "alpha": alpha, "noise": noise, "learning_rate": learning_rate,
            "optimiser": optimiser, "update": update,
            "loss": history.loss[both] / history.loss[0, 0, 0, 0],
            "size": history.norm[both] / history.target_norm,
            "progress": history.progress[both],
            "diverged_at": history.diverged_at[both],
            "floor": float(loss.floor(rank) / history.loss[0, 0, 0, 0]),
            "scales": [float(scale(alpha, rank, scaling)) for scaling in SCALINGS],
        }  # fmt: skip

    def place(self, numbers: dict[str, Any]) -> str:
        steps, said = np.arange(RUN_STEPS + 1), []
        self.floor.set_ydata([numbers["floor"]] * 2)
        for i, scaling in enumerate(SCALINGS):
            end, at = numbers["loss"][i][-1], int(numbers["diverged_at"][i])
            for lines, name in ((self.loss, "loss"), (self.size_lines, "size"),
                                (self.progress, "progress")):  # fmt: skip
                values = numbers[name][i]
                lines[scaling].set_data(steps, np.where(np.isfinite(values), values, np.nan))
            # The cross stands on the upper edge, at the step where the run was stopped.
            top = self.LOSS_LIMITS[1]
            self.crosses[scaling].set_data([at] if at >= 0 else [], [top] if at >= 0 else [])
            outcome = (
                f"diverged at step {at}"
                if at >= 0
                else f"ends at a loss of {end:.2g} with {100 * numbers['progress'][i][-1]:.0f} % "
                "progress"
            )
            said.append(f"{scaling} (scale {numbers['scales'][i]:.3g}) {outcome}")
        return (
            f"{NAMES[numbers['optimiser']]} on {numbers['update']}, rank {numbers['rank']}, alpha "
            f"{numbers['alpha']:g}, noise {numbers['noise']:g}, learning rate "
            f"{numbers['learning_rate']:.2g}, {RUN_STEPS} steps: {said[0]}; {said[1]}. The best "
            f"possible loss at this rank is {numbers['floor']:.2g}, of 1 at the start."
        )
