"""Truncation and its closed-form error against brute force, optimality, and the article's table."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lora import truncation
from helpers.lora.scaling import RULES
from tests.support.matrices import (
    NAMES,
    RSLORA,
    STANDARD,
    article_matrices,
    error_by_hand,
    expected_scale,
    random_update,
    rebuilt,
)

SEEDS = st.integers(0, 2**31)

#: r: style and facts with alpha/r, with alpha/sqrt(r), at scale 1; captured energy in %.
TABLE = {
    2: ("6.608", "2.165", "9.730", "3.016", "0.333", "0.961", "88.9", "7.7"),
    4: ("2.989", "1.482", "6.971", "2.858", "0.092", "0.922", "99.2", "14.9"),
    8: ("1.000", "1.000", "4.642", "2.620", "0.081", "0.847", "99.3", "28.3"),
    16: ("0.064", "0.701", "2.995", "2.251", "0.064", "0.701", "99.6", "50.8"),
    32: ("0.501", "0.628", "1.828", "1.701", "0.034", "0.438", "99.9", "80.8"),
    48: ("0.667", "0.686", "1.309", "1.297", "0.012", "0.215", "100.0", "95.4"),
    64: ("0.750", "0.750", "1.000", "1.000", "0.000", "0.000", "100.0", "100.0"),
}


def spectrum_of(matrix):
    return np.linalg.svd(matrix, compute_uv=False)


@given(
    seed=SEEDS, d=st.integers(1, 12), k=st.integers(1, 12), data=st.data(),
    alpha=st.floats(0.05, 300), rule=st.sampled_from(RULES),
)  # fmt: skip
def test_closed_form_equals_reconstruction(seed, d, k, data, alpha, rule):
    true_rank = data.draw(st.none() | st.integers(1, min(d, k)))
    rank = data.draw(st.integers(1, min(d, k)))
    update = random_update(seed, d, k, true_rank)
    scale = expected_scale(alpha, rank, rule)
    expected = error_by_hand(update, rank, scale)
    # Near an error of 0 the brute force is left with rounding noise of about 1e-15.
    close = {"rel": 0, "abs": 1e-12 * max(1, expected)}
    closed = truncation.scaled_error(spectrum_of(update), rank, scale)
    assert float(closed) == pytest.approx(expected, **close)
    literal = truncation.error_by_reconstruction(update, rank, alpha, rule)
    assert literal == pytest.approx(expected, **close)


@given(seed=SEEDS, d=st.integers(1, 12), k=st.integers(1, 12), data=st.data())
def test_factors_are_the_truncation(seed, d, k, data):
    rank = data.draw(st.integers(1, min(d, k)))
    update = random_update(seed, d, k)
    B, A = truncation.factor(update, rank)
    assert (B.shape, A.shape) == ((d, rank), (rank, k))
    np.testing.assert_allclose(B @ A, rebuilt(update, rank), rtol=0, atol=1e-12)
    np.testing.assert_allclose(A @ A.T, np.eye(rank), rtol=0, atol=1e-12)
    sizes = np.linalg.norm(B, axis=0)
    np.testing.assert_allclose(sizes, spectrum_of(update)[:rank], rtol=1e-10)


def test_relative_error_by_hand():
    assert truncation.relative_error([[3.0, 4.0]], [[3.0, 0.0]]) == pytest.approx(0.8)
    assert truncation.relative_error([[3.0, 4.0]], [[3.0, 4.0]]) == 0
    assert truncation.relative_error([[3.0, 4.0]], [[-3.0, -4.0]]) == pytest.approx(2)


@given(values=st.lists(st.floats(0.001, 100), min_size=1, max_size=12))
def test_energy_split_by_loops(values):
    values = sorted(values, reverse=True)
    captured, missed = truncation.energy_split(values)
    total = sum(value**2 for value in values)
    for rank in range(1, len(values) + 1):
        kept = sum(value**2 for value in values[:rank]) / total
        lost = sum(value**2 for value in values[rank:]) / total
        assert captured[rank - 1] == pytest.approx(kept, rel=1e-12)
        assert missed[rank - 1] == pytest.approx(lost, rel=1e-12)
    assert missed[-1] == 0


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_energy_split_does_not_depend_on_the_unit(size):
    captured, missed = truncation.energy_split([3 * size, 4 / 3 * size])
    np.testing.assert_allclose(captured[0], 81 / 97)
    np.testing.assert_allclose(missed[0], 16 / 97)


def test_scaled_error_takes_arrays():
    values = spectrum_of(random_update(5, 6, 9))
    ranks, scales = np.arange(1, 7)[:, None], np.array([0.5, 1.0, 3.0])
    together = truncation.scaled_error(values, ranks, scales)
    assert together.shape == (6, 3)
    for i, rank in enumerate(range(1, 7)):
        for j, scale in enumerate(scales):
            assert together[i, j] == truncation.scaled_error(values, rank, scale)
    assert truncation.scaled_error(values, 2).shape == ()


@pytest.mark.parametrize("rule", RULES)
def test_error_plane_equals_loops(rule):
    values = spectrum_of(random_update(8, 7, 5))
    ranks, alphas = [1, 2, 5], [0.5, 2.0, 16.0, 100.0]
    plane = truncation.error_plane(values, ranks, alphas, rule)
    assert plane.shape == (3, 4)
    for i, rank in enumerate(ranks):
        for j, alpha in enumerate(alphas):
            scale = expected_scale(alpha, rank, rule)
            assert plane[i, j] == pytest.approx(
                float(truncation.scaled_error(values, rank, scale)), rel=1e-13
            )


@given(seed=SEEDS, d=st.integers(2, 9), k=st.integers(2, 9), data=st.data())
def test_no_other_matrix_of_that_rank_is_closer(seed, d, k, data):
    """Eckart and Young, against random factors, improved ones and near misses."""
    rank = data.draw(st.integers(1, min(d, k)))
    update = random_update(seed, d, k)
    best = float(truncation.scaled_error(spectrum_of(update), rank))
    stream = np.random.RandomState(seed ^ 1)
    B, A = truncation.factor(update, rank)
    rivals = [(B + size * stream.standard_normal(B.shape), A) for size in (1e-6, 1e-2, 1)]
    left = stream.standard_normal((d, rank))
    for _ in range(8):  # alternating least squares from a random start
        right = np.linalg.lstsq(left, update, rcond=None)[0]
        rivals.append((left, right))
        left = np.linalg.lstsq(right.T, update.T, rcond=None)[0].T
    for left_factor, right_factor in rivals:
        rival = truncation.relative_error(update, left_factor @ right_factor)
        assert rival >= best - 1e-12


@given(seed=SEEDS, d=st.integers(2, 9), k=st.integers(2, 9), data=st.data())
def test_the_best_scale_is_one(seed, d, k, data):
    rank = data.draw(st.integers(1, min(d, k)))
    update = random_update(seed, d, k)
    low, high = 0.01, 4.0
    golden = (np.sqrt(5) - 1) / 2
    while high - low > 1e-5:
        inner, outer = high - golden * (high - low), low + golden * (high - low)
        if error_by_hand(update, rank, inner) < error_by_hand(update, rank, outer):
            high = outer
        else:
            low = inner
    assert (low + high) / 2 == pytest.approx(1, abs=1e-4)
    values = spectrum_of(update)
    at_one = truncation.scaled_error(values, rank)
    assert np.all(truncation.scaled_error(values, rank, [0.5, 0.99, 1.01, 2]) > at_one)


@pytest.mark.parametrize("rank", TABLE)
def test_every_figure_of_the_articles_table(rank):
    matrices = article_matrices()
    columns = [(name, rule) for rule in RULES for name in NAMES]
    measured = [
        f"{truncation.error_by_reconstruction(matrices[name], rank, 16, rule):.3f}"
        for name, rule in columns
    ]
    spectra = {name: spectrum_of(matrices[name]) for name in NAMES}
    measured += [f"{truncation.scaled_error(spectra[name], rank):.3f}" for name in NAMES]
    captured = {name: truncation.energy_split(spectra[name])[0] for name in NAMES}
    measured += [f"{100 * captured[name][rank - 1]:.1f}" for name in NAMES]
    assert tuple(measured) == TABLE[rank]


@pytest.mark.parametrize("name", NAMES)
def test_at_alpha_16_the_rslora_error_is_larger_at_every_rank_from_2(name):
    values = spectrum_of(article_matrices()[name])
    ranks = np.arange(1, 65)
    standard, rslora = (truncation.error_plane(values, ranks, [16], rule)[:, 0] for rule in RULES)
    assert np.all(rslora[1:] > standard[1:])
    assert rslora[0] == standard[0]


@given(seed=SEEDS, size=st.integers(2, 12), rank=st.integers(2, 12), alpha=st.floats(0.05, 300))
def test_the_errors_cross_where_the_scales_add_up_to_two(seed, size, rank, alpha):
    """(1 - s)^2 is the same for s and 2 - s; the larger sum belongs to the worse rsLoRA."""
    rank = min(rank, size)
    matrix = random_update(seed, size, size)
    scales = {rule: expected_scale(alpha, rank, rule) for rule in RULES}
    beyond = sum(scales.values()) - 2
    standard, rslora = (error_by_hand(matrix, rank, scales[rule]) for rule in (STANDARD, RSLORA))
    if abs(beyond) > 1e-9:
        assert np.sign(rslora - standard) == np.sign(beyond)


@pytest.mark.parametrize("rank", [2, 4, 9, 16, 64])
@pytest.mark.parametrize("name", NAMES)
def test_at_the_crossing_both_errors_are_equal(name, rank):
    alpha = 2 / (1 / rank + 1 / np.sqrt(rank))
    values = spectrum_of(article_matrices()[name])
    standard, rslora = (
        truncation.error_plane(values, [rank], [alpha], rule)[0, 0] for rule in RULES
    )
    assert standard == pytest.approx(rslora, rel=1e-12)
    around = [0.9 * alpha, 1.1 * alpha]
    standard, rslora = (truncation.error_plane(values, [rank], around, rule)[0] for rule in RULES)
    assert rslora[0] < standard[0]
    assert rslora[1] > standard[1]
