"""What the figures of training must show: runs repeated here one by one, in plain NumPy."""

import numpy as np
import pytest

from helpers import training
from helpers.training import sweeps
from tests.support.matrices import (
    NAMES,
    RSLORA,
    STANDARD,
    article_matrices,
    article_spectra,
    expected_scale,
)

RULES = (STANDARD, RSLORA)
OPTIMISERS = {"sgd": "SGD", "adam": "Adam"}
FIRST_RANKS = np.array([2, 4, 8, 16, 32, 64])

#: Powers of r in the first step: SGD with alpha/r and alpha/sqrt(r), then Adam with both.
THEORY = {
    ("kaiming", "progress"): (-1, 0, 0, 0.5),
    ("kaiming", "norm"): (-1.5, -0.5, -0.5, 0),
    ("peft_gaussian", "progress"): (-3, -2, -1, -0.5),
    ("peft_gaussian", "norm"): (-3.5, -2.5, -1.5, -1),
}


def drawn_start(stream, start, rank, width):
    if start == "kaiming":
        return stream.uniform(-1, 1, (rank, width)) / np.sqrt(width)
    return stream.standard_normal((rank, width)) / rank


def train_once(M, rank, scale, rate, optimiser, steps, seed=0):
    """One run from B = 0: the update at every step."""
    A = drawn_start(np.random.RandomState(seed), "kaiming", rank, M.shape[1])
    factors = [A, np.zeros((len(M), rank))]
    means, squares = ([np.zeros_like(each) for each in factors] for _ in range(2))
    updates = []
    for step in range(1, steps + 2):
        A, B = factors
        updates.append(scale * B @ A)
        G = updates[-1] - M
        for i, g in enumerate((scale * B.T @ G, scale * G @ A.T)):
            if optimiser == "adam":
                means[i] = 0.9 * means[i] + 0.1 * g
                squares[i] = 0.999 * squares[i] + 0.001 * g**2
                corrected = np.sqrt(squares[i] / (1 - 0.999**step))
                g = means[i] / (1 - 0.9**step) / (corrected + 1e-8)
            factors[i] = factors[i] - rate * g
    return np.array(updates)


def errors_of(M, updates):
    return np.linalg.norm(updates - M, axis=(-2, -1)) / np.linalg.norm(M)


def agree_line(line, x, y):
    np.testing.assert_allclose(line.get_xdata(), x, rtol=1e-9)
    np.testing.assert_allclose(line.get_ydata(), y, rtol=1e-9)


def first_step(picture, start, width):
    sizes = {}
    for seed in range(10):
        stream = np.random.RandomState(seed)
        M = stream.standard_normal((width, width))
        for rank in FIRST_RANKS:
            A = drawn_start(stream, start, rank, width)
            for rule in RULES:
                s = expected_scale(1, rank, rule)
                g = s * M @ A.T
                for optimiser, direction in (("sgd", g), ("adam", np.sign(g))):
                    dW = s * direction @ A
                    progress = np.sum(dW * M) / np.sum(M**2)
                    sizes.setdefault(("progress", optimiser, rule), []).append(progress)
                    sizes.setdefault(("norm", optimiser, rule), []).append(np.linalg.norm(dW))
    said = [f"width {width}", start]
    for quantity in ("progress", "norm"):
        cases = [(optimiser, rule) for optimiser in OPTIMISERS for rule in RULES]
        for (optimiser, rule), theory in zip(cases, THEORY[start, quantity]):
            key = quantity, optimiser, rule
            values = np.reshape(sizes[key], (10, 6))
            np.testing.assert_allclose(picture.drawn.exponents[key].values, values, rtol=1e-9)
            mean = values.mean(axis=0)
            agree_line(picture.points[key], FIRST_RANKS, mean / mean[0])
            agree_line(picture.theory[key], FIRST_RANKS, (FIRST_RANKS / 2.0) ** theory)
            slope = round(np.polyfit(np.log(FIRST_RANKS), np.log(mean), 1)[0], 2) + 0.0
            said.append(f"{slope:.2f} for {OPTIMISERS[optimiser]} with {rule} (theory {theory:g})")
    return said


def one_rate(picture, update):
    M, values = article_matrices()[update], article_spectra()[update]
    ranks, rates = (1, 2, 4, 8, 16, 32, 64), {"sgd": 1e-3, "adam": 3e-4}
    floor = [np.sqrt(np.sum(values[rank:] ** 2) / np.sum(values**2)) for rank in ranks]
    said = [f"The {update} update after 200 steps"]
    for line in picture.floors:
        np.testing.assert_array_equal(line.get_xdata(), ranks)
        np.testing.assert_allclose(line.get_ydata(), floor, rtol=1e-9, atol=1e-9)
    for optimiser, name in OPTIMISERS.items():
        errors = picture.drawn.errors[optimiser]
        assert errors.shape == (2, 7, 3)
        for i, rule in enumerate(RULES):
            for at, seed in ((0, 0), (3, 1), (6, 2)):
                scale = expected_scale(16, ranks[at], rule)
                run = train_once(M, ranks[at], scale, rates[optimiser], optimiser, 200, seed)
                assert errors[i, at, seed] == pytest.approx(errors_of(M, run)[-1], rel=1e-6)
            agree_line(picture.lines[optimiser, rule], ranks, errors[i].mean(axis=-1))
            for seed, line in enumerate(picture.spreads[optimiser, rule]):
                agree_line(line, ranks, errors[i, :, seed])
        mean = errors.mean(axis=-1)
        ends = []
        for rule, line in zip(RULES, mean):
            turn = ranks[np.argmin(line)]
            lowest = f" (lowest at rank {turn})" if turn < 64 else ""
            ends.append(f"to {line[-1]:.2f} at rank 64 with {rule}{lowest}")
        start = f"under {name} the error goes from {mean[0, 0]:.2f} at rank 1"
        said.append(f"{start} {ends[0]} and {ends[1]}{';' if optimiser == 'sgd' else '.'}")
    said.append("learning rates of 0.001 (SGD) and 0.0003 (Adam) and alpha 16")
    return said


def rate_fan(picture, update):
    M, values = article_matrices()[update], article_spectra()[update]
    ranks, said = (1, 4, 16, 64), [f"The {update} update, 100 steps"]
    rates = 10 ** np.arange(-3.5, 0.6, 0.5)
    for optimiser, name in OPTIMISERS.items():
        np.testing.assert_allclose(sweeps.GRID_RATES[optimiser], rates, rtol=1e-12)
        left = picture.drawn.left[optimiser]
        assert left.shape == (2, 4, len(rates))
        for i, rule in enumerate(RULES):
            floor, whole = np.sum(values[16:] ** 2), np.sum(values**2)
            scale, rate = expected_scale(16, 16, rule), rates[3]
            seeds = [train_once(M, 16, scale, rate, optimiser, 100, k)[-1:] for k in range(3)]
            losses = np.array([errors_of(M, last)[0] ** 2 for last in seeds]) * whole
            expected = np.mean((losses - floor) / (whole - floor))
            assert left[i, 2, 3] == pytest.approx(expected, rel=1e-6)
            for j, rank in enumerate(ranks):
                gone = np.isinf(left[i, j])
                line, cross = (
                    each[optimiser, rule, rank] for each in (picture.lines, picture.tops)
                )
                agree_line(line, rates[~gone], np.minimum(left[i, j][~gone], 1.2))
                # At the first rate that diverges; a rank has its own height, inside the axes.
                first = rates[gone][:1]
                agree_line(cross, first, [1.19 - 0.045 * j] * len(first))
                assert 1.19 < cross.axes.get_ylim()[1]
        worst = left.max(axis=1).min(axis=-1)
        said.append(f"{name} leaves {100 * worst[0]:.1f} %")
        said.append(f"{100 * worst[1]:.1f} % with alpha/sqrt(r)")
    return said


def rate_that_leaves(share, rates, left):
    """Where `left` first falls to `share`, on straight lines between logarithms."""
    for i in range(1, len(rates)):
        if left[i] <= share < left[i - 1]:
            fall = np.log(left[i - 1] / share) / np.log(left[i - 1] / left[i])
            return rates[i - 1] * (rates[i] / rates[i - 1]) ** fall
    return np.nan


def rates_over_rank(picture, update):
    ranks, said = np.array([1, 4, 16, 64]), [f"10 % of the {update} update"]
    largest = article_spectra()[update][0]
    for optimiser, name in OPTIMISERS.items():
        grid = training.rate_grid(update, optimiser)
        rates, left = np.array(sweeps.GRID_RATES[optimiser]), grid.unlearned()
        for i, rule in enumerate(RULES):
            needed = np.array(
                [[rate_that_leaves(0.1, rates, left[i, j, :, k]) for k in range(3)]
                 for j in range(4)]
            )  # fmt: skip
            agree_line(picture.lines[optimiser, rule, "needed"], ranks, needed.mean(axis=-1))
            slope = np.mean(
                [np.polyfit(np.log(ranks), np.log(needed[:, k]), 1)[0] for k in range(3)]
            )
            said.append(f"{round(slope, 1) + 0.0:.1f} for {name} with {rule}")
            limit, crosses = (picture.lines[optimiser, rule, key] for key in ("limit", "diverges"))
            if optimiser == "sgd":
                agree_line(limit, ranks, 1 / (expected_scale(16, ranks, rule) * largest))
                gone = np.isinf(left[i]).any(axis=-1)
                first = [rates[each][0] if each.any() else np.nan for each in gone]
                agree_line(crosses, ranks, first)
            else:
                assert len(limit.get_xdata()) == len(crosses.get_xdata()) == 0
    legend_of_rates(picture)
    return said


def legend_of_rates(picture):
    """A line for each rule; crosses and limits belong to both rules, so they are grey."""
    (legend,) = picture.figure.legends
    *rules, diverges, limit = (text.get_text() for text in legend.get_texts())
    assert len(rules) == 2 and all(text.endswith(": leaves 10 %") for text in rules)
    assert (diverges, limit) == ("diverges", r"$1/(s\sigma_1)$ (SGD)")
    lines = legend.get_lines()
    shown = [picture.lines["sgd", rule, "needed"] for rule in RULES]
    looks = [(line.get_color(), line.get_marker(), line.get_linestyle()) for line in lines]
    assert looks[:2] == [
        (line.get_color(), line.get_marker(), line.get_linestyle()) for line in shown
    ]
    grey = lines[2].get_color()
    assert grey not in {line.get_color() for line in shown}
    assert looks[2:] == [(grey, "x", "None"), (grey, "None", ":")]


def training_run(picture, rank, alpha, noise, learning_rate, optimiser, update):
    M, values = article_matrices(noise)[update], article_spectra(noise)[update]
    energy, steps = np.sum(values**2), np.arange(151)
    floor = np.sum(values[rank:] ** 2) / energy
    assert list(picture.floor.get_ydata()) == [picture.drawn.floor] * 2
    assert picture.drawn.floor == pytest.approx(floor, rel=1e-9, abs=1e-12)
    said = [f"{OPTIMISERS[optimiser]} on {update}, rank {rank}, alpha {alpha:g}, noise {noise:g}"]
    said.append(f"learning rate {learning_rate:.2g}, 150 steps")
    for i, rule in enumerate(RULES):
        scale = expected_scale(alpha, rank, rule)
        with np.errstate(all="ignore"):  # a diverging run overflows
            dW = train_once(M, rank, scale, learning_rate, optimiser, 150)
            loss = errors_of(M, dW) ** 2
            size = np.linalg.norm(dW, axis=(1, 2)) / np.sqrt(energy)
            progress = np.sum(dW * M, axis=(1, 2)) / energy
        gone = ~(loss <= 1e6)
        stop = int(np.argmax(gone)) if gone.any() else len(steps)
        series = {
            "loss": (picture.loss, loss),
            "size": (picture.size_lines, size),
            "progress": (picture.progress, progress),
        }
        for name, (lines, expected) in series.items():
            shown, computed = lines[rule].get_ydata(), getattr(picture.drawn, name)[i]
            np.testing.assert_array_equal(lines[rule].get_xdata(), steps)
            np.testing.assert_array_equal(shown[:stop], computed[:stop])
            np.testing.assert_allclose(shown[:stop], expected[:stop], rtol=1e-6, atol=1e-12)
            assert np.isnan(shown[stop:]).all()
        said.append(f"{rule} (scale {scale:.3g}) ")
        if gone.any():
            assert list(picture.crosses[rule].get_xdata()) == [stop]
            said.append(f"diverged at step {stop}")
        else:
            assert len(picture.crosses[rule].get_xdata()) == 0
            end = f"ends at a loss of {loss[-1]:.2g} with {100 * progress[-1]:.0f} % progress"
            said.append(end)
    return said


TRAINING = {
    "FirstStep": (
        first_step,
        [{"start": "kaiming", "width": 128}, {"start": "peft_gaussian", "width": 64}],
    ),
    **{
        title: (check, [{"update": name} for name in reversed(NAMES)])
        for title, check in (
            ("OneRate", one_rate),
            ("RateFan", rate_fan),
            ("RatesOverRank", rates_over_rank),
        )
    },
    "TrainingRun": (
        training_run,
        [
            {
                "rank": 16, "alpha": 16, "noise": 0.01, "learning_rate": 0.001,
                "optimiser": "adam", "update": "facts",
            },
            {
                "rank": 4, "alpha": 32, "noise": 0.1, "learning_rate": 0.05,
                "optimiser": "sgd", "update": "style",
            },
        ],
    ),
}  # fmt: skip
