"""The adapters that ship: the files that were recorded, and what they do."""

import hashlib
import json
import re
import shutil

import numpy as np
import pytest

from helpers import adapters, datafiles
from helpers.model import recall, results, shipped
from helpers.model.tasks import SHIPPED_ADAPTERS
from helpers.model.update import apply_update
from tests.support.adapter_figures import FOLDER, TASKS, record, updates
from tests.support.adapters import peft_folder


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the adapters to damage, with nothing remembered before and after."""
    shutil.copytree(FOLDER, tmp_path / "adapters")
    for name in ("adapters.json", shipped.CHECKSUMS):
        shutil.copy(FOLDER.parent / name, tmp_path)
    monkeypatch.setattr(shipped, "DATA", tmp_path)
    caches = (shipped.measured, shipped.adapter)
    for function in caches:
        function.cache_clear()
    yield tmp_path / "adapters"
    for function in caches:
        function.cache_clear()


@pytest.mark.parametrize("name", SHIPPED_ADAPTERS)
def test_files_are_the_recorded_ones_and_say_how_they_were_trained(name):
    made = record()["made"][name]
    for file, digest in made["sha256"].items():
        content = (FOLDER / name / file).read_bytes()
        if file.endswith(".json"):
            content = json.dumps(json.loads(content), sort_keys=True).encode()
        assert hashlib.sha256(content).hexdigest() == digest
    assert made["trained"]["task"] == TASKS[name]
    assert {"script", "date", "seconds", "numpy", "torch"} <= made.keys()
    config = json.loads((FOLDER / name / "adapter_config.json").read_text())
    trained = made["trained"]
    assert (config["r"], config["lora_alpha"]) == (trained["rank"], trained["alpha"])
    assert config["use_rslora"] == trained["use_rslora"]
    kept = SHIPPED_ADAPTERS[name]
    rule = "alpha/sqrt(r)" if trained["use_rslora"] else "alpha/r"
    assert (kept.task.name, kept.rank, kept.alpha, kept.rule) == (
        trained["task"], trained["rank"], trained["alpha"], rule,
    )  # fmt: skip
    assert all(each.scale == 1 for each in shipped.adapter(name).modules)


@pytest.mark.parametrize("name", SHIPPED_ADAPTERS)
def test_what_was_measured_is_what_the_files_do(name):
    """The recorded behaviour, measured again from the files with our own arithmetic."""
    (run,) = (r for r in record()["runs"] if (r["name"], r["seed"]) == (name, 0))
    base = shipped.base()
    whole = {key: base[key] + update for key, update in updates(name).items()}
    people, styles = recall.task(TASKS[name])
    found = recall.measure(whole, people[:60], styles)
    learned = "style" if name == "style" else "facts"
    assert found[learned] == pytest.approx(run["ranks"][-1][learned], abs=0.02)
    assert found[learned] > 0.98


def test_every_adapter_has_every_seed_and_curves_are_its_rows():
    rows = record()["runs"]
    assert sorted({(r["name"], r["seed"]) for r in rows}) == sorted(
        (name, seed) for name in results.ADAPTERS for seed in (0, 1, 2)
    )
    for name in results.ADAPTERS:
        for side, names in (("ranks", ("facts", "known", "energy")), ("scales", ("style",))):
            curves = results.adapter(name, side)
            assert curves.seeds == (0, 1, 2)
            own = [row for r in rows if r["name"] == name for row in r[side]]
            for key in names:
                assert sorted(curves.values[key].ravel()) == sorted(row[key] for row in own)
        medians = [r["spectrum"]["effective"] for r in rows if r["name"] == name]
        np.testing.assert_array_equal(results.adapter_spectrum(name)["effective"], medians)


@pytest.mark.parametrize("call", [results.adapter, results.adapter_spectrum, shipped.adapter])
def test_unknown_names(call):
    with pytest.raises(ValueError, match=r"name must be one of 'people', .* got 'typo'"):
        call("typo")


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        ("adapter_config.json", None),
        ("adapter_config.json", lambda content: content.replace(b'"lora_alpha": 4', b'"alpha": 4')),
        ("adapter_config.json", lambda content: content[:-3]),
        ("adapter_model.safetensors", None),
        ("adapter_model.safetensors", lambda content: content[:-1]),
        ("adapter_model.safetensors", lambda content: content + b" "),
    ],
)
def test_damage_is_named(copied, file, spoil):
    path = copied / "people" / file
    if spoil is None:
        path.unlink()
    else:
        path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(datafiles.DataError, match=rf"{re.escape(file)} (is damaged|cannot be)"):
        shipped.adapter("people")
    assert shipped.adapter("style").modules


def test_json_without_its_spaces_is_no_damage(copied):
    """JupyterLite hands it out so."""
    path = copied / "people" / "adapter_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config, separators=(",", ":")))
    assert shipped.adapter("people").modules
    shipped.adapter.cache_clear()
    path.write_text(json.dumps({**config, "r": 8}, separators=(",", ":")))
    with pytest.raises(datafiles.DataError, match="is damaged"):
        shipped.adapter("people")


def test_applied_is_the_update_of_every_matrix():
    parts = shipped.applied(shipped.adapter("crowd"))
    expected = updates("crowd")
    assert parts.keys() == expected.keys() == shipped.base().keys()
    zero = {name: np.zeros_like(matrix) for name, matrix in shipped.base().items()}
    for name, matrix in apply_update(zero, parts, 16).items():
        np.testing.assert_allclose(matrix, expected[name], atol=1e-12)
        assert len(parts[name].S) == 16


def test_only_the_small_models_adapters_apply(tmp_path):
    other = adapters.read(peft_folder(tmp_path / "other"))
    with pytest.raises(ValueError, match=r"must be one of the small model.*got 5 modules such as"):
        shipped.applied(other)
