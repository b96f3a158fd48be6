"""Valid files of every format, and three ways to break them: as tensors, as JSON, as bytes."""

import json
import struct

import numpy as np
from hypothesis import strategies as st

from tests.support.adapters import draw, factors, file_bytes, peft_tensors

SMALL = [("m.0.q", "linear", (2, 3), (3, 2)), ("m.e", "embedding", (2, 4), (3, 2))]
A, B = draw(1, 2, 3), draw(2, 4, 2)
HEAD = "base_model.model.head.weight"


def typed(arrays, dtype):
    return {name: (array, dtype) for name, array in arrays.items()}


def peft(dtype):
    config = {
        "peft_type": "LORA", "r": 2, "lora_alpha": 3, "use_rslora": True, "lora_dropout": 0.5,
        "alpha_pattern": {r"m\.(0|1).*q": 3.5}, "rank_pattern": {}, "fan_in_fan_out": False,
        "target_modules": ["q", "e"], "init_lora_weights": True, "task_type": None,
    }  # fmt: skip
    tensors = {**peft_tensors(factors(SMALL), dtype, SMALL), HEAD: (A, dtype)}
    return {
        "a/adapter_config.json": json.dumps(config).encode(),
        "a/adapter_model.safetensors": (tensors, {"format": "pt"}),
    }, "a"


def kohya(dtype):
    arrays = {
        "x.lora_down.weight": A, "x.lora_up.weight": B, "x.alpha": np.array(4.0),
        "y.lora_down.weight": draw(3, 2, 2, 3, 3), "y.lora_up.weight": draw(4, 3, 2, 1, 1),
    }  # fmt: skip
    said = {"ss_network_dim": "2", "ss_network_alpha": "4", "sshs_model_hash": "0"}
    return {"k.safetensors": (typed(arrays, dtype), said)}, "k.safetensors"


def diffusers(dtype):
    arrays = {
        "unet.x.lora_A.weight": A, "unet.x.lora_B.weight": B,
        "text.y.lora.down.weight": A, "text.y.lora.up.weight": B,
    }  # fmt: skip
    settings = {
        "unet.r": 2, "unet.lora_alpha": 8, "unet.use_rslora": True, "unet.rank_pattern": {"x": 2},
    }  # fmt: skip
    said = {"format": "pt", "lora_adapter_metadata": json.dumps(settings)}
    return {"d.safetensors": (typed(arrays, dtype), said)}, "d.safetensors"


def lycoris(dtype):
    arrays = {
        "h.hada_w1_a": draw(5, 4, 2), "h.hada_w1_b": draw(6, 2, 3), "h.hada_w2_a": draw(7, 4, 2),
        "h.hada_w2_b": draw(8, 2, 3), "h.alpha": np.array(1.0),
        "k.lokr_w1": draw(1, 2, 2), "k.lokr_w2_a": draw(2, 3, 2), "k.lokr_w2_b": draw(3, 2, 2),
        "k.alpha": np.array(1.0), "d.diff": draw(4, 3, 4), "d.diff_b": draw(5, 3),
        "t.lora_down.weight": draw(6, 2, 3, 1, 1), "t.lora_mid.weight": draw(7, 2, 2, 2, 2),
        "t.lora_up.weight": draw(8, 4, 2, 1, 1), "t.alpha": np.array(1.0),
    }  # fmt: skip
    return {"l.safetensors": (typed(arrays, dtype), {"ss_network_dim": "2"})}, "l.safetensors"


def mlx(dtype):
    config = {"fine_tune_type": "lora", "lora_parameters": {"rank": 2, "scale": 20.0}}
    arrays = {
        "m.q.lora_a": draw(1, 4, 2), "m.q.lora_b": draw(2, 2, 3), "m.e.lora_a": draw(3, 3, 2, 4),
        "m.e.lora_b": draw(4, 3, 5, 2),
    }  # fmt: skip
    return {
        "a/adapter_config.json": json.dumps(config).encode(),
        "a/adapters.safetensors": (typed(arrays, dtype), None),
    }, "a"


def checkpoint(dtype):
    return {"m.safetensors": (typed({"w": A, "v": B, "bias": A[0]}, dtype), None)}, "m.safetensors"


def shards(dtype):
    places = {"w": "a.safetensors", "v": "b.safetensors", "bias": "b.safetensors"}
    return {
        "m.safetensors.index.json": json.dumps({"metadata": {}, "weight_map": places}).encode(),
        "a.safetensors": (typed({"w": A}, dtype), None),
        "b.safetensors": (typed({"v": B, "bias": A[0]}, dtype), None),
    }, "m.safetensors.index.json"


VALID = {
    "peft": peft, "kohya": kohya, "diffusers": diffusers, "lycoris": lycoris, "mlx": mlx,
    "checkpoint": checkpoint, "shards": shards,
}  # fmt: skip
DTYPES = ["F16", "BF16", "F32", "F64"]


@st.composite
def broken(draw_, kind):
    """({file: bytes}, what to open): valid files of a format, one of them broken."""
    parts, opened = VALID[kind](draw_(st.sampled_from(DTYPES)))
    name = draw_(st.sampled_from(sorted(parts)))
    layer = draw_(st.sampled_from(["json", "bytes", "tensors"]))
    if layer == "tensors" and not isinstance(parts[name], bytes):
        tensors, said = parts[name]
        parts[name] = (draw_(other_tensors(tensors)), said)
        layer = None
    with np.errstate(over="ignore", invalid="ignore"):
        files = {
            key: part if isinstance(part, bytes) else file_bytes(*part)
            for key, part in parts.items()
        }
    if layer == "bytes":
        files[name] = draw_(other_bytes(files[name]))
    elif layer is not None:
        change = other_json if name.endswith(".json") else other_header
        files[name] = draw_(change(files[name]))
    return files, opened


# As tensors: a file that is consistent with itself, and holds the wrong things.

FILLS = [0.0, np.nan, np.inf, 1e300, 1e38, 7e4, 1e-320, 1e-30]
NAMES = [
    "", "x.alpha", "x.lora_up.weight", "x.lora_mid.weight", "y.alpha", "x\n.lora_down.weight",
    ".lora_A.weight", "w", "z" * 400, "base_model.model.m.0.q.lora_A.weight", "x.dora_scale",
]  # fmt: skip


@st.composite
def other_tensors(draw_, tensors):
    tensors = dict(tensors)
    for _ in range(draw_(st.integers(1, 2))):
        name = draw_(st.sampled_from(sorted(tensors)))
        array, dtype = tensors[name]
        how = draw_(
            st.sampled_from(["drop", "rename", "type", "turn", "cut", "fill", "swap", "axis"])
        )
        if how == "drop" and len(tensors) > 1:
            del tensors[name]
        elif how == "rename":
            tensors = {draw_(st.sampled_from(NAMES)) if k == name else k: v
                       for k, v in tensors.items()}  # fmt: skip
        elif how == "type":
            tensors[name] = (array, draw_(st.sampled_from([*DTYPES, "I32", "I64", "U8"])))
        elif how == "turn":
            tensors[name] = (array.T, dtype)
        elif how == "cut":
            tensors[name] = (array[:1] if array.ndim else array.reshape(1), dtype)
        elif how == "axis":
            tensors[name] = (array[None], dtype)
        elif how == "fill":
            value = draw_(st.sampled_from(FILLS))
            # The hand-made coder of bfloat16 refuses what a float32 cannot hold.
            value = min(value, 3e38) if dtype == "BF16" and np.isfinite(value) else value
            tensors[name] = (np.full_like(array, value), dtype)
        elif how == "swap":
            other = draw_(st.sampled_from(sorted(tensors)))
            tensors[name], tensors[other] = tensors[other], tensors[name]
    # A cast of what does not fit is not what is tested.
    return {
        name: (np.nan_to_num(array) if dtype[0] in "IU" else array, dtype)
        for name, (array, dtype) in tensors.items()
    }


# As JSON: a config, an index, or a header with its metadata.

VALUES = [
    "null", "true", "-1", "0", "1", "2", "3", "2.5", "1e400", "-1e400", "1e30", "1e31", "1e-31",
    "NaN", "-Infinity", "1" * 400, "1" * 5000, "9223372036854775807", "9223372036854775808",
    '""', '"F16"', '"F64"', '"I32"', '"\\u001b[2J"', '"\\ud800"', '"pissa\\u001b[2J"',
    '"' + "x" * 5000 + '"', '"a.safetensors"', '"../m.safetensors"', "[]", "{}", "[1]", "[2, 3]",
    "[0, 24]", "[0, 0]", '{"a": 1}', '{"a": {"b": []}}', '{"(a*)*b": 2}', '{"": 2}',
    "[0, 9223372036854775807]", *("[" * d + "]" * d for d in (50, 300, 800, 960, 3000, 100_000)),
    *('{"a":' * d + "1" + "}" * d for d in (300, 900)),
]  # fmt: skip
KEYS = [
    "", "r", "lora_alpha", "__metadata__", "\n", "x" * 400, "\ud800", "use_dora", "kasa_config",
    "(((", "a{9999999999}", "(a+)+$", "q", "x.alpha", "x.lora_down.weight", "weight_map",
    "lora_adapter_metadata", "m\x1b[2J", "dtype", "shape",
]  # fmt: skip
MARK = "@raw@"


def spots(value, path=()):
    """The path of everything in a JSON document."""
    yield path
    if isinstance(value, (dict, list)):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from spots(value[key], (*path, key))


@st.composite
def other_json(draw_, text):
    """One or two changes of the document, written with whatever text a value is given."""
    root, raw = [json.loads(text)], []
    for _ in range(draw_(st.integers(1, 2))):
        path = draw_(st.sampled_from(list(spots(root))[1:]))
        parent = root
        for key in path[:-1]:
            parent = parent[key]
        key = path[-1]
        how = draw_(st.sampled_from(["value", "value", "key", "drop", "swap", "turn"]))
        if how == "value":
            parent[key] = f"{MARK}{len(raw)}{MARK}"
            raw.append(draw_(st.sampled_from(VALUES)))
        elif how == "key" and isinstance(parent, dict):
            parent[draw_(st.sampled_from(KEYS))] = parent.pop(key)
        elif how == "drop" and parent is not root:
            del parent[key]
        elif how == "swap":
            other = draw_(st.sampled_from(sorted(parent) if isinstance(parent, dict)
                                          else range(len(parent))))  # fmt: skip
            parent[key], parent[other] = parent[other], parent[key]
        elif how == "turn" and isinstance(parent[key], list):
            parent[key] = parent[key][::-1]
    made = json.dumps(root[0])
    if draw_(st.integers(0, 9)) == 0 and isinstance(root[0], dict) and root[0]:
        # A name twice, which `dumps` never writes.
        name = draw_(st.sampled_from(sorted(root[0])))
        made = f"{{{json.dumps(name)}: {json.dumps(root[0][name])}, {made[1:]}"
    for i, value in enumerate(raw):
        made = made.replace(f'"{MARK}{i}{MARK}"', value)
    return made.encode()


@st.composite
def other_header(draw_, content):
    """A safetensors file with its header, its metadata or its length changed."""
    (length,) = struct.unpack("<Q", content[:8])
    text, rest = content[8 : 8 + length], content[8 + length :]
    header = json.loads(text)
    inner = header.get("__metadata__") or {}
    if "lora_adapter_metadata" in inner and draw_(st.booleans()):
        inner["lora_adapter_metadata"] = draw_(
            other_json(inner["lora_adapter_metadata"].encode())
        ).decode()
        text = json.dumps(header).encode()
    else:
        text = draw_(other_json(text))
    wrong = draw_(st.sampled_from([0] * 9 + [-1, 1, 8, 2**20, 2**62]))
    return struct.pack("<Q", max(0, len(text) + wrong)) + text + rest


# As bytes.

TOKENS = [
    b"F16", b"BF16", b"F64", b"I64", b"null", b"true", b"-1", b"0", b"1e9", b"NaN", b"[]", b"{}",
    b"99999999999999999999", b'"', b",", b"\\u0000", b"lora_up", b"lora_B", b"alpha", b".", b"*",
]  # fmt: skip


@st.composite
def other_bytes(draw_, content):
    """Some bytes changed, put in, taken out, doubled, cut, or replaced by a telling token."""
    for _ in range(draw_(st.integers(1, 3))):
        at = draw_(st.integers(0, max(0, len(content) - 1)))
        end = draw_(st.integers(at, min(len(content), at + 12)))
        how = draw_(st.sampled_from(["byte", "in", "out", "double", "token", "digit", "cut"]))
        if how == "byte":
            content = content[:at] + bytes([draw_(st.integers(0, 255))]) + content[at + 1 :]
        elif how == "in":
            content = content[:at] + draw_(st.binary(min_size=1, max_size=9)) + content[at:]
        elif how == "out":
            content = content[:at] + content[end:]
        elif how == "double":
            content = content[:end] + content[at:end] + content[end:]
        elif how == "token":
            content = content[:at] + draw_(st.sampled_from(TOKENS)) + content[end:]
        elif how == "cut":
            content = content[:at]
        else:
            digits = [i for i, byte in enumerate(content[:1500]) if 48 <= byte < 58]
            if digits:
                i = draw_(st.sampled_from(digits))
                content = content[:i] + b"%d" % draw_(st.integers(0, 9)) + content[i + 1 :]
    return content
