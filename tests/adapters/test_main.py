"""The command line: what it prints, what it writes, and how it fails."""

import io
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import adapters
from helpers.adapters import __main__ as command
from tests.support.adapters import draw, file_bytes, kohya_file, peft_folder, tree

ROOT = Path(__file__).parents[2]


def run(*arguments):
    return command.main([str(each) for each in arguments])


@pytest.fixture
def folder(tmp_path):
    return peft_folder(tmp_path / "adapter", use_rslora=True)


def test_inspect(folder, capsys):
    assert run("inspect", folder) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    lines = output.splitlines()
    assert max(len(line) for line in lines) <= 100
    assert lines[0].split()[:4] == ["module", "shape", "r", "mult."]
    assert [line.split()[0] for line in lines[1:6]] == [
        "model.layers.0.q_proj", "model.layers.1.q_proj", "model.layers.1.mlp.up", "model.embed",
        "vision.conv",
    ]  # fmt: skip
    assert "99 % of the energy takes between" in output
    assert "0.5774 of the trained scale, 1.732 times too weak; `bake`" in " ".join(output.split())
    assert "https://github.com/sgl-project/sglang/issues/40835" in output
    assert run("inspect", folder, "--sort", "norm") == 0
    rows = capsys.readouterr().out.splitlines()[1:6]
    norms = [float(row.split()[6]) for row in rows]
    assert norms == sorted(norms, reverse=True)


def test_tables_fit_100_columns(tmp_path, capsys):
    stem = "base_model.model.encoder.layers.10.self_attention.a_projection_with_a_long_name.linear"
    modules = [(f"{stem}.{i}", "linear", (3, 8), (6, 3)) for i in range(2)]
    folder = peft_folder(tmp_path / "a", modules=modules, use_rslora=True, lora_alpha=1234.5678)
    for arguments in (("inspect", folder), ("truncate", folder, tmp_path / "b", "--rank", 2)):
        assert run(*arguments) == 0
        output = capsys.readouterr().out
        assert len(output.splitlines()) > 4
        assert max(len(line) for line in output.splitlines()) <= 100


def test_inspect_as_json(folder, capsys):
    assert run("inspect", folder, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    expected = adapters.spectra(adapters.read(folder))
    assert [each["name"] for each in said["modules"]] == [each.name for each in expected]
    for row, each in zip(said["modules"], expected):
        np.testing.assert_array_equal(row["singular_values"], each.values)
        assert row["scale"] == each.scale
    assert said["source"] == "peft"
    assert {each["trained"] for each in said["scales"]} == {12 / 3**0.5, 12 / 2**0.5}
    assert len(said["loaders"]) == len(adapters.loaders())


def test_inspect_two_checkpoints(tmp_path, capsys):
    for name, seed in (("old", 1), ("new", 2)):
        tensors = {"w": (draw(seed, 5, 4), "F32"), "norm": (draw(seed, 4), "F32")}
        (tmp_path / f"{name}.safetensors").write_bytes(file_bytes(tensors))
    pair = (tmp_path / "new.safetensors", "--against", tmp_path / "old.safetensors")
    assert run("inspect", *pair) == 0
    output = capsys.readouterr().out
    assert output.splitlines()[1].split()[:5] == ["w", "5", "x", "4", "4"]
    assert "Tensors that were not compared: 1." in output
    assert run("inspect", *pair, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    change = draw(2, 5, 4).astype(np.float32).astype(float) - draw(1, 5, 4).astype(np.float32)
    found = said["modules"][0]["singular_values"]
    np.testing.assert_allclose(found, np.linalg.svd(change, compute_uv=False), rtol=1e-7)
    assert (said["source"], said["scales"], said["ignored"]) == (
        "checkpoints", [], {"norm": "not a matrix"},
    )  # fmt: skip


def test_bake_and_truncate(folder, tmp_path, capsys):
    assert run("bake", folder, tmp_path / "baked") == 0
    assert "alpha/sqrt(r)" in capsys.readouterr().out
    assert adapters.read(tmp_path / "baked").modules[0].rule == "alpha/r"
    assert run("bake", folder, tmp_path / "again", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert {each["standard_ratio"] for each in said["after"]} == {1.0}
    assert run("truncate", folder, tmp_path / "cut", "--rank", 1, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert {each["rank"] for each in said["modules"]} == {1}
    assert 0 < said["total_error"] < 1
    assert run("truncate", folder, tmp_path / "more", "--error", 0.4) == 0
    assert "Over all modules the relative error is" in capsys.readouterr().out
    assert all(cut.error <= 0.4 for cut in adapters.plan(adapters.read(folder), error=0.4))


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["inspect", "{}/none"], "does not exist"),
        (["inspect", "{}"], "has no adapter_config.json"),
        (["inspect", "{}/x.ckpt"], "convert it"),
        (["inspect", "{}/adapter", "--against", "{}"], "no matrix in common"),
        (["bake", "{}/adapter", "{}/adapter"], "exists already"),
        (["bake", "{}/k.safetensors", "{}/out"], "must end in .safetensors"),
        (["truncate", "{}/adapter", "{}/x.ckpt", "--rank", "1"], "exists already"),
        (["truncate", "{}/adapter", "{}/out", "--rank", "9"], "between 1 and 3"),
        (["truncate", "{}/adapter", "{}/out", "--energy", "nan"], "energy must be"),
        (["truncate", "{}/k.safetensors", "{}/out", "--rank", "1"], "must end in .safetensors"),
    ],
)
def test_bad_input_is_one_line_and_status_2(folder, tmp_path, capsys, arguments, said):
    (tmp_path / "x.ckpt").write_bytes(b"\x80")
    made = {"x": (draw(1, 2, 3), draw(2, 4, 2))}
    kohya_file(tmp_path / "k.safetensors", made, {"x": 1})
    before = tree(tmp_path)
    assert run(*(each.format(tmp_path) for each in arguments)) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith(f"python -m helpers.adapters {arguments[0]}: ")
    assert errors.count("\n") == 1
    assert said in errors
    assert tree(tmp_path) == before


@pytest.mark.parametrize(
    "arguments",
    [
        [], ["paint"], ["inspect"], ["inspect", "x", "--sort", "colour"], ["truncate", "a", "b"],
        ["truncate", "a", "b", "--rank", "two"],
        ["truncate", "a", "b", "--rank", "1", "--error", "0"],
    ],
)  # fmt: skip
def test_bad_usage_is_one_line_and_status_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        run(*arguments)
    assert caught.value.code == 2
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n")) == ("", 1)
    assert "--help" in errors


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_is_drawn_only_on_a_terminal(folder, monkeypatch, capsys):
    drawn = Terminal()
    monkeypatch.setattr(sys, "stderr", drawn)
    assert run("inspect", folder) == 0
    assert "5/5 modules" in drawn.getvalue()
    assert drawn.getvalue().endswith("\r\033[K")
    assert "\r" not in capsys.readouterr().out


def test_from_a_terminal(folder):
    """As a reader runs it: help, success, failure."""
    start = [sys.executable, "-m", "helpers.adapters"]
    made = [
        subprocess.run([*start, *rest], cwd=ROOT, capture_output=True, text=True)
        for rest in (["--help"], ["inspect", str(folder)], ["inspect", "none"])
    ]
    assert [each.returncode for each in made] == [0, 0, 2]
    assert "truncate" in made[0].stdout
    assert "Nothing is ever\nunpickled" in made[0].stdout
    assert made[2].stderr == "python -m helpers.adapters inspect: none does not exist\n"
