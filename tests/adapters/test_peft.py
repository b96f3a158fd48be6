"""PEFT folders in every type, and how a config sets each module's rank and scale."""

import json
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import adapters
from helpers.adapters import peft
from helpers.lora.scaling import STANDARD
from tests.support.adapters import (
    CONFIG,
    MODULES,
    as_stored,
    draw,
    factors,
    file_bytes,
    peft_folder,
    peft_tensors,
    product,
)

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
        (r".*?\.1\..*", {1, 2}),
        (r"layers\.(\d)+\.q_proj", {0, 1}),
        ("embed", {3}),
    ],
)
def test_alpha_patterns(tmp_path, pattern, matched):
    adapter = adapters.read(peft_folder(tmp_path / "a", alpha_pattern={pattern: 7, "(q_proj)": 5}))
    for i, module in enumerate(adapter.modules):
        expected = 7 if i in matched else 5 if i < 2 else 12
        assert module.alpha == expected


@pytest.mark.parametrize(
    "pattern, ways, power",
    [
        ("(q_proj)", 1, 0), ("(up|down)_proj", 2, 0), ("a?b", 2, 0), ("(up|down){2}", 4, 0),
        ("(up|down){0,2}", 1 + 2 + 4, 0), (".*b", 1, 1), (".*?b", 1, 1), ("(.)*b", 1, 1),
        (".*b.+", 1, 2), ("(.*b|c)", 2, 1), ("(up|down).*", 2, 1),
    ],
)  # fmt: skip
def test_the_ways_to_match_are_counted(pattern, ways, power):
    """Of choices by hand; an endless repetition ends anywhere, a power of the name's length."""
    assert peft.compile_patterns({pattern: 1}, "here").costs == [(ways, power)]


@pytest.mark.parametrize(
    "pattern", ["(a+)+", "(a|bc)*", "a*b*c*d*e*", "(", "[", "(x)" * 250, "(a|ab)" * 40, "a?" * 30,
                "(" * 300, r"\\d+" * 9, "(ab?){20}"],
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
    assert (module.rank, module.alpha, module.scale, module.rule) == (8, 8.0, 1.0, STANDARD)


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
        assert module.scale == pytest.approx(scale, rel=1e-15)
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


def renamed(tmp_path, change, **config):
    """A PEFT folder of the usual modules, each tensor's name changed."""
    folder = peft_folder(tmp_path / "a", **config)
    tensors = {change(name): each for name, each in peft_tensors(factors()).items()}
    (folder / "adapter_model.safetensors").write_bytes(file_bytes(tensors, {"format": "pt"}))
    return folder


@pytest.mark.parametrize(
    "change, cure",
    [
        (lambda name: f"_orig_mod.{name}", "take '_orig_mod.' from the front"),
        (lambda name: f"module.{name}", "take 'module.' from the front"),
        (lambda name: f"thinker.{name}", "take 'thinker.' from the front"),
        (lambda name: name.removeprefix("base_model.model."), "add 'base_model.model.'"),
        (lambda name: name.replace("base_model.model.", "base_model.model._orig_mod.", 1),
         "take it out of the names"),
        (lambda name: name.replace("base_model.model.", "base_model.model.module.", 1),
         "take it out of the names"),
        (lambda name: name.replace(".weight", ".default.weight"), "take the adapter's name out"),
        (lambda name: name.replace(".weight", ""), "add .weight"),
        (lambda name: name.replace("lora_A", "lora_down").replace("lora_B", "lora_up"),
         "convert the file"),
    ],
)  # fmt: skip
def test_names_that_peft_matches_with_nothing_are_called_dead(tmp_path, change, cure):
    adapter = adapters.read(renamed(tmp_path, change))
    assert {module.name for module in adapter.modules} >= {each[0] for each in MODULES[:3]}
    (finding,) = [each for each in adapter.findings if each.kind == "dead"]
    assert finding.text.startswith(f"{len(finding.names)} of 5 modules are dead in PEFT")
    assert cure in finding.text
    assert len(finding.names) >= 4


def test_a_living_folder_has_no_finding(tmp_path):
    assert adapters.read(peft_folder(tmp_path / "a")).findings == ()


def test_tensors_that_were_saved_empty(tmp_path):
    folder = peft_folder(tmp_path / "a")
    head = {"base_model.model.lm_head.weight": (np.zeros(0), "F32")}
    content = file_bytes({**peft_tensors(factors()), **head})
    (folder / "adapter_model.safetensors").write_bytes(content)
    adapter = adapters.read(folder)
    assert len(adapter.modules) == len(MODULES)
    assert adapter.ignored == {}
    (finding,) = adapter.findings
    assert (finding.kind, finding.names) == ("dead", ("base_model.model.lm_head.weight",))
    assert "1 tensor is empty: saved under ZeRO-3" in finding.text
    empty = {name: (np.zeros(0), "F32") for name in peft_tensors(factors())}
    (folder / "adapter_model.safetensors").write_bytes(file_bytes(empty))
    with pytest.raises(adapters.FileError, match=r"is dead: its 10 tensors are empty: saved under"):
        adapters.read(folder)
    half = {"base_model.model.model.embed.lora_embedding_A": (np.zeros(0), "F32")}
    one = {**peft_tensors(factors()), **half}
    (folder / "adapter_model.safetensors").write_bytes(file_bytes(one))
    adapter = adapters.read(folder)
    assert len(adapter.modules) == len(MODULES) - 1
    assert {each.kind for each in adapter.findings} == {"dead"}


@pytest.mark.parametrize("bias", ["all", "lora_only"])
def test_trained_biases(tmp_path, bias):
    stem = "base_model.model.model.layers.0.q_proj"
    biases = (f"{stem}.base_layer.bias", f"{stem}.lora_B.bias")
    extra = dict.fromkeys(biases, (draw(1, 6), "F32"))
    folder = peft_folder(tmp_path / "a", extra=extra, bias=bias)
    adapter = adapters.read(folder)
    assert adapter.ignored == dict(zip(biases, ("trained bias", "bias of B")))
    assert "vLLM refuses" in " ".join(adapter.notes)
    folder = peft_folder(tmp_path / "b", extra=extra)
    assert "copy of a base weight" in adapters.read(folder).ignored.values()


def test_an_adapter_in_shards(tmp_path):
    folder = peft_folder(tmp_path / "a")
    (folder / "adapter_model.safetensors").unlink()
    tensors, places = peft_tensors(factors()), {}
    for i, (name, each) in enumerate(tensors.items()):
        file = f"adapter_model-{i}.safetensors"
        (folder / file).write_bytes(file_bytes({name: each}))
        places[name] = file
    index = folder / "adapter_model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": places}))
    whole = adapters.read(peft_folder(tmp_path / "b"))
    sharded = adapters.read(folder)
    assert [each.name for each in sharded.modules] == [each.name for each in whole.modules]
    for one, other in zip(adapters.spectra(sharded), adapters.spectra(whole)):
        np.testing.assert_array_equal(one.values, other.values)


@pytest.mark.parametrize("start", ["pissa", "PiSSA_niter_16", "olora", "corda", "loftq", "lora_ga"])
def test_starts_that_change_the_base(tmp_path, start):
    adapter = adapters.read(peft_folder(tmp_path / "a", init_lora_weights=start))
    (finding,) = adapter.findings
    assert finding.kind == "base changed"
    assert "s B A is not the update" in finding.text
    assert "path_initial_model_for_weight_conversion" in finding.text


@pytest.mark.parametrize("start", [True, False, None, "gaussian", "eva", "orthogonal"])
def test_starts_that_do_not(tmp_path, start):
    assert adapters.read(peft_folder(tmp_path / "a", init_lora_weights=start)).findings == ()


@pytest.mark.parametrize(
    "setting, said",
    [
        ({"layer_replication": [[0, 4], [2, 5]]}, "repeated layers"),
        ({"alora_invocation_tokens": [1, 2]}, "aLoRA"),
        ({"lora_alpha": None}, "alpha is null, on which PEFT stops; 8 is taken here"),
    ],
)
def test_settings_that_are_told(tmp_path, setting, said):
    adapter = adapters.read(peft_folder(tmp_path / "a", **setting))
    (finding,) = adapter.findings
    assert said in finding.text
    assert len(adapter.modules) == len(MODULES)


@pytest.mark.parametrize("method", ["VERA", "IA3", "OFT", "ADALORA", "PROMPT_TUNING"])
def test_other_methods_are_refused_with_what_reads_them(tmp_path, method):
    with pytest.raises(adapters.FileError, match=f"got '{method}'; PEFT itself reads"):
        adapters.read(peft_folder(tmp_path / "a", peft_type=method))


PATTERNS = [r"^a\.b", "^a", "b", ".*b", r"^a\.b1", r"a\.b", "^", "b|b1", "^.*", r"^a\.b\d",
            "a.b", "a..", ".", "..b", ".b1", "x.a.b", "a-b"]  # fmt: skip


def test_a_mixture_has_a_pattern_for_each_of_its_modules():
    """More of them than may be compiled; the names are of one length, parted alike."""
    names = [f"layers.{i}.experts.{j}.{m}_proj" for i in range(40) for j in range(100)
             for m in ("up", "down")]  # fmt: skip
    compiled = peft.compile_patterns({name: i for i, name in enumerate(names)}, "here")
    for place in (0, 1, len(names) - 1):
        assert peft.find(compiled, f"model.{names[place]}", -1) == place
    assert peft.find(compiled, "layers.40.experts.0.up_proj", -1) == -1


@given(st.lists(st.sampled_from(PATTERNS), max_size=6))
def test_the_first_pattern_counts_whether_it_is_a_name_or_not(keys):
    """Names are looked up at once; one by one they give the same."""
    table = {key: i for i, key in enumerate(keys)}
    for name in ("a", "b", "a.b", "a.b1", "x.a.b", "ab", "a-b", ".b", "x..b"):
        matching = (v for key, v in table.items() if re.match(rf"(.*\.)?({key})$", name))
        assert peft.find(peft.compile_patterns(table, "here"), name, -1) == next(matching, -1)
