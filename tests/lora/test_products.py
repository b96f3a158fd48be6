"""Singular values by squares of factors against dense SVDs, where squares lose digits too."""

import numpy as np
import pytest

from helpers.lora import products


def with_values(values, d, k, seed, dtype):
    """Factors in a narrow type whose product has about these singular values."""
    stream = np.random.RandomState(seed)
    r = len(values)
    Q, P = (np.linalg.qr(stream.standard_normal((side, r)))[0] for side in (d, k))
    return (Q * values).astype(dtype), P.T.astype(dtype)


@pytest.mark.parametrize("dtype", ["<f2", "<f4"])
@pytest.mark.parametrize(
    "values",
    [[3, 2, 1], [1, 1, 1], [1, 1e-3, 1e-6], [1, 1e-9, 1e-12], [1, 0, 0], [0, 0, 0], [5, 4, 3e-5]],
)
def test_values_by_squares_are_those_of_a_dense_svd(values, dtype):
    """To 1e-9 of the largest, which squares alone miss where values fall steeply."""
    pairs = [with_values(values, 40, 30, seed, dtype) for seed in range(3)]
    found = products.values(pairs)
    assert found.shape == (3, 3)
    for (B, A), row in zip(pairs, found):
        dense = np.linalg.svd(B.astype(float) @ A.astype(float), compute_uv=False)
        np.testing.assert_allclose(row, dense[:3], rtol=0, atol=1e-9 * dense[0])
        assert np.all(row[1:] <= row[:-1])


@pytest.mark.parametrize("size", [1e-18, 1e18])
def test_values_of_tiny_and_huge_factors(size):
    B, A = with_values([3.0, 2.0], 9, 8, 1, "<f4")
    found = products.values([(B * np.float32(size), A * np.float32(size))])
    dense = np.linalg.svd(B.astype(float) @ A.astype(float), compute_uv=False)
    np.testing.assert_allclose(found[0] / float(np.float32(size)) ** 2, dense[:2], rtol=1e-6)


def test_wide_factors_and_float64_take_the_core():
    """r above d, and squares that would overflow."""
    stream = np.random.RandomState(1)
    B, A = stream.standard_normal((3, 5)), stream.standard_normal((5, 7))
    dense = np.linalg.svd(B @ A, compute_uv=False)
    found = products.values([(B.astype("<f4"), A.astype("<f4"))])
    np.testing.assert_allclose(found[0], dense, rtol=1e-6)
    found = products.values([(B.T[:, :3] * 1e150, A[:3] * 1e150)])
    assert np.all(np.isfinite(found))


def test_each_product_is_what_it_is_alone():
    """Large ones beside small ones, and some that squares would leave without digits."""
    rows = ([3, 2], [1, 1e-9], [1e-12, 1e-13], [1e12, 1e3], [0, 0])
    pairs = [with_values(values, 9, 8, seed, "<f4") for seed, values in enumerate(rows)]
    alone = np.stack([products.values([pair])[0] for pair in pairs])
    np.testing.assert_allclose(products.values(pairs), alone, rtol=1e-12)


def test_products_of_rank_one():
    pairs = [with_values([value], 9, 8, 1, "<f4") for value in (5.0, 1e-3)]
    np.testing.assert_allclose(products.values(pairs)[:, 0], [5.0, 1e-3], rtol=1e-6)
