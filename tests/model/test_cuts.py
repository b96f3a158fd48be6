"""Tables of cut and turned down updates: read again straight from the records."""

import numpy as np

from helpers.model import cuts
from helpers.model.shipped import measured


def stored(task, side, setting, value, name):
    """The mean over the worlds."""
    found = [
        row[name]
        for run in measured()["full"]
        if run["task"] == task
        for row in run[side]
        if row[setting] == value
    ]
    assert len(found) == 3
    return f"{np.mean(found):.2f}"


def test_the_cut_straight_from_the_record():
    table = cuts.truncated_table("100")
    assert [row[0] for row in table.rows] == ["0", "1", "2", "4", "8", "16", "32", "64", "128"]
    for row in table.rows[1:]:
        expected = [
            stored("100", "ranks", "rank", int(row[0]), name) for name in ("facts", "style")
        ]
        assert list(row[1:]) == expected


def test_energy_stands_beside_the_share_of_the_tasks_own_measure():
    table = cuts.energy_table((8,))
    for row, task in zip(table.rows, ("saga", "25", "100", "400")):
        name = "style" if task == "saga" else "facts"
        both = (stored(task, "ranks", "rank", 8, each) for each in ("energy", name))
        assert row[1] == " / ".join(both)


def test_the_dial_straight_from_the_record():
    for row in cuts.dial_table("400").rows:
        expected = [stored("400", "scales", "scale", float(row[0]), name)
                    for name in ("facts", "style", "known")]  # fmt: skip
        assert list(row[1:]) == expected
