"""Updates that are no pair of factors, against the dense matrices that other tools would form."""

import json

import numpy as np
import pytest

from helpers import adapters
from helpers.adapters import structures
from tests.support.adapters import draw, file_bytes, peft_folder


def written(path, arrays, metadata=None, dtype="F64"):
    tensors = {name: (np.asarray(array), dtype) for name, array in arrays.items()}
    path.write_bytes(file_bytes(tensors, metadata))
    return path


def check(adapter, expected, forms=None):
    """Each module's update and its singular values, by a dense SVD; the last is `forms`."""
    assert {module.name for module in adapter.modules} == set(expected)
    for module, each in zip(adapter.modules, adapters.spectra(adapter)):
        dense = expected[module.name]
        dense = dense.reshape(len(dense), -1)
        found = adapter.delta(module).reshape(dense.shape)
        np.testing.assert_allclose(found, dense, atol=1e-12 * np.abs(dense).max())
        values = np.zeros(min(dense.shape))
        values[: len(each.values)] = each.values[: len(values)]
        right = np.linalg.svd(dense, compute_uv=False)
        np.testing.assert_allclose(values, right, rtol=0, atol=2e-7 * right[0])
        assert np.all(each.values[1:] <= each.values[:-1])
        assert np.sum(right > 1e-9 * right[0]) <= each.rank <= min(dense.shape)
    if forms:
        assert [module.form for module in adapter.modules] == forms


def loha(r, d, k, start=0):
    names = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    shapes = ((d, r), (r, k), (d, r), (r, k))
    return {name: draw(start + i, *shape) for i, (name, shape) in enumerate(zip(names, shapes))}


def loha_update(parts, scale):
    one = parts["hada_w1_a"] @ parts["hada_w1_b"]
    return scale * one * (parts["hada_w2_a"] @ parts["hada_w2_b"])


@pytest.mark.parametrize("r", [1, 2, 3, 7])
def test_loha(tmp_path, r):
    """Of rank r^2 at most; at r = 3 and 7 more than the matrix has room for, wide and tall."""
    expected, arrays = {}, {}
    for i, (d, k) in enumerate(((9, 12), (12, 9))):
        parts = loha(r, d, k, 10 * i)
        arrays |= {f"lora_unet_{i}.{key}": each for key, each in parts.items()}
        arrays[f"lora_unet_{i}.alpha"] = 3.0
        expected[f"lora_unet_{i}"] = loha_update(parts, 3 / r)
    adapter = adapters.read(written(tmp_path / "h.safetensors", arrays))
    check(adapter, expected, ["Hadamard"] * 2)
    assert adapter.source == "lycoris"
    assert {each.rank for each in adapters.spectra(adapter)} == {min(r * r, 9)}
    assert {module.scale for module in adapter.modules} == {3 / r}
    assert adapter.ignored == {}


def test_loha_of_a_convolution_in_three_parts(tmp_path):
    """hada_t1 and hada_t2, with both sides stored as (r, side)."""
    r, d, k, parts = 2, 6, 5, {}
    full = []
    for n in "12":
        a, b, t = draw(int(n), r, d), draw(int(n) + 5, r, k), draw(int(n) + 9, r, r, 3, 2)
        parts |= {f"hada_w{n}_a": a, f"hada_w{n}_b": b, f"hada_t{n}": t}
        full.append(np.einsum("ijkl,jr,ip->prkl", t, b, a))
    arrays = {f"x.{key}": each for key, each in parts.items()} | {"x.alpha": 4.0}
    adapter = adapters.read(written(tmp_path / "t.safetensors", arrays))
    check(adapter, {"x": 2.0 * full[0] * full[1]})
    assert (adapter.modules[0].kind, adapter.modules[0].kernel) == ("conv2d", (5, 3, 2))


def test_a_large_hadamard_product_is_never_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(structures, "_BLOCK", 30)
    parts = loha(5, 11, 17)
    arrays = {f"x.{key}": each for key, each in parts.items()}
    check(adapters.read(written(tmp_path / "h.safetensors", arrays)), {"x": loha_update(parts, 1)})


LOKR = {
    "both whole": ({"lokr_w1": (3, 2), "lokr_w2": (4, 5)}, 1.0),
    "second of two": ({"lokr_w1": (3, 2), "lokr_w2_a": (4, 2), "lokr_w2_b": (2, 5)}, 3.5),
    "first of two": ({"lokr_w1_a": (3, 1), "lokr_w1_b": (1, 2), "lokr_w2": (4, 5)}, 7.0),
    "both of two": (
        {"lokr_w1_a": (3, 2), "lokr_w1_b": (2, 2), "lokr_w2_a": (4, 2), "lokr_w2_b": (2, 5)}, 3.5,
    ),
    "a convolution": ({"lokr_w1": (3, 2), "lokr_w2": (4, 5, 3, 3)}, 1.0),
    "a convolution in three parts": (
        {"lokr_w1": (3, 2), "lokr_w2_a": (2, 4), "lokr_w2_b": (2, 5), "lokr_t2": (2, 2, 3, 1)}, 3.5,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LOKR)
def test_lokr(tmp_path, name):
    """alpha is 7 everywhere: it counts where a matrix has an inner side, as in ComfyUI."""
    shapes, scale = LOKR[name]
    parts = {key: draw(i, *shape) for i, (key, shape) in enumerate(shapes.items())}
    arrays = {f"x.{key}": each for key, each in parts.items()} | {"x.alpha": 7.0}
    adapter = adapters.read(written(tmp_path / "k.safetensors", arrays))

    def matrix(n):
        if f"lokr_w{n}" in parts:
            return parts[f"lokr_w{n}"]
        a, b = parts[f"lokr_w{n}_a"], parts[f"lokr_w{n}_b"]
        if n == 2 and "lokr_t2" in parts:
            return np.einsum("ijkl,jr,ip->prkl", parts["lokr_t2"], b, a)
        return a @ b

    first, second = matrix(1), matrix(2)
    if second.ndim == 4:
        first = first[:, :, None, None]
    check(adapter, {"x": scale * np.kron(first, second)}, ["Kronecker"])
    assert adapter.modules[0].scale == scale


def test_lora_of_a_convolution_in_three_parts(tmp_path):
    up, mid, down = draw(1, 6, 2, 1, 1), draw(2, 2, 2, 3, 3), draw(3, 2, 4, 1, 1)
    arrays = {
        "x.lora_up.weight": up, "x.lora_mid.weight": mid, "x.lora_down.weight": down,
        "x.alpha": 3.0,
    }  # fmt: skip
    adapter = adapters.read(written(tmp_path / "t.safetensors", arrays))
    expected = 1.5 * np.einsum("pi,ijkl,jr->prkl", up[..., 0, 0], mid, down[..., 0, 0])
    check(adapter, {"x": expected}, ["Tucker"])
    assert adapter.modules[0].kernel == (4, 3, 3)


def test_differences_are_added_whole(tmp_path):
    """As in distilled video models: matrices have a spectrum, vectors are named."""
    D, C, T = draw(1, 7, 5), draw(2, 6, 3, 2, 2), draw(6, 6, 3, 2)
    arrays = {
        "a.diff": D, "c.diff": C, "t.diff": T, "n.diff": draw(3, 6), "a.diff_b": draw(4, 7),
        "a.alpha": 100.0, "m.diff_m": draw(5, 1, 6, 6),
    }  # fmt: skip
    adapter = adapters.read(written(tmp_path / "d.safetensors", arrays))
    check(adapter, {"a": D, "c": C, "t": T}, ["full"] * 3)
    assert [(module.kind, module.kernel) for module in adapter.modules] == [
        ("linear", ()), ("conv2d", (3, 2, 2)), ("conv1d", (3, 2)),
    ]  # fmt: skip
    assert set(adapter.ignored.values()) == {"difference that is added whole"}
    assert len(adapter.ignored) == 3
    assert "difference that is added whole, 3 tensors" in " ".join(adapter.notes)


@pytest.mark.parametrize("stem", ["x", "lora_unet_input_blocks_1_0_in_layers_0_with_a_long_name"])
def test_what_a_tensor_is_does_not_depend_on_how_long_its_name_is(tmp_path, stem):
    arrays = {"y.lora_down.weight": draw(1, 2, 3), "y.lora_up.weight": draw(2, 4, 2)}
    extra = {".w_norm": 5, ".b_norm": 5, ".reshape_weight": 2, ".scalar": 1, ".dora_scale": 4}
    arrays |= {stem + ending: draw(3, size) for ending, size in extra.items()}
    adapter = adapters.read(written(tmp_path / "k.safetensors", arrays))
    assert [adapter.ignored[stem + ending] for ending in extra] == [
        "difference that is added whole", "difference that is added whole",
        "new shape of a base weight", "scalar that the training multiplied the update by",
        "DoRA magnitude",
    ]  # fmt: skip


@pytest.mark.parametrize("method", ["LOHA", "LOKR"])
def test_pefts_own_loha_and_lokr(tmp_path, method):
    """PEFT's scale is alpha / r, also where LyCORIS knows none."""
    if method == "LOHA":
        parts = loha(2, 6, 8)
        expected = loha_update(parts, 1.5)
    else:
        parts = {"lokr_w1": draw(1, 2, 2), "lokr_w2": draw(2, 3, 4)}
        expected = 1.5 * np.kron(parts["lokr_w1"], parts["lokr_w2"])
    folder = tmp_path / "a"
    folder.mkdir()
    arrays = {f"base_model.model.lin.{key}": each for key, each in parts.items()}
    written(folder / "adapter_model.safetensors", arrays)
    config = {"peft_type": method, "r": 2, "alpha": 3}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    check(adapters.read(folder), {"lin": expected})


def test_a_stack_of_experts_as_peft_lays_it(tmp_path):
    """target_parameters: A by experts, the columns of B by rank (einsum o r e, e r i -> e o i)."""
    experts, r, base = 3, 2, "base_model.model.m.0."
    made, expected = {}, {"m.0.q": None}
    for at, (d, k) in (("mlp.experts.base_layer", (8, 5)), ("mlp.experts", (5, 4))):
        A, B = draw(len(at), experts * r, k), draw(d, d, r * experts)
        made |= {f"{base}{at}.lora_A.weight": A, f"{base}{at}.lora_B.weight": B}
        delta = 4 / 2 * np.einsum(
            "ore,eri->eoi", B.reshape(d, r, experts), A.reshape(experts, r, k)
        )  # fmt: skip
        expected |= {f"m.0.{at}.{e}": delta[e] for e in range(experts)}
    A, B = draw(1, r, 5), draw(2, 5, r)
    made |= {f"{base}q.lora_A.weight": A, f"{base}q.lora_B.weight": B}
    expected["m.0.q"] = 2 * B @ A
    folder = tmp_path / "a"
    folder.mkdir()
    written(folder / "adapter_model.safetensors", made)
    config = {
        "peft_type": "LORA", "r": r, "lora_alpha": 4,
        "target_parameters": ["mlp.experts.gate_up_proj", "mlp.experts.down_proj"],
    }  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    adapter = adapters.read(folder)
    check(adapter, expected)
    assert {module.rank for module in adapter.modules} == {2}
    cuts = adapters.truncate(adapter, tmp_path / "b", rank=1)
    assert {cut.name for cut in cuts if cut.rank < cut.before} == {"m.0.q"}
    after = adapters.read(tmp_path / "b")
    for name, module in {each.name: each for each in after.modules}.items():
        if name != "m.0.q":
            np.testing.assert_allclose(after.delta(module), expected[name], atol=1e-5)


def test_a_stack_of_experts_in_three_dimensions(tmp_path):
    """As mlx-lm and others lay it: (experts, r, k) and (experts, d, r)."""
    A, B = draw(1, 4, 3, 7), draw(2, 4, 6, 3)
    folder = peft_folder(tmp_path / "a", modules=[], r=3, lora_alpha=6, rank_pattern={})
    stem = "base_model.model.m.experts"
    arrays = {f"{stem}.lora_A.weight": A, f"{stem}.lora_B.weight": B}
    written(folder / "adapter_model.safetensors", arrays)
    check(adapters.read(folder), {f"m.experts.{e}": 2 * B[e] @ A[e] for e in range(4)})


OTHERS = {
    "OFT": ("x.oft_R.weight", "PEFT or ComfyUI"), "IA3": ("x.ia3_l", "PEFT"),
    "VeRA": ("x.vera_lambda_b", "PEFT"), "GLoRA": ("x.b1.weight", "ComfyUI"),
    "AdaLoRA": ("x.lora_E", "PEFT"), "FourierFT": ("x.fourierft_spectrum", "PEFT"),
    "KaSA": ("x.lora_diag", "PEFT"), "BOFT": ("x.boft_R", "PEFT"), "MiSS": ("x.miss_block", "PEFT"),
}  # fmt: skip


@pytest.mark.parametrize("method", OTHERS)
def test_other_methods_are_named_with_what_reads_them(tmp_path, method):
    name, reader = OTHERS[method]
    arrays = {"y.lora_down.weight": draw(1, 2, 3), "y.lora_up.weight": draw(2, 4, 2)}
    adapter = adapters.read(written(tmp_path / "k.safetensors", {**arrays, name: draw(3, 2, 2)}))
    assert [module.name for module in adapter.modules] == ["y"]
    assert method in adapter.ignored[name]
    assert f"{reader} would" in " ".join(adapter.notes)


ODD = {
    "half a pair": ({"z.lora_down.weight": (2, 3)}, "z.lora_up.weight"),
    "ranks that differ": (
        {"z.lora_down.weight": (2, 3), "z.lora_up.weight": (4, 3)}, "do not fit",
    ),
    "half a LoHa": ({"z.hada_w1_a": (4, 2), "z.hada_w1_b": (2, 3)}, "LoHa of hada_w1_a"),
    "a LoHa that does not fit": (
        {"z.hada_w1_a": (4, 2), "z.hada_w1_b": (3, 3), "z.hada_w2_a": (4, 2),
         "z.hada_w2_b": (2, 3)}, "do not fit",
    ),
    "half a LoKr": ({"z.lokr_w1": (4, 2)}, "LoKr of lokr_w1"),
    "a middle that does not fit": (
        {"z.lora_down.weight": (2, 3, 1, 1), "z.lora_up.weight": (4, 2, 1, 1),
         "z.lora_mid.weight": (3, 2, 3, 3)}, "z.lora_mid.weight of shape (3, 2, 3, 3)",
    ),
    "a vector of alphas": (
        {"z.lora_down.weight": (2, 3), "z.lora_up.weight": (4, 2), "z.alpha": (2,)},
        "must hold one number",
    ),
    "two pairs for one module": (
        {"z.lora_down.weight": (2, 3), "z.lora_up.weight": (4, 2), "z.lora_A.weight": (2, 3),
         "z.lora_B.weight": (4, 2)}, "more than one pair",
    ),
    "alpha of nothing": ({"z.alpha": ()}, "belongs to no module"),
}  # fmt: skip


@pytest.mark.parametrize("what", ODD)
def test_one_odd_module_does_not_hide_the_others(tmp_path, what):
    shapes, said = ODD[what]
    arrays = {"y.lora_down.weight": draw(1, 2, 3), "y.lora_up.weight": draw(2, 4, 2)}
    odd = {name: draw(i, *shape) for i, (name, shape) in enumerate(shapes.items())}
    adapter = adapters.read(written(tmp_path / "k.safetensors", {**arrays, **odd}))
    check(adapter, {"y": arrays["y.lora_up.weight"] @ arrays["y.lora_down.weight"]})
    (finding,) = [each for each in adapter.findings if each.kind == "odd"]
    assert said in finding.text
    assert set(finding.names) <= set(odd)
    if what != "alpha of nothing":
        written(tmp_path / "alone.safetensors", odd)
        with pytest.raises(adapters.FileError, match=r"alone\.safetensors"):
            adapters.read(tmp_path / "alone.safetensors")


def test_a_resized_vocabulary_is_left_out_of_a_difference(tmp_path):
    for name, tokens in (("old", 5), ("new", 7)):
        arrays = {"w": draw(tokens, 4, 3), "embed": draw(1, tokens, 3)}
        written(tmp_path / f"{name}.safetensors", arrays)
    found, left_out = adapters.difference(
        tmp_path / "old.safetensors", tmp_path / "new.safetensors"
    )
    assert [each.name for each in found] == ["w"]
    assert left_out == {"embed": "shape (7, 3), and (5, 3) before"}
