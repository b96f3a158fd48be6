"""Training by hand: gradients, optimisers, the first step, sweeps, divergence."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import training
from helpers.lora import updates
from helpers.lora.scaling import RSLORA, SCALINGS, STANDARD, scale

FACTS = training.MatrixLoss(updates.article_updates()["facts"].matrix())
STYLE = training.MatrixLoss(updates.article_updates()["style"].matrix())


def draw(seed, *shape):
    return np.random.RandomState(seed).standard_normal(shape)


def some_loss(kind, d, k, seed=0):
    generator = np.random.RandomState(seed)
    M = generator.standard_normal((d, k))
    if kind == "matrix":
        return training.MatrixLoss(M)
    return training.noisy_data(M, int(generator.randint(1, 12)), 0.5, generator)


def central_difference(function, array, step=1e-5):
    slope = np.empty_like(array)
    for index in np.ndindex(*array.shape):
        there, here = array.copy(), array.copy()
        there[index] += step
        here[index] -= step
        slope[index] = (function(there) - function(here)) / (2 * step)
    return slope


def plain_loop(loss, A, s, eta, optimiser, steps, ratio_B=1.0):
    """Textbook training of one run: the oracle for the batched one."""
    M = loss.target
    A, B = A.copy(), np.zeros((M.shape[0], len(A)))
    state = {name: [np.zeros_like(x), np.zeros_like(x)] for name, x in (("A", A), ("B", B))}
    losses, progress = [], []
    for t in range(1, steps + 2):
        dW = s * B @ A
        value, G = loss.evaluate(dW)
        losses.append(float(value))
        progress.append(np.sum(dW * M) / np.sum(M * M))
        if t > steps:
            return np.array(losses), np.array(progress), A, B
        for name, parameter, g in (("A", A, s * B.T @ G), ("B", B, s * G @ A.T)):
            if optimiser == "adam":
                m, v = state[name]
                m[:] = 0.9 * m + 0.1 * g
                v[:] = 0.999 * v + 0.001 * g * g
                g = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            parameter -= eta * (ratio_B if name == "B" else 1) * g


# --- losses -------------------------------------------------------------------


@given(
    kind=st.sampled_from(["matrix", "data"]),
    d=st.integers(1, 5),
    k=st.integers(1, 5),
    seed=st.integers(0, 1000),
)
def test_gradient_of_the_loss_against_finite_differences(kind, d, k, seed):
    loss = some_loss(kind, d, k, seed)
    dW = draw(seed + 1, d, k)
    _, G = loss.evaluate(dW)
    expected = central_difference(lambda update: float(loss.evaluate(update)[0]), dW)
    np.testing.assert_allclose(G, expected, rtol=1e-6, atol=1e-6)


@given(
    kind=st.sampled_from(["matrix", "data"]),
    d=st.integers(1, 5),
    k=st.integers(1, 5),
    r=st.integers(1, 4),
    s=st.floats(0.1, 4),
    seed=st.integers(0, 1000),
)
def test_gradients_of_the_factors_against_finite_differences(kind, d, k, r, s, seed):
    loss = some_loss(kind, d, k, seed)
    A, B = draw(seed + 1, r, k), draw(seed + 2, d, r)
    value, update, gradient_A, gradient_B = training.gradients(loss, A, B, s)
    np.testing.assert_allclose(update, s * B @ A)
    assert value == pytest.approx(float(loss.evaluate(s * B @ A)[0]))
    for gradient, at, function in (
        (gradient_A, A, lambda x: float(loss.evaluate(s * B @ x)[0])),
        (gradient_B, B, lambda x: float(loss.evaluate(s * x @ A)[0])),
    ):
        expected = central_difference(function, at)
        size = max(1.0, np.abs(expected).max())
        np.testing.assert_allclose(gradient, expected, rtol=1e-5, atol=1e-6 * size)


def test_losses_are_what_they_say():
    M, dW = draw(0, 4, 3), draw(1, 4, 3)
    assert training.MatrixLoss(M).evaluate(dW)[0] == pytest.approx(
        np.linalg.norm(dW - M, "fro") ** 2 / 2
    )
    X, Y = draw(2, 6, 3), draw(3, 6, 4)
    expected = sum(np.sum((dW @ x - y) ** 2) for x, y in zip(X, Y)) / 12
    assert training.DataLoss(X, Y, M).evaluate(dW)[0] == pytest.approx(expected)


def test_noisy_data_follows_the_recipe():
    M = draw(0, 4, 3)
    exact = training.noisy_data(M, 5, 0.0, np.random.RandomState(1))
    noisy = training.noisy_data(M, 20000, 0.3, np.random.RandomState(1))
    np.testing.assert_allclose(exact.outputs, exact.inputs @ M.T)
    assert (noisy.outputs - noisy.inputs @ M.T).std() == pytest.approx(0.3, rel=0.02)
    assert noisy.inputs.std() == pytest.approx(1, rel=0.02)


@pytest.mark.parametrize("rank", [1, 2, 4])
def test_floor_is_reached_by_the_best_rank_r_and_by_nothing_below(rank):
    M = draw(0, 4, 5)
    U, S, Vt = np.linalg.svd(M)
    loss = training.MatrixLoss(M)
    best = (U[:, :rank] * S[:rank]) @ Vt[:rank]
    assert loss.floor(rank) == pytest.approx(float(loss.evaluate(best)[0]), abs=1e-12)
    data = training.noisy_data(M, 9, 1.0, np.random.RandomState(1))
    Q, R = np.linalg.qr(data.inputs)
    U, S, Vt = np.linalg.svd(data.outputs.T @ Q)
    best = (U[:, :rank] * S[:rank]) @ Vt[:rank] @ np.linalg.inv(R).T
    assert data.floor(rank) == pytest.approx(float(data.evaluate(best)[0]))
    for seed in range(50):
        other = best + 0.1 * draw(seed, 4, rank) @ draw(seed + 1, rank, 5)
        U, S, Vt = np.linalg.svd(other)
        other = (U[:, :rank] * S[:rank]) @ Vt[:rank]
        assert data.evaluate(other)[0] > data.floor(rank)


def test_floor_with_fewer_examples_than_inputs_is_zero_at_full_rank():
    data = training.noisy_data(draw(0, 4, 6), 3, 1.0, np.random.RandomState(1))
    assert data.floor(4) == pytest.approx(0, abs=1e-12)
    assert data.floor(3) == pytest.approx(0, abs=1e-12)
    assert data.floor(2) > 0.01


# --- optimisers ---------------------------------------------------------------

# torch.optim.SGD and torch.optim.Adam in float64, PyTorch 2.13.0 (CPU), on the run below:
# `python tests/oracles/test_training_torch.py` prints them anew.
RECORDED = {
    "sgd": (
        0.02,
        [11.997177906634322, 9.506681001457176, 7.722690224732806,
         2.375526704932134, 0.257094912657393],
        [[0.933177877587251, 1.180935249541761, 0.342946199229510, -0.810346005076924],
         [-1.097314508743712, 0.029722229970752, 1.129432487521192, 1.190747724689427]],
        [[0.594429257438411, -0.704362482939413],
         [0.144078496948657, 0.923165842191422],
         [-0.782781238306624, -0.502480444555801]],
    ),
    "adam": (
        0.05,
        [11.997177906634322, 10.805677317535141, 9.601580823763237,
         2.209389577137480, 0.630728721345512],
        [[1.427714494114175, 1.421365228669983, 0.049573584105355, -1.319095082035246],
         [-1.128933657346130, 0.557149969283703, 1.518180301950888, 1.316732357599099]],
        [[0.648769396025183, -0.588779648230721],
         [0.011513965241793, 0.759727739534009],
         [-0.862081085745119, -0.826498593733957]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
def test_training_against_values_recorded_from_pytorch(optimiser):
    rate, losses, A_end, B_end = RECORDED[optimiser]
    A = np.sin(np.arange(8.0) + 1).reshape(2, 4)
    loss = training.MatrixLoss(2 * np.cos(np.arange(12.0)).reshape(3, 4))
    history = training.train(loss, A, 1.5, rate, optimiser, 20)
    np.testing.assert_allclose(history.loss[[0, 1, 2, 10, 20]], losses, rtol=1e-9)
    np.testing.assert_allclose(history.A, A_end, rtol=1e-9)
    np.testing.assert_allclose(history.B, B_end, rtol=1e-9)


# --- the loop -----------------------------------------------------------------


def test_history_of_one_run():
    A = training.start_A(np.random.RandomState(0), 3, 64)
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
    for i, scaling in enumerate(SCALINGS):
        for j, rank in enumerate(ranks):
            for m, rate in enumerate(rates):
                for n, seed in enumerate(seeds):
                    A = training.start_A(np.random.RandomState(seed), rank, 6)
                    s = float(scale(4, rank, scaling))
                    expected, _, _, _ = plain_loop(loss, A, s, rate, optimiser, 40)
                    np.testing.assert_allclose(swept.loss[i, j, m, n], expected, rtol=1e-7)


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
def test_more_runs_than_one_batch_and_any_broadcast(optimiser):
    A = np.array([training.start_A(np.random.RandomState(i), 2, 64) for i in range(3)])
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


# --- a learning rate of its own for B ------------------------------------------

SERIES = ("loss", "progress", "norm")


def small_start(rank=2):
    return training.start_A(np.random.RandomState(7), rank, 5)


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
    for i, scaling in enumerate(SCALINGS):
        for j, rate in enumerate(rates):
            for m, seed in enumerate(seeds):
                A = training.start_A(np.random.RandomState(seed), 3, 5, "gaussian")
                s = float(scale(4, 3, scaling))
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


# --- starts -------------------------------------------------------------------


@pytest.mark.parametrize("start", training.STARTS)
def test_start_has_the_variance_it_says(start):
    A = training.start_A(np.random.RandomState(0), 50, 400, start)
    assert A.shape == (50, 400)
    assert A.var() == pytest.approx(training.start_variance(50, 400, start), rel=0.03)
    assert abs(A.mean()) < 4 * A.std() / np.sqrt(A.size)


def test_only_pefts_gaussian_start_shrinks_with_the_rank():
    for start, shrinks in (("kaiming", False), ("gaussian", False), ("peft_gaussian", True)):
        ratio = training.start_variance(2, 64, start) / training.start_variance(8, 64, start)
        assert ratio == pytest.approx(16 if shrinks else 1)
    assert training.start_variance(5, 64, "peft_gaussian") == pytest.approx(1 / 25)
    assert np.abs(training.start_A(np.random.RandomState(0), 64, 64)).max() <= 1 / 8


# --- the first step -----------------------------------------------------------


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
@pytest.mark.parametrize("kind", ["matrix", "data"])
def test_first_update_is_the_loops_first_step(optimiser, kind):
    loss = some_loss(kind, 8, 6)
    A = training.start_A(np.random.RandomState(1), 3, 6)
    formula = training.first_update(loss, A, 1.3, 0.02, optimiser)
    history = training.train(loss, A, 1.3, 0.02, optimiser, 1)
    np.testing.assert_allclose(1.3 * history.B @ history.A, formula, rtol=1e-10, atol=1e-14)
    assert history.norm[1] == pytest.approx(np.linalg.norm(formula))
    assert np.array_equal(history.A, A)


def test_first_update_formulas_literally():
    A = training.start_A(np.random.RandomState(0), 4, 64)
    G = -FACTS.target
    np.testing.assert_allclose(
        training.first_update(FACTS, A, 2.0, 0.1, "sgd"), -0.1 * 4 * G @ A.T @ A
    )
    np.testing.assert_allclose(
        training.first_update(FACTS, A, 2.0, 0.1, "adam"),
        -0.1 * 2 * np.sign(G @ A.T) @ A,
        rtol=1e-4, atol=1e-7,
    )  # fmt: skip


def test_adams_first_step_where_gradients_are_no_larger_than_epsilon():
    loss = training.MatrixLoss(1e-8 * draw(0, 4, 4))
    A = draw(1, 2, 4)
    formula = training.first_update(loss, A, 1.0, 0.1, "adam")
    history = training.train(loss, A, 1.0, 0.1, "adam", 1)
    # The step is 1e8 times the target here, and rightly counts as divergence.
    assert history.diverged
    assert np.linalg.norm(formula) < 0.9 * np.linalg.norm(0.1 * np.sign(loss.target @ A.T) @ A)


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
def test_sizes_of_the_first_step_without_forming_it(optimiser):
    A = training.start_A(np.random.RandomState(0), 5, 64)
    progress, norm = training.first_step_sizes(STYLE.target, A, optimiser)
    history = training.train(STYLE, A, 3.0, 1e-3, optimiser, 1)
    factor = 1e-3 * (9.0 if optimiser == "sgd" else 3.0)
    assert history.progress[1] == pytest.approx(factor * progress, rel=1e-5)
    assert history.norm[1] == pytest.approx(factor * norm, rel=1e-5)


# --- exponents ----------------------------------------------------------------

PROGRESS = {
    ("sgd", STANDARD): -1.0,
    ("sgd", RSLORA): 0.0,
    ("adam", STANDARD): 0.0,
    ("adam", RSLORA): 0.5,
}
NORM = {
    ("sgd", STANDARD): -1.5,
    ("sgd", RSLORA): -0.5,
    ("adam", STANDARD): -0.5,
    ("adam", RSLORA): 0.0,
}


def test_theory_of_the_exponents():
    for (optimiser, scaling), exponent in PROGRESS.items():
        assert training.theory_exponent(optimiser, scaling) == exponent
    for (optimiser, scaling), exponent in NORM.items():
        assert training.theory_exponent(optimiser, scaling, "norm") == exponent
    shrinking = {key: training.theory_exponent(*key, start="peft_gaussian") for key in PROGRESS}
    assert list(shrinking.values()) == [-3.0, -2.0, -1.0, -0.5]


@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize("start", training.STARTS)
def test_measured_exponents_of_full_rank_targets(width, start):
    found = training.measure_exponents(training.gaussian_target(width), start=start)
    for optimiser, scaling in PROGRESS:
        exponent = found["progress", optimiser, scaling]
        assert exponent.theory == training.theory_exponent(optimiser, scaling, start=start)
        assert abs(exponent.slope - exponent.theory) < 0.05
        assert exponent.spread < 0.06
        assert np.all(np.abs(exponent.seed_slopes - exponent.theory) < 0.15)


@pytest.mark.parametrize("name", ["style", "facts"])
def test_measured_exponents_of_the_articles_targets(name):
    target = updates.article_updates()[name].matrix()
    found = training.measure_exponents(target, seeds=range(100))
    for key in PROGRESS:
        assert abs(found[("progress", *key)].slope - PROGRESS[key]) < 0.1
        assert found[("progress", *key)].spread < (0.25 if name == "style" else 0.05)


def test_measured_exponents_of_a_rank_one_target_hold_on_average_only():
    found = training.measure_exponents(training.gaussian_target(64, 1), seeds=range(200))
    for key in PROGRESS:
        assert abs(found[("progress", *key)].slope - PROGRESS[key]) < 0.1
    assert found["progress", "sgd", STANDARD].spread > 0.2


def test_norms_have_other_exponents_where_the_rank_is_far_below_the_width():
    found = training.measure_exponents(training.gaussian_target(512), seeds=range(3))
    for key in NORM:
        assert abs(found[("norm", *key)].slope - NORM[key]) < 0.05


def test_exponents_are_those_of_the_loop():
    """The same slopes, by training one step at every rank."""
    ranks, seeds = (2, 4, 8, 16, 32, 64), range(4)
    found = training.measure_exponents(FACTS.target, ranks, seeds)
    for optimiser in training.OPTIMISERS:
        values = np.empty((2, len(seeds), len(ranks)))
        for i, seed in enumerate(seeds):
            generator = np.random.RandomState(seed)
            for j, rank in enumerate(ranks):
                A = training.start_A(generator, rank, 64)
                s = np.array([scale(16, rank, scaling) for scaling in SCALINGS])
                run = training.train(FACTS, A, s, 1e-4, optimiser, 1)
                values[:, i, j] = run.progress[:, 1]
        for i, scaling in enumerate(SCALINGS):
            expected = training.log_slope(ranks, values[i])
            np.testing.assert_allclose(
                found["progress", optimiser, scaling].seed_slopes, expected, atol=1e-4
            )


def test_log_slope_of_a_power():
    x = np.array([1, 3, 10, 50])
    np.testing.assert_allclose(training.log_slope(x, [2 * x**1.5, x**-0.5]), [1.5, -0.5])


# --- divergence ---------------------------------------------------------------


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
    A = training.start_A(np.random.RandomState(0), 4, 64)
    together = training.train(FACTS, A, 4.0, [1e-3, 1e3, 2e-3], optimiser, 20)
    assert together.diverged.tolist() == [False, True, False]
    for i, rate in ((0, 1e-3), (2, 2e-3)):
        alone = training.train(FACTS, A, 4.0, rate, optimiser, 20)
        np.testing.assert_allclose(together.loss[i], alone.loss, rtol=1e-9)


def test_curvature_at_the_balanced_minimum_sets_the_largest_rate():
    """2 / curvature at the minimum is 1 / (s sigma_1), and no minimum curves less."""
    M = draw(0, 4, 3)
    U, S, Vt = np.linalg.svd(M, full_matrices=False)
    s, r = 1.7, 2

    def curvature(balance):
        root = np.sqrt(S[:r] / s)
        A, B = Vt[:r] * root[:, None] * balance, U[:, :r] * root / balance

        def gradient(flat):
            A, B = flat[: r * 3].reshape(r, 3), flat[r * 3 :].reshape(4, r)
            _, _, gradient_A, gradient_B = training.gradients(training.MatrixLoss(M), A, B, s)
            return np.concatenate([gradient_A.ravel(), gradient_B.ravel()])

        at = np.concatenate([A.ravel(), B.ravel()])
        assert np.abs(gradient(at)).max() < 1e-12
        steps = 1e-6 * np.eye(len(at))
        hessian = [(gradient(at + h) - gradient(at - h)) / 2e-6 for h in steps]
        return np.linalg.eigvalsh(hessian)[-1]

    limit = float(training.stable_rate(S[0], s))
    assert 2 / curvature(1.0) == pytest.approx(limit, rel=1e-6)
    assert curvature(1.3) > curvature(1.0) and curvature(0.7) > curvature(1.0)


@pytest.mark.parametrize("loss", [STYLE, FACTS], ids=["style", "facts"])
def test_sgd_diverges_just_above_the_largest_stable_rate(loss):
    ranks = (1, 8, 64)
    for scaling in SCALINGS:
        for rank in ranks:
            s = scale(16, rank, scaling)
            limit = training.stable_rate(loss.singular_values[0], s)
            A = training.start_A(np.random.RandomState(0), rank, 64)
            history = training.train(loss, A, s, limit * np.array([0.9, 1.6]), "sgd", 100)
            assert history.diverged.tolist() == [False, True]


# --- sweeps -------------------------------------------------------------------


def hand_made_sweep():
    """One scaling, one rank, four rates, one seed; 1.0 at the start, floor 0.5."""
    end = np.array([0.9, 0.7, 0.5, np.inf])
    loss = np.stack([np.ones(4), end], axis=-1)[None, None, :, None, :]
    rates = np.array([1e-3, 1e-2, 1e-1, 1.0])
    return training.Sweep(np.array([1]), rates, loss, loss, np.array([0.5]))


def test_unlearned_tuned_and_diverging_rate():
    swept = hand_made_sweep()
    np.testing.assert_allclose(swept.unlearned()[0, 0, :, 0], [0.8, 0.4, 0.0, np.inf])
    np.testing.assert_allclose(swept.unlearned(0), 1)
    assert swept.tuned() == 0
    assert swept.diverged.ravel().tolist() == [False, False, False, True]
    assert swept.diverging_rate() == 1.0


def test_shared_rate_is_judged_at_the_rank_it_serves_worst():
    end = np.array([[0.6, 0.9, np.inf], [0.95, 0.7, 0.6]])
    loss = np.stack([np.ones((2, 3)), end], axis=-1)[None, :, :, None, :]
    rates, floor = np.array([0.1, 1.0, 10.0]), np.array([0.5, 0.5])
    swept = training.Sweep(np.array([1, 2]), rates, loss, loss, floor)
    rate, left = swept.shared()
    assert rate == [1.0]
    np.testing.assert_allclose(left, [0.8])


def test_needed_rate_is_interpolated_in_both_logarithms():
    swept = hand_made_sweep()
    assert swept.needed_rate(0.4)[0, 0, 0] == pytest.approx(1e-2)
    assert swept.needed_rate(np.sqrt(0.8 * 0.4))[0, 0, 0] == pytest.approx(10**-2.5)
    assert np.isnan(swept.needed_rate(0.9)[0, 0, 0])
    assert 1e-2 < swept.needed_rate(0.01)[0, 0, 0] < 1e-1
    never = training.Sweep(
        swept.ranks, swept.learning_rates[:2], swept.loss[:, :, :2], swept.error, swept.floor
    )
    assert np.isnan(never.needed_rate(0.1)).all()
    assert np.isinf(never.diverging_rate()).all()


def test_the_articles_picture_and_its_end():
    """At one small rate rsLoRA looks better at high rank; at tuned rates neither does."""
    ranks, grid = (1, 16, 64), 10 ** np.array([-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0])
    for optimiser in training.OPTIMISERS:
        swept = training.sweep(FACTS, ranks, grid, optimiser, seeds=(0, 1))
        standard, rslora = swept.unlearned().mean(axis=-1)[:, :, 0]
        np.testing.assert_allclose(standard[0], rslora[0])
        assert standard[2] > rslora[2] + 0.15
        assert np.all(swept.tuned() < 0.02)


def test_compare_starts_both_scalings_from_the_same_a():
    history = training.compare(FACTS, 1, 16, [1e-3, 1e-2], "adam", seeds=(0, 1), steps=5)
    assert history.loss.shape == (2, 2, 2, 6)
    np.testing.assert_allclose(history.loss[0], history.loss[1])


# --- bad input ----------------------------------------------------------------

A4 = training.start_A(np.random.RandomState(0), 4, 64)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: training.train(FACTS, A4, 1, 0.1, "adamw"), "optimiser must be one of"),
        (lambda: training.train(FACTS, A4, 1, 0.0), "learning_rate must be finite and above 0"),
        (lambda: training.train(FACTS, A4, 1, -1.0), "learning_rate must be finite and above 0"),
        (lambda: training.train(FACTS, A4, 0, 0.1), "multiplier must be finite and above 0"),
        (lambda: training.train(FACTS, A4, 1, 0.1, steps=0), "steps must be a whole number"),
        (lambda: training.train(FACTS, A4[:, :3], 1, 0.1), r"A must be finite and of shape"),
        (lambda: training.train(FACTS, A4 * np.nan, 1, 0.1), "A must be finite"),
        (lambda: training.train(FACTS, np.ones((65, 64)), 1, 0.1), "rank .* between 1 and 64"),
        (
            lambda: training.train(FACTS, A4[None].repeat(2, 0), 1, [0.1, 0.1, 0.1]),
            "must broadcast",
        ),
        (lambda: training.compare(FACTS, 0, 16, 0.1), "rank must be .* between 1 and 64"),
        (lambda: training.compare(FACTS, 65, 16, 0.1), "rank must be .* between 1 and 64"),
        (lambda: training.compare(FACTS, 4, 0, 0.1), "alpha must be"),
        (lambda: training.compare(FACTS, 4, 16, 0.1, seeds=()), "seeds must hold"),
        (lambda: training.compare(FACTS, 4, 16, 0.1, start="zeros"), "start must be one of"),
        (lambda: training.sweep(FACTS, (1, 65), 0.1), "ranks must be .* between 1 and 64"),
        (lambda: training.sweep(FACTS, (1, 2), [0.1, 0.01]), "learning_rates must rise"),
        (lambda: training.sweep(FACTS, (1, 2), [0.1, 0.0]), "learning_rates must be finite"),
        (lambda: training.start_A(np.random.RandomState(0), 0, 64), "rank must be"),
        (lambda: training.start_A(np.random.RandomState(0), 4, 64, "he"), "start must be one of"),
        (lambda: training.theory_exponent("sgd", "alpha"), "scaling must be one of"),
        (lambda: training.theory_exponent("lion", STANDARD), "optimiser must be one of"),
        (lambda: training.theory_exponent("sgd", STANDARD, "loss"), "quantity must be one of"),
        (lambda: training.first_update(FACTS, A4, 1.0, 0.0), "learning_rate must be"),
        (lambda: training.first_update(FACTS, A4, 1.0, 0.1, "adamw"), "optimiser must be one of"),
        (lambda: training.measure_exponents(FACTS.target, (4,)), "ranks must hold two"),
        (lambda: training.measure_exponents(FACTS.target, (4, 65)), "ranks must be"),
        (lambda: training.measure_exponents(FACTS.target, seeds=(1,)), "seeds must hold two"),
        (lambda: training.gaussian_target(8, 9), "rank must be .* between 1 and 8"),
        (lambda: training.MatrixLoss(np.zeros((2, 2))), "target must not be all zeros"),
        (lambda: FACTS.floor(65), "rank must be .* between 1 and 64"),
        (
            lambda: training.DataLoss(np.ones((3, 2)), np.ones((3, 3)), np.ones((2, 2))),
            "must fit the target",
        ),
        (
            lambda: training.noisy_data(np.eye(2), 3, -1.0, np.random.RandomState(0)),
            "noise must be",
        ),
        (lambda: hand_made_sweep().needed_rate(0.0), "left must be"),
        (lambda: training.stable_rate(0.0, 1.0), "largest_singular_value must be"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
