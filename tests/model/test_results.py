"""The measured results as arrays: nothing lost, nothing made up, and what follows from them."""

import numpy as np
import pytest

from helpers.model import results, world
from tests.support.model_figures import capacity_rows, stored, truncated_rows


@pytest.mark.parametrize("task", ["saga", "25", "100", "400"])
def test_truncated_has_every_row_of_the_file(task):
    found = results.truncated(task)
    assert found.seeds == (0, 1, 2)
    rows = truncated_rows(task)
    assert found.values["facts"].size == len(rows)
    for name in ("facts", "style", "known", "energy"):
        assert sorted(found.values[name].ravel()) == sorted(row[name] for row in rows)
    assert np.all(np.diff(found.mean("energy")) > 0)
    scales = results.truncated(task, "scales")
    full_rank = found.values["facts"][:, -1]
    np.testing.assert_array_equal(scales.values["facts"][:, list(scales.at).index(1)], full_rank)


@pytest.mark.parametrize("task", ["saga", "25", "100", "400", "1600"])
def test_trained_has_every_row_of_the_file(task):
    found, rows = results.trained(task), capacity_rows(task)
    measured = found.values["facts"][np.isfinite(found.values["facts"])]
    assert sorted(measured) == sorted(row["facts"] for row in rows)
    shapes = [(466, 128), (36, 128), (128, 466)]
    shapes += 3 * (4 * [(128, 128)] + [(128, 256), (256, 128)])
    for rank, size in zip(found.at, found.mean("parameters")):
        assert size == rank * sum(d + k for d, k in shapes)


def test_families_are_told_apart_by_what_was_set():
    for row in stored("small_lora")["runs"]:
        capacity = (row["alpha"], row["learning_rate"], row["use_rslora"]) == (4, 3e-3, True)
        assert row["family"] == ("capacity" if capacity else "sweep")
        assert capacity or (row["alpha"], row["task"]) == (16, "100")


def test_every_run_of_the_sweep_is_found_once():
    rows = [row for row in stored("small_lora")["runs"] if row["alpha"] == 16]
    found = 0
    for optimiser in ("adamw", "sgd"):
        for rank in {row["rank"] for row in rows if row["optimiser"] == optimiser}:
            for use_rslora in (False, True)[: 1 if rank == 1 else 2]:
                values = results.over_rates(optimiser, use_rslora, rank).values["facts"]
                found += np.isfinite(values).sum()
    assert found == len(rows)
    one = [results.over_rates("adamw", use, 1).values["facts"] for use in (False, True)]
    np.testing.assert_array_equal(*one)


def test_a_diverged_run_recalls_nothing():
    rows = stored("small_lora")["runs"]
    gone = [row for row in rows if row["diverged"]]
    assert gone
    assert all(row["facts"] == 0 and row["loss"] is None for row in gone)


def test_needed_ranks_are_between_the_grid_ranks_that_bracket_them():
    for task, name in (("saga", "style"), ("25", "facts"), ("100", "facts"), ("400", "facts")):
        grid = results.truncated(task)
        above = grid.reaches(name, 0.9)
        for rank, upper in zip(results.needed_rank(task), above):
            assert upper / 2 < rank <= upper


def test_bits_per_parameter():
    bits = 6 + 6 + 6 + np.log2(100)
    got = results.bits_per_parameter(400, [0.5, 1.0], [1000, 2000])
    np.testing.assert_allclose(got, [200 * bits / 1000, 400 * bits / 2000])
    assert world.bits_per_person() == pytest.approx(bits)
    with pytest.raises(ValueError, match="parameters must be finite and above 0, got 0"):
        results.bits_per_parameter(1, 1, 0)


def test_pretrained_curves_and_spectra():
    data = stored("pretrained")
    for task in ("style", "facts"):
        found = results.pretrained_truncated(task)
        rows = [row for run in data["full"] if run["task"] == task for row in run["ranks"]]
        assert sorted(found.values[task].ravel()) == sorted(row[task] for row in rows)
        count = 0
        for rate in results.pretrained_rates(task):
            for use_rslora in (False, True):
                trained = results.pretrained_trained(task, use_rslora, rate)
                above_one = trained.values[task][:, trained.at > 1]
                count += np.isfinite(above_one).sum()
        assert count == sum(row["task"] == task and row["rank"] > 1 for row in data["lora"])
        kinds = results.pretrained_spectra(task)
        assert sum(map(len, kinds.values())) == 210
        for values in (each for layers in kinds.values() for each in layers):
            assert np.all(np.diff(values) <= 0)
            assert values[-1] >= 0
        # The energies of the file are those of the spectra that ship beside it.
        stacked = [values**2 for layers in kinds.values() for values in layers]
        for row in next(r for r in data["full"] if (r["task"], r["seed"]) == (task, 0))["ranks"]:
            kept = sum(each[: row["rank"]].sum() for each in stacked)
            energy = kept / sum(each.sum() for each in stacked)
            assert energy == pytest.approx(row["energy"], abs=2e-3)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: results.truncated("50"), "task must be one of 'saga', .* got '50'"),
        (lambda: results.truncated("25", "noise"), "side must be one of 'ranks', 'scales'"),
        (lambda: results.trained("7"), "task must be one of"),
        (lambda: results.needed_rank("1600"), "task must be one of"),
        (lambda: results.over_rates("lion", True, 4), "optimiser must be one of 'adamw', 'sgd'"),
        (lambda: results.pretrained_truncated("saga"), "task must be one of 'style', 'facts'"),
        (lambda: results.pretrained_trained("saga", True, 1.0), "task must be one of"),
        (lambda: results.pretrained_spectra("saga"), "task must be one of"),
    ],
)
def test_unknown_names(call, message):
    with pytest.raises(ValueError, match=message):
        call()
