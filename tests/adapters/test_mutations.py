"""Valid files of every format, broken at random: finite numbers or one clear error, no more."""

import tempfile
import tracemalloc
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from helpers import adapters
from tests.support.adapters import file_bytes, tree
from tests.support.mutations import VALID, broken

#: What everything may take beside the files' own size: parsed JSON is some fifty times its text.
FIXED, PER_BYTE = 2_000_000, 60
#: Longest message: a path and a value are shortened to 80 characters each.
LONGEST = 400
TARGETS = [{"rank": 1}, {"energy": 0.9}, {"error": 0.3}]


def place(files, folder):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)


def inspected(path):
    """Everything that is said of an adapter, or a checkpoint; its numbers."""
    if path.name.startswith("m."):
        found, left_out = adapters.difference(path, path)
        assert all("\n" not in each for each in left_out)
        return [each.values for each in found]
    adapter = adapters.read(path)
    assert all(note.isprintable() and len(note) <= LONGEST for note in adapter.notes)
    found = adapters.spectra(adapter)
    rows = adapters.rows(found)
    assert adapters.sentences(rows).isprintable()
    repr(adapters.table(rows))
    checks = adapters.answer(found, adapter).checks
    return [
        *(each.values for each in found),
        *([row.norm, row.stable, row.effective, row.share] for row in rows),
        *([*each.strength] for each in checks),
    ]


def truncated(path, out, target):
    adapter = adapters.read(path)
    cuts = adapters.truncate(adapter, out, **target)
    again = adapters.read(out)
    assert len(again.modules) == len(cuts) == len(adapter.modules)
    return [[cut.alpha, cut.error, cut.norm] for cut in cuts]


def baked(path, out):
    return [[module.scale for module in adapters.bake(adapters.read(path), out).modules]]


def survives(files, folder, work, out=None):
    """Finite numbers and at most `out` made, or AdapterError and nothing made."""
    before = tree(folder)
    tracemalloc.start()
    try:
        for numbers in work():
            assert np.all(np.isfinite(numbers))
    except adapters.FileError as error:
        said = str(error)
        assert said.isprintable(), said
        assert len(said) <= LONGEST, said
        # By its path, and not by that of a draft which is gone.
        assert folder.name in said, said
        assert ".out" not in said, said
        assert tree(folder) == before
        raised = True
    else:
        raised = False
        made = {name for name in tree(folder) if name not in before}
        assert all(name.split("/")[0] == out for name in made)
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak <= FIXED + PER_BYTE * sum(map(len, files.values()))
    return not raised


@pytest.mark.parametrize("kind", VALID)
@pytest.mark.parametrize("dtype", ["F16", "BF16", "F32", "F64"])
def test_unbroken_files_are_good(tmp_path, kind, dtype):
    """So that what fails below fails for what was broken."""
    parts, opened = VALID[kind](dtype)
    files = {k: part if isinstance(part, bytes) else file_bytes(*part) for k, part in parts.items()}
    place(files, tmp_path)
    assert survives(files, tmp_path, lambda: inspected(tmp_path / opened))
    if kind in ("peft", "kohya"):
        for number, target in enumerate(TARGETS):
            out = f"{number}.safetensors"
            copy = partial(truncated, tmp_path / opened, tmp_path / out, target)
            assert survives(files, tmp_path, copy, out)
    if kind == "peft":
        assert survives(files, tmp_path, lambda: baked(tmp_path / opened, tmp_path / "b"), "b")


@pytest.mark.parametrize("kind", VALID)
@settings(max_examples=100, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_broken_files_are_read_or_refused(kind, data):
    files, opened = data.draw(broken(kind))
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        place(files, folder)
        survives(files, folder, lambda: inspected(folder / opened))


@pytest.mark.parametrize("kind", ["peft", "kohya", "diffusers", "lycoris", "mlx"])
@settings(max_examples=40, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_copies_of_broken_files_are_whole_or_not_there(kind, data):
    files, opened = data.draw(broken(kind))
    target = data.draw(st.sampled_from([*TARGETS, {"budget": 0.9}, None]))
    out = "out" if kind in ("peft", "mlx") else "out.safetensors"
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        place(files, folder)

        def copy():
            if target is None:
                return baked(folder / opened, folder / out)
            return truncated(folder / opened, folder / out, target)

        survives(files, folder, copy, out)
