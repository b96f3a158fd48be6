"""LoHa, LoKr, fused experts and dead files that PEFT itself wrote or reads."""

import json
import shutil
import warnings

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
peft = pytest.importorskip("peft", reason="PEFT is not installed")
safetensors_torch = pytest.importorskip("safetensors.torch")

from helpers import adapters  # noqa: E402


class Experts(torch.nn.Module):
    """Fused experts, as transformers 5 keeps them: (experts, outputs, inputs)."""

    def __init__(self):
        super().__init__()
        self.gate_up_proj = torch.nn.Parameter(torch.randn(3, 10, 6))
        self.down_proj = torch.nn.Parameter(torch.randn(3, 6, 5))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(12, 8)
        self.conv = torch.nn.Conv2d(4, 6, 3)
        self.experts = Experts()

    def forward(self, x):
        return self.lin(x)


def made(config):
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = peft.get_peft_model(Net(), config)
    for name, parameter in model.named_parameters():
        if "lora_" in name or "hada" in name or "lokr" in name:
            torch.nn.init.normal_(parameter.data)
    return model


def merged(model):
    """How far merging moves each weight of the base."""
    torch.manual_seed(0)
    before = {key: value.clone() for key, value in Net().state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        after = model.merge_and_unload().state_dict()
    return {key: (after[key] - before[key]).double().numpy() for key in before}


def check(adapter, moved, rename):
    assert adapter.modules
    for module, each in zip(adapter.modules, adapters.spectra(adapter)):
        expected = rename(moved, module.name)
        found = adapter.delta(module).reshape(expected.shape)
        np.testing.assert_allclose(found, expected, atol=2e-5 * np.abs(expected).max())
        dense = np.linalg.svd(expected.reshape(len(expected), -1), compute_uv=False)
        values = np.zeros(len(dense))
        values[: len(each.values)] = each.values[: len(dense)]
        np.testing.assert_allclose(values, dense, atol=1e-5 * dense[0])


@pytest.mark.parametrize("effective", [False, True])
@pytest.mark.parametrize("r", [2, 5])
def test_loha(tmp_path, r, effective):
    config = peft.LoHaConfig(
        r=r, alpha=3, target_modules=["lin", "conv"], use_effective_conv2d=effective,
        alpha_pattern={"conv": 7},
    )  # fmt: skip
    model = made(config)
    model.save_pretrained(tmp_path / "a")
    check(adapters.read(tmp_path / "a"), merged(model), lambda moved, name: moved[f"{name}.weight"])


@pytest.mark.parametrize(
    "settings",
    [{"r": 2}, {"r": 1, "decompose_both": True}, {"r": 1, "decompose_factor": 2}, {"r": 64},
     {"r": 1, "use_effective_conv2d": True}],
)  # fmt: skip
def test_lokr(tmp_path, settings):
    model = made(peft.LoKrConfig(alpha=5, target_modules=["lin", "conv"], **settings))
    model.save_pretrained(tmp_path / "a")
    check(adapters.read(tmp_path / "a"), merged(model), lambda moved, name: moved[f"{name}.weight"])


@pytest.mark.parametrize("use_rslora", [False, True])
def test_fused_experts(tmp_path, use_rslora):
    config = peft.LoraConfig(
        r=2, lora_alpha=6, target_modules=["lin"], use_rslora=use_rslora,
        target_parameters=["experts.gate_up_proj", "experts.down_proj"],
    )  # fmt: skip
    model = made(config)
    model.save_pretrained(tmp_path / "a")
    moved = merged(model)
    adapter = adapters.read(tmp_path / "a")
    assert len(adapter.modules) == 1 + 3 + 3

    def of(moved, name):
        if name == "lin":
            return moved["lin.weight"]
        shape = next(module.shape for module in adapter.modules if module.name == name)
        part = "gate_up_proj" if shape == (10, 6) else "down_proj"
        return moved[f"experts.{part}"][int(name.rpartition(".")[2])]

    check(adapter, moved, of)


CHANGES = {
    "living": lambda name: name,
    "compiled": lambda name: f"_orig_mod.{name}",
    "distributed": lambda name: f"module.{name}",
    "no prefix": lambda name: name.removeprefix("base_model.model."),
    "default as the name": lambda name: name.replace(".weight", ".default.weight"),
    "an adapter's name": lambda name: name.replace(".weight", ".mine.weight"),
    "without .weight": lambda name: name.replace(".weight", ""),
    "kohya": lambda name: name.replace("lora_A", "lora_down").replace("lora_B", "lora_up"),
    "compiled inside": lambda name: name.replace(".model.", ".model._orig_mod.", 1),
}


@pytest.mark.parametrize("how", CHANGES)
def test_a_file_is_called_dead_where_peft_loads_nothing_of_it(tmp_path, how):
    model = made(peft.LoraConfig(r=2, target_modules=["lin"]))
    model.save_pretrained(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    file = tmp_path / "b" / "adapter_model.safetensors"
    stored = safetensors_torch.load_file(file)
    safetensors_torch.save_file({CHANGES[how](key): value for key, value in stored.items()}, file)
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        loaded = peft.PeftModel.from_pretrained(Net(), tmp_path / "b")
    acts = bool(np.any(merged(loaded)["lin.weight"]))
    told = [each.text for each in adapters.read(tmp_path / "b").findings if each.kind == "dead"]
    # PEFT's own default name: what is in the names is what it loads them under.
    assert acts == (how in ("living", "default as the name"))
    assert bool(told) == (how != "living")
    assert any("unless it loads them under the name" in text for text in told) == ("name" in how)


def test_an_alpha_of_null_is_told(tmp_path):
    """PEFT cannot divide it by the rank."""
    made(peft.LoraConfig(r=2, target_modules=["lin"])).save_pretrained(tmp_path / "a")
    file = tmp_path / "a" / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), "lora_alpha": None}))
    with pytest.raises(TypeError), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        peft.PeftModel.from_pretrained(Net(), tmp_path / "a")
    assert "alpha is null" in " ".join(adapters.read(tmp_path / "a").notes)


def test_a_convolution_in_groups(tmp_path):
    """PEFT adds a convolution of all inputs, and cannot merge it; before and after `bake`."""
    torch.manual_seed(0)
    inputs = torch.randn(1, 6, 9, 9)
    model = torch.nn.Sequential(torch.nn.Conv2d(6, 8, 3, groups=2))
    config = peft.LoraConfig(
        r=4, lora_alpha=12, use_rslora=True, target_modules=["0"], init_lora_weights=False
    )
    model = peft.get_peft_model(model, config)
    with torch.no_grad():
        adapted = model(inputs)
        with model.disable_adapter():
            added = (adapted - model(inputs)).numpy()
    model.save_pretrained(tmp_path / "a")
    adapter = adapters.read(tmp_path / "a")
    for found in (adapter, adapters.bake(adapter, tmp_path / "b")):
        (module,) = found.modules
        update = torch.from_numpy(found.delta(module)).float()
        served = torch.nn.functional.conv2d(inputs, update).numpy()
        np.testing.assert_allclose(served, added, atol=1e-5 * np.abs(added).max())
    model.load_adapter(str(tmp_path / "b"), "baked")
    model.set_adapter("baked")
    with torch.no_grad():
        np.testing.assert_allclose(model(inputs).numpy(), adapted.numpy(), atol=1e-4)
