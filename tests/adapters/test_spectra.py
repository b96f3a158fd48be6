"""Spectra from factors and from checkpoints against dense SVDs, and what is said of them."""

import json
from importlib import import_module

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers import adapters
from helpers.adapters import report
from helpers.adapters.truncating import lower
from helpers.lora import spectrum
from tests.support.adapters import as_stored, draw, factors, file_bytes, peft_folder, product

#: The module, whose name `adapters` has for its function.
spectra = import_module("helpers.adapters.spectra")


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
        expected = dense_values(module.multiplier * product(A, B))
        assert (each.name, each.shape, each.rank) == (module.name, module.shape, module.rank)
        assert each.values.shape == (min(*each.shape, each.rank),)
        kept = expected[: len(each.values)]
        np.testing.assert_allclose(each.values, kept, rtol=0, atol=1e-13 * expected[0])
        assert np.all(expected[len(each.values) :] < 1e-13 * expected[0])


@given(
    seed=st.integers(0, 2**31), d=st.integers(1, 9), k=st.integers(1, 9), r=st.integers(1, 12),
    sizes=st.tuples(*[st.sampled_from([1e-150, 1e-20, 1.0, 1e20, 1e150])] * 2),
)  # fmt: skip
def test_cores_of_any_shape_and_size(seed, d, k, r, sizes):
    stream = np.random.RandomState(seed)
    B, A = stream.standard_normal((d, r)), stream.standard_normal((r, k))
    core, unit = spectra.cores(B * sizes[0], A * sizes[1])
    assert core.shape == (min(d, r), min(k, r))
    expected = dense_values(B @ A)
    found = np.linalg.svd(core, compute_uv=False) * (unit / sizes[0] / sizes[1])
    np.testing.assert_allclose(
        found, expected[: len(found)], rtol=0, atol=1e-13 * (1 + expected[0]) * r
    )


@given(
    seed=st.integers(0, 2**31), d=st.integers(1, 9), k=st.integers(1, 9), r=st.integers(1, 9),
    data=st.data(),
)  # fmt: skip
def test_lower_factors_are_the_truncation(seed, d, k, r, data):
    rank = data.draw(st.integers(1, min(d, k, r)))
    stream = np.random.RandomState(seed)
    B, A = stream.standard_normal((d, r)), stream.standard_normal((r, k))
    U, S, Vt = np.linalg.svd(B @ A)
    best = sum(S[i] * np.outer(U[:, i], Vt[i]) for i in range(rank))
    new_B, new_A = lower(B, A, rank)
    assert (new_B.shape, new_A.shape) == ((d, rank), (rank, k))
    np.testing.assert_allclose(new_B @ new_A, best, rtol=0, atol=1e-12 * S[0])
    np.testing.assert_allclose(
        np.linalg.norm(new_B, axis=0), np.linalg.norm(new_A, axis=1), rtol=1e-9
    )


def test_batches_hold_modules_of_one_shape_and_bounded_memory(tmp_path, monkeypatch):
    """Whatever the batches, the spectra and their order are the same."""
    modules = [(f"m.{i}", "linear", (3, 8), (6 + i % 2, 3)) for i in range(9)]
    adapter = adapters.read(peft_folder(tmp_path / "a", modules=modules))
    together = adapters.spectra(adapter)
    assert len(list(spectra._batches(adapter.modules))) == 2
    monkeypatch.setattr(spectra, "_BATCH_BYTES", 8 * 3 * 15 * 2)
    sizes = [len(batch) for batch in spectra._batches(adapter.modules)]
    assert sizes == [2, 2, 1, 2, 2]
    monkeypatch.setattr(spectra, "_BATCH_BYTES", 1)
    alone = adapters.spectra(adapter)
    assert [each.name for each in alone] == [f"m.{i}" for i in range(9)]
    for one, other in zip(together, alone):
        np.testing.assert_allclose(one.values, other.values, rtol=1e-12)


def test_an_update_of_zero(tmp_path):
    """As PEFT starts: B = 0. No division, no warning."""
    made = {name: (A, 0 * B) for name, (A, B) in factors().items()}
    adapter = adapters.read(peft_folder(tmp_path / "a", made))
    rows = adapters.rows(adapters.spectra(adapter))
    assert {(row.norm, row.stable, row.effective, row.rank99, row.share) for row in rows} == {
        (0.0, 0.0, 0.0, 0, 0.0)
    }
    assert adapters.sentences(rows).startswith("All 5 updates are zero")
    made["model.embed"] = factors()["model.embed"]
    adapter = adapters.read(peft_folder(tmp_path / "b", made))
    said = adapters.sentences(adapters.rows(adapters.spectra(adapter)))
    assert "In 1 module of rank 3 (4 more are zero)" in said


def test_rows_by_hand():
    values = np.array([4.0, 2.0, 1.0, 0.0])
    (row,) = adapters.rows([adapters.Spectrum("m", "linear", (9, 5), 4, 0.5, values)])
    p = np.array([4, 2, 1]) / 7
    effective = np.exp(-np.sum(p * np.log(p)))
    assert (row.d, row.k, row.rank, row.multiplier) == (9, 5, 4, 0.5)
    assert row.norm == pytest.approx(np.sqrt(21))
    assert row.stable == pytest.approx(21 / 16)
    assert row.effective == pytest.approx(effective)
    assert row.share == pytest.approx(effective / 4)
    assert (row.rank90, row.rank99) == (2, 3)


def spectrum_of(name, values, rank=3):
    values = np.array(values, dtype=float)
    return adapters.Spectrum(name, "linear", (4096, 11008), rank, 0.25, values)


def test_rows_sort_and_the_sentences_are_two():
    found = [spectrum_of("b.1.x", [9, 1, 0]), spectrum_of("a.0.x", [1, 1, 1])]
    assert [row.name for row in adapters.rows(found)] == ["b.1.x", "a.0.x"]
    assert [row.name for row in adapters.rows(found, "name")] == ["a.0.x", "b.1.x"]
    assert [row.name for row in adapters.rows(found, "norm")] == ["b.1.x", "a.0.x"]
    assert [row.name for row in adapters.rows(found, "effective")] == ["a.0.x", "b.1.x"]
    with pytest.raises(ValueError, match="sort must be one of"):
        adapters.rows(found, "colour")
    said = adapters.sentences(adapters.rows(found))
    assert said.count(". ") == 1
    assert "between 2 and 3 directions, with a median of 2.5" in said
    assert "not behaviour" in said
    assert "not the same as training" in said


def test_the_table_fits(tmp_path):
    long = "base.text_model.encoder.layers.31.self_attn.very_long_name_of_a_projection.linear_layer"
    found = [spectrum_of(long, [9, 1, 0]), spectrum_of("short", [3e-9, 1e-9, 0])]
    lines = repr(adapters.table(adapters.rows(found))).splitlines()
    assert len(lines) == 3
    assert max(len(line) for line in lines) <= 100
    assert lines[1].startswith("base.text_…")
    assert "jection.linear_layer  4096 x 11008" in lines[1]


def test_the_map_of_layers_by_modules():
    names = ["m.layers.2.attn.q", "m.layers.0.attn.q", "m.layers.0.mlp.up", "head"]
    found = [spectrum_of(name, [i + 1, 0, 0]) for i, name in enumerate(names)]
    layers, modules, values = adapters.layer_map(adapters.rows(found), "norm")
    assert (layers, modules) == (["0", "2"], ["attn.q", "mlp.up"])
    np.testing.assert_array_equal(values, [[2, 3], [1, np.nan]])
    assert adapters.layer_map(adapters.rows(found[3:]))[2].shape == (0, 0)


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
    monkeypatch.setattr("helpers.adapters.checkpoints._BLOCK", block)
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
        assert (each.rank, each.multiplier) == (len(expected), 1.0)
    assert set(left_out) == {"norm", "count", "gone", "fresh"}
    assert left_out["norm"] == "not a matrix"
    assert left_out["gone"].startswith("only in")


def test_two_checkpoints_that_are_equal(tmp_path):
    same = write_checkpoint(tmp_path / "a", {"w": (draw(1, 4, 5), "F32")})
    found, _ = adapters.difference(same, same / "model.safetensors")
    assert adapters.rows(found)[0].rank90 == 0


@pytest.mark.parametrize("share", [0.9, 0.99])
def test_the_ranks_of_the_rows_are_those_of_spectrum(share):
    values = np.sort(np.abs(draw(5, 12)))[::-1]
    (row,) = adapters.rows([spectrum_of("m", values, 12)])
    found = row.rank90 if share == 0.9 else row.rank99
    assert found == spectrum.rank_for_energy(values, share)
    assert report.SORTS[0] == "name"


@pytest.mark.parametrize("target", [0.5, 0.8, 0.95, 0.999])
def test_kohyas_sv_fro_is_the_root_of_the_energy(target):
    """networks/resize_lora.py: the first index at which the energy reaches target squared."""
    values = np.sort(np.abs(draw(5, 12)))[::-1]
    kohya = int(np.searchsorted(np.cumsum(values**2) / np.sum(values**2), target**2)) + 1
    assert spectrum.rank_for_energy(values, target**2) == kohya
