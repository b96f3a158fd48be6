"""Single adapter files as tools write them, or as their users report them: see field_folders."""

import json

import numpy as np

from tests.support.adapters import as_stored, draw, file_bytes
from tests.support.field_folders import CASES, Case, D, K, R, case, factors, pair, product, several

KOHYA = ("lora_down.weight", "lora_up.weight")
FILE_LOADERS = "diffusers diffusers-0.38 comfyui sd-scripts"


def single(work, tensors, metadata=None):
    path = work / "a.safetensors"
    path.write_bytes(file_bytes(tensors, metadata))
    return path


def kohya(stem="lora_unet_q", scale=0.5, alpha=2.0, dtype="F32", seed=0, **more):
    tensors, updates = pair(stem, scale, seed, ends=KOHYA, **more)
    if alpha is not None:
        tensors[f"{stem}.alpha"] = (np.array(alpha), dtype)
    return tensors, updates


def diffusers(stem="transformer.a.to_q", scale=1.0, seed=0, **more):
    return pair(stem, scale, seed, **more)


@case("sd-scripts, networks/lora.py: --network_alpha 0 means the rank")
def alpha_0_of_sd_scripts(work):
    tensors, updates = kohya(scale=1.0, alpha=4.0)
    said = {"ss_network_dim": "4", "ss_network_alpha": "0"}
    return Case(single(work, tensors, said), updates)


@case("sd-scripts issue 2169, pull request 527: neither alphas nor a header")
def no_alpha_at_all(work):
    tensors, updates = kohya(scale=1.0, alpha=None)
    return Case(single(work, tensors), updates, bake="nothing to bake")


def _bad_alpha(name, value, words):
    def make(work):
        return Case(single(work, kohya(alpha=value)[0]), refused=words)

    make.__name__ = name
    case("A file edited by hand, or an alpha that overflowed in float16")(make)


_bad_alpha("alpha_tensor_of_0", 0.0, "alpha must be between.*got 0")
_bad_alpha("alpha_tensor_below_0", -2.0, "alpha must be between.*got -2")
_bad_alpha("alpha_tensor_of_nan", np.nan, "must hold finite numbers")
_bad_alpha("alpha_tensor_of_infinity", np.inf, "must hold finite numbers")


@case("SimpleTuner pull request 2226: alphas of several kinds; loaders take .item()")
def alpha_of_two_axes(work):
    tensors, updates = kohya()
    tensors["lora_unet_q.alpha"] = (np.array([[2.0]]), "F16")
    return Case(single(work, tensors), updates)


@case("Alphas in bfloat16, which has no 0.3")
def alpha_in_bfloat16(work):
    scale = float(as_stored(np.array(0.3), "BF16")) / R
    tensors, updates = kohya(scale=scale, alpha=0.3, dtype="BF16", types="BF16")
    return Case(single(work, tensors), updates)


@case("A merge of two tools' modules: an alpha for one of two, and no header")
def alpha_for_one_of_two(work):
    tensors, updates = several(kohya(), kohya("lora_unet_k", 1.0, None, seed=1))
    return Case(single(work, tensors), updates)


@case("sd-scripts: text encoder and U-Net merged from two trainings, each with its alpha")
def text_encoder_with_an_alpha_of_its_own(work):
    tensors, updates = several(
        kohya(), kohya("lora_te1_text_model_encoder_layers_0_mlp_fc1", 4.0, 8.0, seed=1, rank=2)
    )
    said = {"ss_network_dim": "4", "ss_network_alpha": "2"}
    return Case(single(work, tensors, said), updates)


@case("A1111 pull request 13568, OneTrainer issue 485: bundle_emb")
def embedding_bundled(work):
    tensors, updates = kohya()
    tensors["bundle_emb.my word.clip_l"] = (draw(3, 2, 8), "F32")
    return Case(
        single(work, tensors),
        updates,
        left={"bundle_emb": "embedding"},
        found={"diffusers diffusers-0.38": "refused", "comfyui sd-scripts": "dropped"},
    )


@case("LyCORIS, OneTrainer: dora_scale")
def dora_of_lycoris(work):
    tensors, updates = kohya()
    tensors["lora_unet_q.dora_scale"] = (draw(3, D, 1), "F32")
    return Case(
        single(work, tensors),
        updates,
        left={"dora_scale": "DoRA magnitude"},
        cut="DoRA",
        found={"sd-scripts": "dropped", "diffusers diffusers-0.38": "depends"},
    )


@case("ai-toolkit, toolkit/models/DoRA.py: the magnitude is called .magnitude, and no alpha")
def dora_of_ai_toolkit(work):
    tensors, updates = diffusers()
    tensors["transformer.a.to_q.magnitude"] = (draw(3, D), "F32")
    return Case(single(work, tensors), updates, left={"magnitude": "DoRA magnitude"}, cut="DoRA",
                found={"diffusers diffusers-0.38": "refused", "comfyui": "dropped"},
                bake="nothing to bake")  # fmt: skip


@case("Diffusers with use_dora: lora_magnitude_vector")
def dora_of_diffusers(work):
    tensors, updates = diffusers()
    tensors["transformer.a.to_q.lora_magnitude_vector"] = (draw(3, D), "F32")
    return Case(single(work, tensors), updates, left={"magnitude": "DoRA magnitude"}, cut="DoRA",
                found={"comfyui": "dropped"}, bake="nothing to bake")  # fmt: skip


@case("ai-toolkit, network_mixins.py: PEFT's names in bfloat16, alpha is the rank")
def ai_toolkit(work):
    tensors, updates = several(
        diffusers(types="BF16"), diffusers("transformer.a.to_k", seed=1, types="BF16")
    )
    said = {"software": '{"name": "ai-toolkit"}'}
    return Case(single(work, tensors, said), updates, bake="nothing to bake")


@case("musubi-tuner, convert_lora.py: alpha is folded into both factors, the header stays")
def musubi_converted(work):
    tensors, updates = diffusers("diffusion_model.blocks.0.self_attn.q")
    said = {"ss_network_dim": "4", "ss_network_alpha": "1.0",
            "ss_network_module": "networks.lora_wan"}  # fmt: skip
    return Case(single(work, tensors, said), updates, said="two scales")


@case("musubi-tuner: as it is trained, an alpha for each module in bfloat16")
def musubi_trained(work):
    tensors, updates = kohya("lora_unet_blocks_0_self_attn_q", 0.25, 1.0, "BF16", types="BF16")
    said = {"ss_network_dim": "4", "ss_network_alpha": "1"}
    return Case(single(work, tensors, said), updates)


@case("musubi-tuner pull request 900: LoHa with an alpha")
def loha_of_musubi(work):
    w = [draw(i, *shape) for i, shape in enumerate(((D, 2), (2, K), (D, 2), (2, K)))]
    keys = ("hada_w1_a", "hada_w1_b", "hada_w2_a", "hada_w2_b")
    tensors = {f"lora_unet_q.{key}": (each, "F64") for key, each in zip(keys, w)}
    tensors["lora_unet_q.alpha"] = (np.array(1.0), "F32")
    update = 0.5 * (w[0] @ w[1]) * (w[2] @ w[3])
    return Case(
        single(work, tensors),
        {"lora_unet_q": update},
        cut="no module is a pair",
        found={"diffusers diffusers-0.38": "refused", "sd-scripts": "dropped"},
    )


@case("LightX2V's turbo adapters, SGLang issue 35952, diffusers pull request 14408")
def alpha_in_the_header_and_no_rank(work):
    tensors, updates = diffusers("blocks.0.attn.q", 0.5)
    return Case(single(work, tensors, {"alpha": "2"}), updates)


@case("SimpleTuner, ComfyUI pull request 15830: transformer.lora_alpha and transformer.r")
def alpha_in_the_header_of_a_component(work):
    tensors, updates = diffusers("transformer.blocks.0.attn.q", 4.0)
    return Case(single(work, tensors, {"transformer.lora_alpha": "16", "transformer.r": "4"}),
                updates)  # fmt: skip


@case("diffusers pull request 14408: lora_bias, with an adapter's name in all names")
def bias_with_an_adapters_name(work):
    ends = ("lora_A.default.weight", "lora_B.default.weight")
    tensors, updates = diffusers("blocks.0.q", ends=ends)
    tensors["blocks.0.q.lora_B.default.bias"] = (draw(3, D), "F32")
    return Case(single(work, tensors), updates, left={"bias": "bias of B"},
                found={"comfyui": "dropped"})  # fmt: skip


@case("Diffusers, loaders/lora_base.py: metadata and alphas in one file are refused")
def metadata_and_alphas(work):
    tensors, updates = diffusers(scale=3.0)
    tensors["transformer.a.to_q.alpha"] = (np.array(12.0), "F32")
    said = {"transformer.r": 4, "transformer.lora_alpha": 12}
    return Case(single(work, tensors, {"lora_adapter_metadata": json.dumps(said)}), updates,
                found={"diffusers diffusers-0.38": "refused"})  # fmt: skip


@case("Metadata kept by a tool that cut the factors")
def metadata_of_another_rank(work):
    said = {"transformer.r": 16, "transformer.lora_alpha": 16}
    path = single(work, diffusers()[0], {"lora_adapter_metadata": json.dumps(said)})
    return Case(path, refused="rank 16 by the metadata, 4 by its factors")


@case("Metadata that is no JSON")
def metadata_that_is_no_json(work):
    path = single(work, diffusers()[0], {"lora_adapter_metadata": "r=4"})
    return Case(path, refused="the metadata of .* is not valid JSON")


@case("LyCORIS, locon.py: rs_lora saves alpha times the root of the rank")
def rslora_of_lycoris(work):
    tensors, updates = kohya(scale=1.0, alpha=4.0)
    said = {"ss_network_dim": "4", "ss_network_alpha": "2.0",
            "ss_network_args": '{"algo": "locon", "rs_lora": "True"}'}  # fmt: skip
    return Case(single(work, tensors, said), updates)


@case("LyCORIS, locon.py with use_tucker: lora_mid")
def tucker_of_lycoris(work):
    up, mid, down = draw(1, D, R, 1, 1), draw(2, R, R, 3, 3), draw(3, R, K, 1, 1)
    stem = "lora_unet_conv"
    tensors = {f"{stem}.lora_{each}.weight": (array, "F64")
               for each, array in (("down", down), ("up", up), ("mid", mid))}  # fmt: skip
    tensors[f"{stem}.alpha"] = (np.array(2.0), "F32")
    update = 0.5 * np.einsum("pi,ijkl,jr->prkl", up[..., 0, 0], mid, down[..., 0, 0])
    return Case(
        single(work, tensors),
        {stem: update},
        cut="no module is a pair",
        found={"diffusers diffusers-0.38": "refused", "sd-scripts": "dropped"},
    )


@case("LyCORIS, full.py: diff and diff_b")
def full_of_lycoris(work):
    tensors = {
        "lora_unet_q.diff": (draw(1, D, K), "F32"),
        "lora_unet_q.diff_b": (draw(2, D), "F32"),
    }
    return Case(single(work, tensors), {"lora_unet_q": as_stored(draw(1, D, K), "F32")},
                left={"diff_b": "added whole"}, bake="nothing to bake", cut="no module is a pair",
                found={"diffusers diffusers-0.38 sd-scripts": "dropped"})  # fmt: skip


@case("LyCORIS, norms.py: w_norm and b_norm beside a pair")
def norms_of_lycoris(work):
    tensors, updates = kohya()
    tensors |= {"lora_unet_norm.w_norm": (draw(1, D), "F32"),
                "lora_unet_norm.b_norm": (draw(2, D), "F32")}  # fmt: skip
    return Case(single(work, tensors), updates, left={"_norm": "added whole"},
                found={"diffusers diffusers-0.38 sd-scripts": "dropped"})  # fmt: skip


@case("LyCORIS, lokr.py with decompose_both: alpha over the inner side")
def lokr_of_two_products(work):
    shapes = {"lokr_w1_a": (2, 1), "lokr_w1_b": (1, 4), "lokr_w2_a": (3, 1), "lokr_w2_b": (1, 2)}
    w = {key: draw(i, *shape) for i, (key, shape) in enumerate(shapes.items())}
    one, two = (w[f"lokr_w{n}_a"] @ w[f"lokr_w{n}_b"] for n in "12")
    tensors = {f"lora_unet_q.{key}": (each, "F64") for key, each in w.items()}
    tensors["lora_unet_q.alpha"] = (np.array(0.5), "F32")
    return Case(single(work, tensors), {"lora_unet_q": 0.5 * np.kron(one, two)},
                cut="no module is a pair",
                found={"diffusers-0.38": "refused", "sd-scripts": "dropped"})  # fmt: skip


@case("SimpleTuner with LyCORIS: both of LoKr's matrices whole, alpha 10000 says nothing")
def lokr_of_simpletuner(work):
    one, two = draw(1, 2, 4), draw(2, 3, 2)
    stem = "lycoris_transformer_blocks_0_attn_to_q"
    tensors = {f"{stem}.lokr_w1": (one, "F64"), f"{stem}.lokr_w2": (two, "F64"),
               f"{stem}.alpha": (np.array(10000.0), "BF16")}  # fmt: skip
    return Case(single(work, tensors), {stem: np.kron(one, two)}, cut="no module is a pair",
                bake="nothing to bake",
                found={"diffusers-0.38": "refused", "sd-scripts": "dropped"})  # fmt: skip


def _other_method(name, keys, words):
    def make(work):
        tensors = {f"lora_unet_q.{key}": (draw(1, 2, 2), "F32") for key in keys}
        return Case(single(work, tensors), refused=words)

    make.__name__ = name
    case("LyCORIS: its other methods alone in a file")(make)


_other_method("file_of_glora", ("a1.weight", "a2.weight", "b1.weight", "b2.weight", "alpha"),
              "GLoRA.*ComfyUI would")  # fmt: skip
_other_method("file_of_ia3", ("weight", "on_input"), "IA3.*LyCORIS would")
_other_method("file_of_oft", ("oft_blocks", "alpha"), "OFT or BOFT.*ComfyUI would")


@case("DyLoRA and others that leave split_dims unmerged: lora_down.0.weight")
def parts_that_were_not_joined(work):
    tensors = {f"lora_unet_q.lora_{half}.{i}.weight": (draw(i, 4, 4), "F32")
               for half in ("down", "up") for i in range(2)}  # fmt: skip
    return Case(single(work, tensors), refused="LoRA tensor of no known kind")


@case("A whole checkpoint in the place of an adapter")
def whole_checkpoint(work):
    tensors = {"model.layers.0.self_attn.q_proj.weight": (draw(1, D, K), "F32")}
    return Case(single(work, tensors), refused="extract BASE")


@case("Black Forest Labs' control LoRAs (comfy/lora_convert.py): biases of B, and norms whole")
def control_lora_of_flux(work):
    tensors, updates = diffusers("img_in")
    tensors |= {
        "img_in.lora_B.bias": (draw(1, D), "F32"),
        "single_blocks.0.norm.key_norm.scale": (draw(2, 4), "F32"),
    }
    left = {"bias": "bias of B", "key_norm": "weights saved whole"}
    return Case(single(work, tensors), updates, left=left, bake="nothing to bake")


@case("A text encoder's embedding saved whole beside the factors")
def whole_weights_beside(work):
    tensors, updates = kohya()
    tensors["text_encoder.embed.weight"] = (draw(2, 4, 3), "F32")
    return Case(single(work, tensors), updates, left={"embed": "weights saved whole"},
                found={"diffusers diffusers-0.38": "depends",
                       "comfyui sd-scripts": "dropped"})  # fmt: skip


@case("ComfyUI, comfy/weight_adapter/lora.py: reshape_weight")
def reshaped_weight(work):
    tensors, updates = kohya("diffusion_model.img_in")
    tensors["diffusion_model.img_in.reshape_weight"] = (np.array([6, 8]), "I64")
    return Case(
        single(work, tensors),
        updates,
        left={"reshape": "new shape of a base weight"},
        found={"diffusers diffusers-0.38": "depends", "sd-scripts": "dropped"},
    )


@case("XLabs' Flux adapters: two factors in one processor")
def xlabs(work):
    made = [pair(f"double_blocks.0.processor.{name}", 1.0, i, ends=("down.weight", "up.weight"))
            for i, name in enumerate(("proj_lora1", "qkv_lora2"))]  # fmt: skip
    tensors, updates = several(*made)
    return Case(single(work, tensors), updates, found={"comfyui": "depends"}, bake="nothing")


@case("sd-scripts, --fp8: a file cast to float8 (nunchaku issue 245)")
def file_of_float8(work):
    tensors = {f"lora_unet_q.lora_{each}.weight": (np.zeros(shape), "F8_E4M3")
               for each, shape in (("down", (4, 8)), ("up", (6, 4)))}  # fmt: skip
    return Case(single(work, tensors), refused="has type F8_E4M3.*Cast it to bfloat16")


@case("ComfyUI users' merges: one factor is NaN")
def factor_of_nan(work):
    tensors, _ = kohya()
    tensors["lora_unet_q.lora_up.weight"] = (np.full((D, R), np.nan), "F32")
    return Case(single(work, tensors), refused="lora_up.weight must hold finite numbers")


@case("Names in Chinese, with spaces, and two that differ in case only")
def file_with_names_of_any_letters(work):
    made = [kohya(stem, seed=i) for i, stem in enumerate(
        ("lora_unet_模型 块_q", "lora_unet_Q", "lora_unet_q"))]  # fmt: skip
    tensors, updates = several(*made)
    return Case(single(work, tensors), updates)


@case("Kohya's convolutions of 1 x 1 beside matrices of the same module kind")
def convolution_of_one_pixel(work):
    A, B = factors()
    tensors, updates = several(kohya(), kohya("lora_unet_v", seed=2))
    tensors |= {"lora_unet_proj_in.lora_down.weight": (A.reshape(R, K, 1, 1), "F32"),
                "lora_unet_proj_in.lora_up.weight": (B.reshape(D, R, 1, 1), "F32"),
                "lora_unet_proj_in.alpha": (np.array(2.0), "F32")}  # fmt: skip
    A, B = (as_stored(each, "F32") for each in (A, B))
    updates["lora_unet_proj_in"] = (0.5 * product(A, B)).reshape(D, K, 1, 1)
    return Case(single(work, tensors), updates)


@case("Two adapters of one state dict in one file")
def two_adapters_in_a_file(work):
    tensors = {}
    for i, name in enumerate(("style", "person")):
        ends = (f"lora_A.{name}.weight", f"lora_B.{name}.weight")
        tensors |= diffusers(seed=i, ends=ends)[0]
    return Case(single(work, tensors), refused="save each adapter into a file of its own")


@case("Diffusers issue 14088: alphas in PEFT's names, which only some of its pipelines take")
def alphas_in_peft_names(work):
    tensors, updates = several(diffusers(scale=0.5),
                               diffusers("transformer.a.to_k", 1.5, seed=1, rank=2))  # fmt: skip
    tensors |= {
        "transformer.a.to_q.alpha": (np.array(2.0), "F32"),
        "transformer.a.to_k.alpha": (np.array(3.0), "F32"),
    }
    found = {"diffusers diffusers-0.38": "depends"}
    return Case(single(work, tensors), updates, found=found)


@case("Diffusers: metadata whose start, PiSSA, changed the base weights")
def pissa_in_the_metadata(work):
    tensors, updates = diffusers(scale=2.0)
    config = {"r": 4, "lora_alpha": 8, "init_lora_weights": "pissa_niter_4"}
    said = {f"transformer.{key}": value for key, value in config.items()}
    path = single(work, tensors, {"lora_adapter_metadata": json.dumps(said)})
    words = "path_initial_model_for_weight_conversion"
    return Case(path, updates, said="the base weights were changed", bake=words, cut=words,
                found={"diffusers diffusers-0.38": "depends", "comfyui": "wrong"})  # fmt: skip


__all__ = ["CASES", "FILE_LOADERS", "Case"]
