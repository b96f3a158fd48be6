"""What tries to break the map's findings: read again straight from the records."""

import numpy as np
import pytest

from helpers.model import adaptations, comparisons, map_checks
from helpers.model.forgetting import MATCHED, Points


def runs_of(rank, scale, rate):
    """By hand: new and known facts of one setting in the worlds that report."""
    rows = {
        row["seed"]: (row["facts"], row["known"]) for row in adaptations.plain_lora(finer=True)
        if (row["rank"], row["scale"], row["learning_rate"]) == (rank, scale, rate)
    }  # fmt: skip
    return np.array([rows[world] for world in (3, 4, 5) if world in rows])


@pytest.mark.parametrize("rank", [64, 16, 4, 1])
def test_what_lies_around_is_set_against_what_was_chosen(rank):
    rows = map_checks.around([rank]).rows
    assert [row[1] for row in rows] == ["chosen", *[""] * (len(rows) - 1)]
    chosen = runs_of(rank, *comparisons.best(rank))
    for row in rows:
        found = runs_of(rank, float(row[2]), float(row[3]))
        assert found[:, 0].mean() >= MATCHED
        assert row[5].startswith(f"{found[:, 1].mean():.2f}")
        if row[1] != "chosen":
            apart = found[:, 1] - chosen[: len(found), 1]
            assert row[6] == f"{apart.min():+.2f} to {apart.max():+.2f}"
    # One row a scale, with no better rate that was run and taught all.
    assert len({row[2] for row in rows}) == len(rows)
    for row in rows[1:]:
        for each in adaptations.plain_lora():
            if (each["rank"], each["scale"]) == (rank, float(row[2])):
                found = runs_of(rank, each["scale"], each["learning_rate"])
                if len(found) and found[:, 0].mean() >= MATCHED:
                    assert round(found[:, 1].mean(), 2) <= float(row[5].split()[0])


@pytest.mark.parametrize("rank", [None, 64, 16, 4, 1])
def test_what_keeps_more_does_so_in_every_world(rank):
    more = map_checks.keeps_more(rank)
    assert comparisons.best(rank) not in more
    kept = comparisons.kept_by(rank, *comparisons.best(rank))
    for setting in more:
        assert (comparisons.kept_by(rank, *setting) > kept).all()


def test_more_in_one_world_only_is_not_more():
    facts = np.array([[1.0, 1.0, 1.0, 0.9], [1.0, 1.0, 1.0, 0.9]])
    known = np.array([[0.5, 0.6, 0.6, 0.9], [0.5, 0.4, 0.7, 0.9]])
    settings = tuple((1.0, rate) for rate in (1e-4, 3e-4, 1e-3, 3e-3))
    points = Points(settings, (3, 4), facts, known)
    assert map_checks._keeping_more(points, (1.0, 1e-4)) == [(1.0, 1e-3)]


@pytest.mark.parametrize("rank", [64, 16, 4, 1])
def test_finer_rates_are_chosen_in_the_worlds_that_choose_and_read_in_the_others(rank):
    rows: dict = {}
    for row in adaptations.plain_lora(finer=True):
        if row["rank"] == rank:
            rows.setdefault((row["scale"], row["learning_rate"]), {})[row["seed"]] = row

    def mean(setting, key):
        return np.mean([rows[setting][world][key] for world in (0, 1, 2)])

    ready = [s for s in rows if {0, 1, 2} <= rows[s].keys() and mean(s, "facts") >= MATCHED]
    scale, rate = max(ready, key=lambda setting: mean(setting, "known"))
    ((*_, setting, known, facts),) = map_checks.finer([rank]).rows
    assert setting == f"{scale:g}, {rate:g}"
    read = runs_of(rank, scale, rate)
    assert known.startswith(f"{read[:, 1].mean():.2f}")
    assert facts.startswith(f"{read[:, 0].mean():.2f}")


def test_the_size_of_an_update_is_set_against_what_it_keeps(monkeypatch):
    def run(rank, norm, known, facts=1.0):
        return {"rank": rank, "norm": norm, "known": known, "facts": facts}

    falling = [run(rank, norm, 1 / norm) for rank in map_checks.TRAINED for norm in (9, 2, 14, 30)]
    no_part = [run(64, 9.5, 0.9, facts=0.9), {"rank": 64, "known": 0.9, "facts": 1.0}]
    other = [run(16, 9.9, 0.0), run(16, 40, 0.9)]
    monkeypatch.setattr(adaptations, "map_rows", lambda: [*falling, *no_part, *other])
    rows = {row[0]: row[1:] for row in map_checks.sizes().rows}
    assert rows["rank 64"] == ("4", "-1.00", "0.11", "0.07")
    assert rows["rank 16"][2] == "0.06 (0.00 to 0.11)"
    assert abs(float(rows["rank 16"][1])) < 0.1  # the last two undo the order


def test_an_identity_that_fell_stands_first():
    rows = map_checks.identities().rows
    fell = [row[1] != row[2] for row in rows]
    assert fell == sorted(fell, reverse=True)
    assert {row[0] for row in rows} == {row["pair"] for row in adaptations.identities()}
