"""One rank for all modules, and the error over all of them, by plain sums."""

import numpy as np
import pytest

from helpers.lora import over_modules
from helpers.lora.several import Spectrum


def spectra(unit=1.0):
    values = ([4.0, 3.0, 0.5], [9.0], [2.0, 2.0])
    return [
        Spectrum(f"m{i}", "linear", (9, 9), len(each), 1.0, unit * np.array(each))
        for i, each in enumerate(values)
    ]


@pytest.mark.parametrize("unit", [1.0, 1e-200, 1e200])
@pytest.mark.parametrize("ranks", [(1, 1, 1), (2, 1, 1), (3, 1, 2)])
def test_the_error_by_plain_sums_is_free_of_units(unit, ranks):
    """Squares of such values over- and underflow."""
    rows = [each.values for each in spectra()]
    lost = sum(v**2 for row, rank in zip(rows, ranks) for v in row[rank:])
    whole = sum(v**2 for row in rows for v in row)
    assert over_modules.cut_error(spectra(unit), ranks) == pytest.approx((lost / whole) ** 0.5)


@pytest.mark.parametrize("unit", [1.0, 1e-200, 1e200])
@pytest.mark.parametrize("error", [0.0, 0.05, 0.3, 0.5, 1.0])
def test_the_common_rank_is_the_lowest_that_is_good_enough(unit, error):
    found = over_modules.common_rank(spectra(unit), error)
    good = [over_modules.cut_error(spectra(), [rank] * 3) <= error for rank in (1, 2, 3)]
    assert found == 1 + good.index(True)


def test_as_many_ranks_as_modules():
    with pytest.raises(ValueError, match="shorter"):
        over_modules.cut_error(spectra(), [1, 1])


def test_zeros_have_no_error():
    assert over_modules.cut_error(spectra(0.0), [1, 1, 1]) == 0
