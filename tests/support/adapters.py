"""Adapter files made by hand, byte for byte, sharing no code with helpers.adapters."""

import json
import struct

import numpy as np

TYPES = {
    "F16": "<f2", "F32": "<f4", "F64": "<f8", "I64": "<i8", "I32": "<i4", "U8": "u1", "I8": "i1",
    "F8_E4M3": "u1", "BF16": None,
}  # fmt: skip


def coded(array, dtype):
    """The bytes of an array; a bfloat16 is the upper half of a float32, here cut off."""
    if dtype == "BF16":
        return b"".join(struct.pack("<f", float(value))[2:] for value in np.ravel(array))
    return np.asarray(array).astype(TYPES[dtype]).tobytes("C")


def as_stored(array, dtype):
    """What of an array survives in a type, in float64."""
    if dtype == "BF16":
        cut = [
            struct.unpack("<f", b"\0\0" + struct.pack("<f", float(value))[2:])[0]
            for value in np.ravel(array)
        ]
        return np.array(cut).reshape(np.shape(array))
    return np.asarray(array).astype(TYPES[dtype]).astype(np.float64)


def file_bytes(tensors, metadata=None, **header):
    """A safetensors file from {name: (array, dtype)}; `header` replaces entries."""
    entries, content = {}, b""
    if metadata is not None:
        entries["__metadata__"] = metadata
    for name, (array, dtype) in tensors.items():
        part = coded(array, dtype)
        entries[name] = {
            "dtype": dtype, "shape": list(np.shape(array)),
            "data_offsets": [len(content), len(content) + len(part)],
        }  # fmt: skip
        content += part
    entries.update(header)
    return with_header(json.dumps(entries).encode(), content)


def with_header(text, content):
    return struct.pack("<Q", len(text)) + text + content


def draw(seed, *shape):
    return np.random.RandomState(seed).standard_normal(shape)


#: name, kind, A's shape, B's shape
MODULES = [
    ("model.layers.0.q_proj", "linear", (3, 8), (6, 3)),
    ("model.layers.1.q_proj", "linear", (3, 8), (6, 3)),
    ("model.layers.1.mlp.up", "linear", (2, 5), (9, 2)),
    ("model.embed", "embedding", (3, 11), (4, 3)),
    ("vision.conv", "conv2d", (3, 2, 3, 3), (7, 3, 1, 1)),
]
CONFIG = {
    "peft_type": "LORA", "r": 3, "lora_alpha": 12, "rank_pattern": {"up": 2},
    "target_modules": ["q_proj", "up", "embed", "conv"],
}  # fmt: skip


def factors(modules=MODULES):
    """{module: (A, B)} in double precision, as they lie in the file."""
    return {name: (draw(i, *A), draw(100 + i, *B)) for i, (name, _, A, B) in enumerate(modules)}


def peft_tensors(made, dtype="F32", modules=MODULES):
    tensors = {}
    for name, kind, *_ in modules:
        for letter, array in zip("AB", made[name]):
            key = f".lora_embedding_{letter}" if kind == "embedding" else f".lora_{letter}.weight"
            tensors[f"base_model.model.{name}{key}"] = (array, dtype)
    return tensors


def peft_folder(folder, made=None, dtype="F32", extra=None, modules=MODULES, **config):
    """A PEFT folder of `MODULES`; `extra` tensors, and settings for the config."""
    made = factors(modules) if made is None else made
    folder.mkdir(parents=True)
    (folder / "adapter_config.json").write_text(json.dumps({**CONFIG, **config}))
    content = file_bytes({**peft_tensors(made, dtype, modules), **(extra or {})}, {"format": "pt"})
    (folder / "adapter_model.safetensors").write_bytes(content)
    return folder


def product(A, B):
    """B A as a d x k matrix, entry by entry over the rank."""
    rank = len(A)
    A, B = A.reshape(rank, -1), B.reshape(-1, rank)
    return sum(np.outer(B[:, i], A[i]) for i in range(rank))


def kohya_file(path, made, alphas, dtype="F16", metadata=None):
    """A single file in kohya's names; None for a module without alpha."""
    tensors = {}
    for name, (A, B) in made.items():
        tensors[f"{name}.lora_down.weight"] = (A, dtype)
        tensors[f"{name}.lora_up.weight"] = (B, dtype)
        if alphas[name] is not None:
            tensors[f"{name}.alpha"] = (np.array(alphas[name]), dtype)
    path.write_bytes(file_bytes(tensors, metadata))
    return path


def tree(folder):
    """Every file below a folder, and its bytes: to see that nothing was written."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }
