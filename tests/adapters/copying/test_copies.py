"""Baked and truncated copies: same scale, stated error, nothing overwritten, nothing left."""

import json

import numpy as np
import pytest

from helpers import adapters
from helpers.tensorfile import new
from tests.support.adapters import (
    MODULES,
    draw,
    factors,
    kohya_file,
    peft_folder,
    product,
    tree,
)

EPSILON = {"F16": 2**-11, "BF16": 2**-8, "F32": 2**-24, "F64": 2**-53}


def deltas(adapter):
    return {
        module.name: adapter.delta(module).reshape(-1, module.shape[1])
        if module.kernel
        else adapter.delta(module)
        for module in adapter.modules
    }


@pytest.mark.parametrize("pad", [True, False])
def test_bake(tmp_path, pad):
    folder = peft_folder(
        tmp_path / "a", use_rslora=True, alpha_pattern={"embed": 5}, task_type="CAUSAL_LM"
    )
    before = adapters.read(folder)
    after = adapters.bake(before, tmp_path / "b", pad)
    config = json.loads((tmp_path / "b" / "adapter_config.json").read_text())
    assert config["use_rslora"] is False
    assert (config["task_type"], config["r"], config["lora_alpha"]) == ("CAUSAL_LM", 3, 3)
    patterns = {} if pad else {"up": 2}
    assert config["rank_pattern"] == config["alpha_pattern"] == patterns
    assert {module.rank for module in after.modules} == ({3} if pad else {2, 3})
    for one, other in zip(before.modules, after.modules):
        assert (other.name, other.kind, other.scale) == (one.name, one.kind, 1.0)
        expected = before.delta(one)
        atol = 2 * EPSILON["F32"] * np.abs(expected).max()
        np.testing.assert_allclose(after.delta(other), expected, rtol=0, atol=atol)


def test_a_scale_of_a_power_of_two_changes_no_bit_of_the_product(tmp_path):
    modules = [("x", "linear", (4, 9), (10, 4))]
    folder = peft_folder(tmp_path / "a", None, "F16", modules=modules, r=4, use_rslora=True,
                         lora_alpha=8)  # fmt: skip
    before = adapters.read(folder)
    after = adapters.bake(before, tmp_path / "b")
    assert after.config["lora_alpha"] == 4
    np.testing.assert_array_equal(after.delta(after.modules[0]), before.delta(before.modules[0]))
    A_before, A_after = (each.tensors.raw("base_model.model.x.lora_A.weight")
                         for each in (before, after))  # fmt: skip
    assert A_before == A_after


@pytest.mark.parametrize(
    "scale, entries, dtype",
    [(4, 4e3, "F16"), (16, 1e4, "F32"), (2, 3e4, "F32"), (2**-9, 1e-4, "F32"), (3, 1.0, "F16")],
)
def test_half_precision_becomes_single_where_it_would_lose(tmp_path, scale, entries, dtype):
    """Above 65504 there is nothing, and below 6e-5 digits are lost."""
    A, B = draw(1, 4, 9), np.clip(draw(2, 10, 4), -2, 2) * entries
    folder = peft_folder(tmp_path / "a", {"x": (A, B)}, "F16", modules=[("x", "linear", 0, 0)],
                         r=4, lora_alpha=4 * scale, rank_pattern={})  # fmt: skip
    before = adapters.read(folder)
    after = adapters.bake(before, tmp_path / "b")
    entries = after.tensors.entries
    assert entries["base_model.model.x.lora_B.weight"].dtype == dtype
    expected, found = before.delta(before.modules[0]), after.delta(after.modules[0])
    assert np.linalg.norm(found - expected) <= 2**-11 * np.linalg.norm(expected)


def test_nothing_to_bake(tmp_path):
    plain = {"use_rslora": False, "rank_pattern": {}, "alpha_pattern": {}}
    universal = peft_folder(tmp_path / "a", modules=MODULES[:2], lora_alpha=3, **plain)
    single = tmp_path / "k.safetensors"
    kohya_file(single, {"x": (draw(1, 2, 3), draw(2, 4, 2))}, {"x": 2})
    before = tree(tmp_path)
    for path in (universal, single):
        with pytest.raises(adapters.FileError, match="nothing to bake"):
            adapters.bake(adapters.read(path), tmp_path / "b.safetensors")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
@pytest.mark.parametrize("use_rslora", [False, True])
@pytest.mark.parametrize("target", [{"rank": 2}, {"energy": 0.8}, {"error": 0.5}, {"error": 0}])
def test_truncate(tmp_path, dtype, use_rslora, target):
    extra = {"base_model.model.head.weight": (draw(9, 3, 3), "F16")}
    folder = peft_folder(tmp_path / "a", dtype=dtype, extra=extra, use_rslora=use_rslora)
    before = adapters.read(folder)
    cuts = adapters.truncate(before, tmp_path / "b", **target)
    after = adapters.read(tmp_path / "b")
    assert [module.name for module in after.modules] == [module.name for module in before.modules]
    old, new = deltas(before), deltas(after)
    squares, errors = 0, 0
    for cut, module, source in zip(cuts, after.modules, before.modules):
        assert (module.rank, module.dtype, module.kind) == (cut.rank, dtype, source.kind)
        assert module.rule == source.rule
        assert module.scale * cut.fold == pytest.approx(source.scale, rel=1e-14)
        U, S, Vt = np.linalg.svd(old[cut.name], full_matrices=False)
        missed = np.sqrt(np.append(np.cumsum(S[::-1] ** 2)[::-1], 0) / np.sum(S**2))
        slack = 1e-9
        if "rank" in target:
            assert cut.rank == min(2, cut.before)
        else:
            most = target.get("error", np.sqrt(1 - target.get("energy", 0)))
            assert missed[cut.rank] <= most + slack
            assert cut.rank == 1 or missed[cut.rank - 1] > most - slack
        assert cut.error == pytest.approx(missed[cut.rank], abs=1e-7)
        best = (U[:, : cut.rank] * S[: cut.rank]) @ Vt[: cut.rank]
        atol = 20 * EPSILON[dtype] * S[0] + 1e-13
        np.testing.assert_allclose(new[cut.name], best, rtol=0, atol=atol)
        squares += np.sum(S**2)
        errors += (missed[cut.rank] * cut.norm) ** 2
    assert adapters.total_error(cuts) == pytest.approx(np.sqrt(errors / squares), abs=1e-7)
    assert after.ignored == before.ignored
    config = json.loads((tmp_path / "b" / "adapter_config.json").read_text())
    assert config["r"] == max(cut.rank for cut in cuts)
    if "rank" in target:  # one rank: a loader that knows no patterns is right as well
        assert config["rank_pattern"] == config["alpha_pattern"] == {}
        assert len({module.scale for module in after.modules}) == 1
        assert len({module.scale for module in before.modules}) == 2
    for name in before.ignored:
        assert after.tensors.raw(name) == before.tensors.raw(name)


def test_the_library_reads_what_is_written(tmp_path):
    """Sizes of 2 and 4 bytes in one file, and a header of its own."""
    extra = {"base_model.model.head.bias": (draw(9, 3), "F32")}
    folder = peft_folder(tmp_path / "a", dtype="F16", extra=extra)
    adapters.truncate(adapters.read(folder), tmp_path / "b", rank=1)
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    made = library.load_file(tmp_path / "b" / "adapter_model.safetensors")
    assert len(made) == 2 * len(MODULES) + 1
    np.testing.assert_array_equal(made["base_model.model.head.bias"], draw(9, 3).astype(np.float32))
    for entry in adapters.read(tmp_path / "b").tensors.entries.values():
        assert entry.begin % {"F16": 2, "F32": 4}[entry.dtype] == 0
    conv = made["base_model.model.vision.conv.lora_A.weight"]
    assert (conv.shape, conv.dtype) == ((1, 2, 3, 3), np.float16)


def test_an_update_of_zero_can_be_cut(tmp_path):
    made = {name: (A, 0 * B) for name, (A, B) in factors().items()}
    adapter = adapters.read(peft_folder(tmp_path / "a", made))
    for i, target in enumerate(({"rank": 2}, {"energy": 0.9}, {"error": 0.1})):
        cuts = adapters.truncate(adapter, tmp_path / str(i), **target)
        assert adapters.total_error(cuts) == 0
        again = adapters.read(tmp_path / str(i))
        assert not any(np.any(delta) for delta in deltas(again).values())
        assert np.any(again.factors(again.modules[0])[1])


def test_truncate_a_single_file(tmp_path):
    made = {
        "lora_a": (draw(1, 4, 6), draw(2, 5, 4)),
        "lora_b": (draw(3, 4, 2, 3, 3), draw(4, 7, 4, 1, 1)),
    }
    said = {"ss_network_dim": "4", "ss_network_alpha": "2", "sshs_model_hash": "x", "note": "y"}
    path = kohya_file(tmp_path / "k.safetensors", made, {"lora_a": 2, "lora_b": None}, "F32", said)
    adapter = adapters.read(path)
    adapters.truncate(adapter, tmp_path / "cut.safetensors", rank=3)
    again = adapters.read(tmp_path / "cut.safetensors")
    assert [module.scale for module in again.modules] == [0.5, 1.0]
    assert again.config == {"ss_network_dim": "3", "ss_network_alpha": "Dynamic", "note": "y"}
    for name, (A, B) in made.items():
        scale = 0.5 if name == "lora_a" else 1
        U, S, Vt = np.linalg.svd(scale * product(A, B), full_matrices=False)
        best = (U[:, :3] * S[:3]) @ Vt[:3]
        np.testing.assert_allclose(deltas(again)[name], best, atol=1e-5)
    assert not list(tmp_path.glob(".*"))


def test_what_cannot_be_truncated(tmp_path):
    stem = "base_model.model.model.layers.0.q_proj"
    dora = peft_folder(tmp_path / "d", extra={f"{stem}.lora_magnitude_vector": (draw(1, 6), "F32")})
    plain = adapters.read(peft_folder(tmp_path / "a"))
    by_config = adapters.read(peft_folder(tmp_path / "e", use_dora=True))  # and no magnitudes
    before = tree(tmp_path)
    for adapter, target, message in (
        (adapters.read(dora), {"rank": 1}, "DoRA"),
        (by_config, {"rank": 1}, "DoRA"),
        (plain, {}, "exactly one of"),
        (plain, {"rank": 1, "error": 0.5}, "exactly one of"),
        (plain, {"max_rank": 1}, "exactly one of"),
        (plain, {"rank": 4}, "rank must be a whole number between 1 and 3"),
        (plain, {"rank": 0}, "rank must be a whole number between 1 and 3"),
        (plain, {"energy": 0}, "energy must be"),
        (plain, {"energy": 1.1}, "energy must be"),
        (plain, {"error": float("nan")}, "error must be"),
        (plain, {"energy": 0.5, "max_rank": 0}, "max_rank must be"),
        (plain, {"budget": 0}, "budget must be"),
        (plain, {"budget": 20}, "budget must be a whole number at least 82"),
        (plain, {"budget": 1e-9}, "budget must be a whole number at least 82"),
    ):
        with pytest.raises(ValueError, match=message):
            adapters.truncate(adapter, tmp_path / "out", **target)
    assert tree(tmp_path) == before


@pytest.mark.parametrize("kind", ["file", "empty folder", "folder", "dangling link"])
def test_nothing_is_overwritten(tmp_path, kind):
    adapter = adapters.read(peft_folder(tmp_path / "a", use_rslora=True))
    single = adapters.read(
        kohya_file(tmp_path / "k.safetensors", {"x": (draw(1, 2, 3), draw(2, 4, 2))}, {"x": 1})
    )
    out = tmp_path / "out.safetensors"
    if kind == "file":
        out.write_text("mine")
    elif kind == "dangling link":
        out.symlink_to(tmp_path / "nowhere")
    else:
        out.mkdir()
        if kind == "folder":
            (out / "mine").write_text("mine")
    before = tree(tmp_path)
    for attempt in (
        lambda: adapters.bake(adapter, out),
        lambda: adapters.truncate(adapter, out, rank=1),
        lambda: adapters.truncate(single, out, rank=1),
    ):
        with pytest.raises(adapters.FileError, match="exists already"):
            attempt()
    assert tree(tmp_path) == before


def test_an_error_half_way_leaves_nothing(tmp_path):
    """The last module holds infinity, which is found only when it is read."""
    made = factors()
    made["vision.conv"][0][0, 0, 0, 0] = np.inf
    adapter = adapters.read(peft_folder(tmp_path / "a", made, use_rslora=True))
    before = tree(tmp_path)
    with pytest.raises(adapters.FileError, match=r"vision\.conv.*got 1 that are NaN or inf"):
        adapters.truncate(adapter, tmp_path / "out", rank=1)
    with pytest.raises(RuntimeError), new(tmp_path / "out") as draft:
        draft.mkdir()
        (draft / "half").write_text("half")
        raise RuntimeError
    with pytest.raises(adapters.FileError, match="does not exist"):
        adapters.bake(adapter, tmp_path / "no" / "out")
    assert tree(tmp_path) == before


def test_a_bias_is_scaled_as_its_factor_is(tmp_path):
    """PEFT adds s times the bias of B."""
    stem = "base_model.model.model.layers.0.q_proj.lora_B.bias"
    folder = peft_folder(
        tmp_path / "a", extra={stem: (draw(3, 6), "F32")}, alpha_pattern={"q_proj": 6}
    )
    before = adapters.read(folder)
    adapters.truncate(before, tmp_path / "cut", rank=2)
    adapters.bake(before, tmp_path / "baked")
    trained = before.modules[0].scale * before.tensors.read(stem)
    for name in ("cut", "baked"):
        after = adapters.read(tmp_path / name)
        assert len({module.scale for module in after.modules}) == 1
        found = after.modules[0].scale * after.tensors.read(stem)
        np.testing.assert_allclose(found, trained, rtol=1e-6)
