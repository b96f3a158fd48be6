"""The commands that write: bake, truncate, extract and merge."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ... import terminal
from ...tables import Table, short_names
from ...tensorfile import shown
from ...terminal import wrapped
from ..formats import remarks
from ..reading import read
from ..reporting.checking import checks
from ..reporting.summary import brief, check_table
from ..singular_values import Cut, total_error
from .checkpoints import extract
from .combining import merge
from .copies import bake, truncate

#: Rows that fit a screen.
_TOP = 40
_MIXED = (
    "Ranks differ between modules: a loader of one alpha for all, or one that ignores patterns, "
    "scales them wrongly. `bake` makes the ranks equal where that is needed."
)


def _add_bake(command: Any) -> None:
    made = command(
        "bake", _bake, "Copy an adapter so that every loader applies its scale.",
        "my-adapter my-adapter-baked; my-file.safetensors baked.safetensors; "
        "my-adapter my-adapter-baked --keep-ranks",
    )  # fmt: skip
    _add_out(made)
    made.add_argument("--keep-ranks", action="store_true",
                      help="do not fill up lower ranks with zeros, for loaders that read each "
                      "module's alpha")  # fmt: skip


def _bake(given: argparse.Namespace) -> int:
    before = read(given.path)
    after = bake(before, given.out, pad=not given.keep_ranks)
    found = [checks(each) for each in (before, after)]
    if given.json:
        kinds = ("before", "after")
        said = {key: [brief(each) for each in some] for key, some in zip(kinds, found)}
        _print_json({**said, "remarks": remarks(before)})
        return 0
    for title, some in zip(("Before", f"After, in {shown(given.out)}"), found):
        print(f"{title}:\n{check_table(some)}\n")
    print(wrapped(
        "B was multiplied by each scale, and every alpha is its rank: no loader scales it again."
    ))  # fmt: skip
    if len({module.rank for module in after.modules}) > 1:
        print(wrapped(_MIXED))
    for text in remarks(before):
        print(wrapped(text))
    return 0


def _add_truncate(command: Any) -> None:
    made = command(
        "truncate", _truncate, "Copy an adapter at a lower rank.",
        "my-adapter smaller --rank 8; my-adapter smaller --energy 0.99 --max-rank 32; "
        "my-adapter half-the-size --budget 0.5; "
        "my-file.safetensors smaller.safetensors --error 0.1",
    )  # fmt: skip
    _add_out(made)
    _add_targets(made, required=True)


def _truncate(given: argparse.Namespace) -> int:
    adapter = read(given.path)
    with terminal.Bar(sys.stderr, "modules") as progress:
        cuts = truncate(adapter, given.out, progress=progress, **_targets(given))
    pairs = [(sum(each.shape), cut) for each, cut in zip(adapter.modules, cuts) if each.plain]
    sizes = [sum(side * getattr(cut, key) for side, cut in pairs) for key in ("before", "rank")]
    text = f"{sizes[0]:,} parameters became {sizes[1]:,}, {sizes[1] / sizes[0]:.0%} of them."
    texts, kept = [text], [each for each in adapter.modules if not each.plain]
    if kept:
        texts.append(
            f"Not cut, because they are no pair of whole tensors: {len(kept)}, such as "
            f"{shown(kept[0].name)} ({kept[0].form})."
        )
    which = "modules that can be cut" if kept else "modules"
    _report(given, cuts, [*texts, *remarks(adapter)], which=which)
    return 0


def _add_extract(command: Any) -> None:
    made = command(
        "extract", _extract, "Write the difference of two checkpoints as an adapter.",
        "BASE TUNED my-adapter --rank 32; BASE TUNED my-adapter --energy 0.9 --max-rank 128; "
        "BASE.safetensors TUNED.safetensors file.safetensors --rank 16 --prefix transformer.",
        "the model before training: a .safetensors file, or a folder or an index of shards",
    )  # fmt: skip
    made.add_argument("tuned", type=Path, metavar="TUNED", help="the same model after it")
    _add_out(made)
    _add_targets(made, required=True)
    made.add_argument("--prefix", default="", help="what to put before names in a single file")


def _extract(given: argparse.Namespace) -> int:
    with terminal.Bar(sys.stderr, "matrices") as progress:
        cuts, left_out = extract(given.path, given.tuned, given.out, progress=progress,
                                 prefix=given.prefix, **_targets(given))  # fmt: skip
    texts = []
    for reason in dict.fromkeys(left_out.values()):
        names = [name for name, each in left_out.items() if each == reason]
        more = f" and {len(names) - 3} more" if len(names) > 3 else ""
        texts.append(f"Left out: {', '.join(names[:3])}{more} ({reason}).")
    _report(given, cuts, texts, {"left_out": left_out})
    return 0


def _add_merge(command: Any) -> None:
    made = command(
        "merge", _merge, "Write the weighted sum of adapters, exact or at a lower rank.",
        "one two both; one two three sum --weights 1 0.5 0.5; one two both --rank 16",
    )  # fmt: skip
    made.add_argument("others", type=Path, nargs="+", metavar="PATH",
                      help="more adapters of the same modules")  # fmt: skip
    _add_out(made)
    made.add_argument("--weights", type=float, nargs="+", metavar="W", help="one each; default 1")
    _add_targets(made, required=False)


def _merge(given: argparse.Namespace) -> int:
    adapters = [read(path) for path in (given.path, *given.others)]
    cuts = merge(adapters, given.out, given.weights, **_targets(given))
    texts = []
    bases = {str(each.config.get("base_model_name_or_path")) for each in adapters}
    if len(bases) > 1:
        texts.append("The adapters name different base models: is it one model by several names?")
    _report(given, cuts, [*texts, *remarks(adapters[0])])
    return 0


def _add_out(made: argparse.ArgumentParser) -> None:
    made.add_argument("out", type=Path, metavar="OUT", help="what to make; must not exist")


def _add_targets(made: argparse.ArgumentParser, required: bool) -> None:
    target = made.add_mutually_exclusive_group(required=required)
    target.add_argument("--rank", type=int, help="at most this rank in every module")
    target.add_argument("--energy", type=float, help="keep this share of each module's energy")
    target.add_argument("--error", type=float, help="at most this relative error in each module")
    target.add_argument("--budget", type=float, metavar="SIZE",
                        help="the best ranks for so many parameters over all modules, or for this "
                        "share of them (at most 1)")  # fmt: skip
    made.add_argument("--max-rank", type=int, metavar="N", help="at most this rank, beside these")


def _targets(given: argparse.Namespace) -> dict[str, Any]:
    return {key: getattr(given, key) for key in ("rank", "energy", "error", "budget", "max_rank")}


def _cut_table(made: Sequence[Cut], width: int) -> Table:
    """What a cut did."""
    names = short_names([cut.name for cut in made], width - 40)
    return Table(
        ["module", "r", "new r", "new alpha", "error"],
        [
            [name, cut.before, cut.rank, f"{cut.alpha:.5g}", f"{cut.error:.3g}"]
            for name, cut in zip(names, made)
        ],
    )


def _report(
    given: argparse.Namespace,
    cuts: Sequence[Cut],
    texts: Sequence[str],
    more: Any = None,
    which: str = "modules",
) -> None:
    """What was written: a row for each module as far as a screen goes, the error, remarks."""
    total = total_error(cuts)
    if given.json:
        modules = [asdict(cut) for cut in cuts]
        _print_json({"modules": modules, "total_error": total, "remarks": texts, **(more or {})})
        return
    print(_cut_table(cuts[:_TOP], terminal.width()))
    if len(cuts) > _TOP:
        print(f"{len(cuts) - _TOP} more rows: --json lists all.")
    print(f"\n{wrapped(_error_text(cuts, total, which))}")
    if len({cut.rank for cut in cuts}) > 1:
        print(wrapped(_MIXED))
    for text in texts:
        print(wrapped(text))


def _error_text(cuts: Sequence[Cut], total: float, which: str) -> str:
    if total == 0 and all(cut.rank == cut.before for cut in cuts):
        return "Nothing was cut: the copy is exact but for rounding."
    return (
        f"Over all {which} the relative error is {total:.3g}: the best that these "
        "ranks allow, by weights and before rounding. What it does to behaviour has to be measured."
    )


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, allow_nan=False))


#: What adds each command to the parser, in the order of the help.
COMMANDS = (_add_bake, _add_truncate, _add_extract, _add_merge)
