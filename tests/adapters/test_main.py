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
    """The verdict comes first, then who applies it, then the table."""
    assert run("inspect", folder) == 0
    output, errors = capsys.readouterr()
    assert errors == ""
    lines = output.splitlines()
    assert max(len(line) for line in lines) <= 100
    assert [line[:8].strip() for line in lines if line[:1].isupper() and line[8:10] == "  "] == [
        "Rank", "Strength", "Next", "Next", "But",
    ]  # fmt: skip
    said = " ".join(output.split())
    assert said.startswith("Rank In 5 modules of rank 2 to 3, 99 % of the energy takes between")
    assert "by SGLang 0.5.23" in said
    assert "Before such a loader serves it: `bake`" in said
    table = lines.index(next(line for line in lines if line.startswith("module")))
    assert [line.split()[0] for line in lines[table + 1 : table + 6]] == [
        "model.layers.0.q_proj", "model.layers.1.q_proj", "model.layers.1.mlp.up", "model.embed",
        "vision.conv",
    ]  # fmt: skip


@pytest.mark.parametrize("reverse", [False, True])
def test_inspect_sorts_in_both_directions_and_shows_the_top(folder, capsys, reverse):
    more = ["--smallest-first"] * reverse
    assert run("inspect", folder, "--by", "module", "--sort", "norm", "--top", 3, *more) == 0
    lines = capsys.readouterr().out.splitlines()
    start = lines.index(next(line for line in lines if line.startswith("module")))
    norms = [float(line.split()[6]) for line in lines[start + 1 : start + 4]]
    assert norms == sorted(norms, reverse=not reverse)
    assert lines[start + 4] == ("2 more rows: --top 0 shows all, --by layer or kind groups them.")
    assert run("inspect", folder, "--by", "layer") == 0
    assert "model.layers.1" in capsys.readouterr().out


def test_many_modules_fit_a_screen(tmp_path, capsys):
    """A mixture: 3 kinds of modules in 12 x 16 experts."""
    modules = [
        (f"m.layers.{i}.mlp.experts.{e}.{x}_proj", "linear", (2, 3), (4, 2))
        for i in range(12) for e in range(16) for x in ("gate", "up", "down")
    ]  # fmt: skip
    folder = peft_folder(tmp_path / "a", modules=modules, r=2, rank_pattern={})
    assert run("inspect", folder) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) <= 40
    assert [line.split()[:2] for line in lines if "_proj " in line][-3:] == [
        ["gate_proj", "192"], ["up_proj", "192"], ["down_proj", "192"],
    ]  # fmt: skip


@pytest.mark.parametrize("columns", [60, 80, 140])
def test_the_output_is_as_wide_as_the_terminal(folder, capsys, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run("inspect", folder) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= columns


def test_colour_only_on_a_terminal_and_without_no_color(folder, monkeypatch):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for no_color, escapes in (("", True), ("1", False)):
        monkeypatch.setattr(sys, "stdout", drawn := Terminal())
        monkeypatch.setenv("NO_COLOR", no_color)
        run("check", folder, "--loader", "sglang")
        assert ("\033[" in drawn.getvalue()) == escapes


def test_check(folder, tmp_path, capsys):
    assert run("check", folder, "--loader", "peft") == 0
    assert "PEFT 0.21.2 applies this adapter as it was trained." in capsys.readouterr().out
    assert run("check", folder, "--loader", "llama.cpp") == 1
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines if line[0] != " "] == ["scale"]
    assert run("check", folder) == 1
    assert "SGLang 0.5.23 applies" in capsys.readouterr().out
    assert run("check", folder, "--loader", "all", "--json") == 1
    said = {each["loader"]: each for each in json.loads(capsys.readouterr().out)}
    assert said["vllm"]["fits"]
    assert said["sglang"]["scales"][0]["applied"] == 4
    assert run("check", folder, "--loader", "all", "--sarif", tmp_path / "out.sarif") == 1
    assert "as trained" in capsys.readouterr().out
    log = json.loads((tmp_path / "out.sarif").read_text())
    assert log["version"] == "2.1.0"
    assert run("check", folder, "--loader", "peft", "--sarif", tmp_path / "out.sarif") == 2
    assert "exists already" in capsys.readouterr().err


def test_a_closed_pipe_is_no_traceback(tmp_path):
    """As `| head -1` closes it: nothing on stderr, and the status that a signal would give."""
    modules = [(f"m.layers.{i}.x", "linear", (2, 3), (4, 2)) for i in range(900)]
    folder = peft_folder(tmp_path / "a", modules=modules, r=2, rank_pattern={})
    command = [sys.executable, "-m", "helpers.adapters", "inspect", str(folder), "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout.readline() == b"{\n"
        process.stdout.close()
        errors = process.stderr.read()
        assert process.wait() == 141
    assert errors == b""


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
    strengths = {each["loader"]: each["strength"] for each in said["answer"]["checks"]}
    assert strengths["peft"] == [1, 1]
    assert strengths["no-rslora"] == pytest.approx([1 / 3**0.5, 1 / 2**0.5])
    assert said["answer"]["steps"]
    assert len(said["loaders"]) == len(adapters.loaders())


def test_inspect_two_checkpoints(tmp_path, capsys):
    for name, seed in (("old", 1), ("new", 2)):
        tensors = {"w": (draw(seed, 5, 4), "F32"), "norm": (draw(seed, 4), "F32")}
        (tmp_path / f"{name}.safetensors").write_bytes(file_bytes(tensors))
    pair = (tmp_path / "new.safetensors", "--against", tmp_path / "old.safetensors")
    assert run("inspect", *pair) == 0
    output = capsys.readouterr().out
    assert any(line.split()[:5] == ["w", "5", "x", "4", "4"] for line in output.splitlines())
    assert "Tensors that were not compared: 1." in output
    assert run("inspect", *pair, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    change = draw(2, 5, 4).astype(np.float32).astype(float) - draw(1, 5, 4).astype(np.float32)
    found = said["modules"][0]["singular_values"]
    np.testing.assert_allclose(found, np.linalg.svd(change, compute_uv=False), rtol=1e-7)
    assert (said["source"], said["ignored"]) == ("checkpoints", {"norm": "not a matrix"})
    assert said["answer"]["checks"] == []


def test_bake_and_truncate(folder, tmp_path, capsys):
    assert run("bake", folder, tmp_path / "baked") == 0
    before, after = capsys.readouterr().out.split("After, in")
    assert before.count("scale") > 0
    assert "scale\n" not in after
    assert adapters.read(tmp_path / "baked").modules[0].rule == "alpha/r"
    assert run("bake", folder, tmp_path / "again", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert all(each["fits"] for each in said["after"])
    assert not all(each["fits"] for each in said["before"])
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
        (["check", "{}/none", "--loader", "peft"], "does not exist"),
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
        ["check", "x", "--loader", "none"], ["inspect", "x", "--by", "colour"],
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
    for name in ("inspect", "check", "bake", "truncate"):
        with pytest.raises(SystemExit) as caught:
            run(name, "--help")
        assert caught.value.code == 0
    assert "Nothing is ever unpickled" in made[0].stdout
    assert made[2].stderr == "python -m helpers.adapters inspect: none does not exist\n"
