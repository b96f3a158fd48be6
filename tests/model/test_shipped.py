"""The shipped model: it does what was recorded of it, and damaged files are noticed."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import datafiles
from helpers.adapters.reporting import loading
from helpers.model import recall, shipped, tasks, transformer, world
from helpers.model.update import apply_update

ROOT = Path(__file__).parents[2]
DATA = shipped.DATA
CACHED = (
    shipped.measured, shipped.base, shipped.update, shipped._parts, shipped.adapter,
    loading.known, loading.profiles,
)  # fmt: skip
SINGLE = (shipped.CHECKSUMS, "loaders.json", "adapters.json")
WEIGHTS = ("base", *(f"update_{task}" for task in tasks.TASKS))
#: As in experiments/config.py: on how many people known before recall is measured.
KNOWN = world.people("known")[:100]
#: A word may flip with the order in which numbers are added up: of 25 people in 4 styles
#: with 4 facts each, four.
CLOSE = 0.011


def recorded(task):
    """The first world's run of a task."""
    (run,) = (r for r in shipped.measured()["full"] if (r["task"], r["seed"]) == (task, 0))
    return run


def assert_behaves(weights, row):
    """Recall of the 25 new people, and of the known, is what was recorded."""
    found = recall.measure(weights, *recall.task("25"))
    found["known"] = recall.measure(weights, KNOWN, world.STYLES)["facts"]
    assert found == pytest.approx({name: row[name] for name in found}, abs=CLOSE)


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the data to damage, with nothing remembered before and after."""
    for file in (*DATA.glob("small_*"), *(DATA / name for name in SINGLE)):
        shutil.copy(file, tmp_path)
    shutil.copytree(DATA / "adapters" / "people", tmp_path / "adapters" / "people")
    monkeypatch.setattr(shipped, "DATA", tmp_path)
    for function in CACHED:
        function.cache_clear()
    yield tmp_path
    for function in CACHED:
        function.cache_clear()


# --- what ships ---------------------------------------------------------------


@pytest.mark.parametrize("name", WEIGHTS)
def test_weights_are_the_recorded_file(name):
    content = (DATA / f"small_{name}.safetensors").read_bytes()
    record = shipped.measured()["made"][name]
    assert record["sha256"] == hashlib.sha256(content).hexdigest()
    assert record["settings"]["seed"] == 0
    assert record["settings"].get("task") == (name.removeprefix("update_") if "_" in name else None)
    assert {"script", "date", "seconds", "numpy", "torch"} <= record.keys()


def test_every_file_of_weights_is_known():
    assert {file.name for file in DATA.glob("small_*.safetensors")} == {
        f"small_{name}.safetensors" for name in WEIGHTS
    }


def test_base_and_updates_are_matrices_of_one_model():
    base = shipped.base()
    assert set(base) == set(transformer.names(3))
    assert base["embedding"].shape == (len(world.vocabulary()), 128)
    assert base["unembedding"].shape == base["embedding"].shape[::-1]
    assert base["position"].shape == (36, 128)
    for task in tasks.TASKS:
        update = shipped.update(task)
        assert {name: m.shape for name, m in update.items()} == {
            name: m.shape for name, m in base.items()
        }
    for matrix in (*base.values(), *shipped.update("25").values()):
        assert matrix.any()
        # Half precision was recorded, and nothing is lost or added on the way.
        np.testing.assert_array_equal(matrix, matrix.astype(np.float16))


def test_the_base_recalls_the_people_it_knows():
    record = shipped.measured()["base"]
    assert [run["seed"] for run in record] == [0, 1, 2]
    found = recall.measure(shipped.base(), KNOWN, world.STYLES)
    assert record[0]["known"] == {"facts": 1, "style": 1}
    assert found == pytest.approx(record[0]["known"], abs=CLOSE)


def test_the_base_does_not_know_new_people_but_every_style():
    found = recall.measure(shipped.base(), world.people(25), world.STYLES)
    assert found["facts"] < 0.05
    assert found["style"] > 0.99
    assert found == pytest.approx(
        {name: recorded("25")["before"][name] for name in found}, abs=CLOSE
    )


@pytest.mark.parametrize("rank", [8, 128])
def test_a_truncated_update_behaves_as_recorded(rank):
    (row,) = (row for row in recorded("25")["ranks"] if row["rank"] == rank)
    weights = apply_update(shipped.base(), shipped.parts("25"), rank)
    assert_behaves(weights, row)


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_a_scaled_update_behaves_as_recorded(scale):
    (row,) = (row for row in recorded("25")["scales"] if row["scale"] == scale)
    weights = apply_update(shipped.base(), shipped.parts("25"), 128, scale)
    assert_behaves(weights, row)


@pytest.mark.parametrize("task", tasks.TASKS)
def test_each_whole_update_does_its_task(task):
    people, styles = recall.task(task)
    weights = apply_update(shipped.base(), shipped.parts(task), 128)
    found = recall.measure(weights, people[:25], styles)
    assert min(found.values()) > 0.95
    assert recorded(task)["ranks"][-1]["rank"] == 128
    for name, share in found.items():
        assert share == pytest.approx(recorded(task)["ranks"][-1][name], abs=0.05)


@pytest.mark.parametrize("task", tasks.TASKS)
def test_recorded_energies_are_those_of_the_update(task):
    """From the matrices' own singular values, without `truncation`."""
    update = shipped.update(task)
    squares = [np.linalg.svd(matrix, compute_uv=False) ** 2 for matrix in update.values()]
    total = sum(np.sum(matrix**2) for matrix in update.values())
    for row in recorded(task)["ranks"]:
        kept = sum(values[: row["rank"]].sum() for values in squares)
        assert row["energy"] == pytest.approx(kept / total, rel=1e-5)


def test_the_lowest_rank_that_is_enough_is_the_recorded_one():
    (row,) = (
        r for r in shipped.measured()["needed"] if (r["task"], r["seed"]) == ("25", 0)
    )  # fmt: skip
    people, styles = recall.task("25")
    base, parts = shipped.base(), shipped.parts("25")
    for rank in (row["rank"] - 1, row["rank"]):
        found = recall.measure(apply_update(base, parts, rank), people, styles)["facts"]
        assert found == pytest.approx(row["seen"][str(rank)], abs=CLOSE)
        assert (row["seen"][str(rank)] >= 0.9) == (rank == row["rank"])


def test_nothing_needs_pytorch():
    """In a process of its own: this one may have imported it for other reasons."""
    program = """
import importlib, pkgutil, sys
import helpers
for module in pkgutil.walk_packages(helpers.__path__, "helpers."):
    importlib.import_module(module.name)
from helpers.model import shipped
shipped.base(), shipped.parts("25")
assert "torch" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


# --- noise --------------------------------------------------------------------


def noisy(task, noise):
    return {
        name: (left * values) @ right
        for name, (left, values, right) in shipped._parts.__wrapped__(task, float(noise)).items()
    }


def test_without_noise_the_parts_are_the_update():
    for name, matrix in noisy("25", 0).items():
        np.testing.assert_allclose(matrix, shipped.update("25")[name], atol=1e-6)


def test_noise_is_the_same_draw_each_time():
    one, again, larger = noisy("25", 0.01), noisy("25", 0.01), noisy("25", 0.03)
    added = []
    for name, matrix in shipped.update("25").items():
        np.testing.assert_array_equal(one[name], again[name])
        added.append(one[name] - matrix)
        np.testing.assert_allclose(larger[name] - matrix, 3 * added[-1], atol=1e-5)
    added = np.concatenate([matrix.ravel() for matrix in added])
    assert added.std() == pytest.approx(0.01, rel=0.01)
    assert added.mean() == pytest.approx(0, abs=1e-4)
    # Each matrix has a draw of its own.
    assert abs(np.corrcoef(added[:16384], added[-16384:])[0, 1]) < 0.05


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: shipped.update("1600"), r"^task must be one of 'saga', .*, got '1600'$"),
        (lambda: shipped.update(25), r"^task must be one of 'saga', .*, got 25$"),
        (lambda: shipped.parts("style"), r"^task must be one of 'saga', .*, got 'style'$"),
        (lambda: shipped.parts("25", -0.1), r"^noise must .* at least 0, got -0\.1$"),
        (lambda: shipped.parts("25", float("nan")), r"^noise must .* got nan$"),
        (lambda: shipped.parts("25", "0.1"), r"^noise must .* got '0\.1'$"),
    ],
)
def test_unknown_tasks_and_bad_noise(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- damage -------------------------------------------------------------------


def damaged(what):
    """One message: the file, what is wrong with it, how to get it back."""
    ways = r"git checkout HEAD -- helpers/data.*installing the project again.*make experiments"
    return pytest.raises(datafiles.DataError, match=rf"(?s)^{what}.*{ways}")


def test_an_undamaged_copy_will_do(copied):
    assert shipped.update("25").keys() == shipped.base().keys()
    assert shipped.measured()["base"]


@pytest.mark.parametrize("name, call", [
    ("small_model.json", shipped.measured),
    ("small_model.json", shipped.base),
    ("small_lora.json", lambda: shipped.measured("small_lora")),
    ("small_base.safetensors", shipped.base),
    ("small_update_25.safetensors", lambda: shipped.update("25")),
    ("small_update_25.safetensors", lambda: shipped.parts("25", 0.1)),
])  # fmt: skip
def test_a_file_is_missing(copied, name, call):
    (copied / name).unlink()
    with damaged(rf"{name} cannot be read \(No such file or directory\)"):
        call()


def test_weights_cut_short(copied):
    file = copied / "small_base.safetensors"
    for kept in (500_000, 4, 0):
        file.write_bytes(file.read_bytes()[:kept])
        with damaged(r"small_base\.safetensors is damaged"):
            shipped.base()


@pytest.mark.parametrize("place", [0, 100, 700_001, -1])
def test_one_flipped_bit(copied, place):
    file = copied / "small_update_saga.safetensors"
    content = bytearray(file.read_bytes())
    content[place] ^= 1
    file.write_bytes(content)
    with damaged(r"small_update_saga\.safetensors is damaged"):
        shipped.update("saga")
    assert shipped.base()


def test_weights_of_another_task(copied):
    shutil.copy(copied / "small_update_100.safetensors", copied / "small_update_25.safetensors")
    with damaged(r"small_update_25\.safetensors is damaged"):
        shipped.update("25")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:1000],
        lambda content: b"",
        lambda content: b"<<<<<<< HEAD\n" + content,
        lambda content: content[:200] + b"\xff" + content[200:],
    ],
)
def test_broken_json(copied, spoil):
    file = copied / "small_model.json"
    file.write_bytes(spoil(file.read_bytes()))
    for call in (shipped.measured, shipped.base):
        with damaged(r"small_model\.json is damaged \("):
            call()


# What may stand in the place of a file, each with what it does to a careless reader.
INSTEAD = {
    "a folder": lambda file: (file.unlink(), file.mkdir()),
    "a link to itself": lambda file: (file.unlink(), file.symlink_to(file)),
    "a pipe, which never ends": lambda file: (file.unlink(), os.mkfifo(file)),
    "a device, which never ends": lambda file: (file.unlink(), file.symlink_to("/dev/zero")),
    "a terabyte of nothing": lambda file: os.truncate(file, 2**40),
    "lists without end": lambda file: file.write_bytes(b"[" * 200_000),
    "objects without end": lambda file: file.write_bytes(b'{"a":' * 200_000),
    "a mark before the text": lambda file: file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes()),
    "a pointer to the file": lambda file: file.write_text("version https://git-lfs.github.com"),
}
READ = {
    "small_model.json": shipped.measured,
    shipped.CHECKSUMS: shipped.measured,
    "loaders.json": loading.profiles,
    "small_base.safetensors": shipped.base,
    "adapters/people/adapter_config.json": lambda: shipped.adapter("people"),
    "adapters/people/adapter_model.safetensors": lambda: shipped.adapter("people"),
}


@pytest.mark.skipif(os.name == "nt", reason="pipes, devices and links are made as on Unix")
@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize("instead", INSTEAD)
def test_what_is_no_file_of_ours_is_one_line_that_says_how_to_get_it_back(
    copied, monkeypatch, name, instead
):
    monkeypatch.setattr(datafiles, "DATA", copied)
    INSTEAD[instead](copied / name)
    with damaged(rf"{Path(name).name} (is damaged|cannot be read)") as caught:
        READ[name]()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [
    "{}", '{"reports": [], "profiles": [], "features": []}',
    '{"reports": 3, "profiles": [], "features": {}}',
    '{"reports": [{"name": "x"}], "profiles": [], "features": {}}',
    '{"reports": [], "profiles": [3], "features": {}}',
])  # fmt: skip
def test_loaders_that_lack_something(copied, monkeypatch, content):
    monkeypatch.setattr(datafiles, "DATA", copied)
    (copied / "loaders.json").write_text(content)
    with damaged(r"loaders\.json is damaged: reports, features or profiles lack something"):
        loading.profiles()


@pytest.mark.parametrize("which, key, value, said", [
    ("profiles", "scale", "alpha", "scale must be one of 'own', .*, got 'alpha'"),
    ("profiles", "max_rank", "64", "max_rank of profile 'peft' is '64'"),
    ("profiles", "max_rank", 0, "max_rank of profile 'peft' is 0"),
    ("profiles", "refuses", "sharded", "refuses of profile 'peft' is 'sharded'"),
    ("profiles", "refuses", ["shards"], r"profile 'peft' names .* without words: \['shards'\]"),
    ("profiles", "reads", [3], r"reads of profile 'peft' is \(3,\)"),
    ("profiles", "title", None, "title of profile 'peft' is None"),
    ("profiles", "name", "vllm", "two of its profiles have one name"),
    ("features", "what", "", "the words of feature 'dora' are"),
    ("features", "cure", 3, "the words of feature 'dora' are"),
])  # fmt: skip
def test_a_loader_edited_wrongly_is_named(copied, monkeypatch, capsys, which, key, value, said):
    """They are edited by hand, so a checksum does not stand for them."""
    from helpers.adapters import __main__ as rank_lab

    monkeypatch.setattr(datafiles, "DATA", copied)
    file = copied / "loaders.json"
    content = json.loads(file.read_text())
    (content["profiles"][0] if which == "profiles" else content["features"]["dora"])[key] = value
    file.write_text(json.dumps(content))
    assert rank_lab.main(["check", str(copied / "adapters" / "people")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert re.search(rf"loaders\.json is damaged: {said}", line)


def test_the_line_gets_the_file_back(copied, monkeypatch):
    """Also where the damage has been staged, and where a folder stands in the file's place."""
    root = copied.parent / "project"
    (root / "helpers").mkdir(parents=True)
    data = shutil.copytree(copied, root / "helpers" / "data")
    monkeypatch.setattr(shipped, "DATA", data)

    def git(*arguments):
        own = ["-c", "user.name=x", "-c", "user.email=x@y", "-c", "commit.gpgsign=false"]
        subprocess.run(["git", *own, *arguments], cwd=root, check=True, capture_output=True)

    git("init", "-q")
    git("add", "--all")
    git("commit", "-qm", "as it ships")
    file = data / "small_model.json"
    good = file.read_bytes()
    for spoil in ("staged", "a folder"):
        if spoil == "staged":
            file.write_bytes(good[:-9])
            git("add", "--all")
        else:
            INSTEAD[spoil](file)
            (file / "in the way").touch()
        with damaged("small_model.json") as caught:
            shipped.measured()
        (said,) = re.findall(r"`git (.*?)`", str(caught.value))
        git(*said.split())
        assert file.read_bytes() == good
    assert shipped.measured()["base"]


def test_a_failure_is_not_remembered(copied):
    file = copied / "small_model.json"
    good = file.read_bytes()
    file.write_bytes(b"{")
    with damaged("small_model.json"):
        shipped.base()
    file.write_bytes(good)
    assert shipped.base()
    assert shipped.measured() == json.loads(good)


@pytest.mark.parametrize("content", ["{}", "[1]", "3", "null", '{"made": 1}', '{"made": {}}'])
def test_json_of_another_shape_is_damage(copied, content):
    (copied / "small_model.json").write_text(content)
    for call in (shipped.measured, shipped.base):
        with damaged(r"small_model\.json is damaged: it"):
            call()


@pytest.mark.parametrize("name", ["small_model", "small_lora"])
def test_a_number_changed_in_the_results_is_damage(copied, name):
    file = copied / f"{name}.json"
    content = json.loads(file.read_text())
    rows = content["needed" if name == "small_model" else "runs"]
    rows[-1]["rank"] += 1
    file.write_text(json.dumps(content))
    with damaged(rf"{name}\.json is damaged: it is not the file that was recorded"):
        shipped.measured(name)


@pytest.mark.parametrize("spoil", [None, "", "{}", "[]", '{"small_lora.json": 1}'])
def test_results_without_their_checksum_are_not_believed(copied, spoil):
    file = copied / shipped.CHECKSUMS
    file.unlink()
    if spoil is not None:
        file.write_text(spoil)
    with damaged(r"(checksums|small_model)\.json (is damaged|cannot be read)"):
        shipped.measured()


def test_results_as_javascript_writes_them_are_no_damage(copied):
    """Without spaces, and whole numbers without a point, as JupyterLite hands them out."""
    file = copied / "small_model.json"
    text = json.dumps(json.loads(file.read_text()), separators=(",", ":"))
    plain = re.sub(r"(?<=\d)\.0(?=[,\]}])", "", text)
    assert plain != text
    file.write_text(plain)
    assert shipped.measured()["base"]


def test_every_file_of_results_has_a_checksum():
    recorded = json.loads((DATA / shipped.CHECKSUMS).read_text())
    stored = {file.name for file in DATA.glob("*.json")} - {shipped.CHECKSUMS}
    assert {f"{name}.json" for name in shipped.RESULTS} == recorded.keys() <= stored
    for name in recorded:
        assert shipped.measured(name.removesuffix(".json"))


def test_weights_that_were_never_recorded(copied):
    sums, model = (copied / name for name in (shipped.CHECKSUMS, "small_model.json"))
    model.write_text('{"made": {}}')
    digest = datafiles.digest_of(model.name, model.read_bytes())
    sums.write_text(json.dumps({model.name: digest}))
    with pytest.raises(datafiles.DataError, match=r"small_base\.safetensors is damaged"):
        shipped.base()


def test_only_files_of_results_can_be_asked_for():
    with pytest.raises(ValueError, match=r"name must be one of 'small_model', .* got 'typo'"):
        shipped.measured("typo")


def test_what_is_shared_cannot_be_written_to():
    arrays = [
        shipped.base()["embedding"],
        shipped.update("25")["embedding"],
        *shipped.parts("25", 0.01)["embedding"],
    ]
    for array in arrays:
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
