"""What the map says: read again straight from the records."""

import numpy as np
import pytest

from helpers.model import comparisons, verdicts
from helpers.model.forgetting import MATCHED, RATES
from helpers.model.shipped import measured


def test_all_weights_over_the_rate_straight_from_the_record():
    table = {row[0]: row[1:] for row in comparisons.full_over_rates().rows}
    runs = [
        run for run in measured("small_map")["adapt"]
        if run["rank"] is None and run["seed"] < 3 and not run.keys() & {"optimiser", "replayed"}
        and run["learning_rate"] in RATES
    ]  # fmt: skip
    rates = sorted({run["learning_rate"] for run in runs})
    for name, key in (("new facts", "facts"), ("known facts left", "known")):
        means = [np.mean([r[key] for r in runs if r["learning_rate"] == rate]) for rate in rates]
        learned = [np.mean([r["facts"] for r in runs if r["learning_rate"] == rate]) >= MATCHED
                   for rate in rates]  # fmt: skip
        expected = [f"{mean:.2f}" for mean, enough in zip(means, learned) if enough]
        assert list(table[name]) == expected


def test_no_run_of_a_rank_keeps_more_than_the_best_at_the_level():
    for rank in comparisons.TRAINED:
        points = comparisons.learned(rank)
        assert comparisons.best(rank) in points.settings
        assert comparisons.most_known(rank) == points.known.mean(axis=0).max()


def test_every_way_has_the_new_facts_and_says_where():
    ways = comparisons.ways()
    assert len({(way.rank, way.kind) for way in ways}) == len(ways)
    for way in ways:
        assert np.isfinite(way.known).all()
        assert len(way.known) == len(way.worlds) == 3
        # Turning down and mixing in are known for the reporting worlds only.
        assert way.kind == "as trained" or way.worlds == (3, 4, 5)


def test_the_dial_is_above_what_was_trained_and_above_the_cut():
    ways = {(way.rank, way.kind): way.known for way in comparisons.ways()}
    for (rank, kind), known in ways.items():
        if kind != "turned down" and (rank, "turned down") in ways:
            assert np.all(ways[rank, "turned down"] > known), (rank, kind)


def test_a_setting_that_was_not_run_is_named():
    with pytest.raises(ValueError, match=r"must be run, \(3, 0.5\) is not"):
        comparisons.kept_by(64, 3.0, 0.5)


def test_claims_come_with_their_verdicts_those_that_hold_first():
    rows = comparisons.claims().rows
    order = [row[-1] for row in rows]
    assert order == sorted(order, key=["holds", "fails", "open"].index)
    assert {row[0] for row in rows} == {each.claim for each in verdicts.PREDICTIONS}
    assert comparisons.verdicts_counted("holds") == order.count("holds")
