"""What each loader does with an adapter, by hand: the scale, and what it refuses or leaves out.

The cases are those that trackers report, with what the loaders' own code does with each.
"""

import json

import numpy as np
import pytest

from helpers import adapters
from helpers.adapters.reporting import applying, checking, loading
from helpers.adapters.reporting.summary import check_table
from tests.adapters.copying import test_copy_cases as written
from tests.support.adapters import draw, file_bytes, kohya_file, peft_folder

Q = ("model.layers.0.self_attn.q_proj", "linear", (4, 12), (16, 4))
V = ("model.layers.1.self_attn.v_proj", "linear", (8, 12), (16, 8))
PAIR = (draw(1, 4, 12), draw(2, 16, 4))
PLAIN = {"r": 4, "lora_alpha": 8, "rank_pattern": {}}


def folder(path, modules=(Q,), extra=None, **config):
    return adapters.read(peft_folder(path, modules=list(modules), extra=extra, **PLAIN | config))


def outcome(adapter):
    """{loader: (kinds of findings, lowest and highest strength)} of all that read the format."""
    return {
        each.loader: (sorted({one.kind for one in each.findings}), each.strength)
        for each in adapters.checks(adapter)
    }


FINE = ([], (1.0, 1.0))


def test_a_plain_adapter_is_fine_everywhere(tmp_path):
    adapter = folder(tmp_path / "a")
    assert set(outcome(adapter)) == {
        "peft", "vllm", "vllm-0.31", "sglang", "llama.cpp", "header-only", "no-rslora",
    }  # fmt: skip
    assert all(each == FINE for each in outcome(adapter).values())


def test_rslora(tmp_path):
    """r = 4, so that alpha/r is half of alpha/sqrt(r)."""
    found = outcome(folder(tmp_path / "a", use_rslora=True))
    for loader in ("peft", "vllm", "vllm-0.31", "header-only"):
        assert found[loader] == FINE
    for loader in ("sglang", "llama.cpp", "no-rslora"):
        assert found[loader] == (["scale"], (0.5, 0.5))


@pytest.mark.parametrize("rslora", [False, True])
def test_patterns(tmp_path, rslora):
    """Trained: 8/4 and 24/8 by alpha/r, 8/2 and 24/sqrt(8) by the other rule."""
    adapter = folder(
        tmp_path / "a", (Q, V), rank_pattern={"v_proj": 8}, alpha_pattern={"v_proj": 24},
        use_rslora=rslora,
    )  # fmt: skip
    trained = (4, 24 / 8**0.5) if rslora else (2, 3)
    whole = 4 if rslora else 2
    expected = {
        "peft": trained, "vllm": trained, "vllm-0.31": (whole, whole), "sglang": (2, 2),
        "llama.cpp": (2, 1), "header-only": trained, "no-rslora": (2, 3),
    }  # fmt: skip
    for loader, scales in expected.items():
        found = adapters.applied(adapter, loader)
        assert [each.applied for each in found] == pytest.approx(scales)
        assert [each.trained for each in found] == pytest.approx(trained)
        fits = np.allclose(scales, trained) and loader != "sglang"
        assert adapters.check(adapter, loader).fits == fits
    assert "refused" in outcome(adapter)["sglang"][0]  # a rank other than the config's


def test_mixed_ranks_of_one_scale(tmp_path):
    """2 everywhere, and 1 in llama.cpp where the rank is 8."""
    adapter = folder(
        tmp_path / "a", (Q, V), rank_pattern={"layers.1.*": 8}, alpha_pattern={"layers.1.*": 16}
    )
    found = adapters.check(adapter, "llama.cpp")
    assert found.strength == (0.5, 1.0)
    (finding,) = found.findings
    assert (finding.kind, finding.names) == ("scale", (V[0],))
    assert "0.5 times the trained scale in 1 of 2 modules" in finding.text
    assert outcome(adapter)["vllm-0.31"] == FINE


#: Settings or tensors, and each loader's verdict where it is not that of a plain adapter.
HELD = {
    "bias": (
        {"bias": "lora_only"}, {"base_model.model.x.base_layer.bias": (16,)},
        {"vllm": "refused", "vllm-0.31": "refused", "sglang": "refused", "llama.cpp": "refused"},
    ),
    "bias of B": (
        {"lora_bias": True}, {f"base_model.model.{Q[0]}.lora_B.bias": (16,)},
        {"vllm": "refused", "vllm-0.31": "refused", "sglang": "refused", "llama.cpp": "refused"},
    ),
    "lm_head saved whole": (
        {"modules_to_save": ["lm_head"]}, {"base_model.model.lm_head.weight": (5, 12)},
        {"vllm": "refused", "vllm-0.31": "refused", "sglang": "dropped", "llama.cpp": "refused"},
    ),
    "a classification head": (
        {"modules_to_save": ["score"]}, {"base_model.model.score.weight": (5, 12)},
        {"vllm-0.31": "refused", "sglang": "dropped", "llama.cpp": "refused"},
    ),
    "DoRA": (
        {"use_dora": True}, {f"base_model.model.{Q[0]}.lora_magnitude_vector": (16,)},
        {"vllm": "refused", "vllm-0.31": "refused", "sglang": "refused", "llama.cpp": "refused"},
    ),
    "trained tokens": (
        {"trainable_token_indices": [5]},
        {"base_model.model.embed.token_adapter.trainable_tokens_delta": (1, 12)},
        {"vllm": "refused", "vllm-0.31": "refused", "sglang": "dropped", "llama.cpp": "refused"},
    ),
    "PiSSA": (
        {"init_lora_weights": "pissa_niter_4"}, {},
        {"vllm": "refused", "vllm-0.31": "wrong", "sglang": "wrong", "llama.cpp": "wrong"},
    ),
    "aLoRA": (
        {"alora_invocation_tokens": [1, 2]}, {},
        {"vllm": "refused", "vllm-0.31": "wrong", "sglang": "wrong"},
    ),
    "repeated layers": (
        {"layer_replication": [[0, 2], [1, 3]]}, {},
        {"vllm": "refused", "vllm-0.31": "wrong", "sglang": "wrong", "llama.cpp": "wrong"},
    ),
    "a pattern of targets": ({"target_modules": ".*q_proj"}, {}, {"sglang": "refused"}),
    "alpha is null": (
        {"lora_alpha": None}, {},
        dict.fromkeys(("peft", "vllm", "vllm-0.31", "sglang", "llama.cpp"), "refused"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", HELD)
def test_what_a_folder_holds(tmp_path, what):
    config, tensors, verdicts = HELD[what]
    extra = {name: (draw(i, *shape), "F32") for i, (name, shape) in enumerate(tensors.items())}
    found = outcome(folder(tmp_path / "a", extra=extra, **config))
    for loader in ("peft", "vllm", "vllm-0.31", "sglang", "llama.cpp"):
        expected = [verdicts[loader]] if loader in verdicts else []
        assert found[loader][0] == expected, loader


@pytest.mark.parametrize("key", ["lora_alpha", "r", "target_modules"])
def test_a_setting_left_out(tmp_path, key):
    """PEFT takes its default; vLLM and SGLang stop, and llama.cpp where lora_alpha is missing."""
    path = peft_folder(tmp_path / "a", modules=[("x", "linear", (8, 12), (16, 8))], **PLAIN)
    config = json.loads((path / "adapter_config.json").read_text())
    del config[key]
    (path / "adapter_config.json").write_text(json.dumps({**config, "rank_pattern": {"x": 8}}))
    found = outcome(adapters.read(path))
    assert found["peft"][0] == []
    assert all("refused" in found[each][0] for each in ("vllm", "vllm-0.31", "sglang"))
    assert ("refused" in found["llama.cpp"][0]) == (key == "lora_alpha")


#: What stands in front of, inside or behind a name, and who takes it.
NAMES = {
    "_orig_mod.base_model.model.{}.lora_{}.weight": ("dead", "dead", "", "refused"),
    "module.base_model.model.{}.lora_{}.weight": ("dead", "dead", "", "refused"),
    "thinker.base_model.model.{}.lora_{}.weight": ("dead", "dead", "", "refused"),
    "base_model.model._orig_mod.{}.lora_{}.weight": ("dead", "dead", "", "refused"),
    "{}.lora_{}.weight": ("dead", "", "", ""),
    "base_model.model.{}.lora_{}.default.weight": ("dead", "refused", "", "refused"),
    "base_model.model.{}.lora_{}": ("dead", "refused", "", "refused"),
    "module.{}.lora_{}.weight": ("dead", "dead", "", "refused"),
}


@pytest.mark.parametrize("name", NAMES)
def test_names(tmp_path, name):
    path = peft_folder(tmp_path / "a", modules=[Q], **PLAIN)
    tensors = {
        name.format(Q[0], half): (draw(i, *shape), "F32")
        for i, (half, shape) in enumerate(zip("AB", Q[2:]))
    }
    (path / "adapter_model.safetensors").write_bytes(file_bytes(tensors))
    adapter = adapters.read(path)
    for loader, kind in zip(("peft", "vllm", "sglang", "llama.cpp"), NAMES[name]):
        found = adapters.check(adapter, loader)
        assert [each.kind for each in found.findings] == ([kind] if kind else [])
        assert found.strength == ((0, 0) if kind else (1, 1))


@pytest.mark.parametrize("value", [5, "lm_head", {"lm_head": 1}, [["x"]], [None], True])
def test_settings_of_no_known_type_are_no_traceback(tmp_path, value):
    keys = [
        "modules_to_save", "bias", "trainable_token_indices", "target_modules", "use_dora",
        "layer_replication", "alora_invocation_tokens", "lora_bias", "init_lora_weights",
    ]  # fmt: skip
    for i, key in enumerate(keys):
        adapter = folder(tmp_path / f"{i}", **{key: value})
        assert len(adapters.checks(adapter)) == 7


def test_names_of_another_format_in_a_folder(tmp_path):
    path = peft_folder(tmp_path / "a", modules=[Q], **PLAIN)
    made = {f"{Q[0]}.lora_{half}.weight": (draw(i, *shape), "F32")
            for i, (half, shape) in enumerate(zip(("down", "up"), Q[2:]))}  # fmt: skip
    (path / "adapter_model.safetensors").write_bytes(file_bytes(made))
    found = outcome(adapters.read(path))
    assert found["peft"] == (["dead"], (0.0, 0.0))
    assert all(found[each][0] == ["refused"] for each in ("vllm", "sglang", "llama.cpp"))


def test_a_file_of_which_a_loader_takes_one_half(tmp_path):
    made = {"a.lora_down.weight": PAIR[0], "a.lora_up.weight": PAIR[1],
            "b.lora_A.weight": PAIR[0], "b.lora_B.weight": PAIR[1]}  # fmt: skip
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_bytes({name: (each, "F32") for name, each in made.items()}))
    found = outcome(adapters.read(path))
    assert found["comfyui"] == FINE
    assert found["diffusers"][0] == found["sd-scripts"][0] == ["dropped"]


def test_a_compiled_single_file(tmp_path):
    made = {f"lora_unet__orig_mod.a.lora_{half}.weight": (each, "F32")
            for half, each in zip(("down", "up"), PAIR)}  # fmt: skip
    (tmp_path / "a.safetensors").write_bytes(file_bytes(made))
    found = outcome(adapters.read(tmp_path / "a.safetensors"))
    assert all(each == (["dead"], (0.0, 0.0)) for name, each in found.items() if "-" not in name
               and name not in ("header-only", "no-rslora"))  # fmt: skip


def test_a_rank_above_the_limit(tmp_path):
    modules = [("a.b", "linear", (24, 40), (32, 24))]
    adapter = folder(tmp_path / "a", modules, r=24)
    (finding,) = adapters.check(adapter, "vllm").findings
    assert finding.kind == "limit"
    assert "--max-lora-rank 24" in finding.text
    assert adapters.check(adapter, "vllm", max_rank=32).fits
    assert not adapters.check(adapter, "sglang", max_rank=16).fits
    assert adapters.check(adapter, "sglang").fits
    assert all(each.fits for each in adapters.checks(adapter, max_rank=24))
    assert sum(each.fits for each in adapters.checks(adapter, max_rank=23)) == 0


def test_shards_and_empty_tensors(tmp_path):
    path = peft_folder(tmp_path / "a", modules=[Q], **PLAIN)
    (path / "adapter_model.safetensors").rename(path / "one.safetensors")
    weights = adapters.read(peft_folder(tmp_path / "b", modules=[Q], **PLAIN)).tensors.entries
    index = {"weight_map": dict.fromkeys(weights, "one.safetensors")}
    (path / "adapter_model.safetensors.index.json").write_text(json.dumps(index))
    found = outcome(adapters.read(path))
    assert [found[each][0] for each in ("peft", "vllm", "llama.cpp")] == [["refused"]] * 3
    assert found["sglang"] == FINE
    empty = {"base_model.model.y.lora_A.weight": (np.zeros(0), "F32"),
             "base_model.model.y.lora_B.weight": (np.zeros(0), "F32")}  # fmt: skip
    found = outcome(folder(tmp_path / "c", extra=empty))
    assert all(each[0] == ["dead"] for each in found.values())


def single(path, modules, alphas, metadata=None):
    return adapters.read(kohya_file(path, modules, alphas, "F32", metadata))


def test_alpha_in_the_file_and_in_the_header(tmp_path):
    """Split qkv: a part was trained at 4/4, and the file's alpha over its rank is 4/12."""
    made = {"qkv": (draw(1, 12, 12), draw(2, 48, 12)), "proj": PAIR}
    metadata = {"ss_network_dim": "4", "ss_network_alpha": "4.0",
                "ss_network_args": '{"split_qkv": "True"}'}  # fmt: skip
    found = outcome(single(tmp_path / "a.safetensors", made, {"qkv": 4, "proj": 4}, metadata))
    for loader in ("diffusers", "comfyui", "sd-scripts"):
        assert found[loader] == (["scale"], pytest.approx((1 / 3, 1)))
    assert found["header-only"] == FINE


def test_diffusers_metadata(tmp_path):
    """r = 4, alpha = 64 and rsLoRA: 32, and 1 for who reads no metadata."""
    meta = {"r": 4, "lora_alpha": 64, "use_rslora": True, "peft_type": "LORA"}
    tensors = {f"blocks.0.to_q.lora_{half}.weight": (each, "F32") for half, each in zip("AB", PAIR)}
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_bytes(tensors, {"lora_adapter_metadata": json.dumps(meta)}))
    found = outcome(adapters.read(path))
    assert (found["diffusers"], found["header-only"]) == (FINE, FINE)
    assert found["comfyui"] == (["scale"], (1 / 32, 1 / 32))
    assert found["no-rslora"] == (["scale"], (0.5, 0.5))
    assert "sd-scripts" not in found  # reads other names


def test_mixed_ranks_without_alpha(tmp_path):
    """Diffusers 0.38.0 takes the first module's rank for alpha: 7 for a module of rank 1."""
    tensors = {}
    for name, rank in (("a.to_k", 7), ("a.to_q", 1), ("a.to_v", 7)):
        tensors[f"{name}.lora_A.weight"] = (draw(1, rank, 12), "F32")
        tensors[f"{name}.lora_B.weight"] = (draw(2, 16, rank), "F32")
    (tmp_path / "a.safetensors").write_bytes(file_bytes(tensors))
    adapter = adapters.read(tmp_path / "a.safetensors")
    assert [each.applied for each in adapters.applied(adapter, "diffusers-0.38")] == [1, 7, 1]
    assert [each.applied for each in adapters.applied(adapter, "diffusers")] == [1, 1, 1]
    assert adapters.check(adapter, "comfyui").fits


def test_some_modules_without_alpha(tmp_path):
    """ComfyUI and sd-scripts take the rank for it; Diffusers the most frequent alpha."""
    alphas = {"lora_unet_a": 2, "lora_unet_b": 2, "lora_unet_c": None, "lora_unet_d": 8}
    adapter = single(tmp_path / "a.safetensors", dict.fromkeys(alphas, PAIR), alphas)
    assert [each.applied for each in adapters.applied(adapter, "comfyui")] == [0.5, 0.5, 1, 2]
    assert [each.applied for each in adapters.applied(adapter, "diffusers")] == [0.5, 0.5, 0.5, 2]


def test_differences_and_norms_have_no_scale(tmp_path):
    made = {"lora_unet_a": PAIR}
    path = kohya_file(tmp_path / "a.safetensors", made, {"lora_unet_a": 2}, "F32")
    adapter = adapters.read(path)
    tensors = {name: (adapter.tensors.read(name), "F32") for name in adapter.tensors.entries}
    tensors |= {"lora_unet_b.diff": (draw(3, 16, 12), "F32"),
                "lora_unet_c.w_norm": (draw(3, 16), "F32")}  # fmt: skip
    path.write_bytes(file_bytes(tensors))
    adapter = adapters.read(path)
    assert [module.form for module in adapter.modules] == ["pair", "full"]
    assert [each.name for each in adapters.applied(adapter, "comfyui")] == ["lora_unet_a"]
    found = outcome(adapter)
    assert found["comfyui"] == FINE
    assert found["diffusers"][0] == found["sd-scripts"][0] == ["dropped"]
    (finding,) = adapters.check(adapter, "sd-scripts").findings
    assert set(finding.names) == {"lora_unet_b", "lora_unet_c.w_norm"}


@pytest.mark.parametrize(
    "name, kinds",
    [
        ("lora_unet_x.hada_w1_a", {"diffusers": "refused", "sd-scripts": "dropped"}),
        ("lora_unet_x.lokr_w1", {"diffusers-0.38": "refused", "sd-scripts": "dropped"}),
        ("lora_unet_a.dora_scale", {"sd-scripts": "dropped", "diffusers": "depends"}),
        ("lora_unet_a.scalar", dict.fromkeys(("comfyui", "diffusers", "sd-scripts"), "dropped")),
    ],
)
def test_what_a_file_holds_beside_pairs(tmp_path, name, kinds):
    made = {"lora_unet_a.lora_down.weight": PAIR[0], "lora_unet_a.lora_up.weight": PAIR[1],
            "lora_unet_a.alpha": np.array(4.0), name: draw(5, 4, 2)}  # fmt: skip
    if "hada" in name:
        made |= {f"lora_unet_x.hada_{each}": draw(1, *shape) for each, shape in
                 (("w1_b", (2, 5)), ("w2_a", (4, 2)), ("w2_b", (2, 5)))}  # fmt: skip
    if "lokr" in name:
        made["lora_unet_x.lokr_w2"] = draw(2, 3, 3)
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_bytes({key: (each, "F32") for key, each in made.items()}))
    found = outcome(adapters.read(path))
    for loader in ("diffusers", "diffusers-0.38", "comfyui", "sd-scripts"):
        expected = kinds.get(loader) or ("dropped" if "scalar" in name else None)
        expected = kinds.get("diffusers", expected) if loader == "diffusers-0.38" else expected
        assert found[loader][0] == ([expected] if expected else []), loader


def test_what_cannot_be_read_is_not_called_fine(tmp_path):
    extra = {"base_model.model.y.lora_A.weight": (draw(1, 4, 12), "F32")}
    adapter = folder(tmp_path / "a", extra=extra)
    assert all(each[0] == ["unread"] for each in outcome(adapter).values())


def test_the_wrong_format_is_refused(tmp_path):
    adapter = single(tmp_path / "a.safetensors", {"x": PAIR}, {"x": 4})
    found = adapters.check(adapter, "vllm")
    assert not found.fits
    assert found.sentence == "vLLM 0.33.0 reads peft adapters, and this is kohya."
    with pytest.raises(ValueError, match="loader must be one of"):
        adapters.check(adapter, "none")


#: The strength at which each loader applies the modules of `test_copy_cases`, by hand, and what
#: else it finds; 1 where nothing stands.
CASES = {
    "split_qkv": {"diffusers diffusers-0.38 comfyui sd-scripts": (1 / 3, 1)},
    "whole_alpha": {}, "old_diffusers": {}, "higher_than_its_sides": {}, "mlx": {},
    "linear_and_convolution": {"header-only": (1, 2)},
    "header_only": {"diffusers diffusers-0.38 comfyui sd-scripts": (0.25, 0.25)},
    "rank_and_alpha_in_the_header": {"diffusers diffusers-0.38 comfyui": (1 / 8, 1 / 8)},
    "kohya_with_rslora": {
        "diffusers diffusers-0.38 comfyui sd-scripts": (2 / 3, 2 / 3), "no-rslora": (0.5, 0.5),
    },
    "diffusers_with_alphas": {"diffusers diffusers-0.38": "depends"},
    "diffusers_without_alphas": {"diffusers-0.38": (1, 2)},
    "two_components": {"comfyui": (1 / 6, 2), "no-rslora": (0.5, 1)},
    "wan": {"diffusers diffusers-0.38 sd-scripts": "dropped"},
    "peft_defaults": {"vllm vllm-0.31 sglang llama.cpp": "refused"},
    "peft_null_alpha": {"peft vllm vllm-0.31 sglang llama.cpp": "refused"},
    "peft_with_a_dead_head": {
        "vllm vllm-0.31 llama.cpp": "refused", "sglang": "dropped",
        "peft header-only no-rslora": "dead",
    },
    "peft_with_trained_biases": {"vllm vllm-0.31 sglang llama.cpp": "refused"},
    "peft_in_shards": {"peft vllm vllm-0.31 llama.cpp": "refused"},
    "peft_from_a_hub": {"sglang llama.cpp no-rslora": (0.5, 0.5)},
    "peft_with_an_adapters_name": {"peft": "dead", "vllm vllm-0.31 llama.cpp": "refused"},
}  # fmt: skip


@pytest.mark.parametrize("case", written.CASES, ids=lambda case: case.__name__)
def test_adapters_as_tools_write_them(tmp_path, case):
    """Under each loader; and what `inspect` says to do next, bake or truncate, does it."""
    path, _ = case(tmp_path)
    adapter = adapters.read(path)
    expected = {
        loader: what for names, what in CASES[case.__name__].items() for loader in names.split()
    }
    # These configs say no target_modules, which vLLM and SGLang refuse: not what is asked here.
    unset = {"vllm", "vllm-0.31", "sglang"} if adapter.source == "peft" else set()
    for each in adapters.checks(adapter):
        what = expected.get(each.loader)
        kinds = {one.kind for one in each.findings if "target_modules" not in one.text}
        if isinstance(what, str):
            assert what in kinds, each.loader
        elif what:
            assert kinds == {"scale"}
            assert each.loader in unset or each.strength == pytest.approx(what)
        else:
            assert kinds == set(), each.loader
    said = " ".join(adapters.answer(adapters.spectra(adapter), adapter).steps)
    ending = "" if path.is_dir() else ".safetensors"
    assert ("`bake`" in said) == any(isinstance(each, tuple) for each in expected.values())
    if "`bake`" in said:
        baked = adapters.bake(adapter, tmp_path / f"baked{ending}")
        found = [one.kind for each in adapters.checks(baked) for one in each.findings]
        assert "scale" not in found
    if "`truncate --error 0.1`" in said:
        cuts = adapters.truncate(adapter, tmp_path / f"cut{ending}", error=0.1)
        assert max(cut.error for cut in cuts) <= 0.1


@pytest.mark.parametrize("loader", ["diffusers", "diffusers-0.38"])
def test_what_one_module_takes_from_the_others_is_worked_out_once(tmp_path, monkeypatch, loader):
    """3,000 modules without alphas took a minute: each looked at all."""
    named = {f"lora_unet_{i}": (draw(i, 2, 3), draw(i, 4, 2)) for i in range(30)}
    alphas = {**dict.fromkeys(named), "lora_unet_0": 1}
    adapter = adapters.read(kohya_file(tmp_path / "k.safetensors", named, alphas))
    calls, place_of = [], applying.place_of
    monkeypatch.setattr(applying, "place_of", lambda stated: calls.append(1) or place_of(stated))
    assert [each.applied for each in applying.applied(adapter, loader)] == [0.5] * 30
    assert 30 <= len(calls) <= 4 * 30


def test_reports_have_a_source_and_a_date():
    for loader in adapters.loaders():
        assert loader.source.startswith("https://")
        assert loader.date[:4] in ("2024", "2025", "2026")
        assert loader.fault
        assert loader.state


def test_profiles_have_a_source_a_version_and_words():
    features = loading.known()["features"]
    for each in adapters.profiles():
        assert each.source.startswith("https://")
        assert each.date[:4] in ("2024", "2025", "2026")
        assert each.version
        assert each.file
        assert each.scale in loading.SCALES
        for effect in checking._EFFECTS:
            assert set(getattr(each, effect)) <= set(features)
    used = {one for each in adapters.profiles() for effect in checking._EFFECTS
            for one in getattr(each, effect)}  # fmt: skip
    assert used == set(features)


def test_the_table_of_checks(tmp_path):
    adapter = folder(tmp_path / "a", use_rslora=True, use_dora=True)
    lines = repr(check_table(adapters.checks(adapter))).splitlines()
    assert lines[1].split() == ["PEFT", "0.21.2", "1", "-"]
    assert lines[4].split() == ["SGLang", "0.5.23", "-", "refused,", "scale"]


def test_sarif_has_what_the_specification_requires(tmp_path):
    """OASIS SARIF 2.1.0: 3.13 (log), 3.14 (run), 3.18 (tool), 3.19 (driver), 3.27 (result)."""
    adapter = folder(tmp_path / "a", use_rslora=True, lora_bias=True)
    log = json.loads(json.dumps(checking.sarif("my adapter", adapters.checks(adapter))))
    assert log["version"] == "2.1.0"
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert driver["name"]
    rules = [each["id"] for each in driver["rules"]]
    assert len(set(rules)) == len(rules)
    assert run["results"]
    for each in run["results"]:
        assert each["message"]["text"]
        assert each["level"] in ("none", "note", "warning", "error")
        assert each["ruleId"] in rules
        (location,) = each["locations"]
        uri = location["physicalLocation"]["artifactLocation"]["uri"]
        assert uri == "my%20adapter"  # RFC 3986, by 3.4.3
    assert checking.sarif("x", [])["runs"][0]["results"] == []
