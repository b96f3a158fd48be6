"""Curves over a setting: means, spread, and the setting from which on a level is reached."""

import numpy as np
import pytest

from helpers.model.curves import Curves, from_rows


def curves(*rows, at=(1, 2, 4, 8)):
    return Curves(np.array(at, dtype=float), tuple(range(len(rows))), {"facts": np.array(rows)})


def test_means_and_spread_over_seeds():
    two = curves([0.1, 0.4, 0.9, 1.0], [0.3, 0.4, 0.7, 1.0])
    np.testing.assert_allclose(two.mean("facts"), [0.2, 0.4, 0.8, 1.0])
    assert two.spread("facts") == pytest.approx(0.2)


@pytest.mark.parametrize(
    "row, expected",
    [
        ([0.1, 0.9, 0.95, 1.0], 2),
        ([0.9, 0.9, 0.9, 0.9], 1),
        ([0.9, 0.5, 0.95, 1.0], 4),  # it fell again, so rank 1 does not count
        ([0.1, 0.2, 0.3, 0.89], np.nan),
    ],
)
def test_reaches_is_the_setting_from_which_on_all_are_good(row, expected):
    np.testing.assert_equal(curves(row).reaches("facts", 0.9), [expected])


def test_rows_become_curves_with_gaps():
    """Whatever their order; NaN where a seed has no run, or a run no value."""
    rows = [
        {"seed": 1, "rank": 2, "facts": 0.4, "style": 1.0},
        {"seed": 0, "rank": 8, "facts": 0.9},
        {"seed": 0, "rank": 2, "facts": 0.2, "style": 0.5},
    ]
    found = from_rows(rows, "rank", ("facts", "style"))
    assert (found.at.tolist(), found.seeds) == ([2, 8], (0, 1))
    np.testing.assert_array_equal(found.values["facts"], [[0.2, 0.9], [0.4, np.nan]])
    np.testing.assert_array_equal(found.values["style"], [[0.5, np.nan], [1.0, np.nan]])
