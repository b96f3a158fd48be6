"""Adapters that PEFT itself saved, and what PEFT makes of ours: scales, updates, merged weights."""

import json
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
peft = pytest.importorskip("peft", reason="PEFT is not installed")
Conv1D = pytest.importorskip("transformers.pytorch_utils").Conv1D

from helpers import adapters  # noqa: E402
from helpers.adapters.__main__ import main  # noqa: E402

TARGETS = ["first", "second", "words", "picture", "point", "line"]


class Block(torch.nn.Module):
    """One layer of every kind that is read; `.` in the names as in a real model."""

    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(9, 12)
        self.second = torch.nn.Linear(12, 7, bias=False)
        self.words = torch.nn.Embedding(15, 8)
        self.picture = torch.nn.Conv2d(3, 10, (3, 2), padding=1)
        self.point = torch.nn.Conv2d(6, 5, 1)
        self.line = torch.nn.Conv1d(4, 6, 3)
        self.head = torch.nn.Linear(4, 4)


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.ModuleList([Block(), Block()])


class Transposed(torch.nn.Module):
    """GPT-2's layer keeps its weight as (inputs, outputs)."""

    def __init__(self):
        super().__init__()
        self.c_attn = Conv1D(11, 6)


SETTINGS = {
    "plain": {"r": 4, "lora_alpha": 16},
    "rslora": {"r": 4, "lora_alpha": 6, "use_rslora": True},
    "patterns": {
        "r": 4, "lora_alpha": 16, "rank_pattern": {"second": 2, "layers.1.words": 3},
        "alpha_pattern": {"^layers.0.first": 5, r"layers\.\d+\.picture": 7.5},
    },
    "rslora and patterns": {
        "r": 3, "lora_alpha": 5, "use_rslora": True, "rank_pattern": {r".*\.(first|point)": 5},
        "alpha_pattern": {"point": 2},
    },
    "modules to save": {"r": 3, "lora_alpha": 2, "modules_to_save": ["head"]},
    "bias of B": {
        "r": 4, "lora_alpha": 2, "lora_bias": True, "target_modules": ["first", "picture"],
    },
}  # fmt: skip


def quietly(function, *arguments, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **settings)


def trained(base=Net, **settings):
    """A PEFT model whose factors, all of them, are random."""
    torch.manual_seed(0)
    config = peft.LoraConfig(
        **{"target_modules": TARGETS, "init_lora_weights": False, "lora_dropout": 0.0, **settings}
    )
    return quietly(peft.get_peft_model, base(), config)


def saved(folder, base=Net, dtype=None, **settings):
    model = trained(base, **settings)
    if dtype is not None:
        model = model.to(dtype)
    quietly(model.save_pretrained, folder)
    return model


def layers(model):
    return {
        name.removeprefix("base_model.model."): layer
        for name, layer in model.named_modules()
        if isinstance(layer, peft.tuners.lora.LoraLayer)
    }


def loaded(folder, base=Net):
    """PEFT's own reading of a folder into a fresh base model."""
    torch.manual_seed(0)
    return quietly(peft.PeftModel.from_pretrained, base(), folder)


def deltas(model):
    return {
        name: layer.get_delta_weight("default").detach().double().numpy()
        for name, layer in layers(model).items()
    }


def assert_close(ours, theirs, dtype=np.float32):
    assert ours.keys() == theirs.keys()
    for name in theirs:
        size = np.abs(theirs[name]).max()
        assert size > 0
        atol = 8 * float(np.finfo(dtype).eps) * size
        np.testing.assert_allclose(ours[name], theirs[name], rtol=0, atol=atol, err_msg=name)


def ours(adapter):
    return {module.name: adapter.delta(module) for module in adapter.modules}


@pytest.mark.parametrize("name", SETTINGS)
def test_scales_and_updates_are_those_of_peft(tmp_path, name):
    model = saved(tmp_path / "adapter", **SETTINGS[name])
    adapter = adapters.read(tmp_path / "adapter")
    theirs = layers(model)
    assert {module.name for module in adapter.modules} == set(theirs)
    for module in adapter.modules:
        layer = theirs[module.name]
        assert module.scale == pytest.approx(layer.scaling["default"], rel=1e-14)
        assert (module.rank, module.alpha) == (layer.r["default"], layer.lora_alpha["default"])
        assert module.shape[0] * module.shape[1] == layer.get_base_layer().weight.numel()
    assert_close(ours(adapter), deltas(model))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_every_float_type(tmp_path, dtype):
    model = saved(tmp_path / "adapter", dtype=dtype, r=4, lora_alpha=16)
    adapter = adapters.read(tmp_path / "adapter")
    assert {module.dtype for module in adapter.modules} == {
        {torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64"}[dtype]
    }
    # In double: PEFT's own product would be rounded to the type of the factors.
    assert_close(ours(adapter), deltas(model.double()), np.float64)


def test_spectra_are_those_of_pefts_merged_update(tmp_path):
    model = saved(tmp_path / "adapter", **SETTINGS["rslora and patterns"])
    adapter = adapters.read(tmp_path / "adapter")
    updates = deltas(model)
    for spectrum in adapters.spectra(adapter):
        dense = updates[spectrum.name]
        dense = dense.reshape(len(dense), -1)
        expected = np.linalg.svd(dense, compute_uv=False)
        values = np.zeros(len(expected))
        values[: len(spectrum.values)] = spectrum.values
        np.testing.assert_allclose(values, expected, rtol=0, atol=1e-5 * expected[0])


@pytest.mark.parametrize("use_rslora", [False, True])
def test_a_transposed_base_weight(tmp_path, use_rslora):
    settings = {"r": 3, "lora_alpha": 5, "fan_in_fan_out": True, "use_rslora": use_rslora}
    model = saved(tmp_path / "adapter", Transposed, target_modules=["c_attn"], **settings)
    adapter = adapters.read(tmp_path / "adapter")
    assert adapter.modules[0].transposed
    assert ours(adapter)["c_attn"].shape == (6, 11)
    assert_close(ours(adapter), deltas(model))


@pytest.mark.parametrize("name", [*SETTINGS])
def test_a_baked_adapter_is_the_same_to_peft(tmp_path, name):
    model = saved(tmp_path / "adapter", **SETTINGS[name])
    assert main(["bake", str(tmp_path / "adapter"), str(tmp_path / "baked")]) == 0
    again = loaded(tmp_path / "baked")
    assert not again.peft_config["default"].use_rslora
    assert {layer.scaling["default"] for layer in layers(again).values()} == {1.0}
    assert len({layer.r["default"] for layer in layers(again).values()}) == 1
    assert_close(deltas(again), deltas(model))


TARGET = {"rank": {"rank": 2}, "energy": {"energy": 0.8}, "error": {"error": 0.3}}


@pytest.mark.parametrize("target", TARGET)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_truncated_adapter_in_peft(tmp_path, name, target):
    """PEFT's update of the copy is the truncated SVD of its update of the original."""
    model = saved(tmp_path / "adapter", **SETTINGS[name])
    adapter = adapters.read(tmp_path / "adapter")
    cuts = adapters.truncate(adapter, tmp_path / "cut", **TARGET[target])
    again = loaded(tmp_path / "cut")
    full, lower = deltas(model), deltas(again)
    assert_close(ours(adapters.read(tmp_path / "cut")), lower)
    assert any(cut.rank < cut.before for cut in cuts)
    for cut in cuts:
        layer = layers(again)[cut.name]
        assert layer.r["default"] == cut.rank
        assert layer.scaling["default"] * cut.fold == pytest.approx(
            layers(model)[cut.name].scaling["default"], rel=1e-12
        )
        dense = full[cut.name].reshape(len(full[cut.name]), -1)
        U, S, Vt = np.linalg.svd(dense, full_matrices=False)
        best = (U[:, : cut.rank] * S[: cut.rank]) @ Vt[: cut.rank]
        found = lower[cut.name].reshape(dense.shape)
        np.testing.assert_allclose(found, best, rtol=0, atol=1e-5 * S[0])
        error = np.linalg.norm(found - dense) / np.linalg.norm(dense)
        assert error == pytest.approx(cut.error, abs=1e-5)


@pytest.mark.parametrize("written", ["adapter", "baked", "cut"])
def test_merged_weights_are_the_base_and_our_update(tmp_path, written):
    saved(tmp_path / "adapter", **SETTINGS["rslora and patterns"])
    adapter = adapters.read(tmp_path / "adapter")
    adapters.bake(adapter, tmp_path / "baked")
    adapters.truncate(adapter, tmp_path / "cut", energy=0.9)
    torch.manual_seed(0)
    base = {key: value.double().numpy() for key, value in Net().state_dict().items()}
    merged = quietly(loaded(tmp_path / written).merge_and_unload).state_dict()
    updates = ours(adapters.read(tmp_path / written))
    assert len(updates) == 12
    for name, update in updates.items():
        found = merged[f"{name}.weight"].double().numpy()
        expected = base[f"{name}.weight"] + update
        assert np.abs(update).max() > 0.1
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-6 * np.abs(expected).max())


@pytest.mark.parametrize("name", ["patterns", "modules to save", "bias of B"])
def test_merged_weights_of_a_truncated_adapter(tmp_path, name):
    """Everything that is not cut is carried over: whole modules, and biases that scale."""
    saved(tmp_path / "adapter", **SETTINGS[name])
    adapter = adapters.read(tmp_path / "adapter")
    adapters.truncate(adapter, tmp_path / "cut", error=0)
    one, other = (
        quietly(loaded(tmp_path / each).merge_and_unload).state_dict()
        for each in ("adapter", "cut")
    )
    assert one.keys() == other.keys()
    changed = 0
    torch.manual_seed(0)
    fresh = Net().state_dict()
    for key, expected in one.items():
        torch.testing.assert_close(other[key], expected, rtol=1e-5, atol=3e-6)
        changed += not torch.equal(expected, fresh[key])
    assert changed >= 4


def test_a_low_precision_copy_keeps_its_type(tmp_path):
    model = saved(tmp_path / "adapter", dtype=torch.bfloat16, r=4, lora_alpha=16)
    adapter = adapters.read(tmp_path / "adapter")
    adapters.truncate(adapter, tmp_path / "cut", rank=4)
    again = adapters.read(tmp_path / "cut")
    assert {module.dtype for module in again.modules} == {"BF16"}
    assert_close(ours(again), deltas(model.double()), np.float16)
    with torch.no_grad():
        assert_close(ours(again), deltas(loaded(tmp_path / "cut").double()), np.float64)


def test_what_peft_saves_beside_the_factors_is_named(tmp_path):
    saved(tmp_path / "dora", use_dora=True, target_modules=["first"], r=2)
    dora = adapters.read(tmp_path / "dora")
    assert set(dora.ignored.values()) == {"DoRA magnitude"}
    with pytest.raises(adapters.FileError, match="DoRA"):
        adapters.truncate(dora, tmp_path / "cut", rank=1)
    saved(tmp_path / "whole", **SETTINGS["modules to save"])
    whole = adapters.read(tmp_path / "whole")
    assert set(whole.ignored) == {
        f"base_model.model.layers.{i}.head.{part}" for i in (0, 1) for part in ("weight", "bias")
    }


@pytest.mark.parametrize("key", ["second", "layers.1.second", r"layers\.0.*", "s.cond", "econd"])
def test_patterns_match_as_in_peft(key):
    from peft.utils.other import get_pattern_key

    from helpers.adapters import peft as rules

    table = {key: 2, "layers.1.first": 3}
    for name in ("layers.0.second", "layers.1.second", "layers.1.first", "xlayers.1.first"):
        expected = table.get(get_pattern_key(table.keys(), name), 4)
        assert rules.find(rules.compile_patterns(table, "here"), name, 4) == expected


def test_a_config_that_peft_refuses_is_refused(tmp_path):
    """Config and weights that disagree: an error from both."""
    saved(tmp_path / "adapter", r=4, lora_alpha=16)
    file = tmp_path / "adapter" / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "r": 5}))
    with pytest.raises(adapters.FileError, match="disagree"):
        adapters.read(tmp_path / "adapter")
    with pytest.raises(RuntimeError, match="size mismatch"):
        loaded(tmp_path / "adapter")
