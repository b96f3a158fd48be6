"""Adapters as tools write them, baked and cut: what the files hold afterwards, by hand.

Each case states what its modules were trained to add; no number here is read by our reader.
"""

import json
import re

import numpy as np
import pytest

from helpers import adapters
from tests.support.adapters import draw, file_bytes, tree
from tests.support.field_folders import several

numpy_files = pytest.importorskip("safetensors.numpy", reason="safetensors is not installed")

D, K = 6, 8


def pair(stem, scale, rank=4, ends=("lora_A.weight", "lora_B.weight"), seed=0, d=D, k=K):
    """The two tensors of a module, and what it adds at this scale."""
    A, B = (draw(seed + i, *shape).astype("f4") for i, shape in enumerate(((rank, k), (d, rank))))
    return {f"{stem}.{ends[0]}": A, f"{stem}.{ends[1]}": B}, {stem: scale * B.astype(float) @ A}


KOHYA = ("lora_down.weight", "lora_up.weight")
DIFFUSERS_OLD = ("lora.down.weight", "lora.up.weight")
PEFT = "base_model.model."


def single(path, tensors, metadata=None, types=None):
    made = {name: (each, (types or {}).get(name, "F32")) for name, each in tensors.items()}
    path.write_bytes(file_bytes(made, metadata))
    return path


def folder(path, tensors, **config):
    path.mkdir()
    single(path / "adapter_model.safetensors", tensors)
    (path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    return path


def split_qkv(work):
    """sd-scripts on Flux: three blocks in one module, trained with the scale of each."""
    down, up = draw(1, 12, K), np.zeros((18, 12))
    for i in range(3):
        up[i * D : (i + 1) * D, i * 4 : (i + 1) * 4] = draw(2 + i, D, 4)
    tensors, updates = pair("lora_unet_proj", 0.5, ends=KOHYA)
    tensors["lora_unet_proj.alpha"] = tensors["lora_unet_qkv.alpha"] = np.array(2.0)
    tensors["lora_unet_qkv.lora_down.weight"] = down
    tensors["lora_unet_qkv.lora_up.weight"] = up
    said = {"ss_network_dim": "4", "ss_network_alpha": "2.0",
            "ss_network_args": '{"split_qkv": "True"}'}  # fmt: skip
    return single(work / "a.safetensors", tensors, said), updates | {
        "lora_unet_qkv": 0.5 * up @ down
    }


def whole_alpha(work):
    """An alpha that was given as a whole number is saved as one."""
    tensors, updates = pair("lora_te_q", 2.0, ends=KOHYA)
    tensors["lora_te_q.alpha"] = np.array(8)
    return single(work / "a.safetensors", tensors, None, {"lora_te_q.alpha": "I64"}), updates


def linear_and_convolution(work):
    """LyCORIS' LoCon: convolutions have a rank and an alpha of their own."""
    tensors, updates = pair("lora_unet_q", 0.25, ends=KOHYA)
    A, B = draw(3, 2, 3, 3, 3), draw(4, 5, 2, 1, 1)
    tensors |= {"lora_unet_conv.lora_down.weight": A, "lora_unet_conv.lora_up.weight": B}
    tensors |= {f"lora_unet_{each}.alpha": np.array(1.0) for each in ("conv", "q")}
    update = 0.5 * B.reshape(5, 2) @ A.reshape(2, 27)
    said = {"ss_network_dim": "4", "ss_network_alpha": "1",
            "ss_network_args": '{"conv_dim": "2", "conv_alpha": "1"}'}  # fmt: skip
    return single(work / "a.safetensors", tensors, said), updates | {"lora_unet_conv": update}


def header_only(work):
    """musubi-tuner and others that write no alphas: the header has them."""
    tensors, updates = several(pair("lora_unet_q", 4.0, ends=KOHYA),
                               pair("lora_unet_k", 4.0, ends=KOHYA, seed=5))  # fmt: skip
    said = {"ss_network_dim": "4", "ss_network_alpha": "16.0"}
    return single(work / "a.safetensors", tensors, said), updates


def rank_and_alpha_in_the_header(work):
    """Names that other trainers use."""
    tensors, updates = pair("diffusion_model.q", 8.0)
    return single(work / "a.safetensors", tensors, {"lora_alpha": "32", "rank": "4"}), updates


def kohya_with_rslora(work):
    tensors, updates = pair("lora_unet_q", 1.5, ends=KOHYA)
    said = {"ss_network_dim": "4", "ss_network_alpha": "3", "ss_network_args": '{"rs_lora": true}'}
    return single(work / "a.safetensors", tensors, said), updates


def diffusers_with_alphas(work):
    """OneTrainer and ai-toolkit: PEFT's endings, and an alpha for each module."""
    tensors, updates = several(pair("transformer.a.to_q", 0.5), pair("transformer.a.to_k", 3, 2))
    tensors |= {"transformer.a.to_q.alpha": np.array(2.0),
                "transformer.a.to_k.alpha": np.array(6.0)}  # fmt: skip
    return single(work / "a.safetensors", tensors), updates


def diffusers_without_alphas(work):
    """Mixed ranks and no alpha: Diffusers before 0.39 takes the first rank for all."""
    tensors, updates = several(pair("transformer.a.to_q", 1), pair("transformer.a.to_k", 1, 2))
    return single(work / "a.safetensors", tensors), updates


def two_components(work):
    """A pipeline whose parts have settings of their own."""
    tensors, updates = several(pair("unet.a.to_q", 6.0, 4), pair("text_encoder.b.q_proj", 0.5, 2))
    metadata = {"unet.r": 4, "unet.lora_alpha": 12, "unet.use_rslora": True,
                "text_encoder.r": 2, "text_encoder.lora_alpha": 1}  # fmt: skip
    said = {"lora_adapter_metadata": json.dumps(metadata)}
    return single(work / "a.safetensors", tensors, said), updates


def old_diffusers(work):
    tensors, updates = pair("unet.mid.to_q", 1.0, ends=DIFFUSERS_OLD)
    return single(work / "a.safetensors", tensors), updates


def wan(work):
    """Differences that are added whole, beside a pair."""
    tensors, updates = pair("diffusion_model.q", 0.5, ends=KOHYA)
    tensors |= {"diffusion_model.q.alpha": np.array(2.0), "diffusion_model.q.diff_b": draw(9, D)}
    tensors |= {"diffusion_model.n.diff": draw(8, D), "diffusion_model.n.diff_m": draw(8, 1, 2, 3)}
    return single(work / "a.safetensors", tensors), updates


def higher_than_its_sides(work):
    tensors, updates = pair("lora_unet_q", 0.5, rank=20, ends=KOHYA)
    tensors["lora_unet_q.alpha"] = np.array(10.0)
    return single(work / "a.safetensors", tensors), updates


def peft_defaults(work):
    """r and lora_alpha are PEFT's defaults where a config says nothing, patterns may be null."""
    tensors, updates = pair(f"{PEFT}q", 1.0, rank=8)
    return folder(work / "a", tensors, alpha_pattern=None, rank_pattern=None), updates


def peft_null_alpha(work):
    tensors, updates = pair(f"{PEFT}q", 2.0)
    return folder(work / "a", tensors, r=4, lora_alpha=None), updates


def peft_with_a_dead_head(work):
    """ZeRO-3 saved a module as nothing; what it did save is copied."""
    tensors, updates = pair(f"{PEFT}q", 4.0)
    tensors[f"{PEFT}lm_head.weight"] = np.zeros((0,))
    return folder(work / "a", tensors, r=4, lora_alpha=16, modules_to_save=["lm_head"]), updates


def peft_with_trained_biases(work):
    tensors, updates = pair(f"{PEFT}q", 2.0)
    tensors[f"{PEFT}q.base_layer.bias"] = draw(9, D)
    return folder(work / "a", tensors, r=4, lora_alpha=8, bias="lora_only"), updates


def peft_in_shards(work):
    one, two = pair(f"{PEFT}q", 2.0), pair(f"{PEFT}k", 2.0, seed=4)
    path, updates = folder(work / "a", one[0], r=4, lora_alpha=8), one[1] | two[1]
    (path / "adapter_model.safetensors").rename(path / "adapter_model-00001-of-00002.safetensors")
    single(path / "adapter_model-00002-of-00002.safetensors", two[0])
    places = dict.fromkeys(one[0], 1) | dict.fromkeys(two[0], 2)
    index = {name: f"adapter_model-0000{i}-of-00002.safetensors" for name, i in places.items()}
    text = json.dumps({"weight_map": index})
    (path / "adapter_model.safetensors.index.json").write_text(text)
    return path, updates


def peft_from_a_hub(work):
    """A hub's cache: every file is a link to a blob."""
    tensors, updates = pair(f"{PEFT}q", 2.0)
    path = folder(work / "a", tensors, r=4, lora_alpha=4, use_rslora=True)
    (work / "m" / "blobs").mkdir(parents=True)
    (work / "m" / "snapshots" / "0").mkdir(parents=True)
    for i, file in enumerate(sorted(path.iterdir())):
        file.rename(work / "m" / "blobs" / str(i))
        (work / "m" / "snapshots" / "0" / file.name).symlink_to(f"../../blobs/{i}")
    return work / "m" / "snapshots" / "0", updates


def peft_with_an_adapters_name(work):
    """DiffSynth and plain state dicts; the modules of a distributed and compiled model."""
    tensors, updates = pair(f"{PEFT}q", 2.0, ends=("lora_A.mine.weight", "lora_B.mine.weight"))
    more, also = pair("module._orig_mod.base_model.model.k", 2.0, seed=7)
    return folder(work / "a", tensors | more, r=4, lora_alpha=8), updates | also


def mlx(work):
    a, b = draw(1, K, 4), draw(2, 4, D)
    config = {"fine_tune_type": "lora", "lora_parameters": {"rank": 4, "scale": 20.0}}
    (work / "a").mkdir()
    (work / "a" / "adapter_config.json").write_text(json.dumps(config))
    single(work / "a" / "adapters.safetensors", {"m.q.lora_a": a, "m.q.lora_b": b})
    return work / "a", {"m.q": 20 * (a @ b).T}


CASES = [
    split_qkv, whole_alpha, linear_and_convolution, header_only, rank_and_alpha_in_the_header,
    kohya_with_rslora, diffusers_with_alphas, diffusers_without_alphas, two_components,
    old_diffusers, wan, higher_than_its_sides, peft_defaults, peft_null_alpha,
    peft_with_a_dead_head, peft_with_trained_biases, peft_in_shards, peft_from_a_hub,
    peft_with_an_adapters_name, mlx,
]  # fmt: skip
PAIR_ENDS = re.compile(r"\.(lora_A\.weight|lora_down\.weight|lora\.down\.weight|lora_a)$")
OTHER = {"lora_A.weight": "lora_B.weight", "lora_down.weight": "lora_up.weight",
         "lora.down.weight": "lora.up.weight", "lora_a": "lora_b"}  # fmt: skip


def products(path):
    """B A of every pair in a copy, no scale applied, and all tensors and what the files say."""
    weights = path
    if path.is_dir():
        (weights,) = path.glob("*.safetensors")
    tensors, found = numpy_files.load_file(weights), {}
    for name, A in tensors.items():
        if match := PAIR_ENDS.search(name):
            stem, rank = name[: match.start()], A.shape[1] if match[1] == "lora_a" else len(A)
            B = tensors[f"{stem}.{OTHER[match[1]]}"].astype(float)
            product = (A.astype(float) @ B).T if match[1] == "lora_a" else (
                B.reshape(-1, rank) @ A.reshape(rank, -1))  # fmt: skip
            found[stem] = (product, rank)
    with weights.open("rb") as file:
        said = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    config = path / "adapter_config.json"
    said = json.loads(config.read_text()) if config.exists() else said.get("__metadata__", {})
    return found, tensors, said


def scales(found, tensors, said):
    """Every scale that a loader might take from a copy, for each module."""
    for stem, (_, rank) in found.items():
        yield stem, 1.0
        if f"{stem}.alpha" in tensors:
            yield stem, float(tensors[f"{stem}.alpha"].reshape(())) / rank
        for alpha, of in (("lora_alpha", "r"), ("ss_network_alpha", "ss_network_dim"),
                          ("lora_alpha", "rank")):  # fmt: skip
            if alpha in said and of in said:
                yield stem, float(said[alpha]) / float(said[of])
                yield stem, float(said[alpha]) / rank
        if "lora_parameters" in said:
            yield stem, said["lora_parameters"]["scale"]
        metadata = json.loads(said.get("lora_adapter_metadata", "{}"))
        if part := stem.partition(".")[0] if metadata else "":
            yield stem, metadata[f"{part}.lora_alpha"] / rank
            assert metadata[f"{part}.use_rslora"] is False
            assert metadata[f"{part}.r"] == rank


def named(updates, path):
    """The names that a copy's tensors should have."""
    if not (path / "adapter_config.json").exists() or (path / "adapters.safetensors").exists():
        return updates
    return {PEFT + stem.rpartition(PEFT)[2]: each for stem, each in updates.items()}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_baked(tmp_path, case):
    path, updates = case(tmp_path)
    before = tree(path) if path.is_dir() else path.read_bytes()
    out = tmp_path / ("out" if path.is_dir() else "out.safetensors")
    try:
        adapters.bake(adapters.read(path), out)
    except adapters.FileError as error:
        assert "nothing to bake" in str(error)
        assert case in (old_diffusers,)
        return
    assert before == (tree(path) if path.is_dir() else path.read_bytes())
    found, tensors, said = products(out)
    expected = named(updates, path)
    assert found.keys() == expected.keys()
    for stem, s in scales(found, tensors, said):
        size = np.abs(expected[stem]).max()
        np.testing.assert_allclose(s * found[stem][0], expected[stem], rtol=0, atol=3e-6 * size)
    assert len({rank for _, rank in found.values()}) == 1


@pytest.mark.parametrize("target", [{"rank": 2}, {"energy": 0.7}, {"budget": 0.6}],
                         ids=lambda target: next(iter(target)))  # fmt: skip
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_cut(tmp_path, case, target):
    """The stated error is that of the file as its own format's loader reads it."""
    path, updates = case(tmp_path)
    out = tmp_path / ("out" if path.is_dir() else "out.safetensors")
    cuts = adapters.truncate(adapters.read(path), out, **target)
    found, tensors, said = products(out)
    expected = named(updates, path)
    assert found.keys() == expected.keys()
    ranks = {stem: rank for stem, (_, rank) in found.items()}
    for cut in cuts:
        stem = (
            PEFT + cut.name
            if path.is_dir() and "adapters.safetensors" not in tree(path)
            else cut.name
        )
        if path.is_dir() and "lora_parameters" in said:
            s = said["lora_parameters"]["scale"]
        elif path.is_dir():
            patterns = [{re.sub(r"[\\^]", "", key): each for key, each in said[name].items()}
                        for name in ("rank_pattern", "alpha_pattern")]  # fmt: skip
            r, alpha = (pattern.get(cut.name, said[key])
                        for pattern, key in zip(patterns, ("r", "lora_alpha")))  # fmt: skip
            assert r == ranks[stem] == cut.rank
            s = alpha / (np.sqrt(r) if said["use_rslora"] else r)
        else:
            alpha = tensors.get(f"{stem}.alpha")
            s = 1.0 if alpha is None else float(alpha.reshape(())) / ranks[stem]
            assert alpha is not None or len(set(ranks.values())) == 1 or "metadata" in str(said)
        missed = np.linalg.norm(s * found[stem][0] - expected[stem])
        assert missed / np.linalg.norm(expected[stem]) == pytest.approx(cut.error, abs=1e-5)
    assert any(cut.rank < cut.before for cut in cuts)


@pytest.mark.parametrize("case", [wan, peft_with_trained_biases, peft_with_a_dead_head])
def test_what_is_no_factor_is_copied_to_the_byte(tmp_path, case):
    path, _ = case(tmp_path)
    adapter = adapters.read(path)
    for copy in ("bake", "truncate"):
        out = tmp_path / (copy if path.is_dir() else f"{copy}.safetensors")
        getattr(adapters, copy)(adapter, out, *([] if copy == "bake" else [1]))
        after = adapters.read(out)
        kept = [name for name in adapter.tensors.entries
                if ".lora_" not in name and ".alpha" not in name]  # fmt: skip
        assert kept
        for name in kept:
            assert after.tensors.raw(name) == adapter.tensors.raw(name)
