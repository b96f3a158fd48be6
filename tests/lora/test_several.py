"""Several updates at once, against diagonal matrices entry by entry."""

import numpy as np
import pytest

from helpers.lora import several
from helpers.lora.several import Spectrum


def of(*values):
    return Spectrum("m", "linear", (9, 9), len(values), 1.0, np.array(values, dtype=float))


THREE = [of(5, 2, 1), of(3, 3, 0, 0), of(0.5, 0.1)]


def brute_error(spectra, rank, scales):
    """Diagonal matrices, entry by entry."""
    missed = total = 0.0
    for each, s in zip(spectra, scales):
        for i, value in enumerate(each.values):
            total += value**2
            missed += (value - (s * value if i < rank else 0)) ** 2
    return np.sqrt(missed / total)


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 99])
@pytest.mark.parametrize("scales", [(1, 1, 1), (0.25, 0.25, 0.25), (2, 0.5, 0)])
def test_error_of_all_modules(rank, scales):
    expected = brute_error(THREE, rank, scales)
    assert several.error_at(THREE, rank, scales) == pytest.approx(expected, abs=1e-12)
    if len(set(scales)) == 1:
        assert several.error_at(THREE, rank, scales[0]) == pytest.approx(expected, abs=1e-12)
        ranks = np.array([[1, rank], [2, 3]])
        assert several.error_at(THREE, ranks, scales[0])[0, 1] == pytest.approx(expected, abs=1e-12)
    kept = 1 - brute_error(THREE, rank, (1, 1, 1)) ** 2
    assert several.captured(THREE, rank) == pytest.approx(kept)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_no_overflow(size):
    scaled = [of(*(each.values * size)) for each in THREE]
    assert several.error_at(scaled, 2) == pytest.approx(brute_error(THREE, 2, (1, 1, 1)))


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
