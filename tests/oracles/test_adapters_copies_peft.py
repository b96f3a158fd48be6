"""Copies in the tools that they are for: what PEFT and Diffusers make of them is what we say."""

import json
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
        self.down_proj = torch.nn.Parameter(torch.randn(3, 6, 5))


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(12, 8)
        self.out = torch.nn.Linear(8, 9, bias=False)
        self.conv = torch.nn.Conv2d(4, 6, 3)
        self.embed_tokens = torch.nn.Embedding(11, 7)
        self.experts = Experts()

    def forward(self, x):
        return self.lin(x)


def base():
    torch.manual_seed(0)
    return Net()


def quietly(function, *arguments, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **settings)


def saved(folder, seed=1, **settings):
    model = quietly(peft.get_peft_model, base(), peft.LoraConfig(**settings))
    torch.manual_seed(seed)
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter.data)
    quietly(model.save_pretrained, folder)
    return folder


def moved(folder):
    """How far PEFT's merging moves each weight."""
    before = base().state_dict()
    model = quietly(peft.PeftModel.from_pretrained, base(), folder)
    after = quietly(model.merge_and_unload).state_dict()
    return {key: (after[key] - before[key]).double().numpy() for key in before}


def close(found, expected, rounding=8 * 2**-23):
    for key, one in expected.items():
        atol = rounding * max(1.0, np.abs(one).max())
        np.testing.assert_allclose(found[key], one, rtol=0, atol=atol, err_msg=key)


MIXED = {
    "r": 3, "lora_alpha": 7, "use_rslora": True, "target_modules": ["lin", "conv", "embed_tokens"],
    "rank_pattern": {"conv": 2}, "alpha_pattern": {"lin": 5},
}  # fmt: skip
FUSED = {"r": 2, "lora_alpha": 6, "target_modules": ["lin", "out"], "rank_pattern": {"lin": 4},
         "target_parameters": ["experts.down_proj"]}  # fmt: skip


@pytest.mark.parametrize("settings", [MIXED, FUSED], ids=["mixed", "experts"])
def test_peft_moves_the_weights_alike(tmp_path, settings):
    """Baked, or cut at no error; and a LoRA of what PEFT merged, where it can be one."""
    expected = moved(saved(tmp_path / "a", **settings))
    adapter = adapters.read(tmp_path / "a")
    for pad in (True, False):
        adapters.bake(adapter, tmp_path / f"b{pad}", pad)
        close(moved(tmp_path / f"b{pad}"), expected)
    adapters.truncate(adapter, tmp_path / "c", error=0)
    close(moved(tmp_path / "c"), expected)
    cuts = adapters.truncate(adapter, tmp_path / "d", rank=1)
    for cut in cuts:
        if f"{cut.name}.weight" in expected:
            one = expected[f"{cut.name}.weight"]
            missed = np.linalg.norm(moved(tmp_path / "d")[f"{cut.name}.weight"] - one)
            assert missed / np.linalg.norm(one) == pytest.approx(cut.error, abs=1e-5)


@pytest.mark.parametrize("start", ["gaussian", "orthogonal", "mica", "eva"])
def test_starts_that_peft_repeats_on_loading_take_the_copys_rank(tmp_path, start):
    """The orthogonal start wants an even rank, MiCA's one below the layer's sides."""
    settings = {"r": 4, "lora_alpha": 8, "init_lora_weights": start, "use_rslora": True}
    expected = moved(saved(tmp_path / "a", target_modules=["lin", "out"], **settings))
    adapter = adapters.read(tmp_path / "a")
    adapters.bake(adapter, tmp_path / "b")
    close(moved(tmp_path / "b"), expected)
    cuts = adapters.truncate(adapter, tmp_path / "c", rank=3)
    found = moved(tmp_path / "c")
    for cut in cuts:
        one = expected[f"{cut.name}.weight"]
        missed = np.linalg.norm(found[f"{cut.name}.weight"] - one) / np.linalg.norm(one)
        assert missed == pytest.approx(cut.error, abs=1e-5)


def test_a_dora_adapter_is_baked(tmp_path):
    """Its magnitudes are of W + s B A, which stays as it is."""
    settings = {"r": 3, "lora_alpha": 5, "use_dora": True, "use_rslora": True}
    expected = moved(saved(tmp_path / "a", target_modules=["lin", "out"], **settings))
    adapters.bake(adapters.read(tmp_path / "a"), tmp_path / "b")
    close(moved(tmp_path / "b"), expected)


def test_peft_finds_names_that_were_mended(tmp_path):
    expected = moved(saved(tmp_path / "a", **MIXED))
    file = tmp_path / "a" / "adapter_model.safetensors"
    stored = safetensors_torch.load_file(file)
    for number, change in enumerate(
        (lambda name: f"_orig_mod.{name}", lambda name: f"module.{name}",
         lambda name: name.removeprefix("base_model.model."))
    ):  # fmt: skip
        safetensors_torch.save_file({change(name): each for name, each in stored.items()}, file)
        assert not any(np.any(each) for each in moved(tmp_path / "a").values())
        adapters.bake(adapters.read(tmp_path / "a"), tmp_path / f"b{number}")
        close(moved(tmp_path / f"b{number}"), expected)


def test_peft_adds_what_a_merge_says(tmp_path):
    """Ranks, rules and patterns of their own, and a weight below zero."""
    other = {**MIXED, "r": 1, "use_rslora": False, "alpha_pattern": {}}
    expected = [moved(saved(tmp_path / "a", 1, **MIXED)), moved(saved(tmp_path / "b", 2, **other))]
    pair = [adapters.read(tmp_path / name) for name in "ab"]
    adapters.merge(pair, tmp_path / "sum", [0.5, -2])
    total = {key: 0.5 * one - 2 * expected[1][key] for key, one in expected[0].items()}
    close(moved(tmp_path / "sum"), total)
    cuts = adapters.merge(pair, tmp_path / "low", [0.5, -2], rank=2)
    found = moved(tmp_path / "low")
    for cut in cuts:
        one = total[f"{cut.name}.weight"]
        missed = np.linalg.norm(found[f"{cut.name}.weight"] - one) / np.linalg.norm(one)
        assert missed == pytest.approx(cut.error, abs=1e-5)


def test_peft_applies_what_was_extracted(tmp_path):
    old, new = base().state_dict(), base().state_dict()
    torch.manual_seed(5)
    for key in ("lin.weight", "out.weight", "conv.weight", "embed_tokens.weight"):
        new[key] = new[key] + torch.randn_like(new[key])
    for name, state in (("old", old), ("new", new)):
        safetensors_torch.save_file(state, tmp_path / f"{name}.safetensors")
    adapters.extract(*(tmp_path / f"{name}.safetensors" for name in ("old", "new")),
                     tmp_path / "lora", error=0)  # fmt: skip
    close(moved(tmp_path / "lora"), {key: (new[key] - old[key]).double().numpy() for key in old})


def diffusers_of(path):
    """The update of each module of a tiny Flux transformer, as Diffusers 0.42.1 loads a file."""
    diffusers = pytest.importorskip("diffusers", reason="Diffusers is not installed")
    torch.manual_seed(0)
    model = diffusers.FluxTransformer2DModel(
        in_channels=4, num_layers=1, num_single_layers=1, attention_head_dim=8,
        num_attention_heads=2, joint_attention_dim=8, pooled_projection_dim=8,
        axes_dims_rope=(2, 2, 4),
    )  # fmt: skip
    state, alphas, metadata = diffusers.FluxPipeline.lora_state_dict(
        str(path), return_alphas=True, return_lora_metadata=True
    )
    load = diffusers.FluxPipeline.load_lora_into_transformer
    quietly(load, state, alphas, model, metadata=metadata)
    with torch.no_grad():
        return {
            f"transformer.{name}": layer.get_delta_weight(layer.active_adapters[0]).double().numpy()
            for name, layer in model.named_modules()
            if isinstance(layer, peft.tuners.lora.LoraLayer)
        }


def flux(path, ranks, metadata=None):
    tensors = {}
    for i, (name, rank) in enumerate(zip(("to_q", "to_k", "to_v"), ranks)):
        stem = f"transformer.transformer_blocks.0.attn.{name}.lora_"
        torch.manual_seed(i + rank)
        for half, shape in (("A", (rank, 16)), ("B", (16, rank))):
            tensors[f"{stem}{half}.weight"] = torch.randn(shape) ** 3
    said = {"lora_adapter_metadata": json.dumps(metadata)} if metadata else None
    safetensors_torch.save_file(tensors, path, said)
    return path


TARGETS = [f"transformer_blocks.0.attn.to_{each}" for each in "qkv"]
METADATA = {"transformer.r": 4, "transformer.lora_alpha": 12, "transformer.use_rslora": True,
            "transformer.rank_pattern": {}, "transformer.alpha_pattern": {},
            "transformer.target_modules": TARGETS}  # fmt: skip


@pytest.mark.parametrize("copy", ["baked", "cut", "merged"])
@pytest.mark.parametrize("metadata", [None, METADATA], ids=["bare", "metadata"])
def test_diffusers_loads_what_was_written(tmp_path, metadata, copy):
    path = flux(tmp_path / "a.safetensors", (4, 4, 4), metadata)
    adapter, out = adapters.read(path), tmp_path / "b.safetensors"
    if copy == "cut":
        cuts = adapters.truncate(adapter, out, error=0.3)
        assert len({cut.rank for cut in cuts}) > 1
    elif copy == "merged":
        other = adapters.read(flux(tmp_path / "c.safetensors", (2, 1, 1)))
        adapters.merge([adapter, other], out)
    elif metadata:
        adapters.bake(adapter, out)
    else:
        out = path
    close(diffusers_of(path), {each.name: adapter.delta(each) for each in adapter.modules})
    after = adapters.read(out)
    found = diffusers_of(out)
    assert len(found) == 3
    close(found, {each.name: after.delta(each) for each in after.modules})
