"""Bake, truncate, merge and extract in any order: each copy is what matrices in double say."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, rule

from helpers import adapters
from tests.support.adapters import draw, file_bytes, peft_folder, product

MODULES = [(f"model.layers.{i}.q_proj", "linear", (3, 5), (4, 3)) for i in range(2)]
NAMES = [name for name, *_ in MODULES]
MOST = 3


def cut(matrix, rank):
    """The best matrix of a rank."""
    U, S, Vt = np.linalg.svd(matrix, full_matrices=False)
    return (U[:, :rank] * S[:rank]) @ Vt[:rank]


class Copies(RuleBasedStateMachine):
    """Adapters on disk, each beside the updates, (4, 5) by module, that it must apply."""

    made = Bundle("made")

    def __init__(self):
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.count = 0

    def teardown(self):
        shutil.rmtree(self.folder)

    def new(self, name="copy"):
        self.count += 1
        return self.folder / f"{name}{self.count}"

    def checked(self, path, updates):
        """What is read is what must be there, to single precision."""
        adapter = adapters.read(path)
        assert [module.name for module in adapter.modules] == NAMES
        for module in adapter.modules:
            B, A = (np.asarray(each, dtype=float) for each in adapter.factors(module))
            size = np.linalg.norm(updates[module.name])
            found = module.scale * product(A, B)
            assert np.linalg.norm(found - updates[module.name]) <= 1e-5 * size + 1e-6
        return path, updates

    @initialize(target=made)
    def start(self):
        return self.trained(0, False, 4.0)

    @rule(target=made, seed=st.integers(0, 99), rslora=st.booleans(), alpha=st.floats(0.5, 32))
    def train(self, seed, rslora, alpha):
        return self.trained(seed, rslora, alpha)

    def trained(self, seed, rslora, alpha):
        factors = {name: (draw(seed + i, 3, 5), draw(seed + 50 + i, 4, 3))
                   for i, name in enumerate(NAMES)}  # fmt: skip
        path = peft_folder(
            self.new(), factors, modules=MODULES, r=3, lora_alpha=alpha, use_rslora=rslora,
            rank_pattern={}, target_modules=["q_proj"],
        )  # fmt: skip
        scale = alpha / (3**0.5 if rslora else 3)
        stored = {n: [np.float32(each).astype(float) for each in f] for n, f in factors.items()}
        return self.checked(path, {name: scale * product(*pair) for name, pair in stored.items()})

    @rule(target=made, one=made)
    def bake(self, one):
        path, updates = one
        out, adapter = self.new(), adapters.read(path)
        if {module.scale for module in adapter.modules} == {1.0}:
            with pytest.raises(adapters.FileError, match="nothing to bake"):
                adapters.bake(adapter, out)
            assert not out.exists()
            return one
        adapters.bake(adapter, out)
        assert {module.scale for module in adapters.read(out).modules} == {1.0}
        return self.checked(out, updates)

    @rule(target=made, one=made, rank=st.integers(1, MOST))
    def truncate(self, one, rank):
        path, updates = one
        out, adapter = self.new(), adapters.read(path)
        rank = min(rank, max(module.rank for module in adapter.modules))
        adapters.truncate(adapter, out, rank=rank)
        assert all(module.rank <= rank for module in adapters.read(out).modules)
        return self.checked(out, {name: cut(update, rank) for name, update in updates.items()})

    @rule(target=made, one=made, other=made, weight=st.sampled_from([0.5, 1.0, 2.0]))
    def merge(self, one, other, weight):
        out = self.new()
        pair = [adapters.read(path) for path, _ in (one, other)]
        adapters.merge(pair, out, [1.0, weight], rank=4)
        summed = {name: cut(one[1][name] + weight * other[1][name], 4) for name in NAMES}
        return self.checked(out, summed)

    @rule(target=made, one=made, rank=st.integers(1, MOST))
    def extract(self, one, rank):
        """From two checkpoints that lie as far apart as an adapter says."""
        _, updates = one
        files = [self.new(name).with_suffix(".safetensors") for name in ("base", "tuned")]
        before = {name: np.float32(draw(7, 4, 5)) for name in NAMES}
        after = {name: np.float32(before[name] + updates[name]) for name in NAMES}
        for path, weights in zip(files, (before, after)):
            tensors = {f"{name}.weight": (array, "F32") for name, array in weights.items()}
            path.write_bytes(file_bytes(tensors))
        out = self.new()
        adapters.extract(*files, out, rank=rank)
        apart = {name: after[name].astype(float) - before[name] for name in NAMES}
        return self.checked(out, {name: cut(update, rank) for name, update in apart.items()})


Copies.TestCase.settings = settings(
    max_examples=8, stateful_step_count=6, deadline=None,
    suppress_health_check=list(HealthCheck), derandomize=True,
)  # fmt: skip
TestCopies = Copies.TestCase
