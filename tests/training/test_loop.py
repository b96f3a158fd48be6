"""The training loop: one run, many at once, a rate of its own for B, divergence."""

import warnings

import numpy as np
import pytest

from helpers import training
from helpers.lora.scaling import RULES, scale
from tests.support.training import FACTS, STYLE, plain_loop, some_loss

A4 = training.init_A(np.random.RandomState(0), 4, 64)


def test_history_of_one_run():
    A = training.init_A(np.random.RandomState(0), 3, 64)
    before = A.copy()
    history = training.train(STYLE, A, 2.0, 1e-3, "adam", 12)
    assert np.array_equal(A, before)
    M = STYLE.target
    for series in (history.loss, history.progress, history.norm, history.gradient_A):
        assert series.shape == (13,)
    assert history.A.shape == (3, 64) and history.B.shape == (64, 3)
    assert history.loss[0] == pytest.approx(np.sum(M**2) / 2)
    assert history.progress[0] == history.norm[0] == history.gradient_A[0] == 0
    assert history.gradient_B[0] == pytest.approx(2 * np.linalg.norm(M @ A.T))
    dW = 2.0 * history.B @ history.A
    assert history.norm[-1] == pytest.approx(np.linalg.norm(dW))
    assert history.progress[-1] == pytest.approx(np.sum(dW * M) / np.sum(M**2))
    np.testing.assert_allclose(
        history.error, np.sqrt(2 * history.loss) / np.linalg.norm(M), rtol=1e-9
    )
    assert history.error[-1] == pytest.approx(np.linalg.norm(dW - M) / np.linalg.norm(M))
    assert not history.diverged and history.diverged_at == -1


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
@pytest.mark.parametrize("kind", ["matrix", "data"])
def test_batched_sweep_equals_a_plain_loop_over_single_runs(optimiser, kind):
    loss = some_loss(kind, 8, 6, seed=3)
    ranks, rates, seeds = (1, 3, 6), (1e-3, 1e-2), (4, 5, 6)
    swept = training.sweep(loss, ranks, rates, optimiser, 4, seeds, steps=40)
    assert swept.loss.shape == swept.error.shape == (2, 3, 2, 3, 41)
    for i, rule in enumerate(RULES):
        for j, rank in enumerate(ranks):
            for m, rate in enumerate(rates):
                for n, seed in enumerate(seeds):
                    A = training.init_A(np.random.RandomState(seed), rank, 6)
                    s = float(scale(4, rank, rule))
                    expected, _, _, _ = plain_loop(loss, A, s, rate, optimiser, 40)
                    np.testing.assert_allclose(swept.loss[i, j, m, n], expected, rtol=1e-7)


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
def test_more_runs_than_one_batch_and_any_broadcast(optimiser):
    A = np.array([training.init_A(np.random.RandomState(i), 2, 64) for i in range(3)])
    rates = np.array([1e-4, 3e-4, 1e-3, 3e-3])[:, None]
    many = training.train(FACTS, A, 2.0, rates, optimiser, 10)
    assert many.loss.shape == (4, 3, 11) and many.B.shape == (4, 3, 64, 2)
    for i in range(4):
        for j in range(3):
            loss, progress, A_end, B_end = plain_loop(FACTS, A[j], 2.0, rates[i, 0], optimiser, 10)
            np.testing.assert_allclose(many.loss[i, j], loss, rtol=1e-9)
            np.testing.assert_allclose(many.progress[i, j], progress, rtol=1e-7, atol=1e-12)
            np.testing.assert_allclose(many.A[i, j], A_end, rtol=1e-6, atol=1e-9)
            np.testing.assert_allclose(many.B[i, j], B_end, rtol=1e-6, atol=1e-9)


def test_training_reaches_the_floor():
    for optimiser, rate in (("sgd", 0.02), ("adam", 0.01)):
        history = training.compare(FACTS, 8, 16, rate, optimiser, steps=400)
        floor = float(FACTS.floor(8))
        assert np.all(history.loss[..., -1] < 1.01 * floor)
        assert np.all(history.loss[..., -1] >= floor)


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
@pytest.mark.parametrize("kind", ["matrix", "data"])
def test_the_first_step_is_the_formula(optimiser, kind):
    """From B = 0 only B moves: dW = -eta s direction(s G A^T) A, with Adam's g / (|g| + 1e-8)."""
    loss = some_loss(kind, 8, 6)
    A = training.init_A(np.random.RandomState(1), 3, 6)
    _, G = loss.evaluate(np.zeros((8, 6)))
    g = 1.3 * G @ A.T
    expected = -0.02 * 1.3 * (g if optimiser == "sgd" else g / (np.abs(g) + 1e-8)) @ A
    history = training.train(loss, A, 1.3, 0.02, optimiser, 1)
    np.testing.assert_allclose(1.3 * history.B @ history.A, expected, rtol=1e-10, atol=1e-14)
    assert history.norm[1] == pytest.approx(np.linalg.norm(expected))
    assert np.array_equal(history.A, A)


SERIES = ("loss", "progress", "norm")


def small_start(rank=2):
    return training.init_A(np.random.RandomState(7), rank, 5)


@pytest.mark.parametrize("ratio", [0.25, 4.0])
@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
@pytest.mark.parametrize("kind", ["matrix", "data"])
def test_ratio_multiplies_the_rate_of_b_alone(optimiser, kind, ratio):
    loss, A = some_loss(kind, 6, 5, seed=2), small_start()
    history = training.train(loss, A, 1.5, 0.01, optimiser, 40, ratio)
    losses, progress, A_end, B_end = plain_loop(loss, A, 1.5, 0.01, optimiser, 40, ratio)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-10)
    np.testing.assert_allclose(history.progress, progress, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(history.A, A_end, rtol=1e-9)
    np.testing.assert_allclose(history.B, B_end, rtol=1e-9)
    same_rates = training.train(loss, A, 1.5, 0.01, optimiser, 40)
    assert abs(history.loss[-1] / same_rates.loss[-1] - 1) > 0.01


@pytest.mark.parametrize("ratio", [0.25, 4.0])
def test_under_adam_the_scale_is_a_ratio_of_the_two_rates(ratio):
    """(s, ratio c) and (c s, ratio 1) walk the same dW, up to Adam's epsilon."""
    loss, A = some_loss("matrix", 6, 5), small_start()
    by_ratio = training.train(loss, A, 1.5, 0.01, "adam", 60, ratio)
    by_scale = training.train(loss, A, 1.5 * ratio, 0.01, "adam", 60)
    for series in SERIES:
        one, other = getattr(by_ratio, series), getattr(by_scale, series)
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-12)
    np.testing.assert_allclose(by_ratio.A, by_scale.A, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(by_ratio.B, ratio * by_scale.B, rtol=1e-5, atol=1e-6)
    assert by_ratio.loss[-1] < 0.8 * by_ratio.loss[0]


@pytest.mark.parametrize("s", [0.25, 3.0])
def test_under_sgd_the_scale_is_a_rate_and_a_size_of_the_start(s):
    """(s, eta, A) and (1, s eta, sqrt(s) A) walk the same dW."""
    loss, A = some_loss("matrix", 6, 5), small_start()
    scaled = training.train(loss, A, s, 0.02, "sgd", 60)
    plain = training.train(loss, np.sqrt(s) * A, 1.0, s * 0.02, "sgd", 60)
    for series in SERIES:
        one, other = getattr(scaled, series), getattr(plain, series)
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14)
    assert not scaled.diverged
    assert scaled.loss[-1] < 0.95 * scaled.loss[0]


@pytest.mark.parametrize("ratio", [0.25, 4.0])
def test_under_sgd_a_ratio_is_a_rate_and_a_size_of_the_start(ratio):
    """(eta, ratio c, A) and (sqrt(c) eta, ratio 1, c^(1/4) A) walk the same dW."""
    loss, A = some_loss("matrix", 6, 5), small_start()
    by_ratio = training.train(loss, A, 1.5, 0.02, "sgd", 60, ratio)
    plain = training.train(loss, ratio**0.25 * A, 1.5, np.sqrt(ratio) * 0.02, "sgd", 60)
    for series in SERIES:
        one, other = getattr(by_ratio, series), getattr(plain, series)
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
def test_compare_hands_the_ratio_on(optimiser):
    loss, rates, seeds = some_loss("matrix", 6, 5), [0.003, 0.01], (4, 5)
    history = training.compare(loss, 3, 4, rates, optimiser, seeds, 20, "gaussian", 8.0)
    for i, rule in enumerate(RULES):
        for j, rate in enumerate(rates):
            for m, seed in enumerate(seeds):
                A = training.init_A(np.random.RandomState(seed), 3, 5, "gaussian")
                s = float(scale(4, 3, rule))
                losses, *_ = plain_loop(loss, A, s, rate, optimiser, 20, 8.0)
                np.testing.assert_allclose(history.loss[i, j, m], losses, rtol=1e-9)


def test_a_ratio_of_one_is_the_default():
    A = small_start()
    loss = some_loss("matrix", 6, 5)
    for optimiser in training.OPTIMISERS:
        default = training.train(loss, A, 1.5, 0.01, optimiser, 20)
        stated = training.train(loss, A, 1.5, 0.01, optimiser, 20, ratio_B=1)
        np.testing.assert_array_equal(default.loss, stated.loss)
        compared = training.compare(loss, 2, 4, 0.01, optimiser, steps=20)
        np.testing.assert_array_equal(
            compared.loss, training.compare(loss, 2, 4, 0.01, optimiser, steps=20, ratio_B=1).loss
        )


@pytest.mark.parametrize("ratio", [0, 0.0, -1, float("nan"), float("inf"), "2", None, True])
def test_a_ratio_that_is_not_above_zero_is_named(ratio):
    message = "ratio_B must be a finite number above 0, got"
    with pytest.raises(ValueError, match=message):
        training.train(FACTS, np.eye(4, 64), 1, 0.1, ratio_B=ratio)
    with pytest.raises(ValueError, match=message):
        training.compare(FACTS, 4, 16, 0.1, ratio_B=ratio)


def test_decay_and_epsilon_are_those_of_adamw():
    run = training.train(FACTS, A4, 2.0, 1e-3, "adam", 30, epsilon=1e-3, decay=0.2)
    settings = (1e-3, 1e-3), (0.2, 0.2), (1e-3, 1e-3)
    expected = training.adamw(FACTS, A4, 2.0, *settings, steps=30)
    np.testing.assert_allclose(2.0 * run.B @ run.A, expected, rtol=1e-9, atol=1e-12)


def test_a_clipped_step_of_sgd_has_the_length_that_is_allowed():
    start = training.train(FACTS, A4, 2.0, 0.1, "sgd", 1, clip=0.5)
    assert start.gradient_B[0] > 0.5
    assert np.linalg.norm(start.B) == pytest.approx(0.1 * 0.5, rel=1e-9)
    apart = [training.train(FACTS, A4, 2.0, 1e-3, "sgd", 5, clip=c).loss for c in (1e9, np.inf)]
    np.testing.assert_allclose(*apart, rtol=1e-12)


@pytest.mark.parametrize(
    "setting, message",
    [
        ({"epsilon": 0.0}, "epsilon must"),
        ({"decay": -0.1}, "decay must"),
        ({"clip": 0}, "clip must"),
    ],
)
def test_a_setting_out_of_range_is_named(setting, message):
    with pytest.raises(ValueError, match=message):
        training.train(FACTS, A4, 1, 0.1, **setting)


@pytest.mark.parametrize("rate", [0.5, 1e3, 1e100, 1e300])
@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
def test_divergence_is_flagged_without_warnings(rate, optimiser):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = training.compare(FACTS, 8, 64, rate, optimiser, seeds=(0, 1), steps=30)
        series = (history.loss, history.norm, history.progress, history.gradient_A, history.error)
        if optimiser == "sgd" or rate > 1:
            assert history.diverged.all()
        for array in series:
            assert not np.isnan(array).any()
    for run in np.ndindex(history.diverged.shape):
        at = int(history.diverged_at[run])
        if at >= 0:
            assert 1 <= at <= 30
            assert np.isfinite(history.loss[run][:at]).all()
            assert np.isinf(history.loss[run][at:]).all()
            assert not history.A[run].any() and not history.B[run].any()


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
def test_a_diverging_run_leaves_its_neighbours_alone(optimiser):
    A = training.init_A(np.random.RandomState(0), 4, 64)
    together = training.train(FACTS, A, 4.0, [1e-3, 1e3, 2e-3], optimiser, 20)
    assert together.diverged.tolist() == [False, True, False]
    for i, rate in ((0, 1e-3), (2, 2e-3)):
        alone = training.train(FACTS, A, 4.0, rate, optimiser, 20)
        np.testing.assert_allclose(together.loss[i], alone.loss, rtol=1e-9)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: training.train(FACTS, A4, 1, 0.1, "adamw"), "optimiser must be one of"),
        (lambda: training.train(FACTS, A4, 1, 0.0), "learning_rate must be finite and above 0"),
        (lambda: training.train(FACTS, A4, 1, -1.0), "learning_rate must be finite and above 0"),
        (lambda: training.train(FACTS, A4, 0, 0.1), "scale must be finite and above 0"),
        (lambda: training.train(FACTS, A4, 1, 0.1, steps=0), "steps must be a whole number"),
        (lambda: training.train(FACTS, A4[:, :3], 1, 0.1), r"A must be finite and of shape"),
        (lambda: training.train(FACTS, A4 * np.nan, 1, 0.1), "A must be finite"),
        (lambda: training.train(FACTS, np.ones((65, 64)), 1, 0.1), "rank .* between 1 and 64"),
        (
            lambda: training.train(FACTS, A4[None].repeat(2, 0), 1, [0.1, 0.1, 0.1]),
            "must broadcast",
        ),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
