"""Choosing and reporting, fronts, and known facts at matched new facts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.model import forgetting

SHARES = st.integers(0, 4).map(lambda n: n / 4)
RUNS = st.lists(st.tuples(SHARES, SHARES), min_size=1, max_size=12)


def row(seed, rank, scale, rate, facts, known, loss=0.1):
    return {
        "seed": seed, "rank": rank, "scale": scale, "learning_rate": rate,
        "facts": facts, "known": known, "loss": loss,
    }  # fmt: skip


ROWS = [
    row(0, 4, 1.0, 1e-3, 1.00, 0.50), row(1, 4, 1.0, 1e-3, 0.98, 0.60),
    row(0, 4, 4.0, 1e-3, 1.00, 0.30), row(1, 4, 4.0, 1e-3, 1.00, 0.40),
    row(0, 4, 1.0, 3e-4, 0.80, 0.90), row(1, 4, 1.0, 3e-4, 0.70, 0.95),
    row(0, 4, 4.0, 3e-4, 1.00, 0.99),  # one world only
    row(5, 4, 4.0, 3e-4, 1.00, 0.10),  # a world that is not asked for
]  # fmt: skip
KEYS = ("scale", "learning_rate")


def test_points_are_sorted_by_setting_and_world():
    found = forgetting.points(ROWS, KEYS, (0, 1))
    assert found.settings == ((1.0, 3e-4), (1.0, 1e-3), (4.0, 3e-4), (4.0, 1e-3))
    np.testing.assert_array_equal(
        found.known, [[0.90, 0.50, 0.99, 0.30], [0.95, 0.60, np.nan, 0.40]]
    )
    assert found.whole().settings == ((1.0, 3e-4), (1.0, 1e-3), (4.0, 1e-3))
    only = found.where(lambda scale, rate: scale == 4.0)
    assert only.settings == ((4.0, 3e-4), (4.0, 1e-3))
    assert only.facts[0].tolist() == [1.0, 1.0]


def test_full_fine_tuning_has_no_rank_and_comes_last():
    rows = [row(0, None, 1.0, 1e-4, 1, 1), row(0, 64, 1.0, 1e-4, 1, 1)]
    assert forgetting.points(rows, ("rank",), (0,)).settings == ((64,), (None,))


def test_two_runs_of_one_setting_are_refused():
    with pytest.raises(ValueError, match="one run of a setting and world"):
        forgetting.points([ROWS[0], ROWS[0]], KEYS, (0, 1))


def test_the_choice_is_the_most_known_facts_at_enough_new_ones_in_all_worlds():
    found = forgetting.points(ROWS, KEYS, (0, 1))
    assert forgetting.choose(found) == (1.0, 1e-3)
    assert forgetting.choose(found, level=1.0) == (4.0, 1e-3)
    assert forgetting.choose(found, level=0.5) == (1.0, 3e-4)
    assert forgetting.choose(forgetting.points(ROWS[4:6], KEYS, (0, 1))) is None


@pytest.mark.parametrize(
    "facts, known, expected",
    [
        ([0.5, 0.98, 1.0], [1.0, 0.6, 0.3], 1),
        ([0.5, 0.97, 1.0], [1.0, 0.6, 0.3], 2),
        ([1.0, 1.0, 1.0], [0.2, 0.3, 0.1], 1),
        ([0.5, 0.6, 0.9], [1.0, 0.6, 0.3], None),
        ([np.nan, 1.0, 1.0], [1.0, 0.2, 0.3], 2),
    ],
)
def test_the_setting_that_keeps_most_is_one_that_has_learned(facts, known, expected):
    assert forgetting.keeps_most(facts, known) == expected


def test_a_level_is_a_share():
    with pytest.raises(ValueError, match="level must be"):
        forgetting.keeps_most([1.0], [1.0], 2)


def test_neighbours_are_one_step_away():
    axes = ((1.0, 4.0, 16.0), (1e-4, 3e-4, 1e-3))
    assert forgetting.neighbours((4.0, 3e-4), axes) == [
        (1.0, 3e-4), (16.0, 3e-4), (4.0, 1e-4), (4.0, 1e-3),
    ]  # fmt: skip
    assert forgetting.neighbours((1.0, 1e-3), axes) == [(4.0, 1e-3), (1.0, 3e-4)]
    assert forgetting.neighbours((2.0, 1e-3), (axes[0], None)) == [(1.0, 1e-3), (4.0, 1e-3)]


@given(RUNS)
def test_the_front_is_what_no_other_beats(runs):
    facts, known = zip(*runs)
    expected = [not any(f >= a and k >= b and (f > a or k > b) for f, k in runs) for a, b in runs]
    assert forgetting.front(facts, known).tolist() == expected
    assert any(expected)


@given(RUNS, SHARES)
def test_known_facts_at_matched_new_ones(runs, level):
    facts, known = zip(*runs)
    enough = [k for f, k in runs if f >= level]
    found = forgetting.known_at(facts, known, level)
    assert (found == max(enough)) if enough else np.isnan(found)
    # The front alone says the same.
    on = forgetting.front(facts, known)
    of_front = forgetting.known_at(np.array(facts)[on], np.array(known)[on], level)
    assert (found == of_front) or (np.isnan(found) and np.isnan(of_front))


def test_a_world_without_a_run_has_no_say():
    assert forgetting.known_at([np.nan, 1.0], [np.nan, 0.4]) == 0.4
    found = forgetting.points(ROWS, KEYS, (0, 1))
    np.testing.assert_array_equal(
        forgetting.kept(found, [0.75, 0.98, 1.0]), [[0.99, 0.99, 0.99], [0.60, 0.60, 0.40]]
    )


@pytest.mark.parametrize(
    "first, second, least, expected",
    [
        ([0.6, 0.5], [0.5, 0.4], 0.0, "more"),
        ([0.5, 0.4], [0.6, 0.5], 0.0, "less"),
        ([0.6, 0.4], [0.5, 0.5], 0.0, "open"),
        ([0.6, 0.5], [0.5, 0.5], 0.0, "open"),
        ([0.6, 0.5], [0.5, np.nan], 0.0, "open"),
        ([0.6, 0.5], [0.5, 0.4], 0.2, "open"),
    ],
)
def test_a_verdict_needs_every_world(first, second, least, expected):
    assert forgetting.verdict(first, second, least) == expected


def test_along_a_dial_known_facts_are_read_between_two_settings():
    facts, known = [0.0, 0.5, 0.9, 1.0], [1.0, 0.8, 0.6, 0.2]
    assert forgetting.along(facts, known, 0.9) == 0.6
    assert forgetting.along(facts, known, 0.7) == pytest.approx(0.7)
    assert forgetting.along(facts, known, 0.98) == pytest.approx(0.28)
    assert forgetting.along(facts, known, 0.0) == 1.0
    assert np.isnan(forgetting.along(facts[:3], known[:3], 0.98))
