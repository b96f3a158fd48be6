"""The map of rank, scale and rate on a tiny world: adapting, examining, merging, identities."""

import inspect
import json
import signal
import sys

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
joblib = pytest.importorskip("joblib", reason="joblib is not installed")
pytest.importorskip("tqdm", reason="tqdm is not installed")

from experiments import __main__ as command  # noqa: E402
from experiments import (  # noqa: E402
    adaptation,
    config,
    examination,
    grid,
    identities,
    model,
    plans,
    records,
    runs,
    ship,
    small,
    times,
)
from experiments.config import Training  # noqa: E402
from helpers.lora import intruders  # noqa: E402
from helpers.model import adaptations, world  # noqa: E402
from helpers.model import update as model_update  # noqa: E402

torch.set_num_threads(1)

SETTING = {
    "seed": 0, "rank": 2, "scale": 4.0, "learning_rate": 3e-2, "task": "25", "steps": 6, "batch": 8,
}  # fmt: skip


def trained(**changes):
    """The base, the update and the losses of `SETTING`."""
    setting = {**SETTING, **changes}
    base = adaptation.starting_base(setting["seed"])
    training = Training(setting["steps"], setting["learning_rate"], setting["batch"])
    update, losses, _ = adaptation.train(
        base, setting["seed"], setting["rank"], setting["scale"], training, setting["task"]
    )
    return base, update, losses


# --- adapting -----------------------------------------------------------------


@pytest.mark.parametrize("alpha, use_rslora, scale", [(8, False, 4.0), (8, True, 8 / 2**0.5)])
def test_a_point_of_the_map_is_the_lora_that_the_first_sweeps_trained(
    tiny, alpha, use_rslora, scale
):
    """So `small_lora.json` and the map may be read together."""
    common = {key: SETTING[key] for key in ("seed", "task", "rank", "steps", "batch")}
    before = small.lora(
        **common, alpha=alpha, use_rslora=use_rslora, learning_rate=3e-2, optimiser="adamw"
    )
    now = adaptation.adapt(**{**SETTING, "scale": scale})
    assert {key: now[key] for key in ("parameters", "diverged", "facts", "style", "known")} == {
        key: before[key] for key in ("parameters", "diverged", "facts", "style", "known")
    }
    assert now["loss"] == pytest.approx(before["loss"], abs=1e-5)


def test_a_run_of_which_nothing_is_said_is_plain():
    """What `helpers` takes a run to be is what it was trained as."""
    said = inspect.signature(adaptation.adapt).parameters
    assert adaptations.PLAIN == {
        name: parameter.default
        for name, parameter in said.items()
        if parameter.default is not inspect.Parameter.empty
    }


def test_one_step_of_full_sgd_is_the_gradient(tiny):
    base = adaptation.starting_base(0)
    training = Training(1, 0.5, batch=1000, optimiser="sgd", cool_down=0.0)
    update, _, parameters = adaptation.train(base, 0, None, 1.0, training, "25")
    for matrix in base.values():
        matrix.requires_grad_()
    model.loss(base, adaptation.corpus("25", 0)).backward()
    assert parameters == sum(matrix.numel() for matrix in base.values())
    for name, matrix in base.items():
        torch.testing.assert_close(update[name], -0.5 * matrix.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("placement, ends", adaptation.PLACEMENTS.items())
@pytest.mark.parametrize("rank", [2, None])
def test_only_the_chosen_matrices_are_adapted(tiny, placement, ends, rank):
    base = adaptation.starting_base(0)
    training = Training(3, 3e-2, batch=8)
    update, _, parameters = adaptation.train(
        base, 0, rank, 4.0, training, "25", placement=placement
    )
    assert update.keys() == {name for name in base if name.endswith(ends)}
    assert all(bool(matrix.any()) for matrix in update.values())
    each = {name: matrix.numel() if rank is None else rank * sum(matrix.shape)
            for name, matrix in base.items() if name in update}  # fmt: skip
    assert parameters == sum(each.values())


def test_the_placements_that_are_compared_have_equal_numbers_of_parameters():
    shapes = {name: matrix.shape for name, matrix in model.new_weights(config.SMALL, 0).items()}
    numbers = [
        rank * sum(sum(shape) for name, shape in shapes.items()
                   if name.endswith(adaptation.PLACEMENTS[placement]))
        for placement, rank in grid.PLACED
    ]  # fmt: skip
    assert max(numbers) / min(numbers) < 1.03


def test_mixed_in_people_are_known_and_never_asked_about(tiny):
    plain, mixed = (adaptation.corpus("25", 0, share).tolist() for share in (0.0, 0.25))
    assert len(mixed) == len(plain) + 3 * len(world.STYLES)
    asked = {person.name for person in world.people("known")[: config.EVALUATED_KNOWN]}
    texts = [world.decode([t for t in row if t >= 0]) for row in mixed]
    named = {" ".join(text.split()[1:3]) for text in texts}
    assert not named & asked
    assert named == {p.name for p in (*world.people(25), *world.people("known")[9:])}
    with pytest.raises(ValueError, match=r"replayed must leave the 2 known people.*got 0.9 of 12"):
        adaptation.corpus("25", 0, 0.9)


def test_the_starts_of_the_factors(tiny):
    base = {"one": torch.zeros(400, 300)}
    down, up = adaptation.start_factors(base, 8, 3, "uniform")["one"]
    assert not up.any()
    assert 0.95 / 20 < down.abs().max().item() <= 1 / 20
    down, up = adaptation.start_factors(base, 8, 3, "gaussian")["one"]
    assert not up.any()
    assert down.std().item() == pytest.approx(1 / 8, rel=0.05)
    down, up = adaptation.start_factors(base, 8, 3, "up")["one"]
    assert not down.any()
    assert up.any()


def test_a_run_that_diverges_is_recorded(tiny):
    found = adaptation.adapt(**{**SETTING, "learning_rate": 1e38, "optimiser": "sgd"})
    assert found["diverged"] is True
    assert (found["loss"], found["facts"], found["known"]) == (None, 0.0, 0.0)


def test_four_bits_round_to_the_nearest_of_sixteen():
    matrix = torch.randn(7, 19, generator=torch.Generator().manual_seed(0))
    rounded = adaptation.nf4(matrix, block=64)
    flat, got = matrix.flatten().tolist(), rounded.flatten().tolist()
    for i, (number, value) in enumerate(zip(flat, got)):
        block = flat[i // 64 * 64 : i // 64 * 64 + 64]
        levels = [level * max(map(abs, block)) for level in adaptation.NF4.tolist()]
        assert value == pytest.approx(min(levels, key=lambda level: abs(level - number)), abs=1e-6)
    torch.testing.assert_close(adaptation.nf4(rounded), rounded)
    assert not torch.equal(rounded, matrix)


def test_quantised_starts_from_the_rounded_base(tiny):
    plain, rounded = (adaptation.starting_base(0, quantised) for quantised in (False, True))
    for name, matrix in plain.items():
        torch.testing.assert_close(rounded[name], adaptation.nf4(matrix))
        assert not torch.equal(rounded[name], matrix)


# --- examining ----------------------------------------------------------------


@pytest.mark.parametrize("rank", [8, None])
def test_what_is_left_of_an_update_cut_and_turned_down(tiny, monkeypatch, rank):
    monkeypatch.setattr(examination, "DIALS", (0.0, 0.5))
    monkeypatch.setattr(examination, "CUTS", (2, 4, 64))
    monkeypatch.setattr(examination, "BOTH", ((4, 64), (0.7,)))
    found = examination.examine(**{**SETTING, "rank": rank})
    rows = {(row["rank"], row["dial"]): row for row in found["after"]}
    assert set(rows) == {(None, 0.0), (None, 0.5), (2, 1.0), (4, 1.0), (4, 0.7)}
    base, update, _ = trained(rank=rank)
    before = small.behaviour(small.as_numpy(base), "25", 0)
    assert {n: rows[None, 0.0][n] for n in ("facts", "known")} == {
        n: before[n] for n in ("facts", "known")
    }
    parts = model_update.decompose(small.as_numpy(update))
    for (cut, dial), row in rows.items():
        matrices = {
            name: p.U[:, :cut] @ np.diag(dial * p.S[:cut]) @ p.Vt[:cut] for name, p in parts.items()
        }
        whole = {n: matrix.numpy() + matrices[n] for n, matrix in base.items()}
        again = small.behaviour(whole, "25", 0)
        assert (row["facts"], row["known"]) == (again["facts"], again["known"])
    assert found["energy"]["2"] == pytest.approx(model_update.captured_energy(parts, 2), abs=1e-4)
    counts = found["intruder_counts"]
    for name, matrix in base.items():
        after = (matrix + update[name]).numpy()
        assert counts[name] == len(intruders.intruders(matrix.numpy(), after))
    assert [row["dial"] for row in found["intruders"]] == list(examination.INTRUDER_DIALS)
    ways = {row["way"]: row for row in found["four_bits"]}
    rounded = {name: adaptation.nf4(matrix) for name, matrix in base.items()}
    beside = {name: rounded[name] + update[name] for name in base}
    again = small.behaviour(small.as_numpy(beside), "25", 0)
    assert ways["beside"]["known"] == again["known"]
    assert found["loss"] == adaptation.adapt(**{**SETTING, "rank": rank})["loss"]


def test_turning_intruders_down_is_what_peft_does():
    """PEFT's own function on a layer of ours, before it makes factors of the result."""
    peft = pytest.importorskip("peft")
    mitigation = pytest.importorskip("peft.tuners.lora.intruders")
    torch.manual_seed(0)
    layer = torch.nn.Sequential(torch.nn.Linear(24, 20, bias=False))
    peft_model = peft.get_peft_model(layer, peft.LoraConfig(r=20, target_modules=["0"]))
    adapted = peft_model.base_model.model[0]
    with torch.no_grad():
        adapted.lora_B["default"].weight.normal_()
    before = adapted.get_base_layer().weight.detach().T
    after = before + adapted.get_delta_weight("default").detach().T
    mitigation.reduce_intruder_dimension(
        peft_model, top_k=5, threshold_epsilon=0.6, mitigation_lambda=0.3, logging_sink=None
    )
    expected = before + adapted.get_delta_weight("intruder_reduced").detach().T
    assert len(intruders.intruders(before, after, level=0.6, top=5)) > 0
    ours = intruders.turned_down(before, after, 0.3, level=0.6, top=5)
    np.testing.assert_allclose(ours, expected.numpy(), atol=1e-4)
    assert not np.allclose(ours, after.numpy(), atol=1e-2)


# --- merging ------------------------------------------------------------------


def test_ties_place_by_place():
    generator = torch.Generator().manual_seed(1)
    updates = [torch.randn(6, 5, generator=generator) for _ in range(2)]
    merged = examination.ties(updates, density=0.4)
    kept = []
    for update in updates:
        limit = sorted(update.abs().flatten().tolist())[-12]
        kept.append([[x if abs(x) >= limit else 0.0 for x in row] for row in update.tolist()])
    for i in range(6):
        for j in range(5):
            values = [matrix[i][j] for matrix in kept]
            sign = np.sign(sum(values))
            agree = [value for value in values if value and np.sign(value) == sign]
            expected = sum(agree) / len(agree) if agree else 0.0
            assert merged[i, j].item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("other", ["saga", "people"])
def test_merged_adapters(tiny, monkeypatch, other):
    monkeypatch.setattr(examination, "STEPS", 3)
    found = examination.merge(0, other, 2, 4.0, 3e-2)
    assert [row["task"] for row in found["alone"]] == ["first", "other"]
    assert len(found["merged"]) == len(examination.SUMS) + len(examination.TIES_DIALS)
    assert -1 <= found["cosine"] <= 1
    rows = found["alone"] + found["merged"]
    assert all(0 <= row[name] <= 1 for row in rows for name in ("facts", "other", "known"))


# --- identities ---------------------------------------------------------------


@pytest.mark.parametrize("pair", identities.PAIRS)
def test_scale_and_rate_are_the_same_where_they_are_said_to_be(tiny, pair):
    found = identities.identity(0, pair, rank=2, steps=6)
    assert found["predicted"] == identities.PAIRS[pair].equal
    if pair == "eps as it is":  # how much it matters hangs on the size of the gradients
        assert found["difference"] < 0.05
    elif found["predicted"]:
        assert found["difference"] < 1e-9
    else:
        assert found["difference"] > identities.EQUAL


# --- the record that ships ----------------------------------------------------


def test_a_fresh_clone_goes_on_from_the_record(tiny, monkeypatch):
    settings = [{**SETTING, "rank": rank, "scale": 1.0} for rank in (2, None)]
    config.DATA.mkdir()
    runs.run_all(adaptation.adapt, settings)
    ship.small_map()
    before = runs.results(adaptation.adapt)
    record = json.loads((config.DATA / "small_map.json").read_text())
    assert [row["rank"] for row in record["adapt"]] == [2, None]

    monkeypatch.setattr(config, "RUNS", tiny / "elsewhere")
    assert runs.results(adaptation.adapt) == before
    assert runs.result(adaptation.adapt, **settings[0]) == before[0]["result"]
    with monkeypatch.context() as patch:
        patch.setattr(model, "fit", lambda *arguments: pytest.fail("trained again"))
        runs.run_all(adaptation.adapt, settings)
    runs.run_all(adaptation.adapt, [*settings, {**SETTING, "rank": 4}])
    assert len(list((config.RUNS / "adapt").glob("*.json"))) == 1
    ship.small_map()
    again = json.loads((config.DATA / "small_map.json").read_text())
    assert len(again["adapt"]) == 3
    assert all(row in again["adapt"] for row in record["adapt"])
    assert len(again["made"]["makers"]) == 1


def test_a_result_with_the_name_of_a_setting_cannot_be_recorded():
    run = {"settings": {"rank": 1}, "result": {"rank": 2}, "made": {"date": "", "seconds": 1}}
    with pytest.raises(ValueError, match="a result must not be called as a setting is"):
        records.together({"adapt": [run]})


# --- the grids ----------------------------------------------------------------


def test_every_planned_run_of_the_map_can_be_called_and_is_planned_once(monkeypatch):
    best = {None: (1.0, 1e-4), 64: (2.0, 3e-4), 16: (4.0, 3e-4), 4: (4.0, 1e-3), 1: (16.0, 3e-3)}
    monkeypatch.setattr(grid, "chosen", lambda: best)
    asked = [each for part in plans.PARTS.values() for each in part()]
    for function, settings in asked:
        names = [runs._name(setting) for setting in settings]
        assert len(names) == len(set(names)) > 0
        for setting in settings:
            inspect.signature(function).bind(**setting)
    chosen_on = {run["seed"] for _, settings in plans.the_map() for run in settings}
    reported = {run["seed"] for run in (*grid.examined(), *grid.around(), *grid.mixed())}
    assert chosen_on == set(grid.CHOOSE)
    assert reported == set(grid.REPORT)
    assert not chosen_on & reported


def test_every_run_that_ships_is_planned():
    asked = [each for part in plans.PARTS.values() for each in part()]
    for function in plans.FUNCTIONS:
        names = {
            runs._name(run) for made, settings in asked if made is function for run in settings
        }
        shipped = {runs._name(run["settings"]) for run in records.read(function)}
        assert shipped, function
        assert shipped <= names


def test_how_long_the_runs_take():
    """A run without seconds is as long as its kind; README states what the command prints."""
    kind, other = ("adapt", 32), ("base",)
    found = {"small": [(other, 1, 3600.0), (other, 1, None)],
             "report": [(kind, 100, 7200.0), (kind, 200, 3600.0), (kind, 400, None)]}  # fmt: skip
    rows = {row[0]: row[1:] for row in times.table(found, [(other, 1, 1800.0)]).rows}
    assert rows["small"] == (2, 1, "1.8", "1.0")
    assert rows["report"] == (3, 2, "8.0", "3.5")
    assert rows["make experiments"] == (5, 3, "9.8", "4.5")
    assert f"-m experiments {' '.join(times.MAKE)} --anew" in (config.ROOT / "Makefile").read_text()
    lines = (config.ROOT / "experiments" / "README.md").read_text().splitlines()
    recalls = [(("needed_rank", task), 1, 1.0) for task in config.FULL]
    for line in repr(times.table(times.planned(), recalls)).splitlines():
        if line.startswith(("make", "small")):  # how long a recall takes is another at each run
            line = line[: line.index(".") - 1]
        assert any(each.startswith(line) for each in lines), line


def test_a_run_between_the_rates_of_the_map_changes_nothing_that_follows(monkeypatch):
    def run(world, rate, known):
        settings = grid.adapted(world, 16, 4.0, rate)
        return {"settings": settings, "result": {"facts": 1.0, "known": known}}

    found = [run(w, rate, known) for w in (0, 1, 2) for rate, known in ((1e-4, 0.6), (6e-5, 0.8))]
    monkeypatch.setattr(grid, "swept_rows", list)
    monkeypatch.setattr(runs, "results", lambda function: found)
    assert grid.chosen() == {16: (4.0, 1e-4)}
    assert {each["learning_rate"] for each in grid.refined()}.isdisjoint(grid.RATES)


def test_the_map_spans_what_it_says():
    rows = grid.the_map(0)
    assert {row["rank"] for row in rows} == {1, 4, 16, 64}
    scales = {row["scale"] for row in rows}
    assert max(scales) / min(scales) >= 64
    assert len({row["learning_rate"] for row in rows}) >= 5


# --- workers that are killed --------------------------------------------------

KILLED = """
import os
import signal
import time

def fragile(number):
    if number == 2:
        time.sleep(2)
        os.kill(os.getpid(), signal.SIGKILL)
    return {"square": number**2}
"""


def test_killed_workers_are_reported_and_nothing_finished_is_lost(tiny, monkeypatch):
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    import dask

    (tiny / "fragile_runs.py").write_text(KILLED)
    monkeypatch.syspath_prepend(tiny)
    import fragile_runs

    part = {"small": lambda: runs.run_all(fragile_runs.fragile, [{"number": 1}, {"number": 2}])}
    monkeypatch.setattr(command, "PARTS", part)

    def too_long(*arguments):
        raise TimeoutError("waited for a run that will never come back")

    previous = signal.signal(signal.SIGALRM, too_long)
    signal.alarm(120)
    try:
        with (
            dask.config.set({"distributed.scheduler.allowed-failures": 0}),
            distributed.LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
            ) as cluster,
        ):
            arguments = ["experiments", "small", "--dask", cluster.scheduler_address]
            monkeypatch.setattr(sys, "argv", arguments)
            with pytest.raises(RuntimeError, match="every worker that took it was killed"):
                command.main()
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)
    assert [run["result"] for run in runs.results(fragile_runs.fragile)] == [{"square": 1}]
