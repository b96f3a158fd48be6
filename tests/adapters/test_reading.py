"""Every format, type and setting that is read, against files made by hand."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file

from helpers import adapters
from helpers.adapters import patterns, scale_audit
from helpers.lora.scaling import RSLORA, STANDARD
from tests.support.adapters import (
    CONFIG,
    MODULES,
    as_stored,
    draw,
    factors,
    file_bytes,
    kohya_file,
    peft_folder,
    product,
)

RANKS = {"model.layers.1.mlp.up": 2}


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
@pytest.mark.parametrize("use_rslora", [False, True])
def test_a_peft_folder(tmp_path, dtype, use_rslora):
    made = factors()
    adapter = adapters.read(peft_folder(tmp_path / "a", made, dtype, use_rslora=use_rslora))
    assert adapter.source == "peft"
    assert [(m.name, m.kind) for m in adapter.modules] == [each[:2] for each in MODULES]
    assert (adapter.ignored, adapter.notes) == ({}, ())
    for module in adapter.modules:
        A, B = (as_stored(each, dtype) for each in made[module.name])
        rank = RANKS.get(module.name, 3)
        scale = 12 / (np.sqrt(rank) if use_rslora else rank)
        assert (module.rank, module.alpha, module.dtype) == (rank, 12, dtype)
        assert module.multiplier == pytest.approx(scale, rel=1e-15)
        assert module.shape == product(A, B).shape
        found_B, found_A = adapter.factors(module)
        np.testing.assert_array_equal(found_A, A.reshape(rank, -1))
        np.testing.assert_array_equal(found_B, B.reshape(-1, rank))
        expected = scale * product(A, B)
        if module.kind == "embedding":
            expected = expected.T
        if module.kind == "conv2d":
            expected = expected.reshape(7, 2, 3, 3)
        np.testing.assert_allclose(adapter.delta(module), expected, rtol=1e-12, atol=1e-12)


def test_files_that_the_library_wrote(tmp_path):
    """And the path of the weights instead of the folder's."""
    A, B = draw(1, 3, 8).astype(np.float32), draw(2, 6, 3).astype(np.float32)
    tensors = {"base_model.model.x.lora_A.weight": A, "base_model.model.x.lora_B.weight": B}
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({**CONFIG, "fan_in_fan_out": True}))
    adapter = adapters.read(tmp_path / "adapter_model.safetensors")
    assert adapter.source == "peft"
    delta = adapter.delta(adapter.modules[0])
    np.testing.assert_allclose(delta, 4 * (B.astype(float) @ A).T, rtol=1e-12, atol=1e-12)


def test_pefts_defaults(tmp_path):
    """r = 8 and lora_alpha = 8, where a config is silent or says null."""
    modules = [("x", "linear", (8, 9), (10, 8))]
    folder = peft_folder(tmp_path / "a", modules=modules)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "rank_pattern": null}')
    (module,) = adapters.read(folder).modules
    assert (module.rank, module.alpha, module.multiplier, module.rule) == (8, 8.0, 1.0, STANDARD)


@pytest.mark.parametrize(
    "pattern, matched",
    [
        ("q_proj", {0, 1}),
        ("layers.1.q_proj", {1}),
        (r"layers\.\d+\.q_proj", {0, 1}),
        ("^model.layers.0.q_proj", {0}),
        ("^layers.0.q_proj", set()),
        ("_proj", set()),
        ("model", set()),
        ("layers.(0|1).(q|k)_proj", {0, 1}),
        (r".*\.1\..*", {1, 2}),
        ("embed", {3}),
    ],
)
def test_alpha_patterns(tmp_path, pattern, matched):
    adapter = adapters.read(peft_folder(tmp_path / "a", alpha_pattern={pattern: 7, "(q_proj)": 5}))
    for i, module in enumerate(adapter.modules):
        expected = 7 if i in matched else 5 if i < 2 else 12
        assert module.alpha == expected


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a|b)*", "a*b*c*d*e*", "(", "[", "x" * 700, "(a|a)" * 40, "a?" * 30,
                "(" * 300, r"\\d+" * 9, "(a){9}"],
)  # fmt: skip
def test_patterns_that_are_broken_or_could_run_for_hours(tmp_path, pattern):
    folder = peft_folder(tmp_path / "a", rank_pattern={"up": 2, pattern: 5})
    with pytest.raises(adapters.AdapterError, match=r"adapter_config.json: .*(pattern|expression)"):
        adapters.read(folder)


def test_an_exact_pattern_matches_one_module():
    names = ["a.b", "x.a.b", "a.bb", "aXb", "a.b.c", "a+b", "(a"]
    for name in names:
        compiled = patterns.compile_all({patterns.exactly(name): 1}, "here")
        assert [patterns.find(compiled, other, 0) for other in names] == [
            int(other == name) for other in names
        ]


def test_what_is_no_factor_is_named(tmp_path):
    stem = "base_model.model.model.layers.0.q_proj"
    extra = {
        f"{stem}.lora_magnitude_vector": (draw(1, 6), "F32"),
        f"{stem}.lora_B.bias": (draw(2, 6), "F32"),
        "base_model.model.lm_head.weight": (draw(3, 4, 4), "F32"),
        "base_model.model.model.embed.base_layer.weight": (draw(4, 11, 4), "F16"),
        "base_model.model.count": (np.array([3]), "I64"),
    }
    adapter = adapters.read(peft_folder(tmp_path / "a", extra=extra, init_lora_weights="pissa"))
    assert list(adapter.ignored.values()) == [
        "DoRA magnitude", "bias of B", "weights saved whole", "copy of a base weight",
        "weights saved whole",
    ]  # fmt: skip
    assert len(adapter.modules) == len(MODULES)
    text = " ".join(adapter.notes)
    assert "weights saved whole, 2 tensors" in text
    assert "DoRA rescales" in text
    assert "pissa" in text


def test_kohyas_names(tmp_path):
    """A missing alpha is the rank, so the multiplier is 1; alpha may be a whole number."""
    made = {
        "lora_unet_down_0_to_q": (draw(1, 4, 6), draw(2, 5, 4)),
        "lora_te_k": (draw(3, 2, 6), draw(4, 5, 2)),
        "lora_unet_conv": (draw(5, 2, 3, 3, 3), draw(6, 8, 2, 1, 1)),
    }
    alphas = dict(zip(made, (1.0, None, 8)))
    path = kohya_file(tmp_path / "k.safetensors", made, alphas)
    adapter = adapters.read(path)
    assert adapter.source == "kohya"
    scale = {module.name: module.multiplier for module in adapter.modules}
    assert scale == dict(zip(made, (0.25, 1.0, 4.0)))
    assert [module.kind for module in adapter.modules] == ["linear", "linear", "conv2d"]
    assert adapter.notes == (
        "1 of 3 modules have no alpha: alpha is the rank there, by this format's convention. "
        "Check it with the tool that trained them.",
    )
    for module in adapter.modules:
        A, B = (as_stored(each, "F16") for each in made[module.name])
        expected = scale[module.name] * product(A, B)
        found = adapter.delta(module).reshape(expected.shape)
        np.testing.assert_allclose(found, expected, atol=1e-12)
    tensors = {"x.lora_down.weight": (draw(1, 4, 6), "F32"), "x.alpha": (np.array(2), "I64"),
               "x.lora_up.weight": (draw(2, 5, 4), "F32")}  # fmt: skip
    path.write_bytes(file_bytes(tensors))
    assert adapters.read(path).modules[0].multiplier == 0.5


@pytest.mark.parametrize(
    "down, up, name",
    [
        (".lora_A.weight", ".lora_B.weight", "transformer.blocks.0.to_q"),
        (".lora.down.weight", ".lora.up.weight", "unet.down.0.to_q"),
        (".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight", "text_encoder.k"),
        ("_lora.down.weight", "_lora.up.weight", "unet.mid.processor.to_q"),
    ],
)
def test_diffusers_names(tmp_path, down, up, name):
    A, B = draw(1, 4, 6), draw(2, 5, 4)
    tensors = {name + down: (A, "F64"), name + up: (B, "F64")}
    path = tmp_path / "d.safetensors"
    path.write_bytes(file_bytes(tensors))
    adapter = adapters.read(path)
    assert (adapter.source, adapter.modules[0].name) == ("diffusers", name)
    np.testing.assert_allclose(adapter.delta(adapter.modules[0]), B @ A, atol=1e-12)
    path.write_bytes(file_bytes({**tensors, f"{name}.alpha": (np.array(2.0), "F32")}))
    assert adapters.read(path).modules[0].multiplier == 0.5


def test_diffusers_metadata_says_rule_and_alpha(tmp_path):
    A, B = draw(1, 4, 6), draw(2, 5, 4)
    tensors = {}
    for name in ("transformer.x", "text_encoder.y"):
        tensors |= {f"{name}.lora_A.weight": (A, "F32"), f"{name}.lora_B.weight": (B, "F32")}
    said = {"transformer.r": 4, "transformer.lora_alpha": 6, "transformer.use_rslora": True}
    path = tmp_path / "d.safetensors"
    path.write_bytes(file_bytes(tensors, {"lora_adapter_metadata": json.dumps(said)}))
    first, second = adapters.read(path).modules
    assert (first.rule, first.multiplier) == (RSLORA, 3.0)
    assert (second.rule, second.multiplier) == (STANDARD, 1.0)
    said["transformer.r"] = 5
    path.write_bytes(file_bytes(tensors, {"lora_adapter_metadata": json.dumps(said)}))
    with pytest.raises(adapters.AdapterError, match=r"transformer\.x: rank 5 by the metadata, 4"):
        adapters.read(path)


@pytest.mark.parametrize("use_rslora", [False, True])
def test_the_audit(tmp_path, use_rslora):
    folder = peft_folder(tmp_path / "a", use_rslora=use_rslora, alpha_pattern={"q_proj": 6})
    audits = adapters.audit(adapters.read(folder))
    assert sorted((each.modules, each.rank, each.alpha) for each in audits) == [
        (1, 2, 12.0), (2, 3, 6.0), (2, 3, 12.0),
    ]  # fmt: skip
    for each in audits:
        low, high = each.alpha / each.rank, each.alpha / each.rank**0.5
        assert (each.standard, each.rslora) == pytest.approx((low, high), rel=1e-14)
        trained = high if use_rslora else low
        assert each.trained == pytest.approx(trained, rel=1e-14)
        assert each.standard_ratio == pytest.approx(low / trained, rel=1e-14)
        assert each.rslora_ratio == pytest.approx(high / trained, rel=1e-14)
    assert len(repr(scale_audit.table(audits)).splitlines()[0]) <= 100
    said = scale_audit.verdict(audits)
    assert ("0.5774 of the trained multiplier, 1.732 times too weak" in said) == use_rslora
    assert ("The rule is alpha/r, the common one" in said) != use_rslora
    ends = sorted(each.trained for each in audits)
    assert f"differ between modules, from {ends[0]:.4g} to {ends[-1]:.4g}" in said
    assert "differ" not in scale_audit.verdict(audits[:1])


def test_readers_have_a_source_and_a_date():
    for reader in adapters.READERS:
        assert reader.source.startswith("https://")
        assert reader.date[:4] in ("2024", "2025", "2026")
        assert reader.fault
        assert reader.state
