"""What a rank holds: the fits see nothing of what they foretell."""

import numpy as np
import pytest

from helpers.model import adaptations, capacity
from helpers.model.world import bits_per_person


def test_the_fits_have_not_seen_the_people_that_they_foretell(monkeypatch):
    def run(people, rank, facts, steps, seed=3):
        size, exposures = 1000 * rank, steps * 64 / people
        bits = people * facts * bits_per_person() / size
        return {"task": f"{people}", "rank": rank, "facts": facts, "parameters": size, "bits": bits,
                "exposures": exposures, "seed": seed}  # fmt: skip

    full = [run(200, 1, 0.02, 800), run(400, 2, 0.04, 1600)]
    others = [run(100, 2, 0.95, 400), run(100, 2, 0.9, 400, seed=4), run(400, 2, 0.001, 3200)]
    held_out = [run(800, 2, 0.5, 3200), run(800, 4, 1.0, 3200)]
    monkeypatch.setattr(adaptations, "capacity", lambda: [*full, *others, *held_out])
    fitted = capacity.bits_fitted(3)
    assert fitted == pytest.approx((full[0]["bits"] + full[1]["bits"]) / 2)
    assert capacity.bits_fitted(3, rank=2) == others[0]["bits"]  # not full, and the most
    assert capacity.bits_fitted(4, rank=2) == others[1]["bits"]  # of its own world
    assert np.isnan(capacity.bits_fitted(3, rank=4))
    rows = {row[:3]: row[-2:] for row in capacity.table().rows}
    needed = 800 * bits_per_person()
    assert rows["800", "2", "256"] == (
        f"{fitted * 2000 / needed:.2f}", f"{others[0]['bits'] * 2000 / needed:.2f}"
    )  # fmt: skip
    assert rows["800", "4", "256"] == (f"{fitted * 4000 / needed:.2f}", "no run")
    assert rows["400", "2", "256"] == rows["400", "2", "512"] == ("", "")


def test_what_ships_is_of_the_recipe_that_is_named():
    for run in adaptations.capacity():
        assert (run["scale"], run["learning_rate"], run["batch"]) == (16.0, 3e-3, 64)
        assert run["placement"] == "all" and run["seed"] > 2
