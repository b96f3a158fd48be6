"""The scale and the update B A of LoRA against PEFT."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
peft = pytest.importorskip("peft", reason="PEFT is not installed")

from helpers.lora import scaling  # noqa: E402

# More threads only wait for each other where other work keeps the cores busy.
torch.set_num_threads(1)

SIZES = {"first": (6, 9), "second": (5, 6)}


class Two(torch.nn.Module):
    """Two linear layers, (outputs, inputs) in `SIZES`."""

    def __init__(self):
        super().__init__()
        for name, (outputs, inputs) in SIZES.items():
            setattr(self, name, torch.nn.Linear(inputs, outputs, bias=False))

    def forward(self, x):
        return self.second(self.first(x))


def adapted(seed=0, **settings):
    """A model with random A and B, and its weights before."""
    torch.manual_seed(seed)
    plain = Two().double()
    before = {name: getattr(plain, name).weight.detach().clone() for name in SIZES}
    config = peft.LoraConfig(
        target_modules=list(SIZES), init_lora_weights=False, lora_dropout=0.0, **settings
    )
    return peft.get_peft_model(plain, config), before


def layer_of(model, name):
    return getattr(model.base_model.model, name)


def rule(use_rslora):
    return scaling.RSLORA if use_rslora else scaling.STANDARD


@pytest.mark.parametrize("use_rslora", [False, True])
@pytest.mark.parametrize("rank", [1, 2, 3, 8, 64])
@pytest.mark.parametrize("alpha", [0.5, 1, 16, 100])
def test_scale(rank, alpha, use_rslora):
    model, _ = adapted(r=rank, lora_alpha=alpha, use_rslora=use_rslora)
    expected = float(scaling.scale(alpha, rank, rule(use_rslora)))
    for name in SIZES:
        found = layer_of(model, name).scaling["default"]
        assert found == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("use_rslora", [False, True])
def test_scale_with_patterns(use_rslora):
    """Layers may have a rank and an alpha of their own."""
    model, _ = adapted(
        r=4, lora_alpha=16, use_rslora=use_rslora, rank_pattern={"first": 2},
        alpha_pattern={"second": 6},
    )  # fmt: skip
    for name, rank, alpha in (("first", 2, 16), ("second", 4, 6)):
        layer = layer_of(model, name)
        assert layer.lora_A["default"].weight.shape[0] == rank
        expected = float(scaling.scale(alpha, rank, rule(use_rslora)))
        assert layer.scaling["default"] == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("use_rslora", [False, True])
@pytest.mark.parametrize("rank, alpha", [(1, 16), (3, 2), (5, 40)])
def test_merged_update_is_the_scale_times_b_a(rank, alpha, use_rslora):
    model, before = adapted(rank, r=rank, lora_alpha=alpha, use_rslora=use_rslora)
    x = torch.from_numpy(np.random.RandomState(rank).standard_normal((7, 9)))
    with torch.no_grad():
        answered = model(x).numpy()
    factors = {}
    for name in SIZES:
        layer = layer_of(model, name)
        A, B = (each["default"].weight.detach().numpy() for each in (layer.lora_A, layer.lora_B))
        assert (B.shape, A.shape) == ((SIZES[name][0], rank), (rank, SIZES[name][1]))
        factors[name] = B @ A
    merged = model.merge_and_unload()
    for name, product in factors.items():
        assert np.abs(product).max() > 0.01
        update = (getattr(merged, name).weight.detach() - before[name]).numpy()
        expected = scaling.scale(alpha, rank, rule(use_rslora)) * product
        np.testing.assert_allclose(update, expected, rtol=0, atol=1e-13)
    with torch.no_grad():
        np.testing.assert_allclose(merged(x).numpy(), answered, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("use_rslora", [False, True])
def test_an_adapter_read_by_the_other_rule(use_rslora):
    """The same factors in a model that was told the other rule: the ratio is `loader_ratio`."""
    settings = {"r": 4, "lora_alpha": 16}
    (trained, _), (reader, _) = (
        adapted(**settings, use_rslora=flag) for flag in (use_rslora, not use_rslora)
    )
    for name in SIZES:
        ratio = (
            layer_of(reader, name).scaling["default"] / layer_of(trained, name).scaling["default"]
        )
        expected = scaling.loader_ratio(4, rule(use_rslora), rule(not use_rslora))
        assert ratio == pytest.approx(float(expected), rel=1e-14)


def test_untrained_adapters_change_nothing():
    """PEFT's own start, as in experiments/small.py: A uniform within 1 / sqrt(inputs), B zero."""
    torch.manual_seed(0)
    model = peft.get_peft_model(
        torch.nn.Sequential(torch.nn.Linear(64, 400, bias=False)),
        peft.LoraConfig(r=32, lora_alpha=16, target_modules=["0"]),
    )
    (layer,) = (module for module in model.modules() if hasattr(module, "lora_A"))
    A, B = (each["default"].weight for each in (layer.lora_A, layer.lora_B))
    assert not B.any()
    assert 0.99 / 8 < A.abs().max() <= 1 / 8
