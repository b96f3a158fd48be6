"""Several updates at once, against diagonal matrices entry by entry."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lora import several
from helpers.lora.several import Spectrum
from tests.support.matrices import error_of_spectra


def of(*values):
    return Spectrum("m", "linear", (9, 9), len(values), 1.0, np.array(values, dtype=float))


THREE = [of(5, 2, 1), of(3, 3, 0, 0), of(0.5, 0.1)]


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 99])
@pytest.mark.parametrize("scales", [(1, 1, 1), (0.25, 0.25, 0.25), (2, 0.5, 0)])
def test_error_of_all_modules(rank, scales):
    expected = error_of_spectra(THREE, rank, scales)
    assert several.error_at(THREE, rank, scales) == pytest.approx(expected, abs=1e-12)
    if len(set(scales)) == 1:
        assert several.error_at(THREE, rank, scales[0]) == pytest.approx(expected, abs=1e-12)
        ranks = np.array([[1, rank], [2, 3]])
        assert several.error_at(THREE, ranks, scales[0])[0, 1] == pytest.approx(expected, abs=1e-12)
    kept = 1 - error_of_spectra(THREE, rank, (1, 1, 1)) ** 2
    assert several.captured(THREE, rank) == pytest.approx(kept)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_no_overflow(size):
    scaled = [of(*(each.values * size)) for each in THREE]
    assert several.error_at(scaled, 2) == pytest.approx(error_of_spectra(THREE, 2, (1, 1, 1)))


def test_updates_of_zero():
    zero = [of(0, 0), of(0)]
    assert (several.captured(zero, 1), several.error_at(zero, 1, 2.0)) == (1, 0)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: several.error_at(THREE, 0), "rank must be a whole number at least 1, got 0"),
        (lambda: several.error_at(THREE, 1.5), "rank must be a whole number"),
        (lambda: several.error_at(THREE, 1, -1), "scale must be one number or 3, all at least 0"),
        (lambda: several.error_at(THREE, 1, [1, 2]), "scale must be one number or 3"),
        (lambda: several.error_at(THREE, 1, float("nan")), "scale must be one number or 3"),
        (lambda: several.captured([], 1), "spectra must hold at least one module, got none"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- the map ----------------------------------------------------------------------


def brute_force(spectra, budget, most):
    """The most energy that any ranks of at most so many parameters keep."""
    best = -1.0
    for ranks in itertools.product(
        *(range(1, min(len(each.values), most) + 1) for each in spectra)
    ):
        if sum(rank * sum(each.shape) for rank, each in zip(ranks, spectra)) <= budget:
            best = max(best, kept(spectra, ranks))
    return best


def kept(spectra, ranks):
    return sum(np.sum(each.values[:rank] ** 2) for rank, each in zip(ranks, spectra))


@st.composite
def budgets(draw):
    """Up to four updates of up to four components, a budget, and a highest rank."""
    spectra, stream = [], np.random.RandomState(draw(st.integers(0, 2**31)))
    for count in draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)):
        d, k = draw(st.sampled_from([(2, 3), (4, 4), (7, 1), (9, 30)]))
        values = np.sort(stream.exponential(size=count))[::-1] * draw(st.sampled_from([0, 1, 3]))
        spectra.append(Spectrum("m", "linear", (d, k), count, 1.0, values))
    least = sum(sum(each.shape) for each in spectra)
    return spectra, draw(st.integers(least, 5 * least)), draw(st.sampled_from([1, 2, 9]))


@given(budgets())
def test_ranks_for_a_budget(case):
    spectra, budget, most = case
    ranks = several.ranks_for_budget(spectra, budget, most)
    costs = [sum(each.shape) for each in spectra]
    size = sum(rank * cost for rank, cost in zip(ranks, costs))
    assert size <= budget
    assert all(1 <= rank <= min(most, len(each.values)) for rank, each in zip(ranks, spectra))
    found, best = kept(spectra, ranks), brute_force(spectra, budget, most)
    assert found <= best * (1 + 1e-12)
    if len(set(costs)) == 1:
        assert found == pytest.approx(best)
    # What is missed is worth at most the room that the first component left that did not fit.
    left = [each.values[rank] ** 2 / cost for each, rank, cost in zip(spectra, ranks, costs)
            if rank < min(most, len(each.values))]  # fmt: skip
    assert best - found <= max(left, default=0) * max(costs) + 1e-9
    # Nothing that is left fits.
    for each, rank, cost in zip(spectra, ranks, costs):
        full = rank == min(most, len(each.values)) or each.values[rank] < 1e-100
        assert full or cost > budget - size


@pytest.mark.parametrize("seed", range(20))
def test_the_best_for_a_parameter_come_first(seed):
    """At a size where the best of them just fit, no ranks keep more; and room only adds to them."""
    stream, shapes = np.random.RandomState(seed), [(2, 3), (2, 3), (4, 4), (9, 30)]
    spectra = [
        Spectrum("m", "linear", shape, 3, 1.0, np.sort(stream.exponential(size=3))[::-1])
        for shape in shapes
    ]
    costs = [sum(each.shape) for each in spectra]
    worth = sorted(((value**2 / cost, cost) for each, cost in zip(spectra, costs)
                    for value in each.values[1:]), reverse=True)  # fmt: skip
    least = kept(spectra, [1] * 4)
    for count in range(len(worth)):
        best, size = worth[:count], sum(costs) + sum(cost for _, cost in worth[:count])
        expected = least + sum(ratio * cost for ratio, cost in best)
        assert brute_force(spectra, size, 3) == pytest.approx(expected)
        # Not enough for the next one, which may keep more than what fits.
        for room in (0, worth[count][1] - 1):
            ranks = several.ranks_for_budget(spectra, size + room)
            assert kept(spectra, ranks) >= expected * (1 - 1e-12)


@pytest.mark.parametrize("share", [0.4, 0.5, 1.0])
def test_a_share_of_the_numbers_is_so_many_numbers(share):
    sizes = [18 * len(each.values) for each in THREE]
    targets = [several.Targets(budget=each) for each in (share, int(share * sum(sizes)))]
    found, said = (list(each.ranks(THREE, sizes)) for each in targets)
    assert found == said
    assert sum(18 * rank for rank in found) <= share * sum(sizes)
    assert share < 1 or found == [3, 2, 2], "all that is not zero"


@pytest.mark.parametrize("budget", [0, -1, float("nan")])
def test_a_budget_is_above_nothing(budget):
    with pytest.raises(ValueError, match="budget must be"):
        several.Targets(budget=budget).check(9)
