"""How fast a sweep over the rank trains: python -m tools.bench.training

500 steps of Adam on the article's facts update at every rank of the notebook's sweep,
both scalings and three seeds: 42 runs. Ours, with the runs of one rank in one matrix
product, against the same formulas one run at a time, against all ranks padded to 64
in one product, and against PyTorch (autograd and torch.optim.Adam, one run at a time)
where it is installed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable

import numpy as np

from helpers import training
from helpers.lora import updates
from helpers.lora.scaling import RULES, scale

RANKS = (1, 2, 4, 8, 16, 32, 64)
SEEDS = (0, 1, 2)
STEPS = 500
RATE = 1e-3
ALPHA = 16
REPEATS = 3
TARGET = updates.article_updates()["facts"].matrix()


def runs():
    """(start A, scale) of every run, in the order of `ours`' losses."""
    for rule in RULES:
        for rank in RANKS:
            for seed in SEEDS:
                A = training.init_A(np.random.RandomState(seed), rank, TARGET.shape[1])
                yield A, float(scale(ALPHA, rank, rule))


def ours():
    swept = training.sweep(training.MatrixLoss(TARGET), RANKS, RATE, "adam", ALPHA, SEEDS, STEPS)
    return swept.loss[..., -1].ravel()


def adam(parameter, gradient, mean, square, t):
    mean[:] = 0.9 * mean + 0.1 * gradient
    square[:] = 0.999 * square + 0.001 * gradient**2
    parameter -= RATE * (mean / (1 - 0.9**t)) / (np.sqrt(square / (1 - 0.999**t)) + 1e-8)


def plain_run(A, s):
    """The textbook formulas for one run, with the loss and nothing else."""
    A, B = A.copy(), np.zeros((len(TARGET), len(A)))
    moments_A, moments_B = np.zeros((2, *A.shape)), np.zeros((2, *B.shape))
    for t in range(1, STEPS + 1):
        G = s * B @ A - TARGET
        gradient_A, gradient_B = s * B.T @ G, s * G @ A.T
        adam(A, gradient_A, *moments_A, t)
        adam(B, gradient_B, *moments_B, t)
    return np.sum((s * B @ A - TARGET) ** 2) / 2


def plain():
    return np.array([plain_run(A, s) for A, s in runs()])


def padded():
    """Every rank padded with zero rows to 64. A zero row with a zero column stays zero."""
    wide = np.zeros((2, len(RANKS), len(SEEDS), max(RANKS), TARGET.shape[1]))
    scales = np.zeros(wide.shape[:3])
    for index, (A, s) in zip(np.ndindex(scales.shape), runs()):
        wide[index][: len(A)] = A
        scales[index] = s
    history = training.train(training.MatrixLoss(TARGET), wide, scales, RATE, "adam", STEPS)
    return history.loss[..., -1].ravel()


def pytorch():
    import torch

    M = torch.tensor(TARGET)
    losses = []
    for start, s in runs():
        A = torch.tensor(start, requires_grad=True)
        B = torch.zeros((M.shape[0], len(start)), dtype=M.dtype, requires_grad=True)
        stepper = torch.optim.Adam([A, B], lr=RATE)
        for _ in range(STEPS):
            stepper.zero_grad()
            (((s * (B @ A) - M) ** 2).sum() / 2).backward()
            stepper.step()
        losses.append(((s * (B @ A) - M) ** 2).sum().item() / 2)
    return np.array(losses)


def main() -> None:
    """Time each in turn, check that all end at the same losses, print medians and ratios."""
    ways: dict[str, Callable[[], np.ndarray]] = {
        "ours, runs of one rank together": ours,
        "plain loop over runs": plain,
        "all ranks padded to 64": padded,
    }
    repeats = int(sys.argv[1]) if len(sys.argv) > 1 else REPEATS
    try:
        import torch
    except ImportError:
        print("PyTorch is not installed: not compared")
    else:
        ways[f"PyTorch {torch.__version__}, {torch.get_num_threads()} threads"] = pytorch
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    expected = ours()
    for _ in range(repeats):
        for name, way in ways.items():
            begin = time.perf_counter()
            losses = way()
            seconds[name].append(time.perf_counter() - begin)
            np.testing.assert_allclose(losses, expected, rtol=1e-5)
    own = statistics.median(seconds["ours, runs of one rank together"])
    count = len(RANKS) * len(SEEDS) * len(RULES)
    print(f"{STEPS} steps of Adam, {count} runs, ranks {RANKS}; median of {repeats}:")
    for name, times in seconds.items():
        median = statistics.median(times)
        print(f"{name:36s} {median:6.2f} s  {median / own:5.2f} x ours")


if __name__ == "__main__":
    main()
