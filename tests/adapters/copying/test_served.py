"""What each kind of loader makes of a copy: models of loaders that share no code with ours."""

import json
import re
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import adapters
from tests.support.adapters import draw, file_bytes, peft_folder, tree

numpy_files = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")

NAMES = ["model.layers.0.q", "model.layers.0.k", "model.layers.1.q"]
D, K = 7, 9


def peft_like(config, name, rank, rslora=True, patterns=True):
    """PEFT's rule; without rsLoRA, or without patterns (one alpha / r for all)."""

    def value(key, default):
        for pattern, each in config.get(key, {}).items() if patterns else ():
            if re.match(rf"(.*\.)?({pattern})$", name):
                return each
        return default

    r, alpha = value("rank_pattern", config["r"]), value("alpha_pattern", config["lora_alpha"])
    assert not patterns or r == rank, "PEFT would refuse these factors"
    return alpha / (np.sqrt(r) if rslora and config.get("use_rslora") else r)


FOLDER_LOADERS = {
    "PEFT": peft_like,
    "PEFT's patterns, no rsLoRA": lambda *given: peft_like(*given, rslora=False),
    "one alpha / r for all": lambda *given: peft_like(*given, rslora=False, patterns=False),
    "one alpha over each rank": lambda config, name, rank: config["lora_alpha"] / rank,
    "no alpha": lambda config, name, rank: 1.0,
}


def of_folder(folder, loader):
    """The update of each module, as one kind of loader applies it."""
    config = json.loads((folder / "adapter_config.json").read_text())
    tensors = numpy_files.load_file(folder / "adapter_model.safetensors")
    updates = {}
    for key, A in tensors.items():
        if key.endswith(".lora_A.weight") and A.ndim == 2:
            stem = key.removesuffix(".lora_A.weight")
            name = stem.removeprefix("base_model.model.")
            assert name != stem, "PEFT would not find this module"
            s = FOLDER_LOADERS[loader](config, name, len(A))
            updates[name] = s * tensors[f"{stem}.lora_B.weight"].astype(float) @ A.astype(float)
    return updates


FILE_LOADERS = {
    "alpha over the rank, or 1": lambda said, alpha, rank: 1.0 if alpha is None else alpha / rank,
    "alpha over the rank, or the rank": lambda said, alpha, rank: (alpha or rank) / rank,
    "header": lambda said, alpha, rank: (
        float(said["ss_network_alpha"]) / float(said["ss_network_dim"])
    ),
    "header's alpha over the rank": lambda said, alpha, rank: (
        float(said["ss_network_alpha"]) / rank
    ),
    "no alpha": lambda said, alpha, rank: 1.0,
}


def of_file(path, loader):
    tensors = numpy_files.load_file(path)
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    said, updates = header.get("__metadata__", {}), {}
    for key, A in tensors.items():
        if key.endswith(".lora_down.weight"):
            stem = key.removesuffix(".lora_down.weight")
            alpha = tensors.get(f"{stem}.alpha")
            s = FILE_LOADERS[loader](said, None if alpha is None else float(alpha), len(A))
            updates[stem] = s * tensors[f"{stem}.lora_up.weight"].astype(float) @ A.astype(float)
    return updates


def close(found, expected):
    assert found.keys() == expected.keys()
    for name, one in expected.items():
        size = np.abs(one).max()
        np.testing.assert_allclose(found[name], one, rtol=0, atol=2e-6 * size, err_msg=name)


RANKS = st.lists(st.integers(1, 5), min_size=len(NAMES), max_size=len(NAMES))
ALPHAS = st.lists(st.sampled_from([0.7, 1, 4, 16, 33]), min_size=4, max_size=4)


def folder_of(folder, ranks, alphas, use_rslora):
    modules = [(name, "linear", (rank, K), (D, rank)) for name, rank in zip(NAMES, ranks)]
    exact = [re.escape(name) for name in NAMES]
    return peft_folder(
        folder, modules=modules, r=ranks[0], lora_alpha=alphas[3], use_rslora=use_rslora,
        rank_pattern=dict(zip(exact, ranks)), alpha_pattern=dict(zip(exact[:2], alphas)),
    )  # fmt: skip


@settings(max_examples=20, deadline=None)
@given(ranks=RANKS, alphas=ALPHAS, use_rslora=st.booleans())
def test_a_baked_folder_is_right_in_every_loader(ranks, alphas, use_rslora):
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder = folder_of(work / "a", ranks, alphas, use_rslora)
        trained = of_folder(folder, "PEFT")
        try:
            adapters.bake(adapters.read(folder), work / "b")
        except adapters.FileError as error:
            assert "nothing to bake" in str(error)
            return
        for loader in FOLDER_LOADERS:
            close(of_folder(work / "b", loader), trained)


@settings(max_examples=20, deadline=None)
@given(
    ranks=RANKS, alphas=ALPHAS, use_rslora=st.booleans(),
    target=st.sampled_from([{"rank": 1}, {"energy": 0.8}, {"error": 0}, {"budget": 0.6},
                            {"energy": 0.99, "max_rank": 2}]),
)  # fmt: skip
def test_a_cut_folder_is_right_where_it_is_said_to_be(ranks, alphas, use_rslora, target):
    """In PEFT always; by one alpha / r too where all ranks are one, and after `bake` everywhere."""
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        folder = folder_of(work / "a", ranks, alphas, use_rslora)
        try:
            cuts = adapters.truncate(adapters.read(folder), work / "b", **target)
        except ValueError as error:
            assert "budget must be" in str(error)
            return
        trained, served = of_folder(folder, "PEFT"), of_folder(work / "b", "PEFT")
        wrong = np.array([np.linalg.norm(served[cut.name] - trained[cut.name]) for cut in cuts])
        whole = np.array([np.linalg.norm(trained[cut.name]) for cut in cuts])
        np.testing.assert_allclose(wrong / whole, [cut.error for cut in cuts], atol=1e-5)
        total = np.linalg.norm(wrong) / np.linalg.norm(whole)
        assert adapters.total_error(cuts) == pytest.approx(total, abs=1e-5)
        if len({cut.rank for cut in cuts}) == 1 and not use_rslora:
            for loader in ("one alpha / r for all", "one alpha over each rank"):
                close(of_folder(work / "b", loader), served)
        try:
            adapters.bake(adapters.read(work / "b"), work / "c")
        except adapters.FileError as error:
            assert "nothing to bake" in str(error)
        else:
            for loader in FOLDER_LOADERS:
                close(of_folder(work / "c", loader), served)


def kohya(path, ranks, alphas, header):
    tensors = {}
    for name, rank, alpha in zip(("lora_a", "lora_b", "lora_c"), ranks, alphas):
        tensors[f"{name}.lora_down.weight"] = (draw(rank, rank, K), "F32")
        tensors[f"{name}.lora_up.weight"] = (draw(rank + 9, D, rank), "F32")
        if alpha is not None:
            tensors[f"{name}.alpha"] = (np.array(alpha), "F32")
    path.write_bytes(file_bytes(tensors, header))
    return path


HEADER = {"ss_network_dim": "4", "ss_network_alpha": "1.0", "ss_base_model_version": "sdxl"}


@settings(max_examples=20, deadline=None)
@given(ranks=RANKS, alphas=ALPHAS)
def test_a_baked_file_is_right_in_every_loader(ranks, alphas):
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        path = kohya(work / "a.safetensors", ranks, alphas, HEADER)
        trained = of_file(path, "alpha over the rank, or 1")
        adapters.bake(adapters.read(path), work / "b.safetensors")
        for loader in FILE_LOADERS:
            close(of_file(work / "b.safetensors", loader), trained)


@pytest.mark.parametrize("alphas", [(None, None, None), (2, 2, 2), (4, 1, 3)])
def test_a_cut_file_has_an_alpha_for_each_module(tmp_path, alphas):
    """Some loaders take the first rank for every alpha that is missing."""
    path = kohya(tmp_path / "a.safetensors", (5, 4, 1), alphas, HEADER if alphas[0] else None)
    cuts = adapters.truncate(adapters.read(path), tmp_path / "b.safetensors", energy=0.9)
    assert len({cut.rank for cut in cuts}) > 1
    tensors = numpy_files.load_file(tmp_path / "b.safetensors")
    assert {name for name in tensors if "alpha" in name} == {f"lora_{each}.alpha" for each in "abc"}
    before, after = (of_file(each, "alpha over the rank, or 1")
                     for each in (path, tmp_path / "b.safetensors"))  # fmt: skip
    for cut in cuts:
        wrong = np.linalg.norm(after[cut.name] - before[cut.name])
        assert wrong / np.linalg.norm(before[cut.name]) == pytest.approx(cut.error, abs=1e-5)


def diffusers(path, metadata, ranks=(4, 2)):
    tensors = {}
    for name, rank in zip("qk", ranks):
        for letter, shape in (("A", (rank, K)), ("B", (D, rank))):
            tensors[f"transformer.{name}.lora_{letter}.weight"] = (draw(rank, *shape), "F32")
    said = {"lora_adapter_metadata": json.dumps(metadata)} if metadata else None
    path.write_bytes(file_bytes(tensors, said))
    return path


@pytest.mark.parametrize("prefix", ["", "transformer."])
@pytest.mark.parametrize("copy", ["baked", "padded no", "cut"])
def test_metadata_follows_the_factors(tmp_path, prefix, copy):
    """Diffusers builds PEFT's config from it; ComfyUI knows no alpha there, takes 1."""
    inner = "" if prefix else "transformer."
    given = {"r": 4, "lora_alpha": 12, "use_rslora": True, "rank_pattern": {f"{inner}k": 2},
             "alpha_pattern": {}, "target_modules": ["q", "k"]}  # fmt: skip
    metadata = {f"{prefix}{key}": value for key, value in given.items()}
    path = diffusers(tmp_path / "a.safetensors", metadata)
    before, out = adapters.read(path), tmp_path / "b.safetensors"
    error = 0.0
    if copy == "cut":
        cuts = adapters.truncate(before, out, energy=0.7)
        error = max(cut.error for cut in cuts)
    else:
        adapters.bake(before, out, pad=copy == "baked")
    tensors = numpy_files.load_file(out)
    said = json.loads(adapters.read(out).config["lora_adapter_metadata"])
    config = {key.removeprefix(prefix): value for key, value in said.items()}
    assert config["target_modules"] == ["q", "k"]
    assert not any("alpha" in name for name in tensors)
    for module in before.modules:
        A, B = (tensors[f"{module.name}.lora_{each}.weight"].astype(float) for each in "AB")
        name = module.name if not prefix else module.name.removeprefix("transformer.")
        assert peft_like(config, name, len(A)) == 1
        trained = before.delta(module)
        assert np.linalg.norm(B @ A - trained) <= (error + 1e-6) * np.linalg.norm(trained)


def test_flags_of_the_header_that_would_scale_again_are_dropped(tmp_path):
    header = {**HEADER, "ss_network_args": '{"rs_lora": true, "conv_dim": 4, "preset": "x"}'}
    path = kohya(tmp_path / "a.safetensors", (4, 4, 4), (None, None, None), header)
    before = adapters.read(path)
    assert before.modules[0].scale == 0.5
    after = adapters.bake(before, tmp_path / "b.safetensors")
    assert after.config["ss_network_args"] == '{"preset": "x"}'
    assert after.config["ss_network_alpha"] == after.config["ss_network_dim"] == "4"
    assert {module.scale for module in after.modules} == {1.0}


@pytest.mark.parametrize("make", ["bake", "truncate"])
@pytest.mark.parametrize("front, end", [("_orig_mod.", ".weight"), ("module.", ".weight"),
                                        ("", ".default.weight"), ("thinker.", ".weight"),
                                        ("", "")])  # fmt: skip
def test_names_are_mended(tmp_path, make, front, end):
    folder = folder_of(tmp_path / "a", (2, 2, 2), (4, 4, 4, 4), False)
    weights = folder / "adapter_model.safetensors"
    stored = numpy_files.load_file(weights)
    moved = {f"{front}{name.removesuffix('.weight')}{end}": each for name, each in stored.items()}
    numpy_files.save_file(moved, weights)
    before = adapters.read(folder)
    said = adapters.remarks(before)
    if make == "bake":
        adapters.bake(before, tmp_path / "b")
    else:
        adapters.truncate(before, tmp_path / "b", error=0)
    assert any("Names of 6 tensors are mended" in each for each in said)
    close(of_folder(tmp_path / "b", "PEFT"), {m.name: before.delta(m) for m in before.modules})
    assert not any(each.kind == "dead" for each in adapters.read(tmp_path / "b").findings)


def test_files_beside_the_adapter_come_along_and_links_lead_nowhere_else(tmp_path):
    folder = folder_of(tmp_path / "a", (2, 2, 2), (4, 4, 4, 4), True)
    taken = {"added_tokens.json": '{"<x>": 1}', "README.md": "card", "tokenizer.model": "\0",
             "LICENSE": "x", "additional_chat_templates/rag.jinja": "y"}  # fmt: skip
    (folder / "additional_chat_templates").mkdir()
    for name, text in taken.items():
        (folder / name).write_text(text)
    (folder / "optimizer.pt").write_text("big")
    (folder / "checkpoint-5").mkdir()
    (tmp_path / "secret.txt").write_text("mine")
    (folder / "notes.txt").symlink_to(tmp_path / "secret.txt")
    (folder / "again.md").symlink_to("README.md")
    before = adapters.read(folder)
    adapters.bake(before, tmp_path / "b")
    adapters.truncate(before, tmp_path / "c", rank=1)
    for out in ("b", "c"):
        made = tree(tmp_path / out)
        assert made.keys() == {*taken, "additional_chat_templates", "again.md",
                               "adapter_config.json", "adapter_model.safetensors"}  # fmt: skip
        assert all(made[name] == text.encode() for name, text in taken.items())
    said = " ".join(adapters.remarks(before))
    assert "Not copied: checkpoint-5, notes.txt, optimizer.pt." in said
    # A hub's cache: links to blobs beside the snapshots.
    store = tmp_path / "models--x"
    (store / "blobs").mkdir(parents=True)
    (store / "snapshots").mkdir()
    folder.rename(store / "snapshots" / "rev")
    (store / "blobs" / "0").write_text("kept")
    (store / "snapshots" / "rev" / "vocab.txt").symlink_to("../../blobs/0")
    adapters.bake(adapters.read(store / "snapshots" / "rev"), tmp_path / "d")
    assert (tmp_path / "d" / "vocab.txt").read_text() == "kept"


@pytest.mark.parametrize("start", ["pissa", "pissa_niter_16", "olora", "corda", "loftq", "lora_ga"])
def test_no_copy_is_made_where_the_start_changed_the_base(tmp_path, start):
    folder = folder_of(tmp_path / "a", (2, 2, 2), (4, 4, 4, 4), True)
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, "init_lora_weights": start}))
    adapter, before = adapters.read(folder), tree(tmp_path)
    with pytest.raises(adapters.FileError, match="path_initial_model_for_weight_conversion"):
        adapters.bake(adapter, tmp_path / "b")
    with pytest.raises(adapters.FileError, match="path_initial_model_for_weight_conversion"):
        adapters.truncate(adapter, tmp_path / "b", rank=1)
    assert tree(tmp_path) == before


def test_a_folder_of_mlx_becomes_one_of_scale_1(tmp_path):
    folder = tmp_path / "a"
    folder.mkdir()
    a, b = (draw(i, *shape).astype(np.float32) for i, shape in enumerate(((K, 4), (4, D))))
    numpy_files.save_file({"m.q.lora_a": a, "m.q.lora_b": b}, folder / "adapters.safetensors")
    settings_of = {"rank": 4, "scale": 20.0, "dropout": 0.0}
    config = {"fine_tune_type": "lora", "lora_parameters": settings_of, "num_layers": 1}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    adapters.bake(adapters.read(folder), tmp_path / "b")
    (cut,) = adapters.truncate(adapters.read(folder), tmp_path / "c", rank=2)
    for name, scale, error in (("b", 1.0, 0.0), ("c", 20.0, cut.error)):
        said = json.loads((tmp_path / name / "adapter_config.json").read_text())
        made = numpy_files.load_file(tmp_path / name / "adapters.safetensors")
        assert said["lora_parameters"]["scale"] == scale
        assert said["lora_parameters"]["rank"] == made["m.q.lora_a"].shape[1]
        found = scale * made["m.q.lora_a"].astype(float) @ made["m.q.lora_b"]
        expected = 20.0 * a.astype(float) @ b
        missed = np.linalg.norm(found - expected) / np.linalg.norm(expected)
        assert missed == pytest.approx(error, abs=1e-6)


@pytest.mark.parametrize("front", ["lora_unet__orig_mod_", "_orig_mod.", "module."])
def test_names_of_files_are_mended(tmp_path, front):
    tensors = {}
    for name in ("blocks_0_q", "blocks_1_q"):
        for end, shape in (("down", (4, K)), ("up", (D, 4))):
            tensors[f"{front}{name}.lora_{end}.weight"] = (draw(1, *shape), "F32")
        tensors[f"{front}{name}.alpha"] = (np.array(2.0), "F32")
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_bytes(tensors))
    adapters.bake(adapters.read(path), tmp_path / "b.safetensors")
    adapters.truncate(adapters.read(path), tmp_path / "c.safetensors", rank=2)
    end = "lora_unet_" if front.startswith("lora") else ""
    for out in ("b", "c"):
        again = adapters.read(tmp_path / f"{out}.safetensors")
        assert {each.name for each in again.modules} == {f"{end}blocks_{i}_q" for i in (0, 1)}
        assert not any(each.kind == "dead" for each in again.findings)


def lycoris(path):
    """LoHa, LoKr, a Tucker product, a whole difference and a pair, each with an alpha."""
    arrays = {
        "h.hada_w1_a": draw(5, 4, 2), "h.hada_w1_b": draw(6, 2, 3), "h.hada_w2_a": draw(7, 4, 2),
        "h.hada_w2_b": draw(8, 2, 3), "h.alpha": np.array(1.0),
        "k.lokr_w1": draw(1, 2, 2), "k.lokr_w2_a": draw(2, 3, 2), "k.lokr_w2_b": draw(3, 2, 2),
        "k.alpha": np.array(3.0), "w.lokr_w1": draw(1, 2, 2), "w.lokr_w2": draw(2, 3, 3),
        "w.alpha": np.array(99.0), "d.diff": draw(4, 3, 4), "d.diff_b": draw(5, 3),
        "t.lora_down.weight": draw(6, 2, 3, 1, 1), "t.lora_mid.weight": draw(7, 2, 2, 2, 2),
        "t.lora_up.weight": draw(8, 4, 2, 1, 1), "t.alpha": np.array(1.0),
        "p.lora_down.weight": draw(6, 3, 5), "p.lora_up.weight": draw(8, 4, 3),
        "p.alpha": np.array(6.0), "n.w_norm": draw(1, 3), "o.oft_diag": draw(1, 2, 3, 3),
    }  # fmt: skip
    path.write_bytes(file_bytes({name: (each, "F32") for name, each in arrays.items()}))
    return path


def test_what_is_no_pair_is_baked_and_left_by_truncation(tmp_path):
    before = adapters.read(lycoris(tmp_path / "a.safetensors"))
    baked = adapters.bake(before, tmp_path / "b.safetensors")
    cuts = adapters.truncate(before, tmp_path / "c.safetensors", rank=1)
    cut = adapters.read(tmp_path / "c.safetensors")
    assert {each.name for each in cuts if each.rank < each.before} == {"p"}
    for after in (baked, cut):
        assert after.ignored == before.ignored
        modules = {module.name: module for module in after.modules}
        for module in before.modules:
            if after is baked or module.name != "p":
                expected = before.delta(module)
                found = after.delta(modules[module.name])
                np.testing.assert_allclose(found, expected, atol=2e-6 * np.abs(expected).max())
    assert {module.scale for module in baked.modules} == {1.0}
    unchanged = [name for name in before.tensors.entries if name[0] != "p"]
    for name in unchanged:
        assert cut.tensors.raw(name) == before.tensors.raw(name)


def test_experts_are_widened_with_the_rest(tmp_path):
    """PEFT's target_parameters: A by experts, and B's columns by rank."""
    experts, r, stem = 3, 2, "base_model.model.m.0."
    made = {
        f"{stem}mlp.experts.lora_A.weight": (draw(1, experts * r, 4), "F32"),
        f"{stem}mlp.experts.lora_B.weight": (draw(2, 5, r * experts), "F32"),
        f"{stem}q.lora_A.weight": (draw(3, 3, 5), "F32"),
        f"{stem}q.lora_B.weight": (draw(4, 6, 3), "F32"),
    }
    folder = tmp_path / "a"
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(file_bytes(made))
    config = {"peft_type": "LORA", "r": r, "lora_alpha": 6, "use_rslora": True,
              "rank_pattern": {"q": 3}, "target_parameters": ["mlp.experts.down_proj"]}  # fmt: skip
    (folder / "adapter_config.json").write_text(json.dumps(config))
    before = adapters.read(folder)
    assert len(before.modules) == 4
    for pad in (True, False):
        after = adapters.bake(before, tmp_path / f"b{pad}", pad)
        assert {(m.rank, m.scale) for m in after.modules} == ({(3, 1)} if pad else {(2, 1), (3, 1)})
        for one, other in zip(before.modules, after.modules):
            expected = before.delta(one)
            np.testing.assert_allclose(after.delta(other), expected, rtol=0, atol=1e-5)
    adapters.truncate(before, tmp_path / "cut", rank=1)
    *stacked, q = adapters.read(tmp_path / "cut").modules
    assert ({each.rank for each in stacked}, q.rank) == ({r}, 1), "what follows them is cut"


def test_stacked_experts_are_widened_with_the_rest(tmp_path):
    """(experts, r, k) and (experts, d, r), as fused experts are saved."""
    made = {
        "e.lora_A.weight": draw(1, 3, 2, 4), "e.lora_B.weight": draw(2, 3, 5, 2),
        "q.lora_A.weight": draw(3, 3, 5), "q.lora_B.weight": draw(4, 6, 3),
    }  # fmt: skip
    path = tmp_path / "a.safetensors"
    path.write_bytes(file_bytes({name: (each, "F32") for name, each in made.items()}))
    before = adapters.read(path)
    after = adapters.bake(before, tmp_path / "b.safetensors")
    assert [module.rank for module in before.modules] == [2, 2, 2, 3]
    assert [module.rank for module in after.modules] == [3, 3, 3, 3]
    for one, other in zip(before.modules, after.modules):
        np.testing.assert_array_equal(after.delta(other), before.delta(one))


def test_what_a_config_scales_and_nobody_reads_is_not_baked(tmp_path):
    """Factors that do not fit: their alpha over r would be another after the copy."""
    stem = "base_model.model.conv.lora_"
    extra = {f"{stem}A.weight": (draw(1, 4, 2, 3, 3), "F32"),
             f"{stem}B.weight": (draw(2, 8, 3, 1, 1), "F32")}  # fmt: skip
    folder = peft_folder(tmp_path / "a", extra=extra, use_rslora=True)
    adapter = adapters.read(folder)
    assert any("as they are" in each for each in adapters.remarks(adapter))
    with pytest.raises(adapters.FileError, match=r"conv\.lora_A\.weight is not read"):
        adapters.bake(adapter, tmp_path / "b")
    cuts = adapters.truncate(adapter, tmp_path / "c", rank=2)
    config = json.loads((tmp_path / "c" / "adapter_config.json").read_text())
    # What is not read keeps the r and alpha that it had, and everything else names its own.
    assert (config["r"], config["lora_alpha"], config["use_rslora"]) == (3, 12, True)
    for cut in cuts:
        assert peft_like(config, cut.name, cut.rank) == pytest.approx(
            peft_like(adapter.config, cut.name, cut.before)
        )
    copied = adapters.read(tmp_path / "c")
    for name in extra:
        assert copied.tensors.raw(name) == adapter.tensors.raw(name)


def test_copies_have_the_permissions_of_any_file(tmp_path):
    folder = folder_of(tmp_path / "a", (2, 2, 2), (4, 4, 4, 4), True)
    (folder / "README.md").write_text("card")
    (folder / "README.md").chmod(0o600)
    path = kohya(tmp_path / "k.safetensors", (2, 2, 2), (4, 4, 4), HEADER)
    plain = tmp_path / "plain"
    plain.mkdir()
    (plain / "file").write_text("x")
    adapters.bake(adapters.read(folder), tmp_path / "b")
    adapters.truncate(adapters.read(path), tmp_path / "c.safetensors", rank=1)
    assert (tmp_path / "b").stat().st_mode == plain.stat().st_mode
    for file in (*(tmp_path / "b").iterdir(), tmp_path / "c.safetensors"):
        assert file.stat().st_mode == (plain / "file").stat().st_mode


@pytest.mark.parametrize("odd", ["(.*)k", ".*k", "[a-z.0-9]*k", "model.*k"])
def test_patterns_keep_their_order(tmp_path, odd):
    """The first match counts, and JSON sorted by name would have the copy's own come later."""
    stem = "base_model.model.conv.lora_"
    extra = {f"{stem}A.weight": (draw(1, 4, 2, 3, 3), "F32"),
             f"{stem}B.weight": (draw(2, 8, 3, 1, 1), "F32")}  # fmt: skip
    modules = [(name, "linear", (3, K), (D, 3)) for name in NAMES]
    folder = peft_folder(
        tmp_path / "a", modules=modules, extra=extra, r=3, lora_alpha=12, rank_pattern={odd: 3},
        alpha_pattern={odd: 5, "layers.0.k": 7},
    )  # fmt: skip
    before = of_folder(folder, "PEFT")
    cuts = adapters.truncate(adapters.read(folder), tmp_path / "b", rank=2)
    after = of_folder(tmp_path / "b", "PEFT")
    for cut in cuts:
        missed = np.linalg.norm(after[cut.name] - before[cut.name])
        assert missed / np.linalg.norm(before[cut.name]) == pytest.approx(cut.error, abs=1e-5)
