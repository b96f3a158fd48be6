"""Adapter folders as tools write them, or as their users report them, each with its source.

A case makes one in a folder and says what is right: for each module its update, in float64 from
the factors, or the words of a refusal; what is left out, by its label; and what loaders find
beside the scales, which `test_field` computes by itself.
"""

import json
from dataclasses import dataclass, field

import numpy as np

from tests.support.adapters import as_stored, draw, file_bytes, product

D, K, R = 6, 8, 4
PEFT = "base_model.model."
MODEL = "model.layers.0.self_attn."
#: Every loader of PEFT's folders that refuses where a name, a feature or a tensor is unknown.
STRICT = "vllm vllm-0.31 llama.cpp"


@dataclass
class Case:
    """`updates` by module, or `refused`; `left` {part of a name: label}; `found` {loaders: kind}.

    `bake` and `cut` are the words with which these are refused, "" where they are not.
    """

    path: object
    updates: dict = field(default_factory=dict)
    refused: str = ""
    left: dict = field(default_factory=dict)
    found: dict = field(default_factory=dict)
    said: str = ""
    bake: str = ""
    cut: str = ""


CASES = {}


def case(source):
    """Keep a case under its name; `source` says who writes such files, or who reported one."""

    def keep(make):
        assert make.__name__ not in CASES
        CASES[make.__name__] = (make, source)
        return make

    return keep


def factors(seed=0, rank=R, d=D, k=K):
    return draw(seed, rank, k), draw(seed + 50, d, rank)


def names(stem, ends=("lora_A.weight", "lora_B.weight")):
    return [f"{stem}.{end}" for end in ends]


def pair(stem, scale, seed=0, rank=R, types="F32", ends=("lora_A.weight", "lora_B.weight"), **size):
    """{name: (array, type)} of one module under PEFT's prefix, and its update."""
    types = (types, types) if isinstance(types, str) else types
    A, B = factors(seed, rank, **size)
    tensors = dict(zip(names(stem, ends), zip((A, B), types)))
    A, B = (as_stored(each, dtype) for each, dtype in zip((A, B), types))
    return tensors, {stem.rpartition(PEFT)[2]: scale * product(A, B)}


def several(*pairs):
    tensors, updates = {}, {}
    for one, update in pairs:
        tensors |= one
        updates |= update
    return tensors, updates


def folder(path, tensors, weights="adapter_model.safetensors", text=None, **config):
    path.mkdir(parents=True, exist_ok=True)
    (path / weights).write_bytes(file_bytes(tensors, {"format": "pt"}))
    said = {"peft_type": "LORA", "r": R, "lora_alpha": 8, "target_modules": ["q_proj", "v_proj"]}
    said = {key: value for key, value in {**said, **config}.items() if value is not Ellipsis}
    (path / "adapter_config.json").write_text(text or json.dumps(said), encoding="utf-8")
    return path


def plain(scale=2.0, seed=0, name="q_proj", **more):
    return pair(f"{PEFT}{MODEL}{name}", scale, seed, **more)


@case("PEFT, autocast_adapter_dtype: one factor cast and the other not")
def types_of_two_kinds(work):
    tensors, updates = several(plain(types=("BF16", "F32")), plain(types=("F16", "F64"), seed=1,
                               name="v_proj"))  # fmt: skip
    return Case(folder(work / "a", tensors), updates)


@case("nunchaku issue 245, ComfyUI issue 4577: converted to float8 by sd-scripts")
def factors_of_float8(work):
    tensors, updates = plain(name="v_proj")
    codes = np.arange(32, dtype="u1")
    tensors |= {
        f"{PEFT}{MODEL}q_proj.lora_A.weight": (codes.reshape(4, 8), "F8_E4M3"),
        f"{PEFT}{MODEL}q_proj.lora_B.weight": (codes[:24].reshape(6, 4), "F8_E4M3"),
    }
    return Case(folder(work / "a", tensors), updates, said="Cast it to bfloat16",
                found={"*": "unread"}, bake="is not read")  # fmt: skip


@case("bitsandbytes: int8 factors with their SCB beside them")
def factors_of_int8(work):
    tensors = {f"{PEFT}q_proj.lora_{each}.weight": (np.ones(shape), "I8")
               for each, shape in (("A", (4, 8)), ("B", (6, 4)))}  # fmt: skip
    return Case(folder(work / "a", tensors), refused="has type I8.*Cast it to bfloat16")


@case("PEFT on GPT-2: Conv1D stores (inputs, outputs), fan_in_fan_out")
def conv1d_of_gpt2(work):
    stem = "transformer.h.0.attn.c_attn"
    tensors, updates = pair(f"{PEFT}{stem}", 2.0)
    updates = {stem: updates[stem].T}
    return Case(folder(work / "a", tensors, fan_in_fan_out=True), updates)


@case("PEFT: no check forbids lora_alpha=0")
def alpha_of_zero(work):
    return Case(folder(work / "a", plain()[0], lora_alpha=0), refused="lora_alpha must be a number")


@case("PEFT: no check forbids lora_alpha=-8, with which an update is unlearned")
def negative_alpha(work):
    return Case(
        folder(work / "a", plain()[0], lora_alpha=-8),
        refused="lora_alpha must be a number.*got -8",
    )


@case("Python's json writes NaN; alpha divided by nothing")
def alpha_of_nan(work):
    text = '{"peft_type": "LORA", "r": 4, "lora_alpha": NaN}'
    return Case(folder(work / "a", plain()[0], text=text), refused="only finite numbers")


@case("peft issues 276 and 372: size mismatch for lora_A, the config says another r")
def config_of_another_rank(work):
    return Case(
        folder(work / "a", plain()[0], r=16),
        refused="rank 16 by adapter_config.json, 4 by its factors.*rank_pattern",
    )


@case("LLaMA-Factory and others: B is still zero, nothing was trained")
def never_trained(work):
    tensors, updates = plain()
    name = f"{PEFT}{MODEL}q_proj"
    tensors[f"{name}.lora_B.weight"] = (np.zeros((D, R)), "F32")
    return Case(folder(work / "a", tensors), {key: 0 * each for key, each in updates.items()})


@case("A module of B = 0 and one of A = 0 among trained ones (frozen parts)")
def some_never_trained(work):
    tensors, updates = several(plain(), plain(seed=1, name="v_proj"))
    tensors[f"{PEFT}{MODEL}v_proj.lora_A.weight"] = (np.zeros((R, K)), "F32")
    updates[f"{MODEL}v_proj"] *= 0
    return Case(folder(work / "a", tensors), updates)


@case("peft issue 1539: a rank of 0 leaves factors without rows")
def module_of_rank_zero(work):
    tensors, updates = plain()
    tensors |= {
        f"{PEFT}{MODEL}v_proj.lora_A.weight": (np.zeros((0, K)), "F32"),
        f"{PEFT}{MODEL}v_proj.lora_B.weight": (np.zeros((D, 0)), "F32"),
    }
    return Case(folder(work / "a", tensors), updates, said="v_proj", found={"*": "unread"},
                bake="is not read")  # fmt: skip


@case("PEFT, embeddings: lora_embedding_A; unsloth saves the whole head beside it")
def embedding_and_whole_head(work):
    A, B = (as_stored(draw(*each), "F32") for each in ((1, R, 11), (2, D, R)))
    tensors, updates = plain()
    stem = "model.embed_tokens"
    tensors |= {
        f"{PEFT}{stem}.lora_embedding_A": (A, "F32"),
        f"{PEFT}{stem}.lora_embedding_B": (B, "F32"),
        f"{PEFT}lm_head.weight": (draw(3, 11, D), "F32"),
    }
    updates[stem] = (2.0 * B @ A).T
    return Case(
        folder(work / "a", tensors, modules_to_save=["lm_head"]), updates,
        left={"lm_head.weight": "weights saved whole"},
        found={STRICT: "refused", "sglang": "dropped"},
    )  # fmt: skip


@case("PEFT: tied embeddings, LoRA on embed_tokens and lm_head (ensure_weight_tying)")
def tied_embeddings(work):
    A, B = (as_stored(draw(*each), "F32") for each in ((1, R, 11), (2, D, R)))
    head, updates = pair(f"{PEFT}lm_head", 2.0, 5, d=11, k=D)
    stem = "model.embed_tokens"
    tensors = head | {
        f"{PEFT}{stem}.lora_embedding_A": (A, "F32"),
        f"{PEFT}{stem}.lora_embedding_B": (B, "F32"),
    }
    updates[stem] = (2.0 * B @ A).T
    config = {"target_modules": ["embed_tokens", "lm_head"], "ensure_weight_tying": True}
    return Case(folder(work / "a", tensors, **config), updates, found={"llama.cpp": "depends"})


@case("peft issue 2092: tied weights, and the base's own are kept in the adapter")
def base_embedding_saved(work):
    tensors, updates = plain()
    tensors[f"{PEFT}model.embed_tokens.base_layer.weight"] = (draw(3, 11, D), "F16")
    return Case(
        folder(work / "a", tensors), updates,
        left={"embed_tokens": "copy of a base weight"},
        found={"vllm vllm-0.31": "refused"},
    )  # fmt: skip


@case("peft issue 1689: a module in target_modules and in modules_to_save")
def adapted_and_saved_whole(work):
    tensors, updates = pair(f"{PEFT}lm_head", 2.0)
    tensors[f"{PEFT}lm_head.modules_to_save.weight"] = (draw(3, D, K), "F32")
    return Case(
        folder(work / "a", tensors, modules_to_save=["lm_head"]), updates,
        left={"modules_to_save": "weights saved whole"},
        found={"vllm vllm-0.31": "refused", "llama.cpp": "refused depends", "sglang": "dropped"},
    )  # fmt: skip


@case("PEFT before 0.5, and torchtune's older checkpoints: a pickle alone")
def pickle_alone(work):
    path = folder(work / "a", plain()[0])
    (path / "adapter_model.safetensors").rename(path / "adapter_model.bin")
    return Case(path, refused="adapter_model.bin.*safetensors")


@case("A pickle of an older training beside the safetensors file")
def pickle_beside(work):
    tensors, updates = plain()
    path = folder(work / "a", tensors)
    (path / "adapter_model.bin").write_bytes(b"\x80\x04.")
    return Case(path, updates)


@case("transformers' PEFT mixin: save_pretrained without base_model.model. (vLLM 17196)")
def names_without_the_prefix(work):
    tensors, updates = pair(f"{MODEL}q_proj", 2.0)
    return Case(folder(work / "a", tensors), updates, found={"peft": "dead"}, said="add 'base_")


@case("peft issue 1579: a prefix too many; get_peft_model called twice")
def names_with_the_prefix_twice(work):
    tensors, updates = pair(f"{PEFT}{PEFT}{MODEL}q_proj", 2.0)
    return Case(
        folder(work / "a", tensors), updates, said="take 'base_model.model.' from the front",
        found={"peft vllm vllm-0.31": "dead", "llama.cpp": "refused"},
    )  # fmt: skip


@case("Two adapters of one model in one state dict (get_peft_model_state_dict left out)")
def two_adapters_in_one_file(work):
    tensors = {}
    for i, name in enumerate(("default", "reference")):
        ends = (f"lora_A.{name}.weight", f"lora_B.{name}.weight")
        tensors |= plain(seed=i, ends=ends)[0]
    return Case(folder(work / "a", tensors), refused="more than one pair of factors")


@case("PEFT: save_pretrained puts every adapter but 'default' into a folder of its own")
def two_adapters_in_one_folder(work):
    tensors, updates = plain()
    path = folder(work / "a", tensors)
    folder(path / "reference", plain(seed=3)[0])
    return Case(path, updates)


@case("transformers' Trainer: checkpoint-500/ under the folder that is named")
def checkpoint_inside(work):
    folder(work / "a" / "checkpoint-500", plain()[0])
    return Case(work / "a", refused="it holds checkpoint-500: name one")


@case("transformers' Trainer of old, axolotl: checkpoint-500/adapter_model/")
def checkpoint_two_levels_inside(work):
    folder(work / "a" / "checkpoint-500" / "adapter_model", plain()[0])
    return Case(work / "a", refused="it holds checkpoint-500/adapter_model: name one")


@case("PEFT: use_dora with use_rslora")
def dora_with_rslora(work):
    tensors, updates = plain(4.0)
    tensors[f"{PEFT}{MODEL}q_proj.lora_magnitude_vector"] = (draw(1, D), "F32")
    return Case(
        folder(work / "a", tensors, use_dora=True, use_rslora=True), updates,
        left={"magnitude": "DoRA magnitude"}, cut="DoRA",
        found={"vllm vllm-0.31 sglang llama.cpp": "refused"},
    )  # fmt: skip


@case("PEFT pull request 2237: lora_bias")
def bias_of_B(work):
    tensors, updates = plain()
    tensors[f"{PEFT}{MODEL}q_proj.lora_B.bias"] = (draw(1, D), "F32")
    return Case(folder(work / "a", tensors, lora_bias=True), updates,
                left={"lora_B.bias": "bias of B"},
                found={"vllm vllm-0.31 sglang llama.cpp": "refused"})  # fmt: skip


@case("vLLM 0.31's PEFTHelper has no lora_bias; 0.32's has, and refuses it")
def bias_said_and_not_there(work):
    tensors, updates = plain()
    found = {"vllm sglang": "refused"}
    return Case(folder(work / "a", tensors, lora_bias=True), updates, found=found)


@case("PEFT, MultiheadAttention: in_proj and out_proj are adapted under one name")
def multihead_attention(work):
    tensors, updates = several(
        pair(f"{PEFT}m.attn", 2.0, d=3 * K, k=K),
        pair(f"{PEFT}m.attn.base_layer.out_proj", 2.0, 3, d=K, k=K),
    )
    return Case(folder(work / "a", tensors, target_modules=["attn"]), updates)


@case("PEFT with LoHa: peft_type LOHA, alpha")
def loha_of_peft(work):
    w = [draw(i, *shape) for i, shape in enumerate(((D, 2), (2, K), (D, 2), (2, K)))]
    stem = f"{PEFT}{MODEL}q_proj"
    keys = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    tensors = {f"{stem}.{key}": (each, "F64") for key, each in zip(keys, w)}
    update = 3.0 * (w[0] @ w[1]) * (w[2] @ w[3])
    config = {"peft_type": "LOHA", "r": 2, "alpha": 6, "lora_alpha": ...}
    return Case(folder(work / "a", tensors, **config), {f"{MODEL}q_proj": update},
                found={"vllm vllm-0.31 sglang llama.cpp": "refused"},
                cut="no module is a pair")  # fmt: skip


@case("PEFT with LoKr: both factors decomposed (decompose_both)")
def lokr_of_peft(work):
    shapes = {"lokr_w1_a": (2, 1), "lokr_w1_b": (1, 4), "lokr_w2_a": (3, 1), "lokr_w2_b": (1, 2)}
    w = {key: draw(i, *shape) for i, (key, shape) in enumerate(shapes.items())}
    stem = f"{PEFT}{MODEL}q_proj"
    one, two = (w[f"lokr_w{n}_a"] @ w[f"lokr_w{n}_b"] for n in "12")
    config = {"peft_type": "LOKR", "r": 1, "alpha": 2, "lora_alpha": ..., "decompose_both": True}
    tensors = {f"{stem}.{key}": (each, "F64") for key, each in w.items()}
    return Case(folder(work / "a", tensors, **config), {f"{MODEL}q_proj": 2.0 * np.kron(one, two)},
                found={"vllm vllm-0.31 sglang llama.cpp": "refused"},
                cut="no module is a pair")  # fmt: skip


def _other_method(kind, ending):
    def make(work):
        tensors = {f"{PEFT}{MODEL}q_proj.{ending}": (draw(1, 2, 2), "F32")}
        return Case(folder(work / "a", tensors, peft_type=kind),
                    refused=f"got '{kind}'; PEFT itself reads its other methods")  # fmt: skip

    make.__name__ = f"folder_of_{kind.lower()}"
    case(f"PEFT with {kind}")(make)


_KINDS = {
    "IA3": "ia3_l", "OFT": "oft_R", "BOFT": "boft_R", "VERA": "vera_lambda_b", "ADALORA": "lora_E",
    "XLORA": "x", "PROMPT_TUNING": "prompt_embeddings",
}  # fmt: skip
for _kind, _ending in _KINDS.items():
    _other_method(_kind, _ending)


@case("An OFT tensor among LoRA's, after two trainings into one folder")
def another_method_among_them(work):
    tensors, updates = plain()
    tensors[f"{PEFT}{MODEL}v_proj.oft_R.weight"] = (draw(1, 2, 2), "F32")
    return Case(folder(work / "a", tensors), updates, left={"oft_R": "of OFT"},
                found={"*": "unread"}, bake="is not read")  # fmt: skip


@case("An index whose second shard was not downloaded")
def shard_is_missing(work):
    path = folder(work / "a", plain()[0], "adapter_model-00001-of-00002.safetensors")
    index = {name: "adapter_model-00001-of-00002.safetensors" for name in plain()[0]}
    index[f"{PEFT}x.lora_A.weight"] = "adapter_model-00002-of-00002.safetensors"
    (path / "adapter_model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return Case(path, refused="00002-of-00002.safetensors does not exist.*get it")


@case("An index that was cut off")
def index_is_cut_short(work):
    path = folder(work / "a", plain()[0], "adapter_model-00001-of-00001.safetensors")
    (path / "adapter_model.safetensors.index.json").write_text('{"weight_map": {"a"')
    return Case(path, refused="index.json is not valid JSON")


@case("One name in two shards, with different contents")
def name_in_two_shards(work):
    path = folder(work / "a", plain()[0], "adapter_model-00001-of-00002.safetensors")
    two = "adapter_model-00002-of-00002.safetensors"
    (path / two).write_bytes(file_bytes(plain(seed=1)[0]))
    index = dict.fromkeys(plain()[0], "adapter_model-00001-of-00002.safetensors")
    index |= {f"{PEFT}{MODEL}q_proj.lora_B.weight": two}
    (path / "adapter_model.safetensors.index.json").write_text(json.dumps({"weight_map": index}))
    return Case(path, refused="disagrees with")


@case("Names of modules in Chinese, and one of 250 characters")
def names_of_any_letters(work):
    long = f"model.{'deep.' * 45}q_proj"
    tensors, updates = several(pair(f"{PEFT}模型.层.q_proj", 2.0), pair(f"{PEFT}{long}", 2.0, 4))
    return Case(folder(work / "a", tensors), updates)


@case("A name of 400 characters")
def name_beyond_all_bounds(work):
    tensors, _ = pair(f"{PEFT}{'deep.' * 80}q_proj", 2.0)
    return Case(folder(work / "a", tensors), refused="names must be printable, with 1 to 300")


@case("Modules whose names differ in case only")
def names_that_differ_in_case(work):
    tensors, updates = several(pair(f"{PEFT}m.Q_proj", 2.0), pair(f"{PEFT}m.q_proj", 2.0, 4))
    return Case(folder(work / "a", tensors), updates)


@case("Windows' editors: a byte order mark before the config, on which PEFT stops, too")
def byte_order_mark(work):
    text = '\ufeff{"peft_type": "LORA", "r": 4, "lora_alpha": 8}'
    return Case(folder(work / "a", plain()[0], text=text), refused="is not valid JSON.*BOM")


@case("A config written by hand: lora_alpha as text")
def alpha_as_text(work):
    return Case(folder(work / "a", plain()[0], lora_alpha="16"), refused="lora_alpha must be.*'16'")


@case("mlx-vlm, trainer/lora.py: A (inputs, r), B (r, outputs), and alpha is the scale itself")
def mlx_vlm(work):
    path = work / "a"
    path.mkdir()
    made = {
        "language_model.q.A": (draw(1, K, R), "F32"),
        "language_model.q.B": (draw(2, R, D), "F32"),
    }
    (path / "adapters.safetensors").write_bytes(file_bytes(made))
    (path / "adapter_config.json").write_text('{"rank": 4, "alpha": 0.1, "dropout": 0.1}')
    return Case(path, refused="mlx-vlm")


@case("mlx-lm: fine_tune_type dora, with the magnitude m")
def dora_of_mlx(work):
    path, a, b = work / "a", draw(1, K, R), draw(2, R, D)
    path.mkdir()
    made = {"m.q.lora_a": (a, "F32"), "m.q.lora_b": (b, "F32"), "m.q.m": (draw(3, D), "F32")}
    (path / "adapters.safetensors").write_bytes(file_bytes(made))
    config = {"fine_tune_type": "dora", "lora_parameters": {"rank": R, "scale": 10.0}}
    (path / "adapter_config.json").write_text(json.dumps(config))
    a, b = (as_stored(each, "F32") for each in (a, b))
    return Case(path, {"m.q": 10 * (a @ b).T}, left={"m.q.m": "DoRA magnitude"}, cut="DoRA")


@case("mlx-lm before safetensors: adapters.npz")
def mlx_of_old(work):
    (work / "adapters.npz").write_bytes(b"PK")
    return Case(work / "adapters.npz", refused="adapters.npz.*mlx")


@case("NeMo: a .nemo archive")
def nemo_archive(work):
    (work / "lora.nemo").write_bytes(b"x")
    return Case(work / "lora.nemo", refused="lora.nemo.*NeMo")


@case("PEFT, lora/layer.py, _ConvNd: of a convolution in groups, B is one in groups, too")
def convolution_in_groups(work):
    tensors, updates = plain(4.0)
    A, B = (as_stored(draw(*each), "F32") for each in ((1, 4, 6, 3, 3), (2, 8, 2, 1, 1)))
    tensors |= {f"{PEFT}conv.lora_A.weight": (A, "F32"), f"{PEFT}conv.lora_B.weight": (B, "F32")}
    half = [B[4 * g : 4 * g + 4, :, 0, 0] @ A[2 * g : 2 * g + 2].reshape(2, -1) for g in (0, 1)]
    updates["conv"] = 4.0 * np.concatenate(half).reshape(8, 6, 3, 3)
    config = {"use_rslora": True, "target_modules": ["q_proj", "conv"]}
    return Case(folder(work / "a", tensors, **config), updates,
                found={"vllm vllm-0.31 sglang llama.cpp": "refused"})  # fmt: skip


@case("A whole state dict: the adapter's name in DoRA's magnitudes, too")
def dora_with_an_adapters_name(work):
    ends = ("lora_A.default.weight", "lora_B.default.weight")
    tensors, updates = plain(ends=ends)
    tensors[f"{PEFT}{MODEL}q_proj.lora_magnitude_vector.default.weight"] = (draw(1, D), "F32")
    return Case(folder(work / "a", tensors, use_dora=True), updates, cut="DoRA",
                left={"magnitude": "DoRA magnitude"}, said="take the adapter's name out",
                found={"peft": "dead", "sglang": "refused", STRICT: "refused"})  # fmt: skip


@case("PEFT: use_dora, and the magnitudes are missing")
def dora_without_magnitudes(work):
    tensors, updates = plain()
    return Case(folder(work / "a", tensors, use_dora=True), updates, cut="DoRA",
                said="which is not the whole update here",
                found={"sglang": "refused", STRICT: "refused"})  # fmt: skip


@case("LoRA-XS: a small matrix between A and B")
def a_matrix_between_the_factors(work):
    tensors, _ = plain()
    name = f"{PEFT}{MODEL}q_proj.default_lora_latent_mapping.weight"
    tensors[name] = (draw(1, R, R), "F32")
    return Case(folder(work / "a", tensors), refused="between its factors: it is no B A alone")


@case("Converters from kohya's names that leave .alpha in a PEFT folder")
def alpha_beside_a_config(work):
    tensors, updates = plain()
    tensors[f"{PEFT}{MODEL}q_proj.alpha"] = (np.array(3.0), "F32")
    left = {"alpha": "alpha beside factors of PEFT"}
    return Case(folder(work / "a", tensors), updates, left=left,
                found={STRICT: "refused", "sglang": "dropped"})  # fmt: skip


@case("An alpha that is named like an adapter")
def alpha_named_like_an_adapter(work):
    tensors, updates = plain()
    tensors[f"{PEFT}{MODEL}q_proj.lora_A.alpha"] = (np.array(3.0), "F32")
    return Case(folder(work / "a", tensors), updates, left={"alpha": "LoRA tensor of no known"},
                found={"*": "unread"}, bake="is not read")  # fmt: skip
