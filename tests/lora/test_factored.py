"""Products by their factors against dense SVDs, at every shape and size."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from helpers.lora import factored


def dense_values(matrix):
    return np.linalg.svd(matrix, compute_uv=False)


@given(
    seed=st.integers(0, 2**31), d=st.integers(1, 9), k=st.integers(1, 9), r=st.integers(1, 12),
    sizes=st.tuples(*[st.sampled_from([1e-150, 1e-20, 1.0, 1e20, 1e150])] * 2),
)  # fmt: skip
def test_cores_of_any_shape_and_size(seed, d, k, r, sizes):
    stream = np.random.RandomState(seed)
    B, A = stream.standard_normal((d, r)), stream.standard_normal((r, k))
    core, unit = factored.core(B * sizes[0], A * sizes[1])
    assert core.shape == (min(d, r), min(k, r))
    expected = dense_values(B @ A)
    found = np.linalg.svd(core, compute_uv=False) * (unit / sizes[0] / sizes[1])
    np.testing.assert_allclose(
        found, expected[: len(found)], rtol=0, atol=1e-13 * (1 + expected[0]) * r
    )


def test_cores_of_a_stack_are_those_of_each():
    stream = np.random.RandomState(0)
    B, A = stream.standard_normal((3, 5, 4)), stream.standard_normal((3, 4, 6))
    cores, units = factored.core(B, A)
    for i in range(3):
        core, unit = factored.core(B[i], A[i])
        np.testing.assert_allclose(cores[i] * units[i], core * unit, rtol=1e-12)


@given(
    seed=st.integers(0, 2**31), d=st.integers(1, 9), k=st.integers(1, 9), r=st.integers(1, 9),
    data=st.data(),
)  # fmt: skip
def test_lower_factors_are_the_truncation(seed, d, k, r, data):
    rank = data.draw(st.integers(1, min(d, k, r)))
    stream = np.random.RandomState(seed)
    B, A = stream.standard_normal((d, r)), stream.standard_normal((r, k))
    U, S, Vt = np.linalg.svd(B @ A)
    best = sum(S[i] * np.outer(U[:, i], Vt[i]) for i in range(rank))
    new_B, new_A = factored.lower(B, A, rank)
    assert (new_B.shape, new_A.shape) == ((d, rank), (rank, k))
    np.testing.assert_allclose(new_B @ new_A, best, rtol=0, atol=1e-12 * S[0])
    np.testing.assert_allclose(
        np.linalg.norm(new_B, axis=0), np.linalg.norm(new_A, axis=1), rtol=1e-9
    )


@given(
    seed=st.integers(0, 2**31), d=st.integers(1, 9), k=st.integers(1, 9), step=st.integers(1, 5),
    data=st.data(),
)  # fmt: skip
def test_factors_of_a_matrix_in_blocks_are_its_truncation(seed, d, k, step, data):
    rank = data.draw(st.integers(1, min(d, k)))
    D = np.random.RandomState(seed).standard_normal((d, k))
    S = dense_values(D)
    blocks = [D[i : i + step] for i in range(0, d, step)]
    B, A = factored.lower_of_rows(lambda: blocks, (d, k), rank)
    missed = np.linalg.norm(D - B @ A)
    np.testing.assert_allclose(missed, np.linalg.norm(S[rank:]), atol=1e-7 * S[0])
    np.testing.assert_allclose(np.linalg.norm(B, axis=0), np.linalg.norm(A, axis=1), rtol=1e-6)
    assert factored.lower_of_rows(lambda: [D * 1e200], (d, k), rank) is None


def test_factors_of_nothing_are_nothing():
    B, A = factored.lower_of_rows(lambda: [np.zeros((4, 3))], (4, 3), 2)
    assert not np.any(B @ A)
