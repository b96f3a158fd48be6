"""GGUF files that the gguf package wrote, and damaged ones."""

import sys

import numpy as np
import pytest

from helpers import adapters, tensorfile
from helpers.tensorfile import gguf_files
from tests.support.adapters import draw, tree


@pytest.fixture
def written(tmp_path):
    gguf = pytest.importorskip("gguf", reason="the package gguf is not installed")

    def write(path=tmp_path / "a.gguf", alpha=6.0, dtype=np.float32):
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_type(gguf.GGUFType.ADAPTER)
        writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
        if alpha is not None:
            writer.add_float32(gguf.Keys.Adapter.LORA_ALPHA, alpha)
        writer.add_array("of.several", [1, 2])
        for name, rank in (("blk.0.attn_q.weight", 4), ("blk.1.attn_q.weight", 2)):
            writer.add_tensor(f"{name}.lora_a", draw(rank, rank, 12).astype(dtype))
            writer.add_tensor(f"{name}.lora_b", draw(rank + 1, 16, rank).astype(dtype))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_an_adapter_of_llama_cpp(written, dtype):
    """alpha over each tensor's own rank."""
    adapter = adapters.read(written(dtype=dtype))
    assert (adapter.source, len(adapter.modules)) == ("gguf", 2)
    assert adapter.tensors.path == adapter.path  # what errors name
    assert adapter.tensors.metadata["of.several"] == ""
    assert adapter.tensors.metadata["adapter.type"] == "lora"
    for module, each, rank in zip(adapter.modules, adapters.spectra(adapter), (4, 2)):
        A, B = draw(rank, rank, 12).astype(dtype), draw(rank + 1, 16, rank).astype(dtype)
        A, B = A.astype(float), B.astype(float)
        assert module.scale == 6 / rank
        np.testing.assert_allclose(adapter.delta(module), 6 / rank * B @ A, atol=1e-12)
        dense = np.linalg.svd(6 / rank * B @ A, compute_uv=False)[:rank]
        np.testing.assert_allclose(each.values, dense, rtol=1e-12)


def test_without_alpha_the_scale_is_1(written):
    assert {each.scale for each in adapters.read(written(alpha=None)).modules} == {1.0}


def test_a_damaged_file_is_one_error(written, tmp_path):
    whole = written().read_bytes()
    path = tmp_path / "b.gguf"
    for kept in [*range(0, len(whole), max(1, len(whole) // 60)), len(whole) - 1]:
        path.write_bytes(whole[:kept])
        before = tree(tmp_path)
        with pytest.raises(tensorfile.FileError, match=r"b\.gguf") as caught:
            adapters.spectra(adapters.read(path))
        assert str(caught.value).isprintable()
        assert tree(tmp_path) == before
    stream = np.random.RandomState(0)
    for _ in range(60):
        content = bytearray(whole)
        for at in stream.randint(0, 600, 3):
            content[at] = stream.randint(256)
        path.write_bytes(content)
        try:
            adapters.spectra(adapters.read(path))
        except tensorfile.FileError as error:
            assert "b.gguf" in str(error)


@pytest.mark.parametrize("claimed", [300, 2**60, 2**64 - 1])
def test_a_list_longer_than_the_file_ends_with_it(written, claimed):
    """The package reads nothing, again and again, until no memory is left."""
    path = written()
    content = bytearray(path.read_bytes())
    start = content.index(b"of.several") + len(b"of.several") + 8  # after two types
    assert content[start : start + 8] == (2).to_bytes(8, "little")
    content[start : start + 8] = claimed.to_bytes(8, "little")
    path.write_bytes(content)
    with pytest.raises(tensorfile.FileError, match=r"a\.gguf is not .*\(it is cut short\)"):
        adapters.read(path)


def test_a_header_of_endless_parts_is_refused(written, monkeypatch):
    path = written()
    monkeypatch.setattr(gguf_files, "_MOST_PARTS", 40)
    with pytest.raises(tensorfile.FileError, match="holds more than 40 numbers and texts"):
        adapters.read(path)


def test_without_the_package_it_is_named(tmp_path, monkeypatch):
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    monkeypatch.setitem(sys.modules, "gguf", None)
    with pytest.raises(tensorfile.FileError, match="which the package gguf reads: pip install"):
        adapters.read(tmp_path / "a.gguf")
