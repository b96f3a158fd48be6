"""Inspect, check, bake, truncate, extract or merge LoRA adapters.

inspect   which rank its modules use, who applies it as trained, what to do next
check     whether loaders apply it as trained, and why not: exit status 0 or 1
bake      a copy that every loader scales rightly
truncate  a copy of lower rank, its error stated
extract   the difference of two checkpoints as an adapter
merge     the weighted sum of adapters, exact or at a lower rank

PATH is a folder of PEFT's or MLX's, or one .safetensors or .gguf file in kohya's,
Diffusers', LyCORIS' or llama.cpp's names. Nothing is ever unpickled, and nothing
is ever overwritten.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

from .. import terminal
from ..datafiles import DataError
from ..tensorfile import FileError, left_over, new, shown
from ..terminal import styled, wrapped
from .copying import commands as copying
from .copying.checkpoints import difference
from .modules import Adapter
from .reading import read
from .reporting import checking, loading, report, summary
from .singular_values import spectra

#: How the command is called: it has a name of its own where the package is installed.
PROGRAM = "python -m helpers.adapters" if __package__ == "helpers.adapters" else "rank-lab"
#: Rows that fit a screen.
TOP = 40


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {shown(message, 200)} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its status, or 2 after one line on stderr for bad input."""
    try:
        given = _parser().parse_args(arguments)
    except DataError as error:  # of the loaders, whose names are choices
        print(f"{PROGRAM}: {error}", file=sys.stderr)
        return 2
    try:
        with terminal.stoppable():
            status = int(given.run(given))
            sys.stdout.flush()
            for left in left_over(given.out) if "out" in given else ():
                print(f"{given.prog}: {shown(left)} is left of a run that was killed: delete it, "
                      "unless another run is making the same", file=sys.stderr)  # fmt: skip
    except BrokenPipeError:  # the reader has enough, such as head
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except terminal.Stopped as stopped:
        print(f"{given.prog}: stopped; nothing was left half-made", file=sys.stderr)
        return 128 + int(stopped.args[0])
    except OSError as error:  # of what is read and written, FileError tells
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        why = error.strerror or error
        print(f"{given.prog}: what was asked for is done, but not said: {why}", file=sys.stderr)
        return 1
    except (FileError, ValueError) as error:
        print(f"{given.prog}: {error}", file=sys.stderr)
        return 2
    return status


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM, description=__doc__,
        epilog="`COMMAND --help` has examples.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(
        name: str, run: Any, text: str, examples: str, path: str = "adapter folder or file"
    ) -> argparse.ArgumentParser:
        lines = "\n".join(f"  {PROGRAM} {name} {each.strip()}" for each in examples.split(";"))
        made = commands.add_parser(
            name, help=text, description=text, epilog=f"examples:\n{lines}",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )  # fmt: skip
        made.add_argument("path", type=Path, metavar="PATH", help=path)
        made.add_argument("--json", action="store_true", help="print JSON instead of text")
        made.set_defaults(run=run, prog=made.prog)
        return made

    for add in (_add_inspect, _add_check, *copying.COMMANDS):
        add(command)
    return parser


def _add_inspect(command: Any) -> None:
    made = command(
        "inspect", _inspect, "Rank, strength, what to do next; then a table.",
        "my-adapter; my-adapter --by layer --sort norm; my-adapter --by module --top 10 "
        "--sort share --smallest-first; AFTER --against BEFORE",
    )  # fmt: skip
    made.add_argument("--against", type=Path, metavar="BASE",
                      help="inspect what changed from checkpoint BASE to PATH")  # fmt: skip
    made.add_argument("--by", choices=("module", "kind", "layer"),
                      help=f"a row for each; module up to {TOP} modules, kind beyond")  # fmt: skip
    made.add_argument("--sort", choices=report.SORTS, help="largest first (name: upwards)")
    made.add_argument("--smallest-first", action="store_true", help="the other way round")
    made.add_argument("--top", type=int, default=TOP, metavar="N", help="rows at most; 0: all")


def _inspect(given: argparse.Namespace) -> int:
    adapter: Adapter | None = None
    with terminal.Bar(sys.stderr, "modules") as progress:
        if given.against is not None:
            found, left_out = difference(given.against, given.path, progress)
            notes = [f"Tensors that were not compared: {len(left_out)}."] if left_out else []
        else:
            adapter = read(given.path)
            found, left_out = spectra(adapter, progress), dict(adapter.ignored)
            notes = [each.text for each in adapter.findings if each.kind != "dead"]
    said = summary.answer(found, adapter)
    rows = report.ordered(said.rows, given.sort, given.smallest_first)
    if given.json:
        values = {each.name: [float(value) for value in each.values] for each in found}
        checks = [summary.brief(each) for each in said.checks]
        _print_json(
            {
                "path": str(given.path),
                "source": adapter.source if adapter else "checkpoints",
                "answer": {**vars(said), "rows": len(rows), "checks": checks},
                "modules": [{**asdict(row), "singular_values": values[row.name]} for row in rows],
                "summary": report.sentences(rows),
                "loaders": [asdict(each) for each in loading.loaders()] if checks else [],
                "ignored": left_out,
                "notes": notes,
            }
        )
        return 0
    lines = [("Rank", said.rank), ("Strength", said.strength)]
    lines += [*(("Next", step) for step in said.steps), ("But", said.caution)]
    for title, text in [*lines, *(("Note", note) for note in notes)]:
        print(wrapped(text, title)) if text else None
    if said.checks:
        print(f"\n{summary.check_table(said.checks)}")
        if not all(each.fits for each in said.checks):
            print("`check PATH` says why, loader by loader.")
    _list(rows, given)
    return 0


def _list(rows: list[report.Row], given: argparse.Namespace) -> None:
    """The table of modules or of groups, at most `--top` rows of it."""
    by, width = given.by or ("module" if len(rows) <= TOP else "kind"), terminal.width()
    most = given.top if given.top > 0 else len(rows)
    found = [] if by == "module" else report.groups(rows, by, given.sort, given.smallest_first)
    count, table = len(found or rows), summary.table(rows[:most], width)
    if found:
        table = summary.group_table(found[:most], by, width)
    heading, _, body = repr(table).partition("\n")
    print(f"\n{styled(heading, terminal.BOLD)}\n{body}")
    if count > most:
        print(f"{count - most} more rows: --top 0 shows all, --by layer or kind groups them.")
    print(wrapped(summary.LEGEND))


def _add_check(command: Any) -> None:
    made = command(
        "check", _check, "Whether a loader applies an adapter as it was trained.",
        "my-adapter; my-adapter --loader vllm --max-rank 64; my-adapter --json; "
        "my-adapter --loader sglang --sarif out.sarif",
    )  # fmt: skip
    names = [each.name for each in loading.profiles()]
    made.add_argument("--loader", default="all", choices=[*names, "all"], metavar="NAME",
                      help=f"one of {', '.join(names)}; all by default")  # fmt: skip
    made.add_argument("--max-rank", type=int, metavar="N", help="the rank the server is set to")
    made.add_argument("--sarif", type=Path, metavar="FILE", help="write SARIF 2.1.0; must be new")


def _check(given: argparse.Namespace) -> int:
    adapter = read(given.path)
    names = [] if given.loader == "all" else [given.loader]
    found = [checking.check(adapter, name, given.max_rank) for name in names]
    found = found or checking.checks(adapter, given.max_rank)
    if given.sarif is not None:
        with new(given.sarif) as draft:
            draft.write_text(json.dumps(checking.sarif(given.path.as_posix(), found), indent=1))
    if given.json:
        _print_json([{**asdict(each), "fits": each.fits} for each in found])
    elif given.loader == "all":
        print(summary.check_table(found))
    elif found[0].fits:
        print(wrapped(found[0].sentence))
    # What holds for all loaders is said once.
    said = ((one.kind, one.text) for each in found for one in each.findings)
    for kind, text in dict.fromkeys(said) if not given.json else ():
        colour = terminal.YELLOW if kind == "depends" else terminal.RED
        lines = textwrap.fill(f"{kind}: {text}", terminal.width(), subsequent_indent="  ")
        print(styled(kind, colour) + lines.removeprefix(kind))
    return int(not all(each.fits for each in found))


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, allow_nan=False))


if __name__ == "__main__":
    sys.exit(main())
