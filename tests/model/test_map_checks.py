"""What tries to break the map's findings: read again straight from the records."""

import numpy as np
import pytest

from helpers.model import adaptations, comparisons, map_checks
from helpers.model.forgetting import MATCHED
from helpers.model.world import bits_per_person


def runs_of(rank, scale, rate):
    """By hand: new and known facts of one setting in the worlds that report."""
    rows = {
        row["seed"]: (row["facts"], row["known"]) for row in adaptations.plain_lora()
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


@pytest.mark.parametrize("rank", [None, 64, 16, 4, 1])
def test_what_keeps_more_does_so_in_every_world(rank):
    more = map_checks.keeps_more(rank)
    assert comparisons.best(rank) not in more
    kept = comparisons.kept_by(rank, *comparisons.best(rank))
    for setting in more:
        assert (comparisons.kept_by(rank, *setting) > kept).all()
    assert map_checks.most_kept(rank).mean() >= kept.mean()


def test_the_fit_has_not_seen_the_people_that_it_foretells(monkeypatch):
    def run(people, rank, facts, steps):
        size, exposures = 1000 * rank, steps * 64 / people
        bits = people * facts * bits_per_person() / size
        return {"task": f"{people}", "rank": rank, "facts": facts, "parameters": size, "bits": bits,
                "exposures": exposures, "scale": 16.0, "learning_rate": 3e-3}  # fmt: skip

    others = [run(200, 1, 0.02, 800), run(400, 2, 0.04, 1600)]
    held_out = [run(800, 2, 0.5, 3200)]
    short = [run(400, 2, 0.001, 3200)]
    monkeypatch.setattr(adaptations, "capacity", lambda: [*others, *held_out, *short])
    fitted = map_checks.bits_fitted()
    assert fitted == pytest.approx((others[0]["bits"] + others[1]["bits"]) / 2)
    rows = {(row[0], row[2]): row[-1] for row in map_checks.capacity().rows}
    assert rows["800", "256"] == f"{fitted * 2000 / (800 * bits_per_person()):.2f}"
    assert rows["400", "256"] == rows["400", "512"] == rows["200", "256"] == ""


def test_an_identity_that_fell_stands_first():
    rows = map_checks.identities().rows
    fell = [row[1] != row[2] for row in rows]
    assert fell == sorted(fell, reverse=True)
    assert {row[0] for row in rows} == {row["pair"] for row in adaptations.identities()}
