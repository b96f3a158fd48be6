"""Singular values from factors and from checkpoints against dense SVDs."""

import json

import numpy as np
import pytest

from helpers import adapters
from helpers.adapters import singular_values
from helpers.lora import spectrum
from helpers.model import shipped
from tests.support.adapters import as_stored, draw, factors, file_bytes, peft_folder, product


def dense_values(matrix):
    return np.linalg.svd(matrix, compute_uv=False)


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_against_the_dense_svd(tmp_path, dtype):
    made = factors()
    adapter = adapters.read(peft_folder(tmp_path / "a", made, dtype, use_rslora=True))
    seen = []
    found = adapters.spectra(adapter, lambda done, total: seen.append((done, total)))
    assert seen[-1] == (5, 5)
    for module, each in zip(adapter.modules, found):
        A, B = (as_stored(one, dtype) for one in made[module.name])
        expected = dense_values(module.scale * product(A, B))
        assert (each.name, each.shape, each.rank) == (module.name, module.shape, module.rank)
        assert each.values.shape == (min(*each.shape, each.rank),)
        kept = expected[: len(each.values)]
        np.testing.assert_allclose(each.values, kept, rtol=0, atol=1e-13 * expected[0])
        assert np.all(expected[len(each.values) :] < 1e-13 * expected[0])


def test_batches_hold_modules_of_one_shape_and_bounded_memory(tmp_path, monkeypatch):
    """Whatever the batches, the spectra and their order are the same."""
    modules = [(f"m.{i}", "linear", (3, 8), (6 + i % 2, 3)) for i in range(9)]
    adapter = adapters.read(peft_folder(tmp_path / "a", modules=modules))
    together = adapters.spectra(adapter)
    assert len(list(singular_values._batches(adapter.modules))) == 2
    monkeypatch.setattr(singular_values, "_BATCH_BYTES", 8 * 3 * 15 * 2)
    sizes = [len(batch) for batch in singular_values._batches(adapter.modules)]
    assert sizes == [2, 2, 1, 2, 2]
    monkeypatch.setattr(singular_values, "_BATCH_BYTES", 1)
    alone = adapters.spectra(adapter)
    assert [each.name for each in alone] == [f"m.{i}" for i in range(9)]
    for one, other in zip(together, alone):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-12)


def write_checkpoint(folder, tensors, shards=1):
    """One file, or so many with an index."""
    folder.mkdir()
    if shards == 1:
        (folder / "model.safetensors").write_bytes(file_bytes(tensors))
        return folder
    places = {}
    for i in range(shards):
        part = {name: each for j, (name, each) in enumerate(tensors.items()) if j % shards == i}
        file = f"model-{i}.safetensors"
        (folder / file).write_bytes(file_bytes(part))
        places |= dict.fromkeys(part, file)
    index = {"metadata": {"total_size": 1}, "weight_map": places}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


@pytest.mark.parametrize("block", [4_000_000, 30])
@pytest.mark.parametrize("dtypes", [("F32", "F32"), ("BF16", "BF16"), ("F16", "F32")])
def test_the_difference_of_two_checkpoints(tmp_path, monkeypatch, dtypes, block):
    monkeypatch.setattr("helpers.tensorfile.comparing.BLOCK", block)
    shapes = {"tall": (20, 6), "wide": (5, 17), "conv": (4, 3, 2, 2), "square": (7, 7)}
    before = {name: draw(i, *shape) for i, (name, shape) in enumerate(shapes.items())}
    after = {name: old + 0.1 * draw(9 + len(name), *old.shape) for name, old in before.items()}
    extra = {"norm": (draw(1, 6), "F32"), "count": (np.zeros((2, 2)), "I64")}
    old, new = (
        write_checkpoint(
            tmp_path / place,
            {name: (each, dtype) for name, each in arrays.items()}
            | extra | {only: (draw(3, 2), "F32")},
            shards,
        )
        for place, arrays, dtype, only, shards in (
            ("old", before, dtypes[0], "gone", 1), ("new", after, dtypes[1], "fresh", 3),
        )
    )  # fmt: skip
    found, left_out = adapters.difference(old, new)
    assert {each.name for each in found} == set(shapes)
    for each in found:
        late = as_stored(after[each.name], dtypes[1])
        change = late - as_stored(before[each.name], dtypes[0])
        expected = dense_values(change.reshape(len(change), -1))
        np.testing.assert_allclose(each.values, expected, rtol=0, atol=1e-7 * expected[0])
        assert (each.rank, each.scale) == (len(expected), 1.0)
    assert set(left_out) == {"norm", "count", "gone", "fresh"}
    assert left_out["norm"] == "not a matrix"
    assert left_out["gone"].startswith("only in")


def test_an_update_too_large_for_float64_is_refused_without_a_warning(tmp_path):
    """Its product is not, and alpha takes it beyond."""
    modules = [("x", "linear", (2, 3), (4, 2))]
    made = {"x": (1e150 * np.eye(2, 3), 1e150 * np.eye(4, 2))}
    folder = peft_folder(tmp_path / "a", made, "F64", modules=modules, r=2, lora_alpha=1e20)
    with pytest.raises(adapters.FileError, match="module x: the update is too large for float64"):
        adapters.spectra(adapters.read(folder))


def test_two_checkpoints_that_are_equal(tmp_path):
    same = write_checkpoint(tmp_path / "a", {"w": (draw(1, 4, 5), "F32")})
    found, _ = adapters.difference(same, same / "model.safetensors")
    assert adapters.rows(found)[0].rank90 == 0


def test_the_plan_agrees_with_the_whole():
    people = shipped.adapter("people")
    cuts = adapters.plan(people, rank=5)
    whole = adapters.error_at(adapters.spectra(people), 5)
    assert adapters.total_error(cuts) == pytest.approx(float(whole), rel=1e-9)


@pytest.mark.parametrize("share", [0.5, 0.8, 1.0])
def test_a_share_of_the_budget_is_one_of_the_numbers_in_the_factors(tmp_path, share):
    made = factors()
    adapter = adapters.read(peft_folder(tmp_path / "a", made))
    numbers = sum(A.size + B.size for A, B in made.values())
    found, said = (
        [cut.rank for cut in adapters.plan(adapter, budget=budget)]
        for budget in (share, int(share * numbers))
    )
    assert found == said
    assert share < 1 or found == [module.rank for module in adapter.modules]


@pytest.mark.parametrize("target", [0.5, 0.8, 0.95, 0.999])
def test_kohyas_sv_fro_is_the_root_of_the_energy(target):
    """networks/resize_lora.py: the first index at which the energy reaches target squared."""
    values = np.sort(np.abs(draw(5, 12)))[::-1]
    kohya = int(np.searchsorted(np.cumsum(values**2) / np.sum(values**2), target**2)) + 1
    assert spectrum.rank_for_energy(values, target**2) == kohya
