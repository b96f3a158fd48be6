"""Inspect, bake or truncate a LoRA adapter.

inspect   which rank every module uses, and which scale a loader applies
bake      a copy that every loader scales rightly
truncate  a copy of lower rank, its error stated

PATH is a PEFT folder or one .safetensors file in kohya's or Diffusers' names;
`inspect PATH --against BASE` takes two checkpoints instead. Nothing is ever
unpickled, and nothing is ever overwritten.
"""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn, TextIO

from ..tables import Table
from ..tensorfile import FileError, shown
from . import report, scale_audit
from .checkpoints import difference
from .copies import bake, truncate
from .formats import remarks
from .modules import Adapter
from .reading import read
from .singular_values import Cut, Progress, spectra, total_error

#: How the command is called: it has a name of its own where the package is installed.
PROGRAM = "python -m helpers.adapters" if __package__ == "helpers.adapters" else "rank-lab"


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; exit status 2."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {shown(message, 200)} (see {self.prog} --help)\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after one line on stderr for bad input."""
    given = _parser().parse_args(arguments)
    try:
        given.run(given)
    except (FileError, ValueError) as error:
        print(f"{given.prog}: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog=PROGRAM, description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, run: Any, text: str) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=text, description=text)
        made.add_argument("path", type=Path, metavar="PATH", help="adapter folder or file")
        made.add_argument("--json", action="store_true", help="print JSON instead of tables")
        made.set_defaults(run=run, prog=made.prog)
        return made

    inspect = command("inspect", _inspect, "Rank and scale of every module.")
    inspect.add_argument(
        "--against", type=Path, metavar="BASE",
        help="take PATH and BASE as checkpoints, and inspect PATH minus BASE",
    )  # fmt: skip
    inspect.add_argument(
        "--sort", choices=report.SORTS, help="sort the rows, largest first (name: upwards)"
    )
    baking = command("bake", _bake, "Copy an adapter so that every loader applies its scale.")
    baking.add_argument("out", type=Path, metavar="OUT", help="what to make; must not exist")
    cutting = command("truncate", _truncate, "Copy an adapter at a lower rank.")
    cutting.add_argument("out", type=Path, metavar="OUT", help="what to make; must not exist")
    target = cutting.add_mutually_exclusive_group(required=True)
    target.add_argument("--rank", type=int, help="at most this rank in every module")
    target.add_argument("--energy", type=float, help="keep this share of each module's energy")
    target.add_argument("--error", type=float, help="at most this relative error in each module")
    return parser


def _inspect(given: argparse.Namespace) -> None:
    adapter: Adapter | None = None
    audits: list[scale_audit.Audit] = []
    with _Bar(sys.stderr) as progress:
        if given.against is not None:
            found, left_out = difference(given.against, given.path, progress)
            notes = [f"Tensors that were not compared: {len(left_out)}."] if left_out else []
        else:
            adapter = read(given.path)
            found, left_out, notes = spectra(adapter, progress), dict(adapter.ignored), []
            notes += adapter.notes
            audits = scale_audit.audit(adapter)
    rows = report.rows(found, given.sort)
    said = report.sentences(rows)
    if given.json:
        values = {each.name: [float(value) for value in each.values] for each in found}
        _print_json(
            {
                "path": str(given.path),
                "source": adapter.source if adapter else "checkpoints",
                "modules": [{**asdict(row), "singular_values": values[row.name]} for row in rows],
                "summary": said,
                "scales": [asdict(each) for each in audits],
                "loaders": [asdict(each) for each in scale_audit.loaders()] if audits else [],
                "ignored": left_out,
                "notes": notes,
            }
        )
        return
    print(f"{report.table(rows)}\n{_wrapped(report.LEGEND)}")
    print(f"\n{_wrapped(said)}")
    for note in notes:
        print(_wrapped(note))
    if audits:
        print(f"\n{scale_audit.table(audits)}\n\n{_wrapped(scale_audit.verdict(audits))}")
        if any(each.standard_ratio != 1 for each in audits):
            print("Reported to scale such adapters wrongly, now or before a fix:")
            for each in scale_audit.loaders():
                print(_wrapped(f"- {each.name}, {each.date}: {each.fault}; {each.state}"))
                print(f"  {each.source}")


def _bake(given: argparse.Namespace) -> None:
    before = read(given.path)
    audits = [scale_audit.audit(each) for each in (before, bake(before, given.out))]
    if given.json:
        kinds = ("before", "after")
        _print_json({key: [asdict(each) for each in one] for key, one in zip(kinds, audits)})
        return
    for title, each in zip(("Before", f"After, in {given.out}"), audits):
        print(f"{title}:\n{scale_audit.table(each)}\n")
    said = (
        "What was trained is in the weights now: B was multiplied by each scale, and every alpha "
        "is its rank, so that no loader scales it again."
    )
    for text in (said, *remarks(before)):
        print(_wrapped(text))


def _truncate(given: argparse.Namespace) -> None:
    adapter = read(given.path)
    with _Bar(sys.stderr) as progress:
        cuts = truncate(adapter, given.out, given.rank, given.energy, given.error, progress)
    total = total_error(cuts)
    if given.json:
        _print_json({"modules": [asdict(cut) for cut in cuts], "total_error": total})
        return
    print(_cut_table(cuts))
    said = (
        f"Over all modules the relative error is {total:.3g}: the best that these ranks allow, "
        "by weights and before rounding. What it does to behaviour has to be measured."
    )
    print(f"\n{_wrapped(said)}")
    if adapter.source == "peft" and len({(cut.rank, cut.alpha) for cut in cuts}) > 1:
        print(_wrapped("Modules differ in rank or alpha: a loader must heed the patterns."))


def _cut_table(cuts: list[Cut]) -> Table:
    return Table(
        ["module", "r", "new r", "new alpha", "error"],
        [
            [report.shorten(cut.name, 60), cut.before, cut.rank, f"{cut.alpha:.5g}",
             f"{cut.error:.3g}"]
            for cut in cuts
        ],
    )  # fmt: skip


def _wrapped(text: str) -> str:
    return textwrap.fill(text, report.WIDTH)


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, allow_nan=False))


class _Bar:
    """A progress bar, drawn only where it can be redrawn, and wiped at the end."""

    WIDTH = 40

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream if stream.isatty() else None

    def __enter__(self) -> Progress:
        return self._draw

    def _draw(self, done: int, total: int) -> None:
        if self._stream is not None:
            bar = "#" * (self.WIDTH * done // total)
            self._stream.write(f"\r[{bar:<{self.WIDTH}}] {done}/{total} modules")
            self._stream.flush()

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.write("\r\033[K")
            self._stream.flush()


if __name__ == "__main__":
    sys.exit(main())
