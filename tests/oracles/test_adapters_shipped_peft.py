"""Adapters of our own model in a real PEFT model: loaded, merged, baked, truncated, converted."""

import json
import warnings
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
peft = pytest.importorskip("peft", reason="PEFT is not installed")
Conv1D = pytest.importorskip("transformers.pytorch_utils").Conv1D
safetensors_numpy = pytest.importorskip("safetensors.numpy")

from helpers import adapters  # noqa: E402
from helpers.lora import spectrum  # noqa: E402
from helpers.model import shipped  # noqa: E402

DATA = Path(shipped.DATA) / "adapters"
SHIPPED = sorted(path.parent.name for path in DATA.glob("*/adapter_config.json"))
EPSILON = float(np.finfo(np.float32).eps)


@pytest.fixture(params=["made", *(SHIPPED or ["none"])])
def folder(request, tmp_path):
    """Every adapter that ships, and one made here, so that something is always tested."""
    if request.param == "none":
        pytest.skip(f"no adapter ships in {DATA.name} yet")
    return made(tmp_path / "made") if request.param == "made" else DATA / request.param


def made(path):
    """A PEFT folder for all matrices of the small model, in half precision, as ours are."""
    stream = np.random.RandomState(0)
    tensors = {}
    for name, weight in shipped.base().items():
        tokens, outputs = weight.shape
        embedding = name in ("embedding", "position")
        # PEFT's embedding has B A transposed; elsewhere A takes the inputs.
        A, B = stream.standard_normal((16, tokens)), stream.standard_normal((outputs, 16))
        # Components of unequal size, as training leaves them.
        A *= 0.8 ** np.arange(16)[:, None]
        for letter, factor in zip("AB", (A, B)):
            key = f".lora_embedding_{letter}" if embedding else f".lora_{letter}.weight"
            tensors[f"base_model.model.{name}{key}"] = (0.05 * factor).astype(np.float16)
    path.mkdir()
    config = {
        "peft_type": "LORA", "r": 16, "lora_alpha": 4, "use_rslora": True, "fan_in_fan_out": True,
        "target_modules": sorted(shipped.base()),
    }  # fmt: skip
    (path / "adapter_config.json").write_text(json.dumps(config))
    safetensors_numpy.save_file(tensors, path / "adapter_model.safetensors")
    return path


def weights():
    """The base weights in single precision."""
    return {name: np.array(each, dtype=np.float32) for name, each in shipped.base().items()}


def network():
    """The small model's matrices as torch modules: y = x W is transformers' Conv1D."""
    root = torch.nn.Module()
    for name, weight in weights().items():
        parent = root
        *path, leaf = name.split(".")
        for part in path:
            if not hasattr(parent, part):
                parent.add_module(part, torch.nn.Module())
            parent = getattr(parent, part)
        if name in ("embedding", "position"):
            layer = torch.nn.Embedding(*weight.shape)
        else:
            layer = Conv1D(weight.shape[1], weight.shape[0])
        layer.weight.data = torch.tensor(weight)
        parent.add_module(leaf, layer)
    return root


def loaded(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return peft.PeftModel.from_pretrained(network(), str(path))


def layers(model):
    return {
        name.removeprefix("base_model.model."): layer
        for name, layer in model.named_modules()
        if isinstance(layer, peft.tuners.lora.LoraLayer)
    }


def merged(path):
    state = loaded(path).merge_and_unload().state_dict()
    return {name: state[f"{name}.weight"].double().numpy() for name in weights()}


def deltas(path):
    adapter = adapters.read(path)
    return {module.name: adapter.delta(module) for module in adapter.modules}


def assert_rounded(found, expected, roundings=4):
    """Equal but for so many roundings to single precision of the largest entry."""
    atol = roundings * EPSILON * np.abs(expected).max()
    np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def test_updates_and_scales(folder):
    adapter, theirs = adapters.read(folder), layers(loaded(folder))
    assert {module.name for module in adapter.modules} == set(theirs) == set(weights())
    for module in adapter.modules:
        layer = theirs[module.name]
        assert module.scale == pytest.approx(layer.scaling["default"], rel=1e-14)
        found = layer.get_delta_weight("default").detach().double().numpy()
        assert_rounded(found, adapter.delta(module))


def test_merged_weights_are_the_base_and_our_update(folder):
    ours, base = deltas(folder), weights()
    for name, found in merged(folder).items():
        assert np.abs(ours[name]).max() > 0
        assert_rounded(found, base[name] + ours[name])


def test_a_baked_copy_merges_to_the_same_bits(folder, tmp_path):
    """4 / sqrt(16) and 16 / 16 are the same number: not even a rounding differs."""
    adapter = adapters.read(folder)
    if not adapter.config["use_rslora"]:
        with pytest.raises(adapters.FileError, match="nothing to bake"):
            adapters.bake(adapter, tmp_path / "baked")
        return
    adapters.bake(adapter, tmp_path / "baked")
    baked, original = merged(tmp_path / "baked"), merged(folder)
    for name, found in baked.items():
        np.testing.assert_array_equal(found, original[name])


@pytest.mark.parametrize("target", [{"rank": 8}, {"energy": 0.9}, {"error": 0.5}])
def test_a_truncated_copy_has_the_stated_error(folder, tmp_path, target):
    adapter = adapters.read(folder)
    cuts = adapters.truncate(adapter, tmp_path / "cut", **target)
    ours, base = deltas(tmp_path / "cut"), weights()
    found = merged(tmp_path / "cut")
    wrong = total = 0.0
    for module, cut in zip(adapter.modules, cuts):
        assert_rounded(found[cut.name], base[cut.name] + ours[cut.name])
        delta = adapter.delta(module)
        missed = np.linalg.norm(found[cut.name] - base[cut.name] - delta)
        # The copy is in half precision, and PEFT's sum in single.
        assert missed / np.linalg.norm(delta) == pytest.approx(cut.error, abs=1e-3)
        wrong, total = wrong + missed**2, total + np.linalg.norm(delta) ** 2
    assert any(cut.rank < cut.before for cut in cuts)
    assert np.sqrt(wrong / total) == pytest.approx(adapters.total_error(cuts), abs=1e-4)


@pytest.mark.parametrize("share", [0.5, 0.9, 0.99])
def test_ranks_for_energy_are_those_of_pefts_conversion(folder, share):
    """PEFT's convert_to_lora with a share picks the same ranks; it knows no embeddings."""
    conversion = pytest.importorskip("peft.tuners.lora.conversion", reason="PEFT before 0.19")
    adapter, theirs = adapters.read(folder), layers(loaded(folder))
    for module, each in zip(adapter.modules, adapters.spectra(adapter)):
        if module.kind == "embedding":
            continue
        A, B, rank = conversion._convert_module_to_lora(theirs[module.name], rank=share)
        assert spectrum.rank_for_energy(each.values, share) == rank
        lower = (B.double() @ A.double()).numpy().T
        delta = adapter.delta(module)
        missed = np.linalg.norm(lower - delta) / np.linalg.norm(delta)
        assert missed == pytest.approx(np.sqrt(1 - spectrum.captured_energy(each.values)[rank - 1]),
                                       abs=1e-5)  # fmt: skip


def kohya_rank(values, method, target):
    """sd-scripts' networks/resize_lora.py in words (at 063ef100, before the cap at --new_rank).

    sv_fro: the fewest values whose root of summed squares is `target` of the whole;
    sv_cumulative: the same of plain sums; sv_ratio: how many exceed the largest / target.
    """
    if method == "sv_ratio":
        return max(1, sum(value > values[0] / target for value in values))
    power = {"sv_fro": 2, "sv_cumulative": 1}[method]
    whole = sum(value**power for value in values)
    kept = 0.0
    for rank, value in enumerate(values, start=1):
        kept += value**power
        if kept / whole >= target**power:
            return rank
    return len(values)


@pytest.mark.parametrize("target", [0.5, 0.9, 0.95, 0.99])
def test_kohyas_frobenius_target_is_the_root_of_our_energy(folder, target):
    for each in adapters.spectra(adapters.read(folder)):
        ours = spectrum.rank_for_energy(each.values, target**2)
        assert ours == kohya_rank(each.values, "sv_fro", target)
        # Said the other way round: an error of sqrt(1 - t^2).
        assert ours == spectrum.rank_for_error(each.values, np.sqrt(1 - target**2))


def test_kohyas_other_rules_are_not_energies():
    """By hand: (4, 2, 1) has the sums 4, 6, 7 of 7 and the squares 16, 20, 21 of 21."""
    values = np.array([4.0, 2.0, 1.0])
    assert [kohya_rank(values, "sv_fro", t) for t in (0.87, 0.88, 0.98)] == [1, 2, 3]
    assert [spectrum.rank_for_energy(values, t**2) for t in (0.87, 0.88, 0.98)] == [1, 2, 3]
    assert [spectrum.rank_for_energy(values, t) for t in (0.87, 0.88, 0.98)] == [2, 2, 3]
    assert [kohya_rank(values, "sv_cumulative", t) for t in (0.5, 0.6, 0.9)] == [1, 2, 3]
    assert [kohya_rank(values, "sv_ratio", t) for t in (1.5, 3.0, 5.0)] == [1, 2, 3]
