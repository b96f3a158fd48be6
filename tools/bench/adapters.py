"""How fast an adapter is inspected: python -m tools.bench.adapters

A 7B-shaped adapter of rank 64, float16, 32 layers of 7 modules, is made in a
temporary folder. Ours reads it all in a process of its own: wall time, and peak
memory, libraries included. Against it the way of PEFT's and mergekit's tools, a
dense SVD of each product (float32, values only, one module of each shape, times
how many there are: extrapolated), and the QR and core of each module by itself,
without a batch. Then two 1B-shaped checkpoints, two layers of 16 (extrapolated).
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from helpers import adapters
from helpers.tensorfile import write_safetensors

from .report import arguments, save, table

RANK = 64
LAYERS = 32
WIDE, INNER = 4096, 11008
SHAPES = {
    **dict.fromkeys([f"self_attn.{one}_proj" for one in "qkvo"], (WIDE, WIDE)),
    **dict.fromkeys(["mlp.gate_proj", "mlp.up_proj"], (INNER, WIDE)),
    "mlp.down_proj": (WIDE, INNER),
}
CHECKPOINT_LAYERS, CHECKPOINT_OF = 2, 16
CHECKPOINT = {
    **dict.fromkeys(["self_attn.q_proj", "self_attn.o_proj"], (2048, 2048)),
    **dict.fromkeys(["self_attn.k_proj", "self_attn.v_proj"], (512, 2048)),
    **dict.fromkeys(["mlp.gate_proj", "mlp.up_proj"], (8192, 2048)),
    "mlp.down_proj": (2048, 8192),
}

_OURS = """
import resource, sys, time
from helpers import adapters
begin = time.perf_counter()
rows = adapters.rows(adapters.spectra(adapters.read(sys.argv[1])))
print(time.perf_counter() - begin, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, len(rows))
"""


def write(path: Path, kinds: dict[str, tuple[int, ...]], scale: float, start: int = 0) -> None:
    """Random float16 tensors, made one at a time."""
    stream = np.random.default_rng(start)
    write_safetensors(
        path,
        {name: ("F16", shape) for name, shape in kinds.items()},
        (
            (scale * stream.standard_normal(shape, np.float32)).astype("<f2").tobytes()
            for shape in kinds.values()
        ),
        {"format": "pt"},
    )


def make_adapter(folder: Path) -> None:
    """The 7B-shaped adapter."""
    kinds = {}
    for layer in range(LAYERS):
        for name, (d, k) in SHAPES.items():
            stem = f"base_model.model.model.layers.{layer}.{name}"
            kinds[f"{stem}.lora_A.weight"] = (RANK, k)
            kinds[f"{stem}.lora_B.weight"] = (d, RANK)
    folder.mkdir()
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 16, "use_rslora": True}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    write(folder / "adapter_model.safetensors", kinds, 0.02)


def dense(adapter: adapters.Adapter) -> tuple[float, float]:
    """Seconds for the dense SVD of all products, from one of each shape; and its error to ours."""
    seconds, worst = 0.0, 0.0
    ours = {each.name: each.values for each in adapters.spectra(adapter)}
    for shape in set(SHAPES.values()):
        same = [module for module in adapter.modules if module.shape == shape]
        begin = time.perf_counter()
        B, A = (factor.astype(np.float32) for factor in adapter.factors(same[0]))
        values = np.linalg.svd(same[0].scale * (B @ A), compute_uv=False)
        spent = time.perf_counter() - begin
        print(f"dense SVD of {shape[0]} x {shape[1]}: {spent:.1f} s, {len(same)} modules")
        seconds += spent * len(same)
        gap = np.abs(values[:RANK] - ours[same[0].name]).max() / values[0]
        worst = max(worst, float(gap))
    return seconds, worst


def one_by_one(adapter: adapters.Adapter) -> None:
    """The same QR and core, a module at a time."""
    for module in adapter.modules:
        B, A = (factor.astype(np.float64) for factor in adapter.factors(module))
        core = np.linalg.qr(B, mode="r") @ np.linalg.qr(A.T, mode="r").T
        np.linalg.svd(module.scale * core, compute_uv=False)


def checkpoints(folder: Path) -> dict[str, float | str]:
    """Seconds for the difference of two checkpoints, whole model extrapolated."""
    kinds = {
        f"model.layers.{layer}.{name}.weight": shape
        for layer in range(CHECKPOINT_LAYERS)
        for name, shape in CHECKPOINT.items()
    }
    for name in ("before", "after"):
        write(folder / f"{name}.safetensors", kinds, 0.02, len(name))
    begin = time.perf_counter()
    adapters.difference(folder / "before.safetensors", folder / "after.safetensors")
    seconds = (time.perf_counter() - begin) * CHECKPOINT_OF / CHECKPOINT_LAYERS
    return {"way": "two 1B checkpoints, extrapolated", "seconds": seconds}


def main() -> None:
    """Measure each way, and print seconds, memory and ratios."""
    given = arguments(__doc__)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "adapter"
        make_adapter(folder)
        size = (folder / "adapter_model.safetensors").stat().st_size
        command = [sys.executable, "-c", _OURS, str(folder)]
        output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        ours, peak_kb, count = (float(part) for part in output.split())
        adapter = adapters.read(folder)
        begin = time.perf_counter()
        one_by_one(adapter)
        singly = time.perf_counter() - begin
        extrapolated, worst = dense(adapter)
        rows = [
            {"way": "ours, batched by shape", "seconds": ours, "times ours": 1.0},
            {"way": "QR, module by module", "seconds": singly, "times ours": singly / ours},
            {"way": "dense SVD, extrapolated", "seconds": extrapolated,
             "times ours": extrapolated / ours},
        ]  # fmt: skip
        table(f"{count:.0f} modules of rank {RANK}, {size / 1e6:.0f} MB", rows)
        print(f"\nOurs: peak memory {peak_kb / 1e3:.0f} MB; largest difference to the dense SVD")
        print(f"{worst:.1e} of the largest singular value (float32 product).")
        difference = checkpoints(Path(temporary))
        table("Difference of two checkpoints, float16", [difference])
    here = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    save(given.json, {"adapter": rows, "checkpoints": difference, "peak_mb": peak_kb / 1e3,
                      "worst": worst, "peak_of_all_mb": here})  # fmt: skip


if __name__ == "__main__":
    main()
