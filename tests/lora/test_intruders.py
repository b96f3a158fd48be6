"""Intruder dimensions against brute force."""

import numpy as np
import pytest

from helpers.lora import intruders


def pair(seed=0, strength=30.0):
    """A base, and the same with one strong direction that it does not have."""
    generator = np.random.RandomState(seed)
    before = generator.standard_normal((9, 12))
    new = np.outer(generator.standard_normal(9), generator.standard_normal(12))
    return before, before + strength * new / np.linalg.norm(new)


def test_similarity_is_the_largest_cosine():
    before, after = pair()
    found = intruders.similarity(before, after)
    old, new = (np.linalg.svd(matrix)[2][:9] for matrix in (before, after))
    expected = [max(abs(float(a @ b)) for b in old) for a in new]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_nothing_is_new_where_nothing_has_changed():
    before, _ = pair()
    np.testing.assert_allclose(intruders.similarity(before, before), 1)
    np.testing.assert_allclose(intruders.similarity(before, -3 * before), 1)
    assert len(intruders.intruders(before, before)) == 0


def test_a_strong_new_direction_is_an_intruder():
    before = np.diag([4.0, 3.0, 2.0, 1.0])
    new = np.full(4, 0.5)
    after = before + 20 * np.outer(new, new)
    assert intruders.intruders(before, after, level=0.6).tolist() == [0]
    assert intruders.intruders(before, after, level=0.3).tolist() == []
    assert intruders.similarity(before, after)[0] == pytest.approx(0.5, abs=0.06)


def test_only_the_strongest_are_looked_at():
    before, after = pair(strength=5.0)
    every = intruders.intruders(before, after, level=0.9, top=9)
    assert every.max() >= 2
    few = intruders.intruders(before, after, level=0.9, top=2)
    assert few.tolist() == [i for i in every if i < 2]


@pytest.mark.parametrize("dial", [0.0, 0.4, 1.0, 1.5])
def test_turning_down_changes_the_intruders_values_and_no_others(dial):
    before, after = pair()
    found = intruders.intruders(before, after, level=0.6)
    assert 0 < len(found) < 9
    values = np.linalg.svd(after, compute_uv=False)
    values[found] *= dial
    turned = intruders.turned_down(before, after, dial, level=0.6)
    left = np.linalg.svd(turned, compute_uv=False)
    np.testing.assert_allclose(left, np.sort(values)[::-1], atol=1e-10)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((np.eye(2), np.eye(3)), r"after must have before's shape \(2, 2\), got \(3, 3\)"),
        ((np.eye(2), np.eye(2), 1.5), "level must be"),
        ((np.eye(2), np.eye(2), 0.5, 0), "top must be"),
    ],
)
def test_arguments_that_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        intruders.intruders(*arguments)


def test_a_dial_below_zero_is_refused():
    with pytest.raises(ValueError, match="dial must be"):
        intruders.turned_down(np.eye(2), np.eye(2), -0.1)
