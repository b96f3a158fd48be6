"""Adapters from the field: read, reported, checked for every loader, baked and cut, or refused.

What is right is in `field_folders` and `field_files`; what each loader multiplies B A by is
computed here from the bytes of a file, by the rules of its source, with no code of ours.
"""

import json
import re
from collections import Counter

import numpy as np
import pytest

from helpers import adapters
from helpers.adapters import __main__ as command
from tests.support import field_files
from tests.support.adapters import TYPES, tree

CASES = field_files.CASES
HALVES = {
    "lora_A": "lora_B", "lora_down": "lora_up", "lora.down": "lora.up", "lora_a": "lora_b",
    "lora_embedding_A": "lora_embedding_B",
}  # fmt: skip
A_NAME = re.compile(r"(.+)\.(lora_A|lora_down|lora\.down|lora_a|lora_embedding_A)(\.[\w.]+)?$")
XLABS = re.compile(r"(.+_lora\d)\.(down)(\.weight)$")


def decoded(raw, dtype):
    """The numbers of a tensor; a bfloat16 is the upper half of a float32."""
    if dtype == "BF16":
        return (np.frombuffer(raw, "<u2").astype("<u4") << 16).view("<f4").astype(float)
    return np.frombuffer(raw, TYPES[dtype]).astype(float)


def bare(name):
    """A module's name without what training put before it."""
    return name.rpartition("base_model.model.")[2]


class File:
    """A file's pairs of factors, its alphas, its header and its config, read from its bytes."""

    def __init__(self, path):
        weights = path
        if path.is_dir():
            (weights,) = path.glob("adapter*.safetensors")
        content, self.tensors, self.pairs = weights.read_bytes(), {}, {}
        start = 8 + int.from_bytes(content[:8], "little")
        header = json.loads(content[8:start])
        for name, one in header.items():
            begin, end = one.get("data_offsets", (0, 0))
            if one.get("dtype") in TYPES:
                raw = content[start + begin : start + end]
                self.tensors[name] = decoded(raw, one["dtype"]).reshape(one["shape"])
        self.said = header.get("__metadata__", {})
        config = path / "adapter_config.json"
        self.config = json.loads(config.read_text(encoding="utf-8")) if path.is_dir() else {}
        for key, A in self.tensors.items():
            match = A_NAME.fullmatch(key) or XLABS.fullmatch(key)
            if (
                match is None
                or header[key]["dtype"] in ("F8_E4M3", "I8")
                or A.ndim < 2
                or 0 in A.shape
            ):
                continue
            stem, half, end = match.groups()
            if f"{stem}.lora_mid.weight" not in self.tensors:
                self.pairs[stem] = A, self.tensors[f"{stem}.{HALVES.get(half, 'up')}{end or ''}"]

    def alpha(self, stem):
        value = self.tensors.get(f"{stem}.alpha")
        return None if value is None else float(value.reshape(()))

    def rank(self, stem):
        return self.pairs[stem][0].shape[self.mlx]

    @property
    def mlx(self):
        return int("lora_parameters" in self.config)

    def product(self, stem):
        A, B = self.pairs[stem]
        if self.mlx:
            return (A @ B).T
        if B.ndim > 2 and B.shape[1] < len(A):  # in groups
            share = B.shape[1]
            groups = len(A) // share
            made = [b.reshape(len(b), -1) @ A[g * share : (g + 1) * share].reshape(share, -1)
                    for g, b in enumerate(np.split(B, groups))]  # fmt: skip
            return np.concatenate(made).reshape(len(B), *A.shape[1:])
        if B.ndim > 2:
            made = B.reshape(len(B), -1) @ A.reshape(len(A), -1)
            return made.reshape(len(B), *A.shape[1:])
        turned = f"{stem}.lora_embedding_A" in self.tensors or self.config.get("fan_in_fan_out")
        return (B @ A).T if turned else B @ A


def in_config(config, name, patterns=True, rslora=True):
    """PEFT's scale by a config: the first pattern that matches counts."""

    def value(key, default):
        for pattern, each in (config.get(key) or {}).items() if patterns else ():
            if re.match(rf"(.*\.)?({pattern})$", name):
                return each
        return default

    r = value("rank_pattern", config.get("r", 8))
    alpha = value("alpha_pattern", config.get("lora_alpha", 8))
    return alpha / (np.sqrt(r) if rslora and config.get("use_rslora") else r)


def by_loader(loader, file, stem):
    """What a loader multiplies B A of a module by."""
    config, rank, alpha = file.config, file.rank(stem), file.alpha(stem)
    if loader == "mlx-lm":
        return config["lora_parameters"]["scale"]
    if loader in ("peft", "vllm"):
        return in_config(config, bare(stem))
    if loader == "no-rslora":
        return in_config(config, bare(stem), rslora=False)
    if loader in ("vllm-0.31", "sglang"):
        return in_config(config, bare(stem), patterns=False, rslora=loader != "sglang")
    if loader == "llama.cpp":
        return config["lora_alpha"] / rank
    own = 1.0 if alpha is None else alpha / rank
    if loader in ("comfyui", "sd-scripts"):
        return own
    metadata = json.loads(file.said.get("lora_adapter_metadata", "{}"))
    if metadata:
        part, _, name = stem.partition(".")
        if f"{part}.r" in metadata:
            metadata = {key.partition(".")[2]: value for key, value in metadata.items()}
        return in_config(metadata, name)
    alphas = Counter(file.alpha(each) for each in file.pairs) - Counter([None] * len(file.pairs))
    if alpha is None and alphas:
        return alphas.most_common(1)[0][0] / rank
    ranks = [file.rank(each) for each in file.pairs]
    mixed = loader == "diffusers-0.38" and not alphas and len(set(ranks)) > 1
    return ranks[0] / rank if mixed else own


def modelled(loader, file):
    """Whether `by_loader` knows its rule for such a file."""
    folder = "lora_alpha" in file.config
    return loader != "header-only" and (loader != "no-rslora" or folder)


def made(tmp_path, name):
    case = CASES[name][0](tmp_path)
    if not case.refused:
        assert case.updates
    return case


@pytest.mark.parametrize("name", CASES)
def test_read_and_reported(tmp_path, name, capsys):
    """Updates and their spectra, what is no update by its label; or a refusal with its way out."""
    case = made(tmp_path, name)
    before = tree(tmp_path)
    status = command.main(["inspect", str(case.path)])
    output, errors = capsys.readouterr()
    assert tree(tmp_path) == before
    if case.refused:
        assert (status, output, errors.count("\n")) == (2, "", 1)
        assert re.search(case.refused, errors), errors
        return
    assert (status, errors) == (0, "")
    assert re.sub(r"\s+", "", case.said) in re.sub(r"\s+", "", output)
    adapter = adapters.read(case.path)
    modules = {each.name: each for each in adapter.modules}
    assert modules.keys() == case.updates.keys()
    for each in adapters.spectra(adapter):
        update = case.updates[each.name]
        size = max(np.abs(update).max(), 1e-300)
        delta = adapter.delta(modules[each.name])
        np.testing.assert_allclose(delta, update, rtol=0, atol=1e-12 * size)
        right = np.linalg.svd(update.reshape(len(update), -1), compute_uv=False)
        values = np.zeros(len(right))
        values[: len(each.values)] = each.values[: len(right)]
        np.testing.assert_allclose(values, right, rtol=0, atol=2e-7 * max(right[0], 1e-300))
    for part, label in case.left.items():
        assert label in next(kind for each, kind in adapter.ignored.items() if part in each)
    assert len(adapter.ignored) >= len(case.left)


@pytest.mark.parametrize("name", [name for name in CASES])
def test_checked_for_every_loader(tmp_path, name):
    """What is called right is right: the scale by a loader's own rule, and nothing left out."""
    case = made(tmp_path, name)
    if case.refused:
        return
    adapter, file = adapters.read(case.path), File(case.path)
    found = {loader: kinds.split() for loaders, kinds in case.found.items()
             for loader in loaders.split()}  # fmt: skip
    for check in adapters.checks(adapter):
        kinds = {one.kind for one in check.findings}
        expected = set(found.get(check.loader, ())) | set(found.get("*", ()))
        wrong = False
        for stem in file.pairs:
            if not modelled(check.loader, file) or bare(stem) not in case.updates:
                continue
            served = by_loader(check.loader, file, stem) * file.product(stem)
            (said,) = [each for each in check.scales if each.name == bare(stem)]
            trained = case.updates[bare(stem)]
            size = np.abs(trained).max()
            np.testing.assert_allclose(served, said.ratio * trained, rtol=0, atol=1e-6 * size)
            wrong |= abs(said.ratio - 1) > 1e-3
        if check.loader not in ("header-only", "no-rslora"):
            refused = {"scale"} if "refused" in expected and not file.pairs else set()
            assert kinds - refused == expected | ({"scale"} if wrong else set()), check.loader
        assert check.fits == (kinds <= {"depends"})


def copies(tmp_path, name, **target):
    case = made(tmp_path, name)
    if case.refused:
        return case, None, None, None
    adapter, before = adapters.read(case.path), tree(tmp_path)
    out = tmp_path / ("out" if case.path.is_dir() else "out.safetensors")
    words, cuts = (case.cut if target else case.bake), None
    try:
        cuts = adapters.truncate(adapter, out, **target) if target else None
        adapters.bake(adapter, out) if not target else None
    except adapters.FileError as error:
        assert words, error
        assert re.search(words, str(error)), error
        assert tree(tmp_path) == before
        return case, None, None, None
    assert not words
    return case, adapter, out, cuts


@pytest.mark.parametrize("name", CASES)
def test_baked(tmp_path, name):
    """The copy is right by every loader's rule, and what is no update is in it to the byte."""
    case, before, out, _ = copies(tmp_path, name)
    if out is None:
        return
    file, after = File(out), adapters.read(out)
    assert {each.name for each in after.modules} == case.updates.keys()
    for stem in file.pairs:
        update = case.updates[bare(stem)]
        for check in adapters.checks(after):
            if not modelled(check.loader, file):
                continue
            served = by_loader(check.loader, file, stem) * file.product(stem)
            size = np.abs(update).max()
            np.testing.assert_allclose(
                served, update, rtol=0, atol=5e-3 * size, err_msg=check.loader
            )
    if before.source == "diffusers":  # most of Diffusers' pipelines refuse alphas in these names
        assert not any(name.endswith(".alpha") for name in file.tensors)
    for module in after.modules:
        update = case.updates[module.name]
        assert module.scale == 1
        lost = np.linalg.norm(after.delta(module) - update)
        assert lost <= 4e-3 * np.linalg.norm(update)
    assert Counter(after.ignored.values()) == Counter(before.ignored.values())
    trained, scales = File(case.path), {each.name: each.scale for each in before.modules}
    for stem in file.pairs:  # a bias of B is scaled as B is, and keeps the module's name
        for name in file.tensors.keys() & {f"{stem}.lora_B.bias"}:
            old = trained.tensors.get(name, trained.tensors.get(f"{stem}.lora_B.default.bias"))
            np.testing.assert_allclose(file.tensors[name], scales[bare(stem)] * old, rtol=1e-6)
    assert len(after.ignored.keys() & before.ignored.keys()) >= len(before.ignored) - 1


@pytest.mark.parametrize("name", CASES)
def test_cut(tmp_path, name):
    """The stated error is that of the copy, as the loader of its own format reads it."""
    case, before, out, cuts = copies(tmp_path, name, rank=2)
    if out is None:
        return
    own = {"peft": "peft", "mlx": "mlx-lm", "kohya": "comfyui", "diffusers": "diffusers"}
    file = File(out)
    errors = {cut.name: cut.error for cut in cuts}
    for stem in file.pairs:
        update = case.updates[bare(stem)]
        served = by_loader(own[before.source], file, stem) * file.product(stem)
        missed, norm = np.linalg.norm(served - update), np.linalg.norm(update)
        assert missed <= norm * (errors[bare(stem)] + 5e-3)
        assert missed >= norm * (errors[bare(stem)] - 5e-3)


def test_each_case_says_where_it_comes_from():
    assert all(source for _, source in CASES.values())
    assert len(CASES) >= 70
