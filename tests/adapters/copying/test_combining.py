"""Sums of adapters and differences of checkpoints, against sums and differences of matrices."""

import json

import numpy as np
import pytest

from helpers import adapters
from helpers.tensorfile import open_file
from tests.support.adapters import MODULES, draw, factors, file_bytes, kohya_file, peft_folder, tree

NUMBERS = [2.0, -0.5]


def two(tmp_path, **second):
    one = peft_folder(tmp_path / "one", use_rslora=True)
    made = {name: (A[:1], B[:, :1]) for name, (A, B) in factors().items()}
    other = peft_folder(tmp_path / "two", made, r=1, rank_pattern={}, lora_alpha=3, **second)
    return [adapters.read(each) for each in (one, other)]


def summed(pair, weights=NUMBERS):
    return {
        module.name: weights[0] * pair[0].delta(module) + weights[1] * pair[1].delta(other)
        for module, other in zip(pair[0].modules, pair[1].modules)
    }


def test_an_exact_merge(tmp_path):
    pair = two(tmp_path)
    cuts = adapters.merge(pair, tmp_path / "out", NUMBERS)
    after = adapters.read(tmp_path / "out")
    assert (
        [cut.rank for cut in cuts] == [module.rank for module in after.modules] == [4, 4, 3, 4, 4]
    )
    assert all(cut.error == 0 for cut in cuts)
    assert after.config["use_rslora"] is False
    assert {module.scale for module in after.modules} == {1.0}
    assert after.ignored == {}, "a config has the alphas of a folder"
    for name, expected in summed(pair).items():
        module = next(each for each in after.modules if each.name == name)
        atol = 1e-6 * np.abs(expected).max()
        np.testing.assert_allclose(after.delta(module), expected, rtol=0, atol=atol)


@pytest.mark.parametrize("target", [{"rank": 2}, {"energy": 0.9, "max_rank": 3}, {"budget": 0.5}])
def test_a_truncated_merge_states_its_error(tmp_path, target):
    pair = two(tmp_path)
    cuts = adapters.merge(pair, tmp_path / "out", NUMBERS, **target)
    after = adapters.read(tmp_path / "out")
    wrong = total = 0.0
    for cut, module in zip(cuts, after.modules):
        assert (cut.name, cut.rank) == (module.name, module.rank)
        expected = summed(pair)[cut.name]
        missed = np.linalg.norm(after.delta(module) - expected)
        assert missed / np.linalg.norm(expected) == pytest.approx(cut.error, abs=1e-6)
        wrong, total = wrong + missed**2, total + np.linalg.norm(expected) ** 2
    assert any(cut.rank < cut.before for cut in cuts)
    assert adapters.total_error(cuts) == pytest.approx(np.sqrt(wrong / total), abs=1e-6)


def test_a_merge_of_files_has_alphas_where_loaders_need_them(tmp_path):
    made = {"lora_a": (draw(1, 2, 5), draw(2, 4, 2)), "lora_b": (draw(3, 3, 5), draw(4, 4, 3))}
    paths = [
        kohya_file(tmp_path / f"{i}.safetensors", made, {"lora_a": i, "lora_b": 4}, "F32",
                   {"ss_network_dim": "2", "ss_network_alpha": "4"})
        for i in (1, 2)
    ]  # fmt: skip
    pair = [adapters.read(path) for path in paths]
    adapters.merge(pair, tmp_path / "out.safetensors")
    after = adapters.read(tmp_path / "out.safetensors")
    assert after.config == {"ss_network_dim": "Dynamic", "ss_network_alpha": "Dynamic"}
    assert [module.alpha for module in after.modules] == [4, 6]
    for name, expected in summed(pair, [1, 1]).items():
        module = next(each for each in after.modules if each.name == name)
        np.testing.assert_allclose(after.delta(module), expected, atol=1e-5)


@pytest.mark.parametrize("types, stored", [(("F16", "F32"), "F32"), (("F16", "F16"), "F16")])
def test_a_merge_has_the_type_of_both_or_single_precision(tmp_path, types, stored):
    pair = [adapters.read(peft_folder(tmp_path / str(i), dtype=t)) for i, t in enumerate(types)]
    adapters.merge(pair, tmp_path / "out")
    after = adapters.read(tmp_path / "out")
    assert {entry.dtype for entry in after.tensors.entries.values()} == {stored}


def test_a_sum_too_large_for_float64_is_refused_without_a_warning(tmp_path):
    """Infinity times a singular value of zero is no number."""
    tensors = {"x.lora_down.weight": (1e200 * np.eye(2, 3), "F64"),
               "x.lora_up.weight": (1e200 * np.eye(4, 2), "F64")}  # fmt: skip
    (tmp_path / "a.safetensors").write_bytes(file_bytes(tensors))
    adapter = adapters.read(tmp_path / "a.safetensors")
    with pytest.raises(adapters.FileError, match="module x: the sum is too large"):
        adapters.merge([adapter, adapter], tmp_path / "b.safetensors")


def test_what_cannot_be_merged_is_named(tmp_path):
    one, other = two(tmp_path)
    fewer = adapters.read(peft_folder(tmp_path / "fewer", modules=MODULES[:4]))
    wider = [(*MODULES[0][:2], (3, 9), (6, 3)), *MODULES[1:]]
    wider = adapters.read(peft_folder(tmp_path / "wider", modules=wider))
    head = {"base_model.model.head.weight": (draw(9, 3, 3), "F32")}
    saved = adapters.read(peft_folder(tmp_path / "saved", extra=head))
    pissa = adapters.read(peft_folder(tmp_path / "pissa", init_lora_weights="pissa"))
    before = tree(tmp_path)
    for some, weights, target, message in (
        ([one], None, {}, "at least two"),
        ([one, other], [1], {}, "weights must be 2"),
        ([one, other], [1, float("inf")], {}, "weights must be a finite number"),
        ([one, other], None, {"max_rank": 2}, "exactly one of"),
        ([one, other], None, {"rank": 5}, "between 1 and 4"),
        ([one, fewer], None, {}, r"1 are in one only, such as vision\.conv"),
        ([one, wider], None, {}, r"layers\.0\.q_proj is linear of shape \(6, 9\)"),
        ([one, saved], None, {}, r"head\.weight \(weights saved whole\)"),
        ([one, pissa], None, {}, "path_initial_model_for_weight_conversion"),
    ):
        with pytest.raises(ValueError, match=message):
            adapters.merge(some, tmp_path / "out", weights, **target)
    with pytest.raises(adapters.FileError, match="exists already"):
        adapters.merge([one, other], tmp_path / "one")
    assert tree(tmp_path) == before


BASE = {
    "model.embed_tokens.weight": (7, 4), "model.layers.0.q_proj.weight": (6, 4),
    "model.layers.1.q_proj.weight": (6, 4), "model.conv.weight": (5, 3, 2, 2),
    "model.norm.weight": (4,), "model.frozen.weight": (4, 4), "model.free": (3, 3),
    "lm_head.weight": (7, 4),
}  # fmt: skip


def checkpoints(tmp_path, dtype="F32", tokens=7):
    """Two checkpoints whose differences have rank 2, and the differences as they are stored."""
    files, arrays = [], []
    for name in ("old", "new"):
        made = {}
        for i, (key, shape) in enumerate(BASE.items()):
            array = draw(i, *shape)
            if name == "new" and "frozen" not in key:
                d = shape[0]
                change = draw(50 + i, d, 2) @ draw(90 + i, 2, int(np.prod(shape[1:])))
                array = array + change.reshape(shape)
            if name == "new" and key == "lm_head.weight":
                array = draw(i, tokens, 4)
            made[key] = array
        files.append(tmp_path / f"{name}.safetensors")
        files[-1].write_bytes(file_bytes({key: (each, dtype) for key, each in made.items()}))
        stored = open_file(files[-1])
        arrays.append({key: stored.read(key).astype(np.float64) for key in made})
    old, new = arrays
    return *files, {key: new[key] - old[key] for key in old if new[key].shape == old[key].shape}


@pytest.mark.parametrize("out", ["lora", "lora.safetensors"])
@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_extract(tmp_path, out, dtype):
    old, new, changes = checkpoints(tmp_path, dtype, tokens=9)
    prefix = "transformer." if "." in out else ""
    cuts, left_out = adapters.extract(old, new, tmp_path / out, error=0.05, prefix=prefix)
    assert left_out == {
        "lm_head.weight": "shape (9, 4), and (7, 4) before", "model.norm.weight": "not a matrix",
        "model.free": "no module's weight",
    }  # fmt: skip
    after = adapters.read(tmp_path / out)
    assert {cut.name for cut in cuts} == {
        "model.embed_tokens", "model.layers.0.q_proj", "model.layers.1.q_proj", "model.conv",
    }  # fmt: skip
    assert {module.scale for module in after.modules} == {1.0}
    modules = {each.name.removeprefix(prefix): each for each in after.modules}
    for cut in cuts:
        expected = changes[f"{cut.name}.weight"]
        missed = np.linalg.norm(after.delta(modules[cut.name]) - expected)
        rounding = 1e-2 if dtype == "BF16" else 1e-5
        assert missed / np.linalg.norm(expected) == pytest.approx(cut.error, abs=rounding)
        assert dtype == "BF16" or cut.rank == 2
    assert modules["model.embed_tokens"].kind == "embedding"
    if not prefix:
        assert after.config["target_modules"] == ["conv", "embed_tokens", "q_proj"]


def test_an_extract_of_mixed_ranks_has_patterns_or_alphas(tmp_path):
    old, new, _ = checkpoints(tmp_path, tokens=7)
    cuts, _ = adapters.extract(old, new, tmp_path / "lora", budget=70, max_rank=3)
    ranks = {cut.name: cut.rank for cut in cuts}
    assert len(set(ranks.values())) > 1
    after = adapters.read(tmp_path / "lora")
    assert {module.name: module.rank for module in after.modules} == ranks
    assert {module.scale for module in after.modules} == {1.0}
    adapters.extract(old, new, tmp_path / "l.safetensors", budget=70, max_rank=3)
    alphas = [name for name in open_file(tmp_path / "l.safetensors").entries if "alpha" in name]
    assert len(alphas) == len(ranks)


def test_layers_that_lie_as_inputs_by_outputs_are_known_by_their_shapes(tmp_path):
    """GPT-2's Conv1D, whose name others give to a linear layer."""
    for name, seed in (("old", 1), ("new", 2)):
        shapes = {"h.0.attn.c_attn.weight": (4, 12), "h.0.attn.c_proj.weight": (4, 4)}
        made = {key: (draw(seed, *shape), "F32") for key, shape in shapes.items()}
        (tmp_path / f"{name}.safetensors").write_bytes(file_bytes(made))
    old, new = (tmp_path / f"{name}.safetensors" for name in ("old", "new"))
    adapters.extract(old, new, tmp_path / "lora", rank=4)
    after = adapters.read(tmp_path / "lora")
    assert after.config["fan_in_fan_out"]
    for module in after.modules:
        key = f"{module.name}.weight"
        change = open_file(new).read(key) - open_file(old).read(key)
        np.testing.assert_allclose(after.delta(module), change, atol=1e-5)
    assert after.factors(after.modules[0])[0].shape == (12, 4)


def test_what_cannot_be_extracted(tmp_path):
    old, new, _ = checkpoints(tmp_path)
    before = tree(tmp_path)
    for arguments, target, message in (
        ((old, old, tmp_path / "out"), {"rank": 1}, "no matrix has changed"),
        ((old, new, old), {"rank": 1}, "exists already"),
        ((old, new, tmp_path / "out"), {"rank": 99}, "rank must be"),
        ((old, new, tmp_path / "out"), {}, "exactly one of"),
        ((old, new, tmp_path / "no" / "out"), {"rank": 1}, "does not exist"),
        ((old, tmp_path / "none", tmp_path / "out"), {"rank": 1}, "does not exist"),
    ):
        with pytest.raises(ValueError, match=message):
            adapters.extract(*arguments, **target)
    assert tree(tmp_path) == before


def test_a_name_of_a_target_that_means_another_module_is_written_whole(tmp_path):
    """PEFT would otherwise adapt layers that the file has no factors for."""
    for name, seed in (("old", 1), ("new", 2)):
        made = {"a.q.weight": (draw(seed, 4, 4), "F32"), "b.q.weight": (draw(1, 4, 4), "F32")}
        (tmp_path / f"{name}.safetensors").write_bytes(file_bytes(made))
    adapters.extract(tmp_path / "old.safetensors", tmp_path / "new.safetensors", tmp_path / "l", 1)
    config = json.loads((tmp_path / "l" / "adapter_config.json").read_text())
    assert config["target_modules"] == ["a.q"]


@pytest.mark.parametrize("head", [True, False])
def test_an_output_tied_to_the_embedding_is_named(tmp_path, head):
    """PEFT adds the update to the embedding alone, unless it is merged."""
    for name, seed in (("old", 1), ("new", 2)):
        made = {"model.embed_tokens.weight": (draw(seed, 5, 4), "F32")}
        made |= {"lm_head.weight": (draw(seed, 5, 4), "F32")} if head else {}
        (tmp_path / f"{name}.safetensors").write_bytes(file_bytes(made))
    files = [tmp_path / f"{name}.safetensors" for name in ("old", "new")]
    _, left_out = adapters.extract(*files, tmp_path / "lora", rank=2)
    assert left_out.keys() == (set() if head else {"lm_head.weight"})
