"""The commands that write, as a reader runs them."""

import json

import pytest

from helpers import adapters
from helpers.adapters import __main__ as command
from tests.support.adapters import draw, file_bytes, peft_folder, tree


def run(*arguments):
    return command.main([str(each) for each in arguments])


@pytest.fixture
def work(tmp_path):
    """Two adapters of one model and two checkpoints, the second with a token more."""
    peft_folder(tmp_path / "one", use_rslora=True)
    peft_folder(tmp_path / "two", lora_alpha=5, base_model_name_or_path="other")
    (tmp_path / "one" / "README.md").write_text("card")
    for name, seed, tokens in (("old", 1, 5), ("new", 2, 6)):
        made = {"m.q.weight": (draw(seed, 6, 4), "F32"), "norm": (draw(seed, 4), "F32"),
                "m.embed_tokens.weight": (draw(1, tokens, 4), "F32")}  # fmt: skip
        (tmp_path / f"{name}.safetensors").write_bytes(file_bytes(made))
    return tmp_path


def test_every_copy_says_what_it_did(work, capsys):
    for arguments, said in (
        (["bake", "one", "b", "--keep-ranks"], ["no loader scales it again", "Ranks differ",
                                                "Copied along: README.md."]),
        (["truncate", "one", "c", "--budget", 0.6], ["parameters became", "relative error is"]),
        (["truncate", "one", "d", "--energy", 0.9, "--max-rank", 1], ["relative error is"]),
        (["merge", "one", "two", "e", "--weights", 1, -0.5],
         ["exact but for rounding", "different base models", "Ranks differ"]),
        (["merge", "one", "two", "f", "--rank", 2], ["relative error is"]),
        (["extract", "old.safetensors", "new.safetensors", "g", "--rank", 2],
         ["Left out: m.embed_tokens.weight (shape (6, 4), and (5, 4) before).",
          "Left out: norm (not a matrix).", "relative error is"]),
    ):  # fmt: skip
        paths = [
            work / each
            if str(each).split(".")[0] in ("one", "two", "old", "new", *"bcdefg")
            else each
            for each in arguments
        ]
        assert run(*paths) == 0
        output, errors = capsys.readouterr()
        assert errors == ""
        assert max(map(len, output.splitlines())) <= 100
        for text in said:
            assert text in " ".join(output.split())
    assert {module.rank for module in adapters.read(work / "d").modules} == {1}
    files = [work / f"{name}.safetensors" for name in ("old", "new", "h")]
    assert run("extract", *files, "--error", 0, "--json", "--prefix", "x.") == 0
    said = json.loads(capsys.readouterr().out)
    assert said["left_out"].keys() == {"m.embed_tokens.weight", "norm"}
    assert said["total_error"] < 1e-6
    assert adapters.read(work / "h.safetensors").modules[0].name == "x.m.q"


@pytest.mark.parametrize(
    "arguments, said",
    [
        (["merge", "{}/one", "{}/two", "{}/o", "--weights", "1"], "weights must be 2"),
        (["merge", "{}/one", "{}/old.safetensors", "{}/o"], "holds no LoRA factors"),
        (["merge", "{}/one", "{}/two", "{}/one"], "exists already"),
        (["merge", "{}/one", "{}/two", "{}/o", "--max-rank", "2"], "exactly one of"),
        (["extract", "{}/old.safetensors", "{}/none", "{}/o", "--rank", "1"], "does not exist"),
        (["extract", "{}/old.safetensors", "{}/new.safetensors", "{}/o", "--rank", "9"], "rank"),
        (["truncate", "{}/one", "{}/o", "--budget", "3"], "budget must be"),
        (["truncate", "{}/one", "{}/o", "--budget", "nan"], "budget must be"),
    ],
)
def test_bad_input_is_one_line_and_status_2(work, capsys, arguments, said):
    before = tree(work)
    assert run(*(each.format(work) for each in arguments)) == 2
    output, errors = capsys.readouterr()
    assert (output, errors.count("\n")) == ("", 1)
    assert said in errors
    assert tree(work) == before
