"""Measures of a spectrum against loops, known cases, simulation and a numerical optimum."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lora import spectrum
from tests.support.matrices import article_spectra, random_update

MEASURES = (spectrum.stable_rank, spectrum.participation_ratio, spectrum.effective_rank)
SPECTRA = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=20).map(
    lambda values: sorted(values, reverse=True)
)
#: The size for simulations: finite-size effects on the largest values stay below 3 %.
D, K = 300, 200


@given(values=SPECTRA)
def test_measures_by_loops(values):
    energy = [value**2 for value in values]
    assert spectrum.stable_rank(values) == pytest.approx(sum(energy) / energy[0], rel=1e-12)
    assert spectrum.participation_ratio(values) == pytest.approx(
        sum(energy) ** 2 / sum(each**2 for each in energy), rel=1e-12
    )
    shares = [value / sum(values) for value in values]
    # exp of the entropy, written as a product: one factor p^-p a component.
    assert spectrum.effective_rank(values) == pytest.approx(
        math.prod(share**-share for share in shares), rel=1e-12
    )


@pytest.mark.parametrize("measure", MEASURES)
def test_known_cases(measure):
    assert measure(np.ones(7)) == pytest.approx(7, rel=1e-12)
    assert measure([2.5]) == 1
    assert measure([2.5, 0, 0, 0]) == pytest.approx(1, rel=1e-12)
    assert measure([3, 3, 0]) == pytest.approx(2, rel=1e-12)


@given(values=SPECTRA)
def test_measures_are_bounded_and_free_of_units(values):
    for measure in MEASURES:
        value = measure(values)
        assert 1 - 1e-12 <= value <= len(values) * (1 + 1e-12)
        assert measure([1e-3 * each for each in values]) == pytest.approx(value, rel=1e-9)


@given(values=SPECTRA)
def test_captured_energy_and_truncation_error_by_loops(values):
    total = sum(value**2 for value in values)
    captured, errors = spectrum.captured_energy(values), spectrum.truncation_error(values)
    for rank in range(1, len(values) + 1):
        kept = sum(value**2 for value in values[:rank])
        missed = sum(value**2 for value in values[rank:])
        assert captured[rank - 1] == pytest.approx(kept / total, rel=1e-12)
        assert errors[rank - 1] == pytest.approx(math.sqrt(missed / total), rel=1e-12)


def smallest_rank(missed_energy, enough):
    """The first rank that passes, tried one after the other."""
    for rank, missed in enumerate(missed_energy, start=1):
        if enough(missed):
            return rank
    raise AssertionError("full rank is always enough")


@given(seed=st.integers(0, 2**31), n=st.integers(1, 12), target=st.floats(0.01, 0.999))
def test_rank_for_energy_and_error_by_loops(seed, n, target):
    values = np.linalg.svd(random_update(seed, n, n), compute_uv=False)
    total = sum(values**2)
    missed = [sum(values[rank:] ** 2) / total for rank in range(1, n + 1)]
    assert spectrum.rank_for_energy(values, target) == smallest_rank(
        missed, lambda each: 1 - each >= target
    )
    assert spectrum.rank_for_error(values, target) == smallest_rank(
        missed, lambda each: math.sqrt(each) <= target
    )


def test_targets_at_the_ends():
    values = [4.0, 2.0, 1.0]
    assert spectrum.rank_for_energy(values, 1) == 3
    assert spectrum.rank_for_energy(values, 1e-9) == 1
    assert spectrum.rank_for_error(values, 0) == 3
    assert spectrum.rank_for_error(values, 0.999) == 1
    # A spectrum that ends in zeros is complete before its last entry.
    assert spectrum.rank_for_energy([4.0, 2.0, 0.0, 0.0], 1) == 2
    assert spectrum.rank_for_error([4.0, 2.0, 0.0, 0.0], 0) == 2


def test_a_target_that_is_met_exactly_is_met():
    assert spectrum.captured_energy([3, 1])[0] == pytest.approx(0.9, abs=1e-15)
    assert spectrum.rank_for_energy([3, 1], 0.9) == 1


def test_article_ranks_for_ninety_per_cent():
    spectra = article_spectra()
    for name in ("style", "facts"):
        energy = np.cumsum(spectra[name] ** 2) / np.sum(spectra[name] ** 2)
        assert spectrum.rank_for_energy(spectra[name], 0.9) == 1 + int(np.sum(energy < 0.9))


def largest_values(signal, noise, count, seeds=6):
    """Mean of the largest singular values of signal plus noise, over fixed draws."""
    found = []
    for seed in range(seeds):
        stream = np.random.RandomState(seed)
        U = np.linalg.qr(stream.standard_normal((D, max(1, len(signal)))))[0]
        V = np.linalg.qr(stream.standard_normal((K, max(1, len(signal)))))[0]
        matrix = noise * stream.standard_normal((D, K))
        if len(signal):
            matrix += U @ np.diag(signal) @ V.T
        found.append(np.linalg.svd(matrix, compute_uv=False)[:count])
    return np.mean(found, axis=0)


def test_noise_floor_against_simulation():
    measured = largest_values([], 0.1, 1)[0]
    # The largest value of finite noise lies a little under its limit.
    assert measured == pytest.approx(spectrum.noise_floor((D, K), 0.1), rel=0.03)
    assert measured < spectrum.noise_floor((D, K), 0.1)


def test_signals_under_the_detection_limit_leave_no_trace():
    limit = spectrum.detection_limit((D, K), 0.1)
    pure = largest_values([], 0.1, 1)[0]
    assert largest_values([0.7 * limit], 0.1, 1)[0] == pytest.approx(pure, rel=0.01)
    assert largest_values([2 * limit], 0.1, 1)[0] > 1.2 * pure


@pytest.mark.parametrize("shape", [(64, 64), (300, 200), (10, 1000)])
def test_detection_limit(shape):
    limit = spectrum.detection_limit(shape, 0.3)
    assert limit == pytest.approx(0.3 * math.sqrt(math.sqrt(shape[0] * shape[1])), rel=1e-14)


def test_without_noise_there_is_no_limit():
    for limit in (spectrum.noise_floor, spectrum.detection_limit):
        assert limit((8, 6), 0) == 0


@given(values=st.lists(st.floats(0.01, 100), min_size=3, max_size=20))
def test_elbow_by_loops(values):
    values = sorted(values, reverse=True)
    n = len(values)
    below = [values[0] + (values[-1] - values[0]) * i / (n - 1) - values[i] for i in range(n)]
    rank, depth = spectrum.elbow(values)
    assert depth == pytest.approx(max(below) / values[0], abs=1e-12)
    assert below[rank] == pytest.approx(max(below), abs=1e-10)


def test_elbow_of_a_cliff_and_of_a_straight_line():
    rank, depth = spectrum.elbow([1.0] * 5 + [1e-6] * 95)
    assert rank == 5
    assert depth > 0.9
    assert spectrum.elbow(np.arange(10.0, 0, -1))[1] == pytest.approx(0, abs=1e-12)
    assert spectrum.elbow(article_spectra()["style"])[0] == 4
