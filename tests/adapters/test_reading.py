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
    """A missing alpha is the rank, so the scale is 1; alpha may be a whole number."""
    made = {
        "lora_unet_down_0_to_q": (draw(1, 4, 6), draw(2, 5, 4)),
        "lora_te_k": (draw(3, 2, 6), draw(4, 5, 2)),
        "lora_unet_conv": (draw(5, 2, 3, 3, 3), draw(6, 8, 2, 1, 1)),
    }
    alphas = dict(zip(made, (1.0, None, 8)))
    path = kohya_file(tmp_path / "k.safetensors", made, alphas)
    adapter = adapters.read(path)
    assert adapter.source == "kohya"
    scale = {module.name: module.scale for module in adapter.modules}
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
    assert adapters.read(path).modules[0].scale == 0.5


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
    assert adapters.read(path).modules[0].scale == 0.5


def test_diffusers_metadata_says_rule_and_alpha(tmp_path):
    A, B = draw(1, 4, 6), draw(2, 5, 4)
    tensors = {}
    for name in ("transformer.x", "text_encoder.y"):
        tensors |= {f"{name}.lora_A.weight": (A, "F32"), f"{name}.lora_B.weight": (B, "F32")}
    said = {"transformer.r": 4, "transformer.lora_alpha": 6, "transformer.use_rslora": True}
    path = tmp_path / "d.safetensors"
    path.write_bytes(file_bytes(tensors, {"lora_adapter_metadata": json.dumps(said)}))
    first, second = adapters.read(path).modules
    assert (first.rule, first.scale) == (RSLORA, 3.0)
    assert (second.rule, second.scale) == (STANDARD, 1.0)
    said["transformer.r"] = 5
    path.write_bytes(file_bytes(tensors, {"lora_adapter_metadata": json.dumps(said)}))
    adapter = adapters.read(path)
    assert [each.name for each in adapter.modules] == ["text_encoder.y"]
    assert "transformer.x: rank 5 by the metadata, 4 by its factors" in " ".join(adapter.notes)


def single(path, arrays, metadata=None):
    path.write_bytes(file_bytes({k: (np.asarray(v), "F64") for k, v in arrays.items()}, metadata))
    return path


def pair(name, r=4, d=16, k=12, down=".lora_A.weight", up=".lora_B.weight"):
    return {name + down: draw(r, r, k), name + up: draw(d, d, r)}


def test_metadata_of_a_model_and_not_of_a_pipeline(tmp_path):
    """save_lora_adapter writes PEFT's settings as they are; 64 / sqrt(4)."""
    said = {"r": 4, "lora_alpha": 64, "use_rslora": True, "alpha_pattern": {"attn.to_k": 8}}
    arrays = pair("blocks.0.attn.to_q") | pair("blocks.0.attn.to_k")
    path = tmp_path / "w.safetensors"
    adapter = adapters.read(single(path, arrays, {"lora_adapter_metadata": json.dumps(said)}))
    assert [module.scale for module in adapter.modules] == [32.0, 4.0]
    assert {each.place for module in adapter.modules for each in module.stated} == {
        "lora_adapter_metadata"
    }
    assert adapter.notes == ()


def test_patterns_reach_the_processors_of_attention(tmp_path):
    """Diffusers' older names have .processor in them, and its patterns do not."""
    said = {"unet.r": 4, "unet.lora_alpha": 4, "unet.alpha_pattern": {"mid.attn.to_q": 12}}
    arrays = pair("unet.mid.attn.processor.to_q", down="_lora.down.weight", up="_lora.up.weight")
    path = tmp_path / "w.safetensors"
    adapter = adapters.read(single(path, arrays, {"lora_adapter_metadata": json.dumps(said)}))
    assert adapter.modules[0].scale == 3.0


@pytest.mark.parametrize(
    "header, scale",
    [
        ({"ss_network_alpha": "2", "ss_network_dim": "4"}, 0.5),
        ({"ss_network_alpha": "8.0", "ss_network_dim": "4", "ss_network_args":
          '{"rs_lora": "True"}'}, 4.0),
        ({"lora_alpha": "16", "rank": "4"}, 4.0),
        ({"alpha": "1", "rank": "4"}, 0.25),
        ({"ss_network_alpha": "Dynamic", "ss_network_dim": "Dynamic"}, 1.0),
        ({"ss_network_alpha": "2", "ss_network_dim": "8"}, 1.0),  # of modules of another rank
        ({"ss_network_alpha": "nan", "ss_network_dim": "4"}, 1.0),
        ({"ss_network_alpha": "2", "ss_network_dim": "0"}, 1.0),
        ({}, 1.0),
    ],
)  # fmt: skip
def test_alpha_and_rank_in_the_header_only(tmp_path, header, scale):
    kohya = {"down": ".lora_down.weight", "up": ".lora_up.weight"}
    path = single(tmp_path / "w.safetensors", pair("unet.x.to_q", **kohya), header)
    (module,) = adapters.read(path).modules
    assert module.scale == scale
    assert len(module.stated) == 1
    # Tools that give factors PEFT's names fold alpha into them, and keep sd-scripts' header.
    path = single(tmp_path / "p.safetensors", pair("unet.x.to_q"), header)
    (module,) = adapters.read(path).modules
    assert module.scale == (1.0 if "ss_network_alpha" in header else scale)
    assert {1.0, scale} == {each.scale for each in (*module.stated, module)} | {1.0}


@pytest.mark.parametrize("rank", [1, 64, 320])
def test_a_header_of_any_rank(tmp_path, rank):
    arrays = pair("unet.x.to_q", rank, down=".lora_down.weight", up=".lora_up.weight")
    header = {"ss_network_alpha": "3", "ss_network_dim": str(rank)}
    (module,) = adapters.read(single(tmp_path / "w.safetensors", arrays, header)).modules
    assert module.scale == 3 / rank


@pytest.mark.parametrize("said", ["{", '{"r": "four", "lora_alpha": 4}'])
def test_metadata_that_cannot_be_read_is_named_with_its_file(tmp_path, said):
    path = single(tmp_path / "w.safetensors", pair("to_q"), {"lora_adapter_metadata": said})
    with pytest.raises(adapters.FileError, match=r"the metadata of \S*w\.safetensors"):
        adapters.read(path)


def test_two_places_that_disagree_are_told(tmp_path):
    kohya = {"down": ".lora_down.weight", "up": ".lora_up.weight"}
    arrays = pair("lora_unet_a", **kohya) | pair("lora_unet_b", **kohya)
    arrays |= {"lora_unet_a.alpha": 4.0, "lora_unet_b.alpha": 1.0}
    header = {"ss_network_alpha": "4", "ss_network_dim": "4"}
    adapter = adapters.read(single(tmp_path / "k.safetensors", arrays, header))
    assert [module.scale for module in adapter.modules] == [1.0, 0.25]
    (finding,) = adapter.findings
    assert (finding.kind, finding.names) == ("scales disagree", ("lora_unet_b",))
    assert "0.25 by alpha tensors, which is taken here, and 1 by header" in finding.text
    said = {"r": 4, "lora_alpha": 8}
    header = {"lora_adapter_metadata": json.dumps(said)}
    arrays = pair("to_q") | {"to_q.alpha": 4.0}
    adapter = adapters.read(single(tmp_path / "d.safetensors", arrays, header))
    assert adapter.modules[0].scale == 2.0
    assert "2 by lora_adapter_metadata" in adapter.notes[0]


def test_one_module_without_alpha_among_others(tmp_path):
    """The header is not its alpha: tools that read it take the rank, and the header differs."""
    kohya = {"down": ".lora_down.weight", "up": ".lora_up.weight"}
    arrays = pair("lora_unet_a", **kohya) | pair("lora_unet_b", **kohya)
    arrays["lora_unet_a.alpha"] = 2.0
    header = {"ss_network_alpha": "2", "ss_network_dim": "4"}
    adapter = adapters.read(single(tmp_path / "k.safetensors", arrays, header))
    assert [module.scale for module in adapter.modules] == [0.5, 1.0]
    assert {each.kind for each in adapter.findings} == {"scales disagree", "no alpha"}


def test_modules_that_were_trained_in_parts(tmp_path):
    """sd-scripts' split_qkv: three parts of rank 4, each with alpha / 4, in one of rank 12."""
    kohya = {"down": ".lora_down.weight", "up": ".lora_up.weight"}
    arrays = pair("lora_unet_qkv", 12, 48, **kohya) | pair("lora_unet_proj", **kohya)
    arrays |= {"lora_unet_qkv.alpha": 4.0, "lora_unet_proj.alpha": 4.0}
    header = {"ss_network_dim": "4", "ss_network_alpha": "4.0"}
    args = {"ss_network_args": '{"split_qkv": "True"}'}
    adapter = adapters.read(single(tmp_path / "k.safetensors", arrays, {**header, **args}))
    qkv, proj = adapter.modules
    assert (qkv.scale, proj.scale) == (1.0, 1.0)
    assert [each.scale for each in qkv.stated] == pytest.approx([1, 1 / 3])
    (finding,) = adapter.findings
    assert finding.names == ("lora_unet_qkv",)
    qkv = adapters.read(single(tmp_path / "n.safetensors", arrays, header)).modules[0]
    assert qkv.scale == pytest.approx(1 / 3)


@pytest.mark.parametrize("infix", [".default.weight", ".my_lora.weight", ""])
def test_names_with_an_adapters_name_in_them_or_without_weight(tmp_path, infix):
    arrays = pair("blocks.0.q", down=f".lora_A{infix}", up=f".lora_B{infix}")
    (module,) = adapters.read(single(tmp_path / "d.safetensors", arrays)).modules
    assert (module.name, module.scale, module.shape) == ("blocks.0.q", 1.0, (16, 12))


def test_names_of_two_styles_in_one_file(tmp_path):
    arrays = pair("a.q") | pair("lora_unet_b", down=".lora_down.weight", up=".lora_up.weight")
    adapter = adapters.read(single(tmp_path / "m.safetensors", arrays))
    assert len(adapter.modules) == 2
    (finding,) = [each for each in adapter.findings if each.kind == "mixed names"]
    assert "kohya, peft" in finding.text


def mlx_folder(folder, arrays, **config):
    folder.mkdir()
    single(folder / "adapters.safetensors", arrays)
    said = {"fine_tune_type": "lora", "lora_parameters": {"rank": 4, "scale": 20.0}, **config}
    (folder / "adapter_config.json").write_text(json.dumps(said))
    return folder


def test_an_mlx_folder(tmp_path):
    """lora_a is (inputs, r) and lora_b (r, outputs); the scale is stated itself."""
    a, b = draw(1, 12, 4), draw(2, 4, 16)
    stack_a, stack_b = draw(3, 3, 4, 5), draw(4, 3, 6, 4)
    arrays = {
        "m.q.lora_a": a, "m.q.lora_b": b, "m.q.m": draw(5, 16),
        "m.switch.lora_a": stack_a, "m.switch.lora_b": stack_b,
    }  # fmt: skip
    folder = mlx_folder(tmp_path / "a", arrays, fine_tune_type="dora", rank=4)
    for path in (folder, folder / "adapters.safetensors"):
        adapter = adapters.read(path)
        assert adapter.source == "mlx"
        expected = {"m.q": 20 * (a @ b).T}
        expected |= {f"m.switch.{e}": 20 * stack_b[e] @ stack_a[e] for e in range(3)}
        assert {module.name for module in adapter.modules} == set(expected)
        for module, each in zip(adapter.modules, adapters.spectra(adapter)):
            np.testing.assert_allclose(adapter.delta(module), expected[module.name], atol=1e-12)
            dense = np.linalg.svd(expected[module.name], compute_uv=False)[: module.rank]
            np.testing.assert_allclose(each.values, dense, rtol=1e-12)
        assert adapter.ignored == {"m.q.m": "DoRA magnitude"}


def test_mlx_files_that_cannot_be_read(tmp_path):
    arrays = {"m.q.lora_a": draw(1, 12, 4), "m.q.lora_b": draw(2, 4, 16)}
    for i, (config, said) in enumerate((
        ({"fine_tune_type": "full"}, "holds whole weights, which `inspect NEW --against BASE`"),
        ({"alpha": 20.0, "rank": 4}, "is mlx-vlm's, whose alpha is the scale itself"),
        ({"lora_parameters": {}}, "must have a scale, got None"),
        ({"lora_parameters": {"scale": "20"}}, "must have a scale, got 20"),
        ({"lora_parameters": {"scale": -1}}, "alpha must be between"),
    )):  # fmt: skip
        with pytest.raises(adapters.FileError, match=said):
            adapters.read(mlx_folder(tmp_path / str(i), arrays, **config))
    with pytest.raises(adapters.FileError, match="MLX's factors, and their scale is not in them"):
        adapters.read(single(tmp_path / "alone.safetensors", arrays))


def test_a_training_folder_and_a_home_folder(tmp_path, monkeypatch):
    peft_folder(tmp_path / "run" / "checkpoint-500")
    with pytest.raises(adapters.FileError, match=r"it holds checkpoint-500: name one of these"):
        adapters.read(tmp_path / "run")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert adapters.read("~/run/checkpoint-500").source == "peft"


def test_xlabs_names_and_names_of_a_compiled_model(tmp_path):
    """Two factors beside each other in one processor are two modules."""
    arrays = {}
    for name in ("double_blocks.0.processor.proj_lora1", "double_blocks.0.processor.proj_lora2"):
        arrays |= pair(name, down=".down.weight", up=".up.weight")
    adapter = adapters.read(single(tmp_path / "x.safetensors", arrays))
    assert [each.name.rpartition("_")[2] for each in adapter.modules] == ["lora1", "lora2"]
    arrays = pair("transformer._orig_mod.blocks.0.q")
    adapter = adapters.read(single(tmp_path / "c.safetensors", arrays))
    (finding,) = [each for each in adapter.findings if each.kind == "dead"]
    assert "hold '_orig_mod" in finding.text
