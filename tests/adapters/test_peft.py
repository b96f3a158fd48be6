"""PEFT folders in every type, and how a config sets each module's rank and scale."""

import json

import numpy as np
import pytest

from helpers import adapters
from helpers.adapters import peft
from helpers.lora.scaling import STANDARD
from tests.support.adapters import CONFIG, MODULES, as_stored, draw, factors, peft_folder, product

RANKS = {"model.layers.1.mlp.up": 2}


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
    with pytest.raises(adapters.FileError, match=r"adapter_config.json: .*(pattern|expression)"):
        adapters.read(folder)


def test_an_exact_pattern_matches_one_module():
    names = ["a.b", "x.a.b", "a.bb", "aXb", "a.b.c", "a+b", "(a"]
    for name in names:
        compiled = peft.compile_patterns({peft.exactly(name): 1}, "here")
        assert [peft.find(compiled, other, 0) for other in names] == [
            int(other == name) for other in names
        ]


def test_pefts_defaults(tmp_path):
    """r = 8 and lora_alpha = 8, where a config is silent or says null."""
    modules = [("x", "linear", (8, 9), (10, 8))]
    folder = peft_folder(tmp_path / "a", modules=modules)
    (folder / "adapter_config.json").write_text('{"peft_type": "LORA", "rank_pattern": null}')
    (module,) = adapters.read(folder).modules
    assert (module.rank, module.alpha, module.multiplier, module.rule) == (8, 8.0, 1.0, STANDARD)


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
    library = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")
    library.save_file(tensors, tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({**CONFIG, "fan_in_fan_out": True}))
    adapter = adapters.read(tmp_path / "adapter_model.safetensors")
    assert adapter.source == "peft"
    delta = adapter.delta(adapter.modules[0])
    np.testing.assert_allclose(delta, 4 * (B.astype(float) @ A).T, rtol=1e-12, atol=1e-12)
