"""The best learning rate at each rank under a rule."""

import numpy as np
import pytest

from helpers.model import rates
from tests.support.runs import best_rate


def row(seed, rank, scale, rate, facts, known, loss=0.1):
    return {
        "seed": seed, "rank": rank, "scale": scale, "learning_rate": rate,
        "facts": facts, "known": known, "loss": loss,
    }  # fmt: skip


def test_rules_over_the_rank():
    at = {name: [rule(rank) for rank in (1, 4, 16, 64)] for name, rule in rates.RULES.items()}
    assert at["alpha/r, alpha = 16"] == [16, 4, 1, 0.25]
    assert at["alpha/sqrt(r), alpha = 16"] == [16, 8, 4, 2]
    assert at["alpha/r, alpha = 2r"] == [2] * 4
    assert at["alpha/r, alpha = 4r"] == [4] * 4


def test_the_best_rate_is_read_from_the_runs_of_the_rule():
    rows = [
        row(0, 4, 4.0, 1e-4, 0.5, 1.0, 0.9), row(0, 4, 4.0, 1e-3, 0.99, 0.6, 0.2),
        row(0, 4, 4.0, 3e-3, 1.0, 0.3, 0.1), row(0, 4, 4.0, 1e-2, 0.0, 0.0, None),
        row(0, 4, 8.0, 1e-3, 1.0, 0.9, 0.0), row(1, 4, 4.0, 1e-4, 0.5, 1.0, 0.9),
    ]  # fmt: skip
    rule = "alpha/r, alpha = 16"
    assert rates.best_rates(rows, rule, (4,), (0,), "loss")[4] == (3e-3,)
    by_known = rates.best_rates(rows, rule, (4, 16), (0, 1), "known")
    assert by_known[4][0] == 1e-3
    assert np.isnan(by_known[4][1])
    assert np.isnan(by_known[16]).all()
    with pytest.raises(ValueError, match="rule must be one of"):
        rates.best_rates(rows, "alpha", (4,), (0,))


def test_of_worlds_that_differ_the_median_is_shown(monkeypatch):
    rule = "alpha/r, alpha = 4r"
    best = {0: 3e-4, 1: 1e-4, 2: 1e-3}
    rows = [row(world, rank, 4.0, rate, 1.0, 0.9 if rate == best[world] else 0.5)
            for world in best for rank in (1, 4, 16) for rate in best.values()]  # fmt: skip
    monkeypatch.setattr(rates.adaptations, "plain_lora", lambda: rows)
    np.testing.assert_array_equal(rates.medians(rule), [3e-4, 3e-4, 3e-4, np.nan])


def test_the_table_is_of_the_runs():
    """For one rule and rank, by hand."""
    table = {row[0]: row for row in rates.best_rates_table().rows}
    assert table["alpha/sqrt(r), alpha = 16"][4] == f"{best_rate(64, 2.0):g}"
    reported = [best_rate(rank, 16 / rank**0.5, (3, 4, 5)) for rank in (4, 64)]
    assert table["alpha/sqrt(r), alpha = 16"][6] == f"{round(reported[0] / reported[1])}"
    for rule, apart in rates.times_apart().items():
        medians = [float(cell) for cell in table[rule][1:5]]
        assert apart == pytest.approx(max(medians) / min(medians))


def test_the_worlds_that_report_are_asked_on_both_sides_of_each_best_rate():
    asked = set(rates.asked_again())
    run = {world: set() for world in (3, 4, 5)}
    for row in rates.adaptations.plain_lora():
        if row["seed"] in run:
            run[row["seed"]].add((row["rank"], row["scale"], row["learning_rate"]))
    for rule, scale in rates.RULES.items():
        for rank, best in zip(rates.RANKS, rates.medians(rule)):
            if np.isfinite(best):
                tried = sorted(rate for r, s, rate in asked if (r, s) == (rank, scale(rank)))
                assert tried[0] < best < tried[-1]
    assert all(asked <= made for made in run.values())
