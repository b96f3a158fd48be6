"""Every format, type and setting that is read, against files made by hand."""

import json

import numpy as np
import pytest

from helpers import adapters
from helpers.lora.scaling import RSLORA, STANDARD
from tests.support.adapters import (
    MODULES,
    as_stored,
    draw,
    file_bytes,
    kohya_file,
    peft_folder,
    product,
)


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
    adapter = adapters.read(path)
    assert [each.name for each in adapter.modules] == ["text_encoder.y"]
    assert "transformer.x: rank 5 by the metadata, 4 by its factors" in " ".join(adapter.notes)
