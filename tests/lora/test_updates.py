"""The simulated updates against a literal transcription of the article's construction."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lora import updates
from tests.support.matrices import NAMES, article_matrices


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("noise", [0.01, 0.0, 0.3])
def test_article_matrices_bit_for_bit(name, noise):
    expected = article_matrices(noise)[name]
    assert np.array_equal(updates.article_updates()[name].matrix(noise), expected)


def test_the_first_draws_are_the_frozen_ones():
    """The head of RandomState(42), as every NumPy release must give it."""
    first = updates.article_updates()["style"]
    column = np.random.RandomState(42).standard_normal((64, 4))[:, 0]
    assert column[0] == 0.4967141530112327
    # QR keeps the direction of the first column.
    assert abs(first.U[:, 0] @ column) == pytest.approx(np.linalg.norm(column), rel=1e-12)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("noise", [0.0, 0.01, 0.2])
def test_article_singular_values(name, noise):
    expected = np.linalg.svd(article_matrices(noise)[name], compute_uv=False)
    np.testing.assert_allclose(
        updates.article_singular_values(name, noise), expected, rtol=0, atol=1e-12
    )


@given(
    seed=st.integers(0, 2**31), d=st.integers(1, 14), k=st.integers(1, 14), data=st.data(),
    legacy=st.booleans(),
)  # fmt: skip
def test_without_noise_the_spectrum_is_what_was_asked_for(seed, d, k, data, legacy):
    rank = data.draw(st.integers(1, min(d, k)))
    smallest = data.draw(st.floats(0.01, 5))
    largest = smallest + data.draw(st.floats(0, 5))
    generator = np.random.RandomState(seed) if legacy else np.random.default_rng(seed)
    update = updates.simulate(generator, (d, k), rank, largest, smallest)
    matrix = update.matrix(noise=0)
    values = np.linalg.svd(matrix, compute_uv=False)
    assert matrix.shape == update.shape == (d, k)
    assert update.rank == rank
    assert np.linalg.matrix_rank(matrix) == rank
    np.testing.assert_allclose(
        values[:rank], np.linspace(largest, smallest, rank), rtol=0, atol=1e-12 * max(1, largest)
    )
    np.testing.assert_allclose(update.U.T @ update.U, np.eye(rank), rtol=0, atol=1e-12)
    np.testing.assert_allclose(update.V.T @ update.V, np.eye(rank), rtol=0, atol=1e-12)
    np.testing.assert_array_equal(matrix, update.signal())


def test_noise_has_the_standard_deviation_asked_for():
    update = updates.simulate(np.random.RandomState(0), (200, 300), 3)
    noise = update.matrix(0.25) - update.signal()
    # 60000 draws: the standard deviation is known to about 0.3 %.
    assert noise.std() == pytest.approx(0.25, rel=0.02)
    assert abs(noise.mean()) < 0.01


@pytest.mark.parametrize("make", [np.random.RandomState, np.random.default_rng])
def test_noise_level_does_not_change_the_next_draw(make):
    drawn = []
    for level in (0.0, 0.01, 0.4):
        generator = make(7)
        updates.simulate(generator, (9, 5), 2).matrix(level)
        drawn.append(updates.simulate(generator, (9, 5), 2).matrix(0))
    assert np.array_equal(drawn[0], drawn[1])
    assert np.array_equal(drawn[0], drawn[2])


def test_draws_come_in_the_documented_order():
    update = updates.simulate(np.random.RandomState(3), (6, 4), 2)
    stream = np.random.RandomState(3)
    U, V = (np.linalg.qr(stream.standard_normal((side, 2)))[0] for side in (6, 4))
    assert np.array_equal(update.U, U)
    assert np.array_equal(update.V, V)
    assert np.array_equal(update.unit_noise, stream.standard_normal((6, 4)))


def test_global_random_state_is_neither_read_nor_set():
    updates.article_updates.cache_clear()
    updates._singular_values.cache_clear()
    before = np.random.get_state()
    first = updates.article_updates()["facts"].matrix()
    updates.simulate(np.random.default_rng(1))
    updates.article_singular_values("style")
    after = np.random.get_state()
    assert before[2] == after[2]
    assert np.array_equal(before[1], after[1])
    # Nor does it matter what the global state is.
    try:
        np.random.seed(1)
        updates.article_updates.cache_clear()
        assert np.array_equal(updates.article_updates()["facts"].matrix(), first)
    finally:
        np.random.set_state(before)


def test_cached_arrays_are_read_only():
    shared = [updates.article_singular_values(name) for name in NAMES]
    for update in updates.article_updates().values():
        shared += [update.U, update.singular_values, update.V, update.unit_noise]
    for array in shared:
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0


def test_a_noise_level_is_factorised_once():
    first = updates.article_singular_values("style", 0.05)
    assert updates.article_singular_values("style", 0.05) is first


def test_what_is_left_out_is_what_the_signature_says():
    """The article's shape and rank, and the ends 5 and 0.5 of its line."""
    found, said = (
        updates.simulate(np.random.RandomState(3), **given)
        for given in ({}, {"shape": (64, 64), "rank": 4, "largest": 5.0, "smallest": 0.5})
    )
    np.testing.assert_array_equal(found.matrix(), said.matrix())
    assert found.singular_values.tolist() == [5.0, 3.5, 2.0, 0.5]


def test_numbers_come_from_a_stream_of_ones_own():
    for stream in (np.random, None):
        with pytest.raises(TypeError, match="generator must be"):
            updates.simulate(stream)
    with pytest.raises(ValueError, match="largest must be"):
        updates.simulate(np.random.RandomState(0), largest=0)
