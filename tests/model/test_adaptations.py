"""The map as it ships: settings are told apart, and read into points."""

import numpy as np
import pytest

from helpers.model import adaptations, shipped
from helpers.model.world import bits_per_person


def adapted(seed, rank, facts, known, scale=4.0, rate=1e-3, **other):
    return {
        "seed": seed, "rank": rank, "scale": scale, "learning_rate": rate, "facts": facts,
        "known": known, "loss": 0.1, "parameters": 1000, "diverged": False, **other,
    }  # fmt: skip


def examined(seed, rank, facts, known, **other):
    after = [
        {"rank": None, "dial": 0.5, "facts": 0.4, "known": 0.9},
        {"rank": 2, "dial": 1.0, "facts": 0.3, "known": 0.8},
        {"rank": 2, "dial": 1.3, "facts": 0.5, "known": 0.7},
    ]
    return adapted(
        seed, rank, facts, known, after=after,
        intruders=[{"dial": 0.0, "facts": 0.2, "known": 0.95}],
        intruder_counts={"one": 2, "two": 3},
        four_bits=[{"way": "beside", "facts": 0.9, "known": 0.5}], **other,
    )  # fmt: skip


SWEPT = {
    "task": "100", "alpha": 16, "optimiser": "adamw", "use_rslora": True, "rank": 16,
    "learning_rate": 1e-3, "seed": 0, "steps": 400, "batch": 32, "seconds": 20,
    "facts": 1.0, "known": 0.4, "loss": 0.1, "parameters": 9, "diverged": False,
}  # fmt: skip
RECORD = {
    "adapt": [
        adapted(3, 16, 1.0, 0.5), adapted(3, 16, 0.9, 0.7, rate=1e-4),
        adapted(3, 16, 1.0, 0.45, replayed=0.1), adapted(4, 16, 1.0, 0.6, replayed=0.1),
        adapted(3, 16, 0.8, 0.7, placement="attention"),
        adapted(3, 16, 0.1, 0.1, optimiser="sgd"), adapted(3, 16, 0.2, 0.2, quantised=True),
        adapted(3, None, 1.0, 0.8, 1.0, 1e-4), adapted(3, None, 1.0, 0.7, 1.0, optimiser="sgd"),
        adapted(3, 1, 0.5, 0.3, task="400", steps=3200, batch=64),
    ],
    "examine": [
        examined(4, 16, 1.0, 0.6), examined(4, 16, 0.7, 0.3, quantised=True),
        # The same setting as one of `adapt`: one run, not two.
        examined(3, 16, 1.0, 0.5),
        adapted(5, 16, 0.0, 0.0) | {"diverged": True},
    ],
    "merge": [
        {"seed": 3, "other": "saga", "cosine": 0.0,
         "alone": [{"task": "first", "facts": 1.0, "other": 0.1, "known": 0.5}],
         "merged": [{"way": "sum", "dial": 0.7, "facts": 0.6, "other": 0.4, "known": 0.3}]},
    ],
    "identity": [{"seed": 3, "pair": "one", "found": True}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def record(monkeypatch):
    content = {"small_map": RECORD, "small_lora": {"runs": [SWEPT]}}
    monkeypatch.setattr(adaptations, "measured", lambda name: content[name])
    adaptations.rows.cache_clear()
    yield
    adaptations.rows.cache_clear()


def test_a_lora_run_is_told_apart_by_everything_that_was_changed():
    found = adaptations.lora(16, (3, 4))
    assert found.settings == ((4.0, 1e-4), (4.0, 1e-3))
    np.testing.assert_array_equal(found.known, [[0.7, 0.5], [np.nan, 0.6]])
    assert adaptations.lora(16, (0,)).settings == ((4.0, 1e-3),)  # of the first sweeps
    assert {row["seed"] for row in adaptations.plain_lora()} == {0, 3, 4, 5}


def test_rates_between_the_maps_own_are_looked_at_when_they_are_asked_for(monkeypatch):
    between = [
        adapted(3, 16, 1.0, 0.9, rate=1.7e-4), adapted(3, None, 1.0, 0.9, 1.0, 7e-5),
        adapted(3, None, 1.0, 0.9, 1.0, 0.1, optimiser="sgd"),
    ]  # fmt: skip
    monkeypatch.setitem(RECORD, "adapt", [*RECORD["adapt"], *between])
    adaptations.rows.cache_clear()
    on_grid, every = (adaptations.lora(16, (3,), finer).settings for finer in (False, True))
    assert set(every) - set(on_grid) == {(4.0, 1.7e-4)}
    assert len(adaptations.plain_lora(finer=True)) == len(adaptations.plain_lora()) + 1
    on_grid, every = (adaptations.full((3,), finer).settings for finer in (False, True))
    assert set(every) - set(on_grid) == {("adamw", 7e-5)}
    assert ("sgd", 0.1) in on_grid  # the map's own of another optimiser


def test_full_fine_tuning_by_optimiser_and_rate():
    found = adaptations.full((3,))
    assert found.settings == (("adamw", 1e-4), ("sgd", 1e-3))
    assert found.known.tolist() == [[0.8, 0.7]]


@pytest.mark.parametrize(
    "kind, left",
    [
        ("dial", {(None, 0.5), (None, 1.0)}),
        ("cut", {(2, 1.0), (None, 1.0)}),
        ("both", {(None, 0.5), (None, 1.0), (2, 1.0), (2, 1.3)}),
    ],
)
def test_what_is_left_of_an_update(kind, left):
    found = adaptations.examined(16, kind, (4,))
    assert {setting[2:] for setting in found.settings} == left
    assert {setting[:2] for setting in found.settings} == {(4.0, 1e-3)}
    values = dict(zip(found.settings, found.facts[0]))
    assert values[4.0, 1e-3, None, 1.0] == 1.0
    if kind != "dial":
        assert values[4.0, 1e-3, 2, 1.0] == 0.3


def test_old_data_mixed_in_goes_with_the_same_run_without():
    found = adaptations.mixed(16, (3, 4))
    assert found.settings == ((4.0, 1e-3, 0.0), (4.0, 1e-3, 0.1))
    np.testing.assert_array_equal(found.known, [[0.5, 0.45], [0.6, 0.6]])


def test_placement():
    found = adaptations.placed("attention", 16, (3,))
    assert (found.settings, found.known.tolist()) == (((4.0, 1e-3),), [[0.7]])


def test_intruders_and_their_number():
    found, numbers = adaptations.intruders(16, (3, 4, 5))
    np.testing.assert_array_equal(numbers, [5, 5, np.nan])
    assert found.settings == ((4.0, 1e-3, 0.0), (4.0, 1e-3, 1.0))
    np.testing.assert_array_equal(found.known[:2], [[0.95, 0.5], [0.95, 0.6]])


def test_four_bits():
    after = adaptations.four_bits(16, False, (4,))
    trained = adaptations.four_bits(16, True, (4,))
    assert [setting[-1] for setting in after.settings] == ["as trained", "beside"]
    assert after.facts.tolist() == [[1.0, 0.9]]
    assert trained.facts.tolist() == [[0.7, 0.9]]


def test_merged_adapters():
    found = adaptations.merged("saga", (3, 4))
    assert set(found) == {("first", 1.0), ("sum", 0.7)}
    np.testing.assert_array_equal(found["sum", 0.7]["other"], [0.4, np.nan])
    assert adaptations.merged("people") == {}


def test_capacity_counts_bits_and_exposures():
    (row,) = adaptations.capacity()
    assert row["exposures"] == 3200 * 64 / 400
    assert row["bits"] == pytest.approx(400 * 0.5 * bits_per_person() / 1000)


def test_the_first_sweeps_are_points_of_the_map():
    others = [{**SWEPT, "task": "25"}, {**SWEPT, "optimiser": "sgd"}, {**SWEPT, "alpha": 4}]
    (found,) = adaptations.from_sweeps([SWEPT, *others])
    assert (found["scale"], found["rank"], found["learning_rate"]) == (4.0, 16, 1e-3)
    assert not {"alpha", "use_rslora", "steps"} & found.keys()
    (standard,) = adaptations.from_sweeps([{**SWEPT, "use_rslora": False}])
    assert standard["scale"] == 1.0


def test_what_ships_has_one_run_of_a_setting_and_world(monkeypatch):
    monkeypatch.setattr(adaptations, "measured", shipped.measured)
    adaptations.rows.cache_clear()
    shared = [(row["seed"], *(row[key] for key in adaptations.SETTING))
              for row in shipped.measured("small_map")["adapt"]
              for row in [{**adaptations.PLAIN, **row}]]  # fmt: skip
    assert len(shared) == len(set(shared)) > 100
    assert len(adaptations.rows()) >= len(shared)


def test_capacity_is_fitted_to_full_adapters_and_predicts_others():
    people, bits = 400, bits_per_person()
    rows = [
        {"task": "400", "rank": 1, "facts": f, "bits": people * f * bits / 1000, "seed": seed}
        for seed, f in ((0, 0.3), (1, 0.5))
    ] + [{"task": "100", "rank": 1, "facts": 0.99, "bits": 1.0, "seed": 0}]
    fitted = adaptations.bits_when_full(rows)
    assert fitted == pytest.approx(people * 0.4 * bits / 1000)
    assert adaptations.predicted_recall(800, 1000, fitted) == pytest.approx(0.2)
    assert adaptations.predicted_recall(800, 2000, fitted) == pytest.approx(0.4)
    assert adaptations.predicted_recall(100, 1000, fitted) == 1.0
    assert np.isnan(adaptations.bits_when_full(rows, level=0.1))
