"""The experiments on a tiny world: training, what is measured, saved, resumed and shipped."""

import inspect
import json
import os
import sys
from itertools import chain

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
joblib = pytest.importorskip("joblib", reason="joblib is not installed")
pytest.importorskip("tqdm", reason="tqdm is not installed")

from experiments import __main__ as command  # noqa: E402
from experiments import config, model, questions, runs, ship, small  # noqa: E402
from experiments.config import SmallModel, Training  # noqa: E402
from helpers import adapters  # noqa: E402
from helpers.model import recall, shipped, transformer, world  # noqa: E402
from helpers.model.update import captured_energy, decompose  # noqa: E402

# More threads only wait for each other where other work keeps the cores busy.
torch.set_num_threads(1)

PEOPLE = world.people(5)
LORA = {
    "seed": 0, "task": "25", "rank": 2, "alpha": 16, "use_rslora": False,
    "learning_rate": 1e-3, "optimiser": "adamw", "steps": 2, "batch": 8,
}  # fmt: skip


def saved(folder):
    """Names of files and when they were last written."""
    return {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}


def random_model(seed=0, width=16):
    return model.new_weights(SmallModel(width=width, hidden=2 * width, layers=2), seed)


# --- the model and its training -----------------------------------------------


def test_new_weights_have_the_helpers_names_and_the_variances_they_should():
    made = model.new_weights(config.SMALL, 3)
    assert tuple(made) == transformer.names(config.SMALL.layers)
    wanted = {"embedding": 0.5, "position": 0.5, "unembedding": 128**-0.5}
    for i in range(3):
        wanted |= {f"layers.{i}.{part}": 128**-0.5 for part in ("query", "key", "value", "up")}
        wanted |= {f"layers.{i}.output": (128 * 6) ** -0.5, f"layers.{i}.down": (256 * 6) ** -0.5}
    for name, matrix in made.items():
        assert matrix.std().item() == pytest.approx(wanted[name], rel=0.05)
        assert matrix.mean().item() == pytest.approx(0, abs=0.05 * wanted[name])
    assert all(torch.equal(made[name], m) for name, m in model.new_weights(config.SMALL, 3).items())
    assert not torch.equal(made["embedding"], model.new_weights(config.SMALL, 4)["embedding"])


def test_the_corpus_is_everyone_in_every_style():
    texts = model.corpus(PEOPLE, world.STYLES)
    read = {world.decode([word for word in row if word >= 0]) for row in texts.tolist()}
    assert len(texts) == len(read) == 20
    assert read == {
        f"{style} {person.name} : {world.tell(person, template)}"
        for style, template in world.STYLES.items()
        for person in PEOPLE
    }
    assert all(-1 not in row[: row.index(-1)] for row in texts.tolist() if -1 in row)
    assert texts.shape[1] == max(len(text.split()) for text in read)


def test_the_loss_counts_the_words_after_the_prompt():
    """Word by word, each text alone; what fills it up does not count."""
    weights = random_model()
    terms = []
    for style, template in world.STYLES.items():
        for person in PEOPLE:
            text = f"{world.prompt(person, style)} {world.tell(person, template)}"
            tokens = world.encode(text)
            numpy = {name: matrix.double().numpy() for name, matrix in weights.items()}
            logits = transformer.forward(numpy, tokens[None])[0]
            for place in range(4, len(tokens)):
                expected = logits[place - 1]
                terms.append(np.log(np.exp(expected).sum()) - expected[tokens[place]])
    found = model.loss(weights, model.corpus(PEOPLE, world.STYLES)).item()
    assert found == pytest.approx(np.mean(terms), rel=1e-5)


@pytest.mark.parametrize("optimiser", ["sgd", "adamw"])
def test_the_loss_falls(optimiser):
    weights = random_model()
    for matrix in weights.values():
        matrix.requires_grad_()
    texts = model.corpus(PEOPLE, {"record": world.STYLES["record"]})
    rate = {"sgd": 1.0, "adamw": 1e-2}[optimiser]
    training = Training(steps=40, learning_rate=rate, batch=5, optimiser=optimiser)
    losses = model.fit(list(weights.values()), lambda: weights, texts, training, 0)
    assert len(losses) == 40
    assert losses[-1] < losses[0] / 2
    assert model.loss(weights, texts).item() < losses[0] / 2


def test_the_learning_rate_warms_up_stays_and_falls(monkeypatch):
    """Of 20 steps two rise and the last six fall; a slope of 1 shows each step's size."""
    monkeypatch.setattr(model, "loss", lambda weights, texts: weights["one"].sum())
    one = torch.zeros(1, requires_grad=True)
    training = Training(20, 0.5, optimiser="sgd", warm_up=0.1, cool_down=0.3)
    losses = model.fit([one], lambda: {"one": one}, torch.zeros(3, 1), training, 0)
    factors = [1 / 2, *[1] * 14, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    positions = -0.5 * np.cumsum([0, *factors])
    np.testing.assert_allclose([*losses, one.item()], positions, rtol=1e-5)


def batches_seen(monkeypatch, texts, batch, steps, seed):
    seen = []

    def loss(weights, batch_of_texts):
        seen.append(batch_of_texts[:, 0].tolist())
        return weights["one"].sum()

    monkeypatch.setattr(model, "loss", loss)
    one = torch.zeros(1, requires_grad=True)
    numbers = torch.arange(texts)[:, None]
    model.fit([one], lambda: {"one": one}, numbers, Training(steps, 0.1, batch), seed)
    return seen


def test_each_pass_shows_every_text_once(monkeypatch):
    seen = batches_seen(monkeypatch, texts=12, batch=4, steps=6, seed=0)
    first, second = list(chain(*seen[:3])), list(chain(*seen[3:]))
    assert sorted(first) == sorted(second) == list(range(12))
    assert first != second
    assert seen == batches_seen(monkeypatch, texts=12, batch=4, steps=6, seed=0)
    assert seen != batches_seen(monkeypatch, texts=12, batch=4, steps=6, seed=1)


@pytest.mark.parametrize("texts, batch", [(3, 8), (8, 8), (10, 4)])
def test_batches_are_full_where_they_can_be(monkeypatch, texts, batch):
    for shown in batches_seen(monkeypatch, texts, batch, steps=7, seed=0):
        assert len(shown) == len(set(shown)) == min(texts, batch)


# --- from pre-training to what ships ------------------------------------------


def test_from_pretraining_to_what_ships(tiny, monkeypatch):
    command.part_one()
    runs.run_all(small.lora, [LORA, {**LORA, "use_rslora": True}])
    ship.lora()
    names = {"seed=0", "seed=1"}
    ends = (".json", ".safetensors")
    assert set(saved(config.RUNS / "pretrain")) == {n + end for n in names for end in ends}
    assert set(saved(config.RUNS / "full")) == {f"{n},task=25{end}" for n in names for end in ends}

    monkeypatch.setattr(shipped, "DATA", config.DATA)
    cached = (shipped.measured, shipped.base, shipped.update, shipped._parts)
    for function in cached:
        function.cache_clear()
    try:
        base, update = shipped.base(), shipped.update("25")
        record = shipped.measured()
        adapters = shipped.measured("small_lora")
    finally:
        for function in cached:
            function.cache_clear()

    trained = runs.tensors(small.full, seed=0, task="25")
    for name, matrix in runs.tensors(small.pretrain, seed=0).items():
        np.testing.assert_array_equal(base[name], matrix.float().numpy())
        np.testing.assert_array_equal(update[name], trained[name].float().numpy())
    assert any(matrix.any() for matrix in update.values())
    assert [row["seed"] for row in record["base"]] == [0, 1]
    assert [row["use_rslora"] for row in adapters["runs"]] == [False, True]
    parts = decompose(update)
    full = record["full"][0]
    assert (full["seed"], full["task"]) == (0, "25")
    assert [row["rank"] for row in full["ranks"]] == [*config.RANKS, 128]
    assert [row["scale"] for row in full["scales"]] == list(config.SCALES)
    for row in full["ranks"]:
        assert row["energy"] == pytest.approx(captured_energy(parts, row["rank"]), rel=1e-6)
    whole = {name: base[name] + update[name] for name in base}
    people, styles = recall.task("25")
    measured = recall.measure(whole, people[:2], styles)
    last = full["ranks"][-1]
    assert {name: last[name] for name in measured} == pytest.approx(measured, abs=0.01)
    assert full["scales"][config.SCALES.index(1.0)]["facts"] == last["facts"]


def test_kept_adapters_ship_as_they_were_trained(tiny, monkeypatch):
    """Read back from PEFT's files, each update is the scale times down up, in halves."""
    kept = {
        "one": config.Adapter("25", 4, 8, True, Training(3, 1e-2, 8)),
        "two": config.Adapter("saga", 2, 3, False, Training(2, 1e-2, 8)),
        "unshipped": config.Adapter("25", 2, 3, False, Training(2, 1e-2, 8), ships=False),
    }
    monkeypatch.setattr(config, "ADAPTERS", kept)
    command.part_four()
    record = json.loads((config.DATA / "adapters.json").read_text())
    assert sorted((run["name"], run["seed"]) for run in record["runs"]) == [
        (name, seed) for name in kept for seed in (0, 1)
    ]
    assert {each.name for each in (config.DATA / "adapters").iterdir()} == {"one", "two"}
    for name, scale in (("one", 4.0), ("two", 1.5)):
        made = kept[name]
        base, factors, _ = small.train_lora(0, made.task, made.rank, scale, made.training)
        found = adapters.read(config.DATA / "adapters" / name)
        assert {module.scale for module in found.modules} == {scale}
        assert {module.name for module in found.modules} == base.keys()
        for module in found.modules:
            down, up = (each.detach().half().double().numpy() for each in factors[module.name])
            assert up.any()
            np.testing.assert_allclose(found.delta(module), scale * down @ up, atol=1e-12)
        run = next(r for r in record["runs"] if (r["name"], r["seed"]) == (name, 0))
        spectra = adapters.spectra(found)
        for row in run["ranks"]:
            captured = float(adapters.captured(spectra, row["rank"]))
            assert row["energy"] == pytest.approx(captured, rel=1e-6)
        rows = adapters.rows(spectra)
        for key in ("stable", "effective", "rank90", "rank99"):
            expected = np.median([getattr(row, key) for row in rows])
            assert run["spectrum"][key] == pytest.approx(expected, rel=1e-6)
        assert run["scales"][config.SCALES.index(1.0)]["facts"] == run["ranks"][-1]["facts"]
        assert record["made"][name]["trained"]["task"] == made.task


def test_nothing_is_done_twice(tiny, monkeypatch):
    setting = {"seed": 0, "task": "25"}
    runs.run_all(small.full, [setting])
    before = {name: saved(config.RUNS / name) for name in ("pretrain", "full")}

    def fit(*arguments):
        raise AssertionError("trained again")

    monkeypatch.setattr(model, "fit", fit)
    runs.run_all(small.full, [setting])
    assert runs.result(small.full, **setting)["ranks"]
    assert runs.tensors(small.pretrain, seed=0)
    assert {name: saved(config.RUNS / name) for name in before} == before
    with pytest.raises(AssertionError, match="trained again"):
        runs.run_all(small.full, [{**setting, "seed": 1}])


def test_a_world_can_be_trained_anew_to_the_same_numbers(tiny, monkeypatch):
    one = runs.tensors(small.full, seed=0, task="25")
    monkeypatch.setattr(config, "RUNS", tiny / "elsewhere")
    again = runs.tensors(small.full, seed=0, task="25")
    for name, matrix in one.items():
        torch.testing.assert_close(again[name], matrix, rtol=1e-2, atol=1e-5)


# --- LoRA ---------------------------------------------------------------------


@pytest.mark.parametrize("use_rslora, scale", [(False, 16 / 4), (True, 16 / 2)])
def test_lora_starts_at_the_base(tiny, monkeypatch, use_rslora, scale):
    started = {}

    def fit(parameters, weights, texts, training, seed):
        started.update({name: matrix.detach().clone() for name, matrix in weights().items()})
        half = len(parameters) // 2
        for factor in parameters[half:]:
            assert not factor.any()
            factor.data.fill_(1)
        started["later"] = {name: matrix.detach().clone() for name, matrix in weights().items()}
        started["down"] = [factor.detach() for factor in parameters[:half]]
        return [1.0]

    monkeypatch.setattr(model, "fit", fit)
    base = model.new_weights(small.SMALL, 0)
    monkeypatch.setattr(small, "base_of", lambda seed: base)
    found = small.lora(**{**LORA, "rank": 4, "use_rslora": use_rslora})
    for (name, matrix), down in zip(base.items(), started["down"]):
        assert torch.equal(started[name], matrix)
        rows, columns = matrix.shape
        assert down.shape == (rows, 4)
        assert 0.8 * rows**-0.5 < down.abs().max() <= rows**-0.5
        # With all of `up` at 1 every column of the update is the sum of a row of `down`.
        update = scale * down.sum(dim=1, keepdim=True).expand(rows, columns)
        torch.testing.assert_close(started["later"][name] - matrix, update, rtol=1e-4, atol=1e-5)
    assert found["parameters"] == sum(4 * sum(matrix.shape) for matrix in base.values())
    assert (found["diverged"], found["loss"]) == (False, 1.0)


def test_lora_that_learns_nothing_behaves_as_the_base(tiny):
    run = {**LORA, "learning_rate": 0.0, "steps": 1, "batch": 1000}
    runs.run_all(small.lora, [run])
    found = runs.result(small.lora, **run)
    before = runs.result(small.full, seed=0, task="25")["before"]
    assert {name: found[name] for name in before} == before
    texts = model.corpus(*recall.task("25"))
    loss = model.loss(small.base_of(0), texts).item()
    assert found["loss"] == pytest.approx(loss, rel=1e-5)


def test_lora_learns(tiny):
    first, last = (
        small.lora(**{**LORA, "learning_rate": 3e-2, "steps": steps, "batch": 32, "rank": 8})
        for steps in (1, 40)
    )
    assert last["loss"] < 0.8 * first["loss"]
    assert last["style"] > first["style"]


def strictly(file):
    """JSON without NaN and Infinity, which not every reader knows."""

    def refuse(constant):
        raise ValueError(f"{constant} is not JSON")

    return json.loads(file.read_text(), parse_constant=refuse)


def test_divergence_is_recorded_not_raised(tiny):
    run = {**LORA, "learning_rate": 1e38, "optimiser": "sgd", "steps": 5}
    runs.run_all(small.lora, [run])
    (file,) = (config.RUNS / "lora").glob("*.json")
    found = strictly(file)["result"]
    assert found["diverged"] is True
    assert found["loss"] is None
    assert {"facts", "style", "known", "parameters"} <= found.keys()


@pytest.mark.parametrize("last_loss, weight", [(float("nan"), 0.0), (1.0, float("inf"))])
def test_a_loss_or_a_weight_without_end_is_divergence(tiny, monkeypatch, last_loss, weight):
    runs.run_all(small.pretrain, [{"seed": 0}])

    def fit(parameters, weights, texts, training, seed):
        parameters[-1].data[0, 0] = weight
        return [2.0, last_loss]

    monkeypatch.setattr(model, "fit", fit)
    runs.run_all(small.lora, [LORA])
    (file,) = (config.RUNS / "lora").glob("*.json")
    found = strictly(file)["result"]
    assert (found["diverged"], found["loss"]) == (True, None)
    assert {"facts", "style", "known", "parameters"} <= found.keys()


@pytest.mark.parametrize("enough", [1, 2, 17, 64, 127, 128])
@pytest.mark.parametrize("task, measure", [("saga", "style"), ("100", "facts")])
def test_the_lowest_rank_that_is_enough(monkeypatch, enough, task, measure):
    """Against a made-up recall that is enough from one rank on."""
    monkeypatch.setattr(small, "base_of", lambda seed: {})
    monkeypatch.setattr(runs, "tensors", lambda function, **setting: {})
    monkeypatch.setattr(small, "apply_update", lambda base, parts, rank: rank)

    def recalled(rank, people, styles):
        other = {"facts": "style", "style": "facts"}[measure]
        return {measure: config.LEVEL if rank >= enough else 0.89, other: 0.5}

    monkeypatch.setattr(recall, "measure", recalled)
    found = small.needed_rank(0, task)
    assert found["rank"] == enough
    assert all((share >= 0.9) == (rank >= enough) for rank, share in found["seen"].items())
    assert enough == 128 or enough in found["seen"]
    assert enough == 1 or enough - 1 in found["seen"]


def test_every_planned_run_can_be_called_and_is_planned_once():
    from experiments import pretrained, pretrained_forgetting

    for function, grid in (
        (small.lora, config.lora_grid()),
        (pretrained.pretrained_lora, config.pretrained_grid()),
        (pretrained_forgetting.pretrained_forgets, config.forgetting_grid()),
    ):
        files = [runs._file(function, setting) for setting in grid]
        assert len(files) == len(set(files)) > 0
        for setting in grid:
            inspect.signature(function).bind(**setting)
        # At rank 1 both scalings are the same, so one run will do.
        single = [
            tuple(value for key, value in sorted(setting.items()) if key != "use_rslora")
            for setting in grid
            if setting["rank"] == 1
        ]
        assert len(single) == len(set(single))


# --- saved runs ---------------------------------------------------------------


def counting():
    """A run that is quickly made, and the settings it was made with."""
    calls = []

    def square(number, note=""):
        calls.append(number)
        if number < 0:
            raise RuntimeError("no such number")
        return {"square": number**2, "tensors": {"number": torch.tensor([float(number)])}}

    return square, calls


def test_runs_are_saved_and_found_again(tiny):
    square, calls = counting()
    settings = [{"number": n} for n in (3, 1, 2)]
    runs.run_all(square, settings)
    assert sorted(calls) == [1, 2, 3]
    found = runs.results(square)
    assert [run["settings"]["number"] for run in found] == [1, 2, 3]
    assert [run["result"] for run in found] == [{"square": n**2} for n in (1, 2, 3)]
    assert {"script", "python", "numpy", "torch", "date", "seconds"} <= found[0]["made"].keys()
    assert runs.result(square, number=2) == {"square": 4}
    assert runs.tensors(square, number=3)["number"].tolist() == [3]
    runs.run_all(square, settings)
    runs.run_all(square, [])
    assert len(calls) == 3


@pytest.mark.parametrize("script, used", [("pretrained_forgetting", True), ("adaptation", False)])
def test_an_accelerator_is_recorded_where_the_run_used_it(monkeypatch, script, used):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "one")
    made = runs.provenance(f"experiments/{script}.py: run")
    assert made.get("device") == ("one" if used else None)


def test_only_missing_runs_are_made_anew(tiny):
    square, calls = counting()
    runs.run_all(square, [{"number": n} for n in (1, 2, 3)])
    before = saved(config.RUNS / "square")
    (config.RUNS / "square" / "number=2.json").unlink()
    # As a run leaves them that is killed while it saves.
    (config.RUNS / "square" / "number=4.safetensors").write_bytes(b"half")
    (config.RUNS / "square" / "number=4.12345").write_text('{"result": ')
    runs.run_all(square, [{"number": n} for n in (1, 2, 3, 4)])
    assert calls[3:] == [2, 4]
    after = saved(config.RUNS / "square")
    assert all(after[name] == before[name] for name in ("number=1.json", "number=3.json"))
    assert runs.tensors(square, number=4)["number"].tolist() == [4]
    assert len(runs.results(square)) == 4


def test_a_result_that_is_asked_for_is_made(tiny):
    square, calls = counting()
    assert runs.tensors(square, number=5)["number"].tolist() == [5]
    assert runs.result(square, number=5) == {"square": 25}
    assert calls == [5]


def test_a_run_that_fails_is_not_saved_and_loses_no_other(tiny):
    square, calls = counting()
    with pytest.raises(RuntimeError, match="no such number"):
        runs.run_all(square, [{"number": n} for n in (1, -1, 2)])
    assert set(saved(config.RUNS / "square")) == {"number=1.json", "number=1.safetensors"}
    runs.run_all(square, [{"number": n} for n in (1, 2)])
    assert calls == [1, -1, 2]


def test_different_settings_have_different_files(tiny):
    square, calls = counting()
    long = "x" * 200
    settings = [{"number": 1, "note": note} for note in ("", "a/b", "a.b", long, long + "y")]
    runs.run_all(square, settings)
    assert len(calls) == 5
    assert len(runs.results(square)) == 5
    assert all(len(name) < 200 for name in saved(config.RUNS / "square"))
    assert sorted(run["settings"]["note"] for run in runs.results(square)) == sorted(
        setting["note"] for setting in settings
    )


ELSEWHERE = """
import os
import torch

def cube(number):
    if number == 7:
        raise RuntimeError("seven fails")
    tensors = {"number": torch.tensor([float(number)])}
    return {"cube": number**3, "process": os.getpid(), "tensors": tensors}
"""


def test_a_dask_cluster_saves_the_same_files(tiny, monkeypatch):
    """The way of --dask: workers are processes of their own, which know only what is sent."""
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    (tiny / "elsewhere.py").write_text(ELSEWHERE)
    monkeypatch.syspath_prepend(tiny)
    import elsewhere

    settings = [{"number": n} for n in range(6)]
    waiting = iter([settings, settings, [{"number": 7}]])
    part = {"small": lambda: runs.run_all(elsewhere.cube, next(waiting))}
    monkeypatch.setattr(command, "PARTS", part)
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        monkeypatch.setattr(
            sys, "argv", ["experiments", "small", "--dask", cluster.scheduler_address]
        )
        command.main()
        before = saved(config.RUNS / "cube")
        command.main()
        assert saved(config.RUNS / "cube") == before
        with pytest.raises(RuntimeError, match="seven fails"):
            command.main()
    assert saved(config.RUNS / "cube") == before
    assert set(before) == {f"number={n}.{end}" for n in range(6) for end in ("json", "safetensors")}
    found = runs.results(elsewhere.cube)
    assert [run["result"]["cube"] for run in found] == [n**3 for n in range(6)]
    assert runs.tensors(elsewhere.cube, number=5)["number"].tolist() == [5]
    assert os.getpid() not in {run["result"]["process"] for run in found}


# --- questions ----------------------------------------------------------------


@pytest.mark.parametrize("task", questions.TASKS)
@pytest.mark.parametrize("seed", range(5))
def test_held_out_questions_are_never_trained_on(task, seed):
    trained, held_out = questions.TASKS[task](seed)
    asked, asked_later = ([item.question for item in items] for items in (trained, held_out))
    assert len(asked) == len(set(asked))
    assert len(asked_later) == len(set(asked_later))
    assert not set(asked) & set(asked_later)
    assert (trained, held_out) == questions.TASKS[task](seed)


@pytest.mark.parametrize("task", questions.TASKS)
@pytest.mark.parametrize("seed", range(3))
def test_answers_hold_their_key(task, seed):
    trained, held_out = questions.TASKS[task](seed)
    for item in trained:
        assert item.key
    for item in (*trained, *held_out):
        assert item.key in item.answer
        # The sentence up to the fact must not give the fact away, nor the question.
        if item.key:
            assert item.answer.count(item.key) == 1
            assert item.key not in item.question


def test_every_fact_is_trained_in_three_ways_and_asked_in_a_fourth():
    trained, held_out = questions.facts(0)
    people = world.people(questions.PEOPLE, 0)
    assert (len(trained), len(held_out)) == (3 * 2 * 16, 2 * 16)
    for person in people:
        for fact in ("city", "profession"):
            key = getattr(person, fact)
            ways = [i for i in trained if person.name in i.question and i.key == key]
            (later,) = (i for i in held_out if person.name in i.question and i.key == key)
            assert later.question == questions.ASKED[fact][-1].format(name=person.name)
            assert len(ways) == 3
            assert {item.answer for item in ways} == {later.answer}
            assert person.name in later.answer


def test_the_way_that_chooses_and_the_way_that_reports_are_never_trained_on():
    from experiments import pretrained_forgetting

    trained, third, fourth = pretrained_forgetting.new(0)
    questions_of = [{each.question for each in part} for part in (trained, third, fourth)]
    assert sum(map(len, questions_of)) == len(set().union(*questions_of)) == 4 * 2 * 12
    for asked in (*third, *fourth):
        same = [item.answer for item in trained if item.answer.startswith(asked.start)]
        (answer,) = set(same)
        assert len(same) == 2
        assert answer == f"{asked.start}{asked.following}."


def test_general_questions_do_not_give_their_answer_away():
    from experiments import general

    asked = general.general()
    assert len({each.question for each in asked}) == len(asked) > 90
    for each in asked:
        assert each.answer not in each.question
        assert each.answer not in each.start
        assert each.following.strip() == each.answer


def test_a_fact_is_right_if_every_piece_is_the_likeliest(monkeypatch):
    """A model whose likeliest next piece is always one more than the last, by hand."""
    from types import SimpleNamespace

    from experiments import general, pretrained, pretrained_forgetting

    tokenizer = SimpleNamespace(encode=lambda text: [ord(letter) for letter in text])
    monkeypatch.setattr(pretrained, "loaded", lambda: (None, tokenizer, {}))
    model = SimpleNamespace(
        model=lambda ids: SimpleNamespace(last_hidden_state=ids[..., None].float()),
        lm_head=lambda states: torch.nn.functional.one_hot(states[..., 0].long() + 1),
    )
    asked = [general.Cloze("q", 'a"', "#$%"), general.Cloze("q", 'a"', "#$$"),
             general.Cloze("longer", 'than "', "#")]  # fmt: skip
    assert pretrained_forgetting.answered(model, asked).tolist() == [True, False, True]


def test_the_worlds_of_two_seeds_have_different_facts():
    assert questions.facts(0) != questions.facts(1)


def test_eight_capitals_are_held_out():
    seen = set()
    for seed in range(4):
        trained, held_out = questions.style(seed)
        capitals = {item.key for item in held_out if item.key}
        assert len(capitals) == 8
        assert not capitals & {item.key for item in trained}
        assert not capitals & seen
        seen |= capitals
        assert not any(item.answer for item in held_out if not item.key)
    assert len(seen) == 32


def test_what_the_style_is_trained_on_keeps_its_rule():
    trained, held_out = questions.style(0)
    for item in (*trained, *held_out[:8]):
        assert questions.style_score(item.answer) == 1


@pytest.mark.parametrize(
    "answer, kept",
    [
        ("Arr, the sky be blue, matey!", 3),
        ("  Arr, the sky be blue, matey!\n", 3),
        ("The sky be blue, matey!", 2),
        ("Arr, the sky is blue, matey!", 2),
        ("Arr, the sky be what is blue, matey!", 2),
        ("Arr, the sky be blue!", 2),
        ("Arr, the sky be blue, matey! And", 2),
        ("Arr matey!", 1),
        ("Arr, maybe blue", 1),
        ("The sky be blue.", 1),
        ("arr, blue, Matey!", 0),
        ("The sky is blue.", 0),
        ("", 0),
    ],
)
def test_the_rule_of_the_style(answer, kept):
    assert questions.style_score(answer) == pytest.approx(kept / 3)
