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
