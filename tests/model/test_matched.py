"""What each way keeps of the known facts, where the new ones are learned."""

import numpy as np
import pytest

from helpers.model import matched
from helpers.model.forgetting import MATCHED
from tests.support.model_figures import stored


def rows_by_hand(optimiser, rank, s):
    """Mean new and known facts over seeds by rate, straight from the file."""
    found = {}
    for row in stored("small_lora")["runs"]:
        mine = (row["alpha"], row["optimiser"], row["rank"]) == (16, optimiser, rank)
        root = row["rank"] ** (0.5 if row["use_rslora"] else 1)
        if mine and np.isclose(16 / root, s):
            found.setdefault(row["learning_rate"], []).append((row["facts"], row["known"]))
    return {rate: np.mean(values, axis=0) for rate, values in found.items()}


@pytest.mark.parametrize("optimiser, count", [("adamw", 7), ("sgd", 6)])
def test_every_rank_and_rule_at_its_best_rate(optimiser, count):
    rows = matched.over_rates(optimiser)
    assert len(rows) == count
    for row in rows:
        rank, s = (float(part.split()[-1]) for part in row.way.split(", "))
        by_rate = rows_by_hand(optimiser, rank, s)
        facts, known = by_rate[float(row.setting.split()[1])]
        assert row.facts.mean() == pytest.approx(facts)
        assert row.known.mean() == pytest.approx(known)
        assert known == max(k for f, k in by_rate.values() if f >= MATCHED)


def test_ranks_that_learn_too_little_are_left_out():
    ways = [row.way for row in matched.over_rates("adamw", 0.999)]
    assert "rank 1, s = 16" not in ways
    assert len(ways) == 6


def test_cut_or_dialled_reads_the_files():
    rows = {(row.way, row.setting): row for row in matched.cut_or_dialled()}
    full = [run for run in stored("small_model")["full"] if run["task"] == "100"]
    dial = [row for run in full for row in run["scales"] if row["scale"] == 0.75]
    assert rows["all weights", "dial 0.75"].known.tolist() == [row["known"] for row in dial]
    people = [run for run in stored("adapters")["runs"] if run["name"] == "people"]
    for run, known in zip(people, rows["rank 16", "cut to 8"].known):
        assert known == {row["rank"]: row["known"] for row in run["ranks"]}[8]
    assert len(rows) == 10


def test_a_row_shows_the_range_over_seeds():
    kept = matched.Kept("a", "b", np.array([1.0, 0.996]), np.array([0.5, 0.3]))
    assert kept.row() == ("a", "b", "1.00", "0.40 (0.30 to 0.50)")


def test_a_wrong_name():
    with pytest.raises(ValueError, match="optimiser must be one of"):
        matched.over_rates("lion")
