"""What an adapter holds: the fits see nothing of what they foretell."""

import numpy as np
import pytest

from helpers.model import adaptations, capacity
from helpers.model.world import bits_per_person

SMALL = "query, value"


def test_the_fits_have_not_seen_the_people_that_they_foretell(monkeypatch):
    def run(people, rank, facts, exposures, seed=3, placement="all", rate=None):
        size = 1000 * rank
        return {"task": f"{people}", "rank": rank, "facts": facts, "parameters": size,
                "bits": people * facts * bits_per_person() / size, "exposures": float(exposures),
                "seed": seed, "placement": placement, "batch": 64,
                "learning_rate": rate or capacity.RATES[placement]}  # fmt: skip

    full = [run(200, 1, 0.02, 256), run(400, 2, 0.04, 256)]
    beside = [run(100, 2, 0.95, 256), run(400, 2, 0.001, 512), run(400, 1, 0.03, 256, seed=4),
              run(400, 1, 0.5, 256, rate=1e-2), run(400, 1, 0.5, 256, seed=0)]  # fmt: skip
    held_out = [run(800, 2, 0.5, 256), run(800, 4, 1.0, 256), run(800, 4, 1.0, 512)]
    small = [run(48, 1, 0.1, 512, placement=SMALL), run(64, 1, 0.3, 512, placement=SMALL)]
    monkeypatch.setattr(adaptations, "capacity", lambda: [*full, *beside, *held_out, *small])
    assert {run["seed"] for run in capacity.runs("all")} == {3, 4}  # none of those that choose
    assert capacity.runs(SMALL) == small
    fitted = capacity.bits_fitted(3)
    assert fitted == pytest.approx((full[0]["bits"] + full[1]["bits"]) / 2)
    assert capacity.bits_fitted(4) == beside[2]["bits"]  # of its own world
    assert np.isnan(capacity.bits_fitted(5))
    assert capacity.bits_fitted(3, SMALL) == small[0]["bits"]
    rows = {row[:4]: row[-1] for row in capacity.table().rows}
    needed = 800 * bits_per_person()
    assert rows["all", "800", "2", "256"] == f"{fitted * 2000 / needed:.2f}"
    assert rows["all", "800", "4", "256"] == f"{fitted * 4000 / needed:.2f}"
    assert rows["all", "800", "4", "512"] == rows["all", "400", "2", "256"] == ""
    assert rows[SMALL, "64", "1", "512"] == f"{0.1 * 48 / 64:.2f}"


def test_what_ships_is_of_the_recipe_that_is_named():
    found = adaptations.capacity()
    assert {run["placement"] for run in found} == set(capacity.EXPOSURES)
    for run in found:
        assert run["scale"] == 16.0
        assert run["seed"] in (0, 3, 4, 5)
        if run["seed"] == 0:  # the world that chooses: rank 1, over the rate
            assert run["rank"] == 1
        elif run["placement"] == "all":
            recipe = (run["learning_rate"], run["batch"], run["cool_down"])
            assert recipe in ((3e-3, 64, 0.3), (3e-3, 64, 0.95), (1e-2, 16, 0.95))
        else:
            assert (run["batch"], run["cool_down"]) == (16, 0.95)


def test_a_gain_is_of_one_world_seen_twice_as_often(monkeypatch):
    def run(seed, exposures, bits, **other):
        return {"task": "48", "rank": 1, "facts": bits, "bits": bits, "exposures": exposures,
                "seed": seed, "placement": SMALL, "learning_rate": 1e-2, **other}  # fmt: skip

    found = [run(4, 1024, 0.6), run(3, 512, 0.4), run(3, 1024, 0.5), run(5, 512, 0.2),
             run(4, 4096, 0.7), run(3, 1024, 0.9, rank=2), run(3, 2048, 0.9, task="64"),
             run(3, 1024, 0.9, learning_rate=3e-2), run(3, 1024, 0.9, placement="all"),
             run(4, 512, 0.5), run(0, 1024, 0.9)]  # fmt: skip
    monkeypatch.setattr(adaptations, "capacity", lambda: found)
    assert {seen: list(each) for seen, each in capacity.seen_longer().items()} == {
        512: [3, 4, 5], 1024: [3, 4], 4096: [4],
    }  # fmt: skip
    assert capacity.gains() == {1024: pytest.approx([0.25, 0.2])}
    rows = {row[0]: row[1:] for row in capacity.plateau().rows}
    assert rows["512"] == ("3", "0.37 (0.20 to 0.50)", "0.37 (0.20 to 0.50)", "")
    assert rows["1024"] == ("2", "0.55 (0.50 to 0.60)", "0.55 (0.50 to 0.60)", "25.0 %, 20.0 %")
    assert rows["4096"] == ("1", "0.70", "0.70", "")
