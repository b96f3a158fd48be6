"""Files are whole or not there, and hold what was given, in every type."""

import os

import numpy as np
import pytest

from helpers import tensorfile
from helpers.tensorfile import writing
from tests.support.adapters import as_stored, draw, tree

EPSILON = {"F16": 2**-11, "BF16": 2**-8, "F32": 2**-24, "F64": 2**-53}


def test_files_can_be_written_where_there_are_no_links(tmp_path, monkeypatch):
    """Python in a browser has no os.link."""
    monkeypatch.delattr(writing.os, "link")
    with writing.new(tmp_path / "made") as draft:
        draft.write_text("content")
    assert (tmp_path / "made").read_text() == "content"
    assert [path.name for path in tmp_path.iterdir()] == ["made"]


def test_what_comes_up_while_writing_is_not_overwritten(tmp_path):
    out = tmp_path / "out"
    with pytest.raises(tensorfile.FileError, match="cannot be written"), writing.new(out) as draft:
        draft.write_text("ours")
        out.write_text("theirs")
    with pytest.raises(tensorfile.FileError, match="exists already"), writing.new(out):
        raise AssertionError("not reached")
    assert tree(tmp_path) == {"out": b"theirs"}
    other = tmp_path / "other"
    with pytest.raises(tensorfile.FileError, match="cannot be written"):
        with writing.new(other) as draft:
            draft.mkdir()
            other.mkdir()
            (other / "theirs").write_text("theirs")
    assert tree(other) == {"theirs": b"theirs"}
    assert sorted(os.listdir(tmp_path)) == ["other", "out"]


def test_bfloat16_rounds_to_nearest_even():
    values = np.array([1, 1 + 2**-8, 1 + 3 * 2**-8, 1 + 2**-8 + 2**-20, -3.3e38, 1e-40, 0, -0.0])
    found = np.frombuffer(writing.encode(values, "BF16", "x"), "<u2")
    assert list(found[:4]) == [0x3F80, 0x3F80, 0x3F82, 0x3F81]
    wide = (found.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_allclose(wide, values, rtol=2**-8, atol=1e-40)
    exact = as_stored(draw(1, 50), "BF16")
    again = np.frombuffer(writing.encode(exact, "BF16", "x"), "<u2").astype(np.uint32) << 16
    np.testing.assert_array_equal(again.view(np.float32), exact)


@pytest.mark.parametrize("dtype, value", [("F16", 7e4), ("BF16", 3.4e38), ("F32", 1e39)])
def test_what_does_not_fit_a_type(dtype, value):
    with pytest.raises(tensorfile.FileError, match=f"x: an entry is too large for type {dtype}"):
        writing.encode(np.array([value]), dtype, "x")


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_saved_arrays_come_back(tmp_path, dtype):
    arrays = {"w": draw(1, 4, 3), "deep.name": draw(2, 2, 2, 2)}
    tensorfile.save(tmp_path / "new.safetensors", arrays, dtype)
    tensors = tensorfile.open_file(tmp_path / "new.safetensors")
    for name, array in arrays.items():
        np.testing.assert_allclose(tensors.read(name), array, rtol=EPSILON[dtype])
    before = tree(tmp_path)
    with pytest.raises(tensorfile.FileError, match="exists already"):
        tensorfile.save(tmp_path / "new.safetensors", arrays)
    with pytest.raises(tensorfile.FileError, match="w: an entry is too large for type F16"):
        tensorfile.save(tmp_path / "large.safetensors", {"w": np.array([1e6])}, "F16")
    with pytest.raises(ValueError, match=r"dtype must be one of 'F16', .* got 'I8'"):
        tensorfile.save(tmp_path / "other.safetensors", arrays, "I8")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_the_library_reads_what_is_written(tmp_path, dtype):
    library = pytest.importorskip("safetensors", reason="the safetensors library is not installed")
    arrays = {"w": draw(1, 4, 3), "scalar": draw(2), "none": draw(3, 0, 5)}
    tensorfile.save(tmp_path / "new.safetensors", arrays, dtype)
    content = (tmp_path / "new.safetensors").read_bytes()
    found = dict(library.deserialize(content))
    assert found.keys() == arrays.keys()
    for name, array in arrays.items():
        assert (found[name]["dtype"], tuple(found[name]["shape"])) == (dtype, array.shape)
        assert bytes(found[name]["data"]) == writing.encode(array, dtype, name)
