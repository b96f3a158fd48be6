"""The truncated update of several matrices against sums, norms and rivals of the same rank."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lora.truncation import SVD
from helpers.model.update import apply_update, captured_energy, decompose
from tests.support.matrices import random_update, rebuilt

#: Wide, tall, square, one row; the third has less than its full rank.
SHAPES = {"wide": (3, 7), "tall": (6, 4), "low": (5, 5), "row": (1, 4)}
SEEDS = st.integers(0, 2**20)
FULL = 5


def model(seed):
    """Base weights and an update of them."""
    base = {name: random_update(seed + i, *shape) for i, (name, shape) in enumerate(SHAPES.items())}
    update = {
        name: random_update(seed + 50 + i, *shape, 2 if name == "low" else None)
        for i, (name, shape) in enumerate(SHAPES.items())
    }
    return base, update


def frobenius(matrices):
    """Over all matrices together."""
    return np.sqrt(sum(np.sum(np.square(matrix)) for matrix in matrices))


@given(seed=SEEDS)
def test_the_parts_are_a_decomposition(seed):
    _, update = model(seed)
    parts = decompose(update)
    assert parts.keys() == update.keys()
    for name, (left, values, right) in parts.items():
        full = min(SHAPES[name])
        assert (left.shape[1], values.shape, right.shape[0]) == (full, (full,), full)
        assert np.all(values >= 0) and np.all(np.diff(values) <= 0)
        np.testing.assert_allclose(left.T @ left, np.eye(full), atol=1e-12)
        np.testing.assert_allclose(right @ right.T, np.eye(full), atol=1e-12)
        np.testing.assert_allclose(left @ np.diag(values) @ right, update[name], atol=1e-12)


@given(seed=SEEDS, rank=st.integers(FULL, 300))
def test_at_full_rank_the_whole_update_is_added(seed, rank):
    base, update = model(seed)
    applied = apply_update(base, decompose(update), rank)
    assert applied.keys() == base.keys()
    for name in base:
        np.testing.assert_allclose(applied[name], base[name] + update[name], atol=1e-12)


@pytest.mark.parametrize("rank, scale", [(0, 1.0), (0, 3.0), (2, 0.0), (9, 0)])
def test_rank_or_scale_zero_is_the_base(rank, scale):
    base, update = model(1)
    applied = apply_update(base, decompose(update), rank, scale)
    for name in base:
        np.testing.assert_array_equal(applied[name], base[name])


@given(seed=SEEDS, rank=st.integers(1, 6), scale=st.floats(0, 5))
def test_it_is_a_sum_of_rank_one_components(seed, rank, scale):
    """A matrix that has fewer singular values keeps all it has."""
    base, update = model(seed)
    applied = apply_update(base, decompose(update), rank, scale)
    for name in base:
        expected = base[name] + scale * rebuilt(update[name], min(rank, *SHAPES[name]))
        np.testing.assert_allclose(applied[name], expected, atol=1e-11)


@given(seed=SEEDS, rank=st.integers(1, 4))
def test_no_other_update_of_that_rank_is_closer(seed, rank):
    """Eckart and Young, against random factors, improved ones and near misses."""
    base, update = model(seed)
    applied = apply_update(base, decompose(update), rank)
    stream = np.random.RandomState(seed)
    for name, matrix in update.items():
        best = np.linalg.norm(applied[name] - base[name] - matrix)
        d, k = SHAPES[name]
        near = applied[name] - base[name]
        left = stream.standard_normal((d, rank))
        for _ in range(5):  # alternating least squares from a random start
            right = np.linalg.lstsq(left, matrix, rcond=None)[0]
            assert np.linalg.norm(left @ right - matrix) >= best - 1e-12
            left = np.linalg.lstsq(right.T, matrix.T, rcond=None)[0].T
        for size in (1e-6, 1e-2, 1):
            turned = near @ (np.eye(k) + size * stream.standard_normal((k, k)))
            assert np.linalg.norm(turned - matrix) >= best - 1e-12


def test_the_base_and_the_parts_are_left_alone():
    base, update = model(2)
    parts = decompose(update)
    applied = apply_update(base, parts, 2, 0.5)
    for matrix in applied.values():
        matrix[:] = 0
    again, _ = model(2)
    for name in base:
        np.testing.assert_array_equal(base[name], again[name])
        U, S, Vt = parts[name]
        np.testing.assert_allclose(U @ np.diag(S) @ Vt, update[name], atol=1e-12)


def test_single_precision_stays_single():
    base, update = ({name: m.astype(np.float32) for name, m in part.items()} for part in model(3))
    applied = apply_update(base, decompose(update), 2, 0.5)
    assert {matrix.dtype for matrix in applied.values()} == {np.dtype(np.float32)}


# --- energy -------------------------------------------------------------------


@given(seed=SEEDS, rank=st.integers(0, 7))
def test_energy_is_a_ratio_of_norms_over_all_matrices(seed, rank):
    base, update = model(seed)
    parts = decompose(update)
    applied = apply_update(base, parts, rank)
    kept = frobenius(applied[name] - base[name] for name in base)
    lost = frobenius(update[name] - (applied[name] - base[name]) for name in base)
    total = frobenius(update.values())
    energy = captured_energy(parts, rank)
    assert energy == pytest.approx((kept / total) ** 2, rel=1e-12)
    assert 1 - energy == pytest.approx((lost / total) ** 2, abs=1e-12)


@given(seed=SEEDS)
def test_energy_rises_from_nothing_to_all(seed):
    _, update = model(seed)
    parts = decompose(update)
    energies = [captured_energy(parts, rank) for rank in range(FULL + 2)]
    assert energies[0] == 0
    assert energies[FULL] == energies[-1] == 1
    assert np.all(np.diff(energies[: FULL - 1]) > 0)
    assert np.all(np.diff(energies) >= 0)


def test_a_large_matrix_counts_for_more():
    """Not the mean of the matrices' own shares: 9 of 9 + 1 + 1, and 10 of 11."""
    parts = decompose({"large": np.diag([3.0]), "small": np.diag([1.0, 1.0])})
    assert captured_energy(parts, 1) == pytest.approx(10 / 11, rel=1e-14)


def test_energy_of_single_precision_is_added_up_in_double():
    values = np.full(3000, np.float32(0.1))
    parts = {"one": SVD(np.zeros((1, 3000)), values, np.zeros((3000, 1)))}
    assert captured_energy(parts, 1000) == pytest.approx(1 / 3, rel=1e-12)


@pytest.mark.parametrize(
    "bad, message",
    [
        ({"rank": -1}, r"^rank must be a whole number at least 0, got -1$"),
        ({"rank": 2.0}, r"^rank must be a whole number at least 0, got 2\.0$"),
        ({"rank": True}, r"^rank must .* got True$"),
        ({"rank": None}, r"^rank must .* got None$"),
        ({"scale": -0.5}, r"^scale must be a finite number at least 0, got -0\.5$"),
        ({"scale": float("nan")}, r"^scale must .* got nan$"),
        ({"scale": float("inf")}, r"^scale must .* got inf$"),
        ({"scale": "1"}, r"^scale must .* got '1'$"),
    ],
)
def test_bad_ranks_and_scales(bad, message):
    base, update = model(0)
    parts = decompose(update)
    with pytest.raises(ValueError, match=message):
        apply_update(base, parts, **{"rank": 1, "scale": 1.0, **bad})
    if "rank" in bad:
        with pytest.raises(ValueError, match=message):
            captured_energy(parts, **bad)


def test_base_and_update_must_fit():
    base, update = model(0)
    parts = decompose(update)
    with pytest.raises(ValueError, match=r"same matrices, only one has row, tall$"):
        apply_update({k: m for k, m in base.items() if k not in ("tall", "row")}, parts, 1)


def test_an_update_of_zeros_has_no_energy():
    with pytest.raises(ValueError, match="update must not be all zeros"):
        captured_energy(decompose({"one": np.zeros((3, 2))}), 1)
