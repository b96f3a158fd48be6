"""Where the safetensors library is missing, as in some browsers, the same bits are read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import adapters
from helpers.adapters import files
from helpers.model import shipped
from tests.support.adapters import draw, file_bytes

ROOT = Path(__file__).parents[2]
SHAPES = [(), (7,), (5, 3), (4, 2, 3, 3), (0, 3), (3, 0)]
PARTS = [(0, None), (1, None), (0, 2), (1, 3), (2, 4)]


def write(path, dtype):
    tensors = {f"{len(shape)}.{i}": (draw(i, *shape), dtype) for i, shape in enumerate(SHAPES)}
    path.write_bytes(file_bytes(tensors))
    return path


def read(path, start=0, stop=None, names=None):
    tensors = files.open_file(path)
    return {name: tensors.read(name, start, stop) for name in names or tensors.entries}


def assert_same_bits(found, expected):
    assert list(found) == list(expected)
    for name, array in found.items():
        assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape)
        assert array.tobytes() == expected[name].tobytes()


@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_whole_tensors(tmp_path, monkeypatch, dtype):
    path = write(tmp_path / "made.safetensors", dtype)
    expected = read(path)
    assert any(array.size for array in expected.values())
    monkeypatch.setattr(files, "safe_open", None)
    assert_same_bits(read(path), expected)


@pytest.mark.parametrize("dtype", ["F16", "F32", "F64"])
@pytest.mark.parametrize(("start", "stop"), PARTS)
def test_rows(tmp_path, monkeypatch, dtype, start, stop):
    path = write(tmp_path / "made.safetensors", dtype)
    names = ["1.1", "2.2", "4.3"]
    expected = read(path, start, stop, names)
    monkeypatch.setattr(files, "safe_open", None)
    assert_same_bits(read(path, start, stop, names), expected)


@pytest.mark.parametrize("path", sorted(shipped.DATA.glob("*.safetensors")), ids=lambda p: p.name)
def test_what_ships(monkeypatch, path):
    expected = read(path)
    monkeypatch.setattr(files, "safe_open", None)
    assert_same_bits(read(path), expected)


def test_a_file_that_is_cut_short_after_it_was_opened(tmp_path, monkeypatch):
    path = write(tmp_path / "made.safetensors", "F32")
    monkeypatch.setattr(files, "safe_open", None)
    tensors = files.open_file(path)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(adapters.AdapterError, match="cut short"):
        tensors.read("4.3")


def test_everything_can_be_imported_and_the_weights_read():
    """In a process where importing the library fails."""
    program = """
import importlib, pkgutil, sys
sys.modules["safetensors"] = None
import helpers
for module in pkgutil.walk_packages(helpers.__path__, "helpers."):
    importlib.import_module(module.name)
from helpers.model import shipped
print(sum(float(abs(matrix).sum()) for matrix in shipped.base().values()))
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    expected = sum(float(np.abs(matrix).sum()) for matrix in shipped.base().values())
    assert float(done.stdout) == expected
