"""The adapters that ship, and all modules of an adapter taken together."""

import hashlib
import json
import re
import shutil

import numpy as np
import pytest

from helpers import adapters
from helpers.adapters.spectra import Spectrum
from helpers.model import recall, results, shipped
from helpers.model.update import apply_update
from tests.support.adapter_figures import FOLDER, TASKS, record, updates
from tests.support.adapters import draw, peft_folder


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the adapters to damage, with nothing remembered before and after."""
    shutil.copytree(FOLDER, tmp_path / "adapters")
    for name in ("adapters.json", shipped.CHECKSUMS):
        shutil.copy(FOLDER.parent / name, tmp_path)
    monkeypatch.setattr(shipped, "DATA", tmp_path)
    caches = (shipped.measured, adapters.shipped)
    for function in caches:
        function.cache_clear()
    yield tmp_path / "adapters"
    for function in caches:
        function.cache_clear()


@pytest.mark.parametrize("name", adapters.SHIPPED)
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
    assert all(each.multiplier == 1 for each in adapters.shipped(name).modules)


@pytest.mark.parametrize("name", adapters.SHIPPED)
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


@pytest.mark.parametrize("call", [results.adapter, results.adapter_spectrum, adapters.shipped])
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
    with pytest.raises(shipped.DataError, match=rf"{re.escape(file)} (is damaged|cannot be)"):
        adapters.shipped("people")
    assert adapters.shipped("style").modules


def test_json_without_its_spaces_is_no_damage(copied):
    """JupyterLite hands it out so."""
    path = copied / "people" / "adapter_config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config, separators=(",", ":")))
    assert adapters.shipped("people").modules
    adapters.shipped.cache_clear()
    path.write_text(json.dumps({**config, "r": 8}, separators=(",", ":")))
    with pytest.raises(shipped.DataError, match="is damaged"):
        adapters.shipped("people")


def test_applied_is_the_update_of_every_matrix():
    parts = adapters.applied(adapters.shipped("crowd"))
    expected = updates("crowd")
    assert parts.keys() == expected.keys() == shipped.base().keys()
    zero = {name: np.zeros_like(matrix) for name, matrix in shipped.base().items()}
    for name, matrix in apply_update(zero, parts, 16).items():
        np.testing.assert_allclose(matrix, expected[name], atol=1e-12)
        assert len(parts[name].S) == 16


def test_only_the_small_models_adapters_apply(tmp_path):
    other = adapters.read(peft_folder(tmp_path / "other"))
    with pytest.raises(ValueError, match=r"must be one of the small model.*got 5 modules such as"):
        adapters.applied(other)


# --- all modules together -------------------------------------------------------


def of(*values):
    return Spectrum("m", "linear", (9, 9), len(values), 1.0, np.array(values, dtype=float))


THREE = [of(5, 2, 1), of(3, 3, 0, 0), of(0.5, 0.1)]


def brute_error(spectra, rank, scales):
    """Diagonal matrices, entry by entry."""
    missed = total = 0.0
    for each, s in zip(spectra, scales):
        for i, value in enumerate(each.values):
            total += value**2
            missed += (value - (s * value if i < rank else 0)) ** 2
    return np.sqrt(missed / total)


@pytest.mark.parametrize("rank", [1, 2, 3, 4, 99])
@pytest.mark.parametrize("scales", [(1, 1, 1), (0.25, 0.25, 0.25), (2, 0.5, 0)])
def test_error_of_all_modules(rank, scales):
    expected = brute_error(THREE, rank, scales)
    assert adapters.error_at(THREE, rank, scales) == pytest.approx(expected, abs=1e-12)
    if len(set(scales)) == 1:
        assert adapters.error_at(THREE, rank, scales[0]) == pytest.approx(expected, abs=1e-12)
        ranks = np.array([[1, rank], [2, 3]])
        assert adapters.error_at(THREE, ranks, scales[0])[0, 1] == pytest.approx(
            expected, abs=1e-12
        )
    kept = 1 - brute_error(THREE, rank, (1, 1, 1)) ** 2
    assert adapters.captured(THREE, rank) == pytest.approx(kept)


@pytest.mark.parametrize("size", [1e-200, 1e200])
def test_no_overflow(size):
    scaled = [of(*(each.values * size)) for each in THREE]
    assert adapters.error_at(scaled, 2) == pytest.approx(brute_error(THREE, 2, (1, 1, 1)))


def test_updates_of_zero():
    zero = [of(0, 0), of(0)]
    assert (adapters.captured(zero, 1), adapters.error_at(zero, 1, 2.0)) == (1, 0)


def test_the_plan_agrees_with_the_whole():
    people = adapters.shipped("people")
    cuts = adapters.plan(people, rank=5)
    whole = adapters.error_at(adapters.spectra(people), 5)
    assert adapters.total_error(cuts) == pytest.approx(float(whole), rel=1e-9)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: adapters.error_at(THREE, 0), "rank must be a whole number at least 1, got 0"),
        (lambda: adapters.error_at(THREE, 1.5), "rank must be a whole number"),
        (lambda: adapters.error_at(THREE, 1, -1), "scale must be one number or 3, all at least 0"),
        (lambda: adapters.error_at(THREE, 1, [1, 2]), "scale must be one number or 3"),
        (lambda: adapters.error_at(THREE, 1, float("nan")), "scale must be one number or 3"),
        (lambda: adapters.captured([], 1), "spectra must hold at least one module, got none"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- the map ----------------------------------------------------------------------


def named(*names):
    spectra = [
        Spectrum(name, "linear", (9, 9), 2, 1.0, np.array([i + 1.0, 0]))
        for i, name in enumerate(names)
    ]
    return adapters.layer_map(adapters.rows(spectra), "norm")


def test_blocks_of_two_beginnings_do_not_hide_each_other():
    layers, modules, values = named(
        "unet.up_blocks.1.attn.q", "unet.down_blocks.1.attn.q", "unet.down_blocks.0.attn.q"
    )
    assert layers == ["up_blocks.1", "down_blocks.0", "down_blocks.1"]
    assert modules == ["attn.q"]
    np.testing.assert_array_equal(values.T, [[1, 3, 2]])


def test_kohyas_names_have_layers_too():
    layers, modules, values = named(
        "lora_te_text_model_encoder_layers_10_self_attn_q_proj",
        "lora_te_text_model_encoder_layers_9_self_attn_q_proj",
    )
    assert (layers, modules) == (["9", "10"], ["self_attn_q_proj"])
    np.testing.assert_array_equal(values, [[2], [1]])


def test_a_blocks_own_blocks_are_layers():
    """The last number counts: SDXL's names would else give a row to each block's module."""
    layers, modules, _ = named(
        "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0_attn1_to_q",
        "lora_unet_down_blocks_1_attentions_1_transformer_blocks_0_attn1_to_q",
        "lora_unet_up_blocks_1_attentions_1_transformer_blocks_3_attn1_to_q",
    )
    assert modules == ["attn1_to_q"]
    assert layers[1] == "down_blocks_1_attentions_1_transformer_blocks_0"
    assert len(set(layers)) == 3


def test_a_figure_of_many_modules_leaves_names_out_and_writes_no_numbers(tmp_path):
    from helpers import figures

    modules = [
        (f"blocks.{i}.part_{j}.linear", "linear", (2, 5), (4, 2)) for i in range(30)
        for j in range(25)
    ]  # fmt: skip
    folder = peft_folder(tmp_path / "big", modules=modules, r=2, rank_pattern={})
    picture = figures.AdapterMap(adapters.read(folder)).draw(field="norm")
    assert picture.texts == {}
    assert picture.image.get_array().shape == (25, 30)
    (ax, _bar) = picture.figure.axes
    assert len(ax.get_xticklabels()) <= 24
    assert len(ax.get_yticklabels()) <= 20
    assert "750 modules in 30 layers" in picture.description
    assert len(picture.png()) > 1000


def test_a_map_without_layers_says_so(tmp_path):
    from helpers import figures

    folder = peft_folder(
        tmp_path / "flat", modules=[("head", "linear", (2, 5), (4, 2))], r=2, rank_pattern={}
    )
    with pytest.raises(ValueError, match="a layer's number in their names, got head"):
        figures.AdapterMap(adapters.read(folder))


def test_a_cut_of_modules_of_different_rank_and_of_zero(tmp_path):
    """The reader's mark is at the median ratio; its error takes each module's own."""
    from helpers import figures

    made = {
        "a.0.q": (draw(1, 3, 8), draw(2, 6, 3)),
        "a.1.q": (draw(3, 12, 8), draw(4, 6, 12)),
        "a.2.q": (draw(5, 3, 8), np.zeros((6, 3))),
    }
    modules = [(name, "linear", A.shape, B.shape) for name, (A, B) in made.items()]
    folder = peft_folder(
        tmp_path / "mixed", made, modules=modules, r=3, rank_pattern={"a.1.q": 12},
        use_rslora=True,
    )  # fmt: skip
    adapter = adapters.read(folder)
    picture = figures.AdapterCut(adapter).draw(rank=2, scale=1.0)
    spectra = adapters.spectra(adapter)
    expected = brute_error(spectra, 2, [2**-0.5] * 3)  # of the file that is cut to rank 2
    assert picture.drawn["readers"]["alpha/r"] == pytest.approx((2**-0.5, expected), abs=1e-9)
    picture.draw(rank=6, scale=1.0)
    expected = brute_error(spectra, 6, [3**-0.5, 6**-0.5, 3**-0.5])
    assert picture.drawn["readers"]["alpha/r"] == pytest.approx((3**-0.5, expected), abs=1e-9)
    assert picture.highest == 6
    for bad in (0, 7, 1.5):
        with pytest.raises(ValueError, match=r"rank must be .* 1 and 6"):
            picture.draw(rank=bad)
    with pytest.raises(ValueError, match="scale must be"):
        picture.draw(rank=2, scale=-1)
