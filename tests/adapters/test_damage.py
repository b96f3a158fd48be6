"""Bad files of every sort: one clear error each, nothing written, no crash, bounded memory."""

import json
import os
import struct
import tracemalloc

import numpy as np
import pytest

from helpers import adapters
from helpers.tensorfile import header
from tests.support.adapters import draw, file_bytes, kohya_file, peft_folder, tree, with_header

A, B = (draw(1, 2, 3), "F32"), (draw(2, 4, 2), "F32")
GOOD = {"x.lora_down.weight": A, "x.lora_up.weight": B}
ENTRY = {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]}


def entry(**changed):
    """The good file with an entry of the header replaced."""
    return file_bytes(GOOD, None, **{"x.lora_down.weight": {**ENTRY, **changed}})


def factors_of(A, B, **more):
    named = {"x.lora_down.weight": A, "x.lora_up.weight": B}
    return file_bytes({name: each for name, each in {**named, **more}.items() if each})


FILES = {
    "empty": (b"", "cut short"),
    "7 bytes": (b"1234567", "cut short"),
    "git-lfs pointer": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "git lfs pull",
    ),
    "web page": (b"<!DOCTYPE html>\n<html>Not found</html>", "is a web page"),
    "web page without a type": (b"<html><body>Sign in</body></html>", "is a web page"),
    "no content": (struct.pack("<Q", 0), "not valid JSON"),
    "length beyond the file": (struct.pack("<Q", 10**6) + b"{}", "cut short"),
    "length of 2^64 - 1": (b"\xff" * 8 + b"{}", "cut short"),
    "no JSON": (with_header(b"{'a': 1}", b""), "not valid JSON"),
    "not UTF-8": (with_header(b'{"\xff": 1}', b""), "not valid JSON"),
    "deep JSON": (with_header(b"[" * 100_000, b""), "not valid JSON"),
    "a list": (with_header(b"[]", b""), "must be a JSON object"),
    "nothing in it": (with_header(b"{}", b""), "holds no LoRA factors"),
    "a name twice": (with_header(b'{"x": {}, "y": {}, "x": {}}', b""), "the name x twice"),
    "NaN": (with_header(b'{"x": NaN}', b""), "holds NaN"),
    "metadata": (with_header(b'{"__metadata__": {"a": 1}}', b""), "not text to text"),
    "no entry": (with_header(b'{"x": 3}', b""), "unknown type None"),
    # Valid to Python's JSON, and not UTF-8.
    "half a character": (file_bytes(GOOD, {"a": "\ud800"}), "metadata that is not text to text"),
    "unknown type": (entry(dtype="F31"), "unknown type F31; known: BOOL"),
    "a negative side": (entry(shape=[-2, -3]), "whole numbers"),
    "a broken side": (entry(shape=[2.0, 3]), "whole numbers"),
    "a huge side": (entry(shape=[2**70, 1]), "whole numbers"),
    "sides that overflow": (entry(shape=[2**62, 2**62]), "must have 85070591730234615865843651"),
    "many axes": (entry(shape=[1] * 99), "whole numbers"),
    "offsets that say less": (entry(data_offsets=[0, 20]), "must have 24 bytes, got 20"),
    "offsets that go back": (entry(data_offsets=[24, 0]), "must have 24 bytes, got -24"),
    "offsets with a gap": (entry(data_offsets=[8, 32]), "starts at byte 8, 0 was expected"),
    "offsets that overlap": (
        file_bytes(GOOD, None, **{"x.lora_up.weight": {
            "dtype": "F32", "shape": [4, 2], "data_offsets": [8, 40]}}),
        "x.lora_up.weight starts at byte 8, 24 was expected",
    ),
    "three offsets": (entry(data_offsets=[0, 24, 24]), "two data_offsets"),
    "content cut": (file_bytes(GOOD)[:-1], "must hold 56 bytes of tensors, got 55"),
    "content beyond": (file_bytes(GOOD) + b"x", "must hold 56 bytes of tensors, got 57"),
    "an escape sequence": (file_bytes({"x\x1b[2J": A}), "names must be printable"),
    "a new line": (file_bytes({"x\n.lora_down.weight": A}), "names must be printable"),
    "a long name": (file_bytes({"x" * 301: A}), "a name of 301 characters"),
    "no name": (file_bytes({"": A}), "a name of 0 characters"),
    "one half": (factors_of(A, None), "x.lora_down.weight lacks its other half, x.lora_up.weight"),
    "the other half": (factors_of(None, B), "x.lora_up.weight lacks its other half"),
    "a nameless module": (
        file_bytes({".lora_down.weight": A, ".lora_up.weight": B}), "LoRA tensor of no known kind"
    ),
    "ranks that differ": (factors_of(A, (draw(1, 4, 3), "F32")), "do not fit"),
    "vectors": (factors_of((draw(1, 3), "F32"), (draw(1, 3), "F32")), "do not fit"),
    "axes that differ": (factors_of(A, (draw(1, 4, 2, 1, 1), "F32")), "do not fit"),
    "a kernel in B": (
        factors_of((draw(1, 2, 3, 3, 3), "F32"), (draw(1, 4, 2, 3, 3), "F32")), "do not fit",
    ),
    "rank 0": (factors_of((draw(1, 0, 3), "F32"), (draw(1, 4, 0), "F32")), "do not fit"),
    "an empty side": (factors_of((draw(1, 2, 0), "F32"), B), "do not fit"),
    "whole numbers": (factors_of((np.ones((2, 3)), "I32"), B), "has type I32; weights must be"),
    "NaN in A": (factors_of((np.full((2, 3), np.nan), "F16"), B), "got 6 that are NaN or inf"),
    "infinity in B": (factors_of(A, (np.full((4, 2), np.inf), "BF16")), "got 8 that are NaN"),
    "alpha of a vector": (
        factors_of(A, B, **{"x.alpha": (np.ones(2), "F32")}), "must hold one number, got shape (2,)"
    ),
    "alpha 0": (factors_of(A, B, **{"x.alpha": (np.array(0), "F32")}), "alpha must be between"),
    "alpha below 0": (factors_of(A, B, **{"x.alpha": (np.array(-1), "F32")}), "got -1"),
    "alpha NaN": (factors_of(A, B, **{"x.alpha": (np.array(np.nan), "F32")}), "NaN"),
    "two pairs": (
        factors_of(A, B, **{"x.lora_A.weight": A, "x.lora_B.weight": B}), "more than one pair"
    ),
    "Tucker": (factors_of(A, B, **{"x.lora_mid.weight": A}), "lora_mid"),
    "metadata that is no JSON": (
        file_bytes(GOOD, {"lora_adapter_metadata": "{"}), "not valid JSON"
    ),
    "an update that overflows": (
        factors_of((np.full((2, 3), 1e200), "F64"), (np.full((4, 2), 1e200), "F64")), "too large"
    ),
}  # fmt: skip

CONFIGS = {
    "no JSON": ("{", "not valid JSON"),
    "a list": ("[]", "must be a JSON object"),
    "a name twice": ('{"r": 3, "r": 3}', "the name r twice"),
    "infinity": ('{"peft_type": "LORA", "lora_alpha": Infinity}', "holds Infinity"),
    "no method": ({"peft_type": None}, "peft_type must be one of 'LORA', 'LOHA', 'LOKR', got None"),
    "another method": ({"peft_type": "ADALORA"}, "got 'ADALORA'"),
    "rank 0": ({"r": 0}, "r must be a whole number between 1 and"),
    "rank as text": ({"r": "3"}, "got '3'"),
    "rank true": ({"r": True}, "got True"),
    "rank 3.0": ({"r": 3.0}, "got 3.0"),
    "rank 2^80": ({"r": 2**80}, "r must be a whole number"),
    "alpha 0": ({"lora_alpha": 0}, "lora_alpha must be a number between 1e-30 and 1e+30, got 0"),
    "alpha below 0": ({"lora_alpha": -4}, "got -4"),
    "alpha as text": ({"lora_alpha": "16"}, "lora_alpha must be"),
    "alpha 1e400": ('{"peft_type": "LORA", "lora_alpha": 1e400}', "holds 1e400: only finite"),
    "a dropout of 1e400": ('{"peft_type": "LORA", "lora_dropout": 1e400}', "holds 1e400"),
    "nested lists": ({"lora_dropout": json.loads("[" * 101 + "]" * 101)}, "more than 100 deep"),
    "alpha nested": ({"lora_alpha": json.loads("[" * 99 + "]" * 99)}, "lora_alpha must be"),
    "a rule as text": ({"use_rslora": "yes"}, "use_rslora must be true or false, got yes"),
    "a layout as a number": ({"fan_in_fan_out": 1}, "fan_in_fan_out must be true or false"),
    "patterns in a list": ({"rank_pattern": [2]}, "rank_pattern must be an object"),
    "a rank of half": ({"rank_pattern": {"up": 2.5}}, "rank_pattern[up] must be a whole number"),
    "an alpha of 0": ({"alpha_pattern": {"up": 0}}, "alpha_pattern[up] must be a number"),
    "quantised": ({"use_qalora": True}, "use_qalora is set"),
    "another rank": ({"r": 4}, "disagree on module model.layers.0.q_proj: rank 4 by"),
    "another rank by pattern": ({"rank_pattern": {"up": 3}}, "mlp.up: rank 3 by"),
}


def everything(path, out):
    """All that reads or writes; every number that comes back."""
    adapter = adapters.read(path)
    found = adapters.spectra(adapter)
    rows = adapters.rows(found)
    repr(adapters.table(rows))
    adapters.sentences(rows)
    checks = adapters.answer(found, adapter).checks
    cuts = adapters.truncate(adapter, out, rank=1)
    numbers = [each.values for each in found]
    numbers += [[row.norm, row.stable, row.effective, row.share] for row in rows]
    numbers += [[*each.strength] for each in checks]
    numbers += [[cut.alpha, cut.error, cut.norm] for cut in cuts]
    return np.concatenate(numbers)


def assert_refused(path, folder, *parts):
    before = tree(folder)
    with pytest.raises(adapters.FileError) as caught:
        everything(path, folder / "out.safetensors")
    message = str(caught.value)
    for part in parts:
        assert part in message
    assert message.isprintable()
    assert len(message) <= 400
    assert folder.name in message
    assert tree(folder) == before


@pytest.mark.parametrize("name", FILES)
def test_bad_files(tmp_path, name):
    content, said = FILES[name]
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    assert_refused(path, tmp_path, said)


def test_a_header_above_our_limit(tmp_path):
    path = tmp_path / "long.safetensors"
    with path.open("wb") as file:  # sparse: it takes no space
        file.write(struct.pack("<Q", header.MOST_HEADER + 1))
        file.truncate(header.MOST_HEADER + 100)
    assert_refused(path, tmp_path, "at most 25000000")


@pytest.mark.parametrize("mark", ["[]", "{}", "0"])
def test_a_header_of_more_values_than_memory_is_refused_unread(tmp_path, monkeypatch, mark):
    """30 MB of empty lists took 776 MB."""
    monkeypatch.setattr(header.json, "loads", None)
    path = tmp_path / "x.safetensors"
    path.write_bytes(with_header(f'{{"x": [{",".join([mark] * 900_000)}]}}'.encode(), b""))
    assert_refused(path, tmp_path, "x.safetensors has ", "commas and brackets, at most 8")


def test_a_larger_file_may_have_a_header_of_more_values():
    text = f'{{"x": "{"," * 900_000}"}}'.encode()
    with pytest.raises(adapters.FileError, match="900001 commas and brackets, at most 80720"):
        header.parse_json(text, "here")
    assert len(header.parse_json(text, "here", 20_000_000)["x"]) == 900_000


def test_the_good_file_is_good(tmp_path):
    """So that the cases above fail for what is wrong with them."""
    path = tmp_path / "good.safetensors"
    path.write_bytes(entry())
    assert np.all(np.isfinite(everything(path, tmp_path / "out.safetensors")))


@pytest.mark.parametrize("name", CONFIGS)
def test_bad_configs(tmp_path, name):
    changed, said = CONFIGS[name]
    folder = peft_folder(tmp_path / "a", **(changed if isinstance(changed, dict) else {}))
    if isinstance(changed, str):
        (folder / "adapter_config.json").write_text(changed)
    assert_refused(folder, tmp_path, said)


def test_missing_files_and_pickles(tmp_path):
    folder = peft_folder(tmp_path / "a")
    (folder / "adapter_model.safetensors").rename(tmp_path / "moved.safetensors")
    assert_refused(folder, tmp_path, "has no adapter_model.safetensors")
    (folder / "adapter_model.bin").write_bytes(b"\x80\x04.")
    assert_refused(folder, tmp_path, "adapter_model.bin", "convert it", "weights_only=True")
    (folder / "adapter_config.json").unlink()
    assert_refused(folder, tmp_path, "has no adapter_config.json")
    assert_refused(tmp_path / "none", tmp_path, "does not exist")
    for ending in (".bin", ".pt", ".pth", ".ckpt", ".PT"):
        pickled = tmp_path / f"x{ending}"
        pickled.write_bytes(b"\x80\x04.")
        assert_refused(pickled, tmp_path, "convert it")
    (tmp_path / "x.gguf").write_bytes(b"GGUF")
    assert_refused(tmp_path / "x.gguf", tmp_path, "x.gguf is ", "GGUF file")
    # Kohya's names without a config are not PEFT's: a moved file keeps its factors.
    assert adapters.read(peft_folder(tmp_path / "b") / "adapter_model.safetensors").source == "peft"


def test_hints_where_a_reader_is_likely_to_have_slipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(adapters.FileError, match="someuser/some-lora does not exist: a name on"):
        adapters.read("someuser/some-lora")
    with pytest.raises(adapters.FileError, match=r"adapters/lora\.safetensors does not exist$"):
        adapters.read("adapters/lora.safetensors")
    folder = peft_folder(tmp_path / "a")
    (folder / "adapter_config.json").rename(tmp_path / "elsewhere.json")
    with pytest.raises(
        adapters.FileError, match=r"no adapter_config\.json; to read a file in it, name the "
        r"file: adapter_model\.safetensors",
    ):  # fmt: skip
        adapters.read(folder)
    with pytest.raises(adapters.FileError, match=r"PEFT's weights, and their scale is not"):
        adapters.read(folder / "adapter_model.safetensors")


def test_a_pipe_does_not_block(tmp_path):
    for name in ("x.safetensors", "x.safetensors.index.json"):
        os.mkfifo(tmp_path / name)
        with pytest.raises(adapters.FileError, match="must be a file"):
            adapters.difference(tmp_path / name, tmp_path / name)
    with pytest.raises(adapters.FileError, match="must be a file"):
        adapters.read(tmp_path / "x.safetensors")


def test_a_note_does_not_draw_on_the_terminal(tmp_path):
    start = "PiSSA\x1b[2J\n" + "x" * 5000
    (note,) = adapters.read(peft_folder(tmp_path / "a", init_lora_weights=start)).notes
    assert note.startswith("init_lora_weights is pissa?[2j?xxx")
    assert note.isprintable()
    assert len(note) < 300


def test_a_copy_whose_alpha_would_be_out_of_range(tmp_path):
    """Said of the adapter, before anything is written, and not of a draft that is gone."""
    adapter = adapters.read(peft_folder(tmp_path / "a", lora_alpha=1e-30, use_rslora=True))
    before = tree(tmp_path)
    with pytest.raises(adapters.FileError, match=r"/a: the copy of module .*: alpha must be"):
        adapters.truncate(adapter, tmp_path / "b", rank=1)
    assert tree(tmp_path) == before


def test_a_copy_that_does_not_fit_its_type(tmp_path):
    """Both new factors have a norm of 6e4 sqrt(sqrt 6), and a float16 ends at 65504."""
    A, B = np.full((2, 3), 6e4), np.eye(4, 2) * 6e4
    path = kohya_file(tmp_path / "k.safetensors", {"x": (A, B)}, {"x": 1}, "F16")
    before = tree(tmp_path)
    with pytest.raises(adapters.FileError, match=r"k\.safetensors: tensor x.*too large for type"):
        adapters.truncate(adapters.read(path), tmp_path / "o.safetensors", rank=1)
    assert tree(tmp_path) == before


def test_a_small_file_takes_little_memory(tmp_path):
    """`read` of ten megabytes reserves them, however short the file."""
    folder = peft_folder(tmp_path / "a")
    tracemalloc.start()
    try:
        adapters.read(folder)
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


def test_a_file_that_is_cut_after_it_was_opened(tmp_path):
    """Not a crash on a mapped page, for bfloat16 as for what the library reads."""
    path = tmp_path / "x.safetensors"
    path.write_bytes(factors_of((draw(1, 2, 3), "BF16"), (draw(2, 4, 2), "BF16")))
    adapter = adapters.read(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(adapters.FileError, match="cannot be read"):
        adapters.spectra(adapter)
    path.write_bytes(factors_of(A, B))
    adapter = adapters.read(path)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(adapters.FileError, match="cannot be read"):
        adapters.spectra(adapter)


def index_of(folder, **places):
    (folder / "m.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


@pytest.mark.parametrize(
    "place",
    ["../secret.safetensors", "/etc/passwd", "sub/x.safetensors", "..", "", 3, "a\\b", "a\0b"],
)
def test_an_index_cannot_lead_out_of_its_folder(tmp_path, place):
    folder = tmp_path / "model"
    folder.mkdir()
    (tmp_path / "secret.safetensors").write_bytes(file_bytes({"w": A}))
    index_of(folder, w=place)
    with pytest.raises(adapters.FileError, match="only plain file names"):
        adapters.difference(folder, folder)


def test_bad_checkpoints(tmp_path):
    folder, other = tmp_path / "one", tmp_path / "two"
    for each in (folder, other):
        each.mkdir()
        (each / "m.safetensors").write_bytes(file_bytes({"w": A, "v": B}))
    assert len(adapters.difference(folder, other)[0]) == 2
    for places, said in (
        ({"w": "m.safetensors"}, "holds tensor v: the index says nothing"),
        ({"w": "m.safetensors", "v": "m.safetensors", "u": "m.safetensors"}, "tensor u is not in"),
        ({"w": "m.safetensors", "v": "n.safetensors"}, "n.safetensors does not exist"),
        ({"w\n": "m.safetensors"}, "printable"),
        ({}, "must have a weight_map"),
    ):
        index_of(folder, **places)
        with pytest.raises(adapters.FileError, match=said):
            adapters.difference(folder, other)
    (folder / "m.safetensors.index.json").unlink()
    (folder / "n.safetensors").write_bytes(file_bytes({"w": A}))
    with pytest.raises(adapters.FileError, match="got 2"):
        adapters.difference(folder, other)
    (folder / "n.safetensors").unlink()
    (folder / "m.safetensors").rename(folder / "m.ckpt")
    with pytest.raises(adapters.FileError, match="got 0; it has a pickle"):
        adapters.difference(folder, other)
    for tensors, said in (
        ({"x": A}, "no matrix in common"),
        ({"w": (np.full((2, 3), np.nan), "F32")}, "NaN"),
    ):
        (folder / "m.safetensors").write_bytes(file_bytes(tensors))
        with pytest.raises(adapters.FileError, match=said):
            adapters.difference(other, folder)
    huge = (np.full((2, 3), 1e200), "F64")
    (folder / "m.safetensors").write_bytes(file_bytes({"w": huge}))
    with pytest.raises(adapters.FileError, match="too large"):
        adapters.difference(other, folder)
