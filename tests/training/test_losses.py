"""Losses against finite differences, sums and rivals of the same rank."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import training
from helpers.training import losses
from tests.support.training import FACTS, central_difference, draw, some_loss


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


@pytest.mark.parametrize(
    "call, message",
    [
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
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("rank", [1, 3, 8])
def test_the_best_update_reaches_the_floor_and_nothing_near_it_is_better(rank):
    generator = np.random.RandomState(3)
    data = training.noisy_data(generator.standard_normal((8, 10)), 40, 0.5, generator)
    best = data.best_update(rank)
    assert np.linalg.matrix_rank(best) == rank
    loss, gradient = data.evaluate(best)
    assert loss == pytest.approx(float(data.floor(rank)), rel=1e-9)
    U, _, Vt = np.linalg.svd(best)
    inside = U[:, :rank].T @ gradient  # no descent within the rank
    assert np.abs(inside).max() < 1e-9
    assert np.abs(gradient @ Vt[:rank].T).max() < 1e-9


def test_the_best_update_needs_enough_examples():
    data = training.noisy_data(np.eye(4), 3, 0.1, np.random.RandomState(0))
    with pytest.raises(ValueError, match="at least as many examples"):
        data.best_update(2)


def test_squares_are_added_up_within_each_run():
    runs = draw(1, 3, 2, 4, 5)
    by_loops = [[sum(x**2 for x in runs[i, j].ravel()) for j in range(2)] for i in range(3)]
    np.testing.assert_allclose(losses.squared_norm(runs), by_loops)
