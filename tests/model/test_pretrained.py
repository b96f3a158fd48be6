"""Tables of SmolLM2's runs: read again straight from the record."""

import numpy as np
import pytest

from helpers.model import pretrained
from helpers.model.shipped import measured


def test_answers_over_the_rank_are_those_that_were_kept():
    table = pretrained.answers("style", question=2)
    (run,) = (
        run for run in measured("pretrained")["full"] if (run["task"], run["seed"]) == ("style", 0)
    )
    assert table.headings[1] == run["before"]["samples"][2][0]
    assert table.rows[0] == ("before", run["before"]["samples"][2][1])
    assert [row[1] for row in table.rows[1:]] == [row["samples"][2][1] for row in run["ranks"]]


def test_rates_say_what_was_not_run():
    rows = pretrained.rates_table().rows
    for row in rows:
        task, rule = row[0].split(", ")
        for rank, cell in zip(pretrained.RANKS, row[2:]):
            found = [
                run[task] for run in measured("pretrained")["lora"]
                if (run["task"], run["learning_rate"], run["rank"]) == (task, float(row[1]), rank)
                and (rank == 1 or run["use_rslora"] == (rule == "alpha/sqrt(r)"))
            ]  # fmt: skip
            assert (cell == "not run") == (not found)
            assert not found or cell.startswith(f"{np.mean(found):.2f} (")
    assert any("not run" in row for row in rows)


def test_an_unknown_task_is_named():
    with pytest.raises(ValueError, match="task must be one of 'style', 'facts'"):
        pretrained.answers("people")


def test_what_is_forgotten_straight_from_the_record():
    rows = pretrained.forgetting_table().rows
    runs = measured("pretrained_forgetting")["runs"]
    settings = {(run["rank"], run["scale"], run["learning_rate"]) for run in runs}
    assert len(rows) == len(settings)
    for row in rows:
        rate = float(row[1].rstrip(" *"))
        mine = [
            run for run in runs
            if run["learning_rate"] == rate and row[0] == (
                "all weights" if run["rank"] is None
                else f"rank {run['rank']}, s = {run['scale']:g}"
            )
        ]  # fmt: skip
        for cell, name in zip(row[2:4], ("facts", "known")):
            assert cell.startswith(f"{np.mean([run[name] for run in mine]):.2f} (")
        for cell, name in zip(row[4:], ("facts", "known")):
            assert cell.startswith(f"{np.mean([run['dials'][0][name] for run in mine]):.2f} (")


@pytest.mark.parametrize("rank, scale", pretrained.WAYS)
def test_a_rate_is_chosen_on_other_questions_than_it_is_reported_on(monkeypatch, rank, scale):
    """What the questions that report say must not move the choice."""
    chosen = pretrained.chosen_rate(rank, scale)
    runs = [
        {**run, "facts": 0.0, "known": 0.0} for run in measured("pretrained_forgetting")["runs"]
    ]
    monkeypatch.setattr(pretrained, "measured", lambda name: {"runs": runs})
    assert pretrained.chosen_rate(rank, scale) == chosen
    over = pretrained.forgetting(rank, scale)
    if chosen is not None:
        assert over[chosen]["facts_chosen_on"].mean() >= pretrained.LEARNED
