"""What the figures of training must show: runs repeated here one by one, in plain NumPy."""

import numpy as np
import pytest

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

#: Powers of r in the first step's progress, with alpha/r, alpha/sqrt(r) and alpha = 2r.
THEORY = {
    ("kaiming", "sgd"): (-1, 0, 1), ("kaiming", "adam"): (0, 0.5, 1),
    ("peft_gaussian", "sgd"): (-3, -2, -1), ("peft_gaussian", "adam"): (-1, -0.5, 0),
}  # fmt: skip


def drawn_start(stream, start, rank, width):
    if start == "kaiming":
        return stream.uniform(-1, 1, (rank, width)) / np.sqrt(width)
    return stream.standard_normal((rank, width)) / rank


def train_once(M, rank, scale, rate, optimiser, steps, seed=0, change="plain"):
    """One run from B = 0: the update at every step."""
    A = drawn_start(np.random.RandomState(seed), "kaiming", rank, M.shape[1])
    factors = [A, np.zeros((len(M), rank))]
    means, squares = ([np.zeros_like(each) for each in factors] for _ in range(2))
    updates = []
    for step in range(1, steps + 2):
        A, B = factors
        updates.append(scale * B @ A)
        G = updates[-1] - M
        gradients = [scale * B.T @ G, scale * G @ A.T]
        length = np.sqrt(sum(np.sum(g**2) for g in gradients))
        if change == "clipping" and length > 1:
            gradients = [g / length for g in gradients]
        epsilon, decay = 1.0 if change == "epsilon" else 1e-8, 0.1 * (change == "decay")
        for i, g in enumerate(gradients):
            if optimiser == "adam":
                means[i] = 0.9 * means[i] + 0.1 * g
                squares[i] = 0.999 * squares[i] + 0.001 * g**2
                corrected = np.sqrt(squares[i] / (1 - 0.999**step))
                g = means[i] / (1 - 0.9**step) / (corrected + epsilon)
            factors[i] = factors[i] - rate * (g + decay * factors[i])
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
            for habit, s in habits(1, rank).items():
                g = s * M @ A.T
                for optimiser, direction in (("sgd", g), ("adam", np.sign(g))):
                    progress = np.sum((s * direction @ A) * M) / np.sum(M**2)
                    sizes.setdefault((optimiser, habit), []).append(progress)
    said = [f"width {width}", start]
    for optimiser, name in OPTIMISERS.items():
        theory = THEORY[start, optimiser]
        for habit, power in zip(habits(1, 1), theory):
            key = optimiser, habit
            mean = np.reshape(sizes[key], (10, 6)).mean(axis=0)
            agree_line(picture.points[key], FIRST_RANKS, mean / mean[0])
            agree_line(picture.theory[key], [2, 64], [1, 32.0**power])
            slope = round(np.polyfit(np.log(FIRST_RANKS), np.log(mean), 1)[0], 2) + 0.0
            assert picture.names[key].get_position()[1] == pytest.approx(32.0**power)
            said.append(f"{slope:.2f} for {name} with {habit} (theory {power:g})")
    return said


def crew(picture):
    said = ["alpha 4"]
    for (optimiser, habit, rank), (line, row) in picture.chains.items():
        pull = habits(4, rank)[habit] ** (2 if optimiser == "sgd" else 1)
        agree_line(line, pull * np.arange(rank + 1), [row] * (rank + 1))
        if rank == 16:
            said.append(f" and {16 * pull:g} with {habit}")
    return said


def habits(alpha, rank):
    """The scale under both rules and with alpha = 2r."""
    both = {rule: expected_scale(alpha, rank, rule) for rule in RULES}
    return {**both, "alpha = 2r": 2.0}


def rate_windows(picture, update):
    M, values = article_matrices()[update], article_spectra()[update]
    rates = 10 ** np.arange(-3.5, 0.6, 0.5)
    said = [f"the {update} update, alpha 16, 3 seeds"]
    for optimiser, name in OPTIMISERS.items():
        for habit in habits(16, 1):
            key = optimiser, habit
            needed, spikes = picture.drawn.needed[key], picture.drawn.spikes[key]
            shared = picture.drawn.shared[key]
            assert np.isfinite(shared) == (needed.max() < spikes.min())
            assert not np.isfinite(shared) or needed.max() < shared < spikes.min()
            np.testing.assert_array_equal(picture.both[key].get_xdata(), [shared] * 2)
            for i in range(4):
                ends = [needed[i], min(spikes[i], rates[-1])]
                np.testing.assert_allclose(picture.bars[(*key, i)].get_xdata(), ends)
                assert list(picture.bars[(*key, i)].get_ydata()) == [i, i]
                assert list(picture.ends[(*key, i)].get_xdata()) == [spikes[i]]
                assert np.isinf(spikes[i]) or np.isclose(rates, spikes[i]).any()
            # One rank again, run by run: the rates about the ends of the bar.
            scale, floor = habits(16, 4)[habit], np.sum(values[4:] ** 2)
            above = np.flatnonzero(rates >= needed[1])[0]
            for at, enough in ((above - 1, False), (above, True)):
                runs = [train_once(M, 4, scale, rates[at], optimiser, 100, k) for k in range(3)]
                loss = [errors_of(M, run[-1:])[0] ** 2 * np.sum(values**2) for run in runs]
                left = (np.mean(loss) - floor) / (np.sum(values**2) - floor)
                # The ends are means over the seeds of where each crosses a tenth.
                assert left < 0.2 if enough else left > 0.05
            if np.isfinite(spikes[1]):
                with np.errstate(all="ignore"):
                    runs = [train_once(M, 4, scale, spikes[1], optimiser, 100, k)
                            for k in range(3)]  # fmt: skip
                    peaks = [np.nanmax(errors_of(M, run) ** 2) for run in runs]
                assert max(peaks) > 1.1
            said.append(f"{name} with {habit} needs {needed[0]:.1g} at rank 1")
    assert picture.serving == sum(np.isfinite(x) for x in picture.drawn.shared.values())
    return said


CHANGED = {
    "plain": ", plain", "clipping": ", clipped to 1", "epsilon": ", epsilon 1",
    "decay": ", weight decay 0.1",
}  # fmt: skip


def training_run(picture, rank, alpha, learning_rate, optimiser, update, change):
    M, values = article_matrices()[update], article_spectra()[update]
    energy, steps = np.sum(values**2), np.arange(101)
    floor = np.sum(values[rank:] ** 2) / energy
    assert list(picture.floor.get_ydata()) == [picture.drawn.floor] * 2
    assert picture.drawn.floor == pytest.approx(floor, rel=1e-9, abs=1e-12)
    said = [f"{OPTIMISERS[optimiser]} on {update}, rank {rank}, alpha {alpha:g}, learning rate"]
    said.append(f"{learning_rate:.2g}{CHANGED[change]}, 100 steps")
    for i, (habit, scale) in enumerate(habits(alpha, rank).items()):
        with np.errstate(all="ignore"):  # a diverging run overflows
            dW = train_once(M, rank, scale, learning_rate, optimiser, 100, change=change)
            loss = errors_of(M, dW) ** 2
            size = np.linalg.norm(dW, axis=(1, 2)) / np.sqrt(energy)
        gone = ~(loss <= 1e6)
        stop = int(np.argmax(gone)) if gone.any() else len(steps)
        for name, lines, expected in (("loss", picture.loss, loss),
                                      ("size", picture.size_lines, size)):  # fmt: skip
            shown, computed = lines[habit].get_ydata(), getattr(picture.drawn, name)[i]
            np.testing.assert_array_equal(lines[habit].get_xdata(), steps)
            np.testing.assert_array_equal(shown[:stop], computed[:stop])
            np.testing.assert_allclose(shown[:stop], expected[:stop], rtol=1e-6, atol=1e-12)
            assert np.isnan(shown[stop:]).all()
        said.append(f"{habit} (scale {scale:.3g}) ")
        if gone.any():
            assert list(picture.crosses[habit].get_xdata()) == [stop]
            said.append(f"diverges at step {stop}")
        else:
            assert len(picture.crosses[habit].get_xdata()) == 0
            assert picture.drawn.peaks[i] == pytest.approx(loss.max(), rel=1e-6)
            said.append(f"ends at {loss[-1]:.2g}")
    return said


TRAINING = {
    "Crew": (crew, [{}]),
    "FirstStep": (
        first_step,
        [{"start": "kaiming", "width": 128}, {"start": "peft_gaussian", "width": 64}],
    ),
    "RateWindows": (rate_windows, [{"update": name} for name in reversed(NAMES)]),
    "TrainingRun": (
        training_run,
        [
            {
                "rank": 16, "alpha": 16, "learning_rate": 0.001, "optimiser": "adam",
                "update": "facts", "change": "decay",
            },
            {
                "rank": 4, "alpha": 32, "learning_rate": 0.05, "optimiser": "sgd",
                "update": "style", "change": "plain",
            },
        ],
    ),
}  # fmt: skip
