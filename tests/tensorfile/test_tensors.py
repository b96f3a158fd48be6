"""Tensors are read as the library reads them, whole or by rows, and never beyond the file."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import tensorfile
from helpers.model import shipped
from helpers.tensorfile import tensors as reading
from tests.support.adapters import draw, file_bytes
from tests.support.mutations import broken

SHAPES = [(), (7,), (5, 3), (4, 2, 3, 3), (0, 3), (3, 0)]
PARTS = [(0, None), (1, None), (0, 2), (1, 3), (2, 4)]


@pytest.fixture
def library():
    return pytest.importorskip("safetensors", reason="the safetensors library is not installed")


def write(path, dtype):
    tensors = {f"{len(shape)}.{i}": (draw(i, *shape), dtype) for i, shape in enumerate(SHAPES)}
    path.write_bytes(file_bytes(tensors))
    return path


def by_library(library, path, name, dtype):
    """A tensor as the library has it; a bfloat16, which NumPy lacks, widened by hand."""
    if dtype != "BF16":
        with library.safe_open(path, framework="np") as file:
            return file.get_tensor(name)
    ((found),) = [each for key, each in library.deserialize(path.read_bytes()) if key == name]
    pairs = np.frombuffer(bytes(found["data"]), "u1").reshape(-1, 2)
    wide = np.concatenate([np.zeros_like(pairs), pairs], axis=1)
    return wide.view("<f4").reshape(found["shape"])


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_every_tensor_is_that_of_the_library(tmp_path, library, dtype):
    path = write(tmp_path / "made.safetensors", dtype)
    opened = tensorfile.open_file(path)
    assert len(opened.entries) == len(SHAPES)
    for name, entry in opened.entries.items():
        found, expected = opened.read(name), by_library(library, path, name, dtype)
        assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
        assert found.tobytes() == expected.tobytes()
        assert len(opened.raw(name)) == entry.end - entry.begin
        for start, stop in PARTS if entry.shape else ():
            rows = opened.read(name, start, stop)
            assert rows.shape == expected[start:stop].shape
            assert rows.tobytes() == expected[start:stop].tobytes()


@pytest.mark.parametrize("path", sorted(shipped.DATA.glob("**/*.safetensors")))
def test_what_ships(library, path):
    opened = tensorfile.open_file(path)
    with library.safe_open(path, framework="np") as file:
        assert set(file.keys()) == set(opened.entries)
        for name in opened.entries:
            assert opened.read(name).tobytes() == file.get_tensor(name).tobytes()


@settings(max_examples=150, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_what_the_library_refuses_is_refused(tmp_path_factory, library, data):
    """Ours may be stricter, and never laxer."""
    files, _ = data.draw(broken("kohya"))
    (content,) = files.values()
    path = tmp_path_factory.mktemp("broken") / "k.safetensors"
    path.write_bytes(content)
    try:
        opened = tensorfile.open_file(path)
    except tensorfile.FileError:
        return
    theirs = {name: tuple(each["shape"]) for name, each in library.deserialize(content)}
    assert theirs == {name: entry.shape for name, entry in opened.entries.items()}


@pytest.mark.parametrize("dtype", ["F32", "BF16"])
def test_a_file_that_shrinks_while_it_is_read(tmp_path, dtype):
    """A mapped page beyond its end would kill the process."""
    path = tmp_path / "made.safetensors"
    path.write_bytes(
        file_bytes({"first": (draw(1, 5, 3), dtype), "last": (draw(2, 90, 90), dtype)})
    )
    opened = tensorfile.open_file(path)
    assert opened.read("first").shape == (5, 3)
    with path.open("r+b") as file:
        file.truncate(opened.entries["last"].end - 2)
    with pytest.raises(tensorfile.FileError, match=r"made\.safetensors: tensor last.*cut short"):
        opened.read("last")
    with pytest.raises(tensorfile.FileError, match="cut short"):
        opened.raw("last")


def test_a_tensor_larger_than_the_free_memory_is_refused_unread(tmp_path, monkeypatch):
    path = write(tmp_path / "made.safetensors", "F32")
    opened = tensorfile.open_file(path)
    monkeypatch.setattr(reading, "_SMALL", 0)
    monkeypatch.setattr(reading, "free_memory", lambda: 100)
    assert opened.read("1.1").shape == (7,)  # 28 bytes
    with pytest.raises(tensorfile.FileError, match=r"tensor 2\.2 takes 6e-08 GB, and of 1e-07 GB"):
        opened.read("2.2")
    monkeypatch.setattr(reading, "free_memory", lambda: None)
    assert opened.read("2.2").shape == (5, 3)


def test_free_memory_is_that_of_this_machine():
    free = reading.free_memory()
    assert free is None or 10**6 < free < 10**15
    assert free is not None or not Path("/proc/meminfo").exists()


def test_numbers_that_are_not_finite_are_counted(tmp_path):
    path = tmp_path / "made.safetensors"
    path.write_bytes(file_bytes({"x": (np.array([1, np.nan, np.inf, 2, -np.inf]), "F16")}))
    with pytest.raises(tensorfile.FileError, match=r"made\.safetensors: tensor x .*got 3 that are"):
        tensorfile.open_file(path).read("x")


def test_parts_of_one_tensor_at_a_time_are_kept(tmp_path):
    """A stack of experts is read once, and not kept when the next comes."""
    path = tmp_path / "made.safetensors"
    arrays = {name: draw(i, 4, 6) for i, name in enumerate("abc")}
    path.write_bytes(file_bytes({name: (array, "F64") for name, array in arrays.items()}))
    opened = tensorfile.open_file(path)
    for name, array in arrays.items():
        for i in (0, 1):
            part = (slice(None), slice(i, None, 2))
            np.testing.assert_array_equal(opened.read_part(name, part), array[part])
            np.testing.assert_array_equal(opened.read_part(name, (i,)), array[i])
        assert list(opened._kept) == [name]
