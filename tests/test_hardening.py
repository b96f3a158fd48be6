"""Attacks that once worked: hangs, gigabytes, lost figures, tracebacks, mixed copies."""

import json
import os
import signal
import stat
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from helpers import adapters, figures
from helpers.tables import Table
from helpers.tensorfile import writing
from tests.support.adapters import draw, factors, kohya_file, peft_folder, tree

try:
    import resource
except ImportError:  # not on Windows
    resource = None

ROOT = Path(__file__).parents[1]
posix = pytest.mark.skipif(os.name != "posix", reason="forks, or sets limits, as POSIX does")
NAMES = [f"model.layers.{i}.self_attn.{'a' * 40}_proj" for i in range(4)]
MODULES = [(name, "linear", (2, 3), (4, 2)) for name in NAMES]


def within(seconds, work):
    """Whether `work` ends in time, in a child that is killed if not: a hang holds the kernel."""
    child = os.fork()
    if not child:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        signal.signal(signal.SIGVTALRM, signal.SIG_DFL)
        try:
            work()
        except adapters.FileError as error:
            os._exit(0 if len(str(error)) <= 400 and str(error).isprintable() else 3)
        except BaseException:
            os._exit(4)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


@posix
@pytest.mark.parametrize("key", ["rank_pattern", "alpha_pattern"])
def test_no_pattern_takes_longer_than_two_seconds(tmp_path, key):
    patterns = [
        r"(?x:(a+) +b)", r"(?#[)(a+)+b(?#])", r"(?=(a+)+b)", r"(?!(a|a)+b)", r"(?<!b)(a+)+$b",
        "a?a?a?a?a?a?.*.*.*.*b", "a?" * 13 + ".*.*.*.*b", "(?:a?){20}b", "(a+|a)(a+|a)(a+|a)(a+)b",
        "a+a+a+a+b", "(?i:(a+)+)b", "[a]+[a]+[a]+[a]+b", r"(?P<x>a+)(?P=x)+(?P=x)+b",
    ]  # fmt: skip
    for number, pattern in enumerate(patterns):
        folder = peft_folder(tmp_path / str(number), modules=MODULES, r=2, **{key: {pattern: 2}})
        assert within(2, lambda folder=folder: adapters.read(folder)) == 0, pattern


@posix
@pytest.mark.parametrize("made", ["q_proj{}", "{}.q_proj", ".*q_proj{}", "{:020b}"])
def test_no_number_of_patterns_takes_longer_than_two_seconds(tmp_path, made):
    """Names are looked up; those of which each has its dots elsewhere are counted as steps."""
    patterns = {made.format(i).translate({ord("1"): "."}): 2 for i in range(100_000)}
    modules = [("a" * 19 + "b", "linear", (2, 3), (4, 2)), *MODULES]
    folder = peft_folder(tmp_path / "a", modules=modules, r=2, rank_pattern=patterns)
    assert within(2, lambda: adapters.read(folder)) == 0


def test_a_sparse_file_of_a_terabyte_is_one_line(tmp_path):
    size = 2**40
    path = tmp_path / "x.safetensors"
    down = {"dtype": "F32", "shape": [16, size // 64], "data_offsets": [0, size]}
    up = {"dtype": "F32", "shape": [4, 16], "data_offsets": [size, size + 256]}
    header = json.dumps({"x.lora_down.weight": down, "x.lora_up.weight": up}).encode()
    with path.open("wb") as file:
        file.write(len(header).to_bytes(8, "little") + header)
        try:
            file.truncate(8 + len(header) + size + 256)
        except OSError as error:
            pytest.skip(f"no file of a terabyte here: {error}")
    with pytest.raises(adapters.FileError, match="GB"):
        adapters.spectra(adapters.read(path))


def test_a_map_of_modules_that_share_no_name_is_small(tmp_path):
    """Names times layers would be over a million places."""
    modules = [(f"m.layers.{i}.x{i}", "linear", (1, 2), (2, 1)) for i in range(1100)]
    folder = peft_folder(tmp_path / "a", modules=modules, r=1, rank_pattern={})
    adapter = adapters.read(folder)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="1,100 names in 1,100 layers: they share too few"):
            figures.AdapterMap(adapter)
        assert tracemalloc.get_traced_memory()[1] < 200e6
    finally:
        tracemalloc.stop()


TYPESET = [
    r"m.layers.0.$\frac{$", r"m.layers.0.\(\href{https://example.org}{safe}\)",
    "m.layers.0.<b>x</b>", "m.layers.1.$x$",
]  # fmt: skip


def test_names_are_shown_as_they_are(tmp_path):
    """Not typeset by Matplotlib, nor by what shows formulas in a notebook."""
    modules = [(name, "linear", (2, 3), (4, 2)) for name in TYPESET]
    adapter = adapters.read(peft_folder(tmp_path / "a", modules=modules, r=2, rank_pattern={}))
    picture = figures.AdapterMap(adapter)
    picture.draw(field="norm").figure.canvas.draw()
    for text in picture.figure.findobj(lambda each: hasattr(each, "get_parse_math")):
        if any(part in text.get_text() for part in ("frac", "href", "$x")):
            assert not text.get_parse_math(), text.get_text()
    shown = Table(("module", "rank"), [(name, 2) for name in TYPESET])._repr_html_()
    assert "<b>" not in shown
    assert "tex2jax_ignore" in shown
    assert "mathjax_ignore" in shown


def command(*arguments, **more):
    return subprocess.run(
        [sys.executable, "-m", "helpers.adapters", *map(str, arguments)],
        cwd=ROOT, capture_output="stdout" not in more, **more,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["x\x1b[2J\x07", "y" * 250, "z" * 246, "a\nb"])
def test_an_odd_output_path_is_one_line(tmp_path, name, capfd):
    from helpers.adapters import __main__ as rank_lab

    folder = peft_folder(tmp_path / "a")
    status = rank_lab.main(["bake", str(folder), str(tmp_path / name)])
    output, errors = capfd.readouterr()
    assert "Traceback" not in errors
    assert not set(output + errors) & set("\x1b\x07")
    assert status in (0, 2)
    if status:
        assert len(errors.strip().splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_full_disk_behind_stdout_is_one_line(tmp_path):
    folder = peft_folder(tmp_path / "a")
    with open("/dev/full", "w") as full:
        done = command("bake", folder, tmp_path / "b", stdout=full, stderr=subprocess.PIPE)
    assert b"Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) <= 1
    assert adapters.read(tmp_path / "b").modules


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640])
def test_a_copy_can_be_read_by_no_more_people_than_its_source(tmp_path, mode):
    folder = peft_folder(tmp_path / "a")
    for file in folder.iterdir():
        file.chmod(mode)
    folder.chmod(mode | 0o100)
    path = kohya_file(tmp_path / "k.safetensors", {"x": (draw(1, 2, 3), draw(2, 4, 2))}, {"x": 1})
    path.chmod(mode)
    adapters.bake(adapters.read(folder), tmp_path / "b")
    adapters.truncate(adapters.read(path), tmp_path / "c.safetensors", rank=1)
    for made in (*(tmp_path / "b").iterdir(), tmp_path / "c.safetensors"):
        assert not stat.S_IMODE(made.stat().st_mode) & ~mode & 0o077, made.name
    assert not stat.S_IMODE((tmp_path / "b").stat().st_mode) & ~(mode | 0o110) & 0o077


@posix
def test_a_stop_in_mid_write_leaves_nothing_in_sight(tmp_path):
    """A hang-up or a polite kill."""
    folder = peft_folder(tmp_path / "a")
    before = tree(tmp_path)
    script = (
        "import os, signal, sys\n"
        "from helpers.adapters import __main__ as rank_lab\n"
        "from helpers.tensorfile import writing\n"
        "encode = writing.encode\n"
        "def stopped(*given):\n"
        "    os.kill(os.getpid(), getattr(signal, sys.argv[1]))\n"
        "    return encode(*given)\n"
        "writing.encode = stopped\n"
        "sys.exit(rank_lab.main(['truncate', sys.argv[2], sys.argv[3], '--rank', '1']))\n"
    )
    for name in ("SIGTERM", "SIGHUP", "SIGINT"):
        done = subprocess.run(
            [sys.executable, "-c", script, name, folder, tmp_path / "out"],
            cwd=ROOT, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode not in (0, 1), (name, done.stderr)
        assert "Traceback" not in done.stderr, (name, done.stderr)
        assert tree(tmp_path) == before, name


def killed(written):
    """Contents, and the kind of kill that nothing can be done about after the first."""
    for content in written:
        yield content
        os.kill(os.getpid(), signal.SIGKILL)


@posix
@pytest.mark.parametrize("way", ["kill", "no room"])
@pytest.mark.parametrize("verb", ["bake", "truncate", "extract", "merge"])
def test_what_was_half_written_is_not_under_the_name(tmp_path, capsys, verb, way):
    """A kill leaves a hidden part, which the next run names; a full disk leaves nothing."""
    from helpers.adapters import __main__ as rank_lab

    one, two = (peft_folder(tmp_path / name) for name in "ab")
    base, tuned = (tmp_path / f"{name}.safetensors" for name in ("base", "tuned"))
    weight = "model.layers.0.self_attn.q_proj.weight"
    writing.save(base, {weight: np.zeros((64, 64))})
    writing.save(tuned, {weight: np.eye(64)})
    (tmp_path / "made").mkdir()
    out = tmp_path / "made" / "out"
    given = {"bake": [one], "truncate": ["--rank", 1, one], "merge": [one, two],
             "extract": ["--rank", 2, base, tuned]}[verb]  # fmt: skip
    arguments = [verb, *map(str, given), str(out)]
    write, report = writing.write_safetensors, tmp_path / "report"

    child = os.fork()
    if not child:
        sys.stderr = report.open("w")
        if way == "kill":
            writing.write_safetensors = lambda path, kinds, contents, metadata: write(
                path, kinds, killed(contents), metadata
            )
        else:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (600, 600))
        try:
            status = rank_lab.main(arguments)
            sys.stderr.flush()
        except BaseException:
            status = 70
        os._exit(status)
    _, status = os.waitpid(child, 0)
    left = [path.name for path in (tmp_path / "made").iterdir()]
    if way == "kill":
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        assert [name[:5] for name in left] == [".out."]
    else:
        assert os.waitstatus_to_exitcode(status) == 2
        assert left == []
        (said,) = report.read_text().splitlines()
        # A long path is shortened at its beginning.
        assert said.endswith("made/out cannot be written (File too large)")
    assert rank_lab.main(arguments) == 0
    assert adapters.read(out).modules
    named = [line for line in capsys.readouterr().err.splitlines() if "killed: delete it" in line]
    assert [left[0] in line for line in named] == [True] * (way == "kill")


@pytest.mark.parametrize("work", ["bake", "truncate"])
def test_a_file_that_is_replaced_meanwhile_is_noticed(tmp_path, work):
    """A training run saves its next checkpoint: its factors would come under the old plan."""
    folder = peft_folder(tmp_path / "a")
    adapter = adapters.read(folder)
    doubled = {name: (2 * A, B) for name, (A, B) in factors().items()}
    other = peft_folder(tmp_path / "other", doubled)
    os.replace(other / "adapter_model.safetensors", folder / "adapter_model.safetensors")
    with pytest.raises(adapters.FileError, match="has been replaced or changed"):
        getattr(adapters, work)(adapter, tmp_path / "b", **{"truncate": {"rank": 1}}.get(work, {}))
    assert not (tmp_path / "b").exists()
