"""What a load test saw, and its row in teaching/hub's table.

python -m tools.teach.load.report      writes the table from what is stored
"""

from __future__ import annotations

import datetime
import json
import os
import re
import statistics
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[3]
STORED = ROOT / "teaching" / "hub" / "measured.json"
README = ROOT / "teaching" / "hub" / "README.md"
_PLACE = re.compile(r"(?<=<!-- measured -->\n).*?(?=<!-- /measured -->)", flags=re.S)

HEAD = (
    "| learners | cores | arrive within | memory a learner (server + kernel) "
    "| login to first figure, median (longest) | press to picture, median | 95th percentile "
    "| turned away | exercise solved | with a failure |\n|---|---|---|---|---|---|---|---|---|---|"
)


@dataclass
class Report:
    """What one learner saw; times in seconds, memory in MB."""

    name: str
    first_figure: float = 0.0
    cells: int = 0
    moves: list[float] = field(default_factory=list)
    #: How often the hub said that too many servers start at once.
    turned_away: int = 0
    solved: bool = False
    server: float = 0.0
    kernel: float = 0.0
    failures: list[str] = field(default_factory=list)


def summary(
    reports: list[Report], over: float, hub: float, busy: float, load: float = 0.0
) -> dict[str, Any]:
    """The measurement in numbers that JSON can hold.

    Parameters
    ----------
    reports : one a learner
    over : seconds within which the class arrived
    hub : MB of the hub and its proxy
    busy : cores that hub, servers and kernels kept busy while all moved, divided by learners
    load : programs that wanted a core in the minute before
    """
    moves = sorted(each for report in reports for each in report.moves)
    first = [report.first_figure for report in reports if report.first_figure]
    return {
        "date": datetime.date.today().isoformat(),
        "learners": len(reports),
        "cores": os.cpu_count(),
        "over": over,
        "server": round(statistics.fmean(each.server for each in reports)),
        "kernel": round(statistics.fmean(each.kernel for each in reports)),
        "hub": round(hub),
        "busy": round(busy, 4),
        "load": round(load, 1),
        "first": round(statistics.median(first), 1) if first else None,
        "longest": round(max(first), 1) if first else None,
        "press": round(1000 * statistics.median(moves)) if moves else None,
        "press95": round(1000 * moves[int(0.95 * (len(moves) - 1) + 0.5)]) if moves else None,
        "turned_away": sum(each.turned_away for each in reports),
        "solved": sum(each.solved for each in reports),
        "failed": sum(bool(each.failures) for each in reports),
    }


def row(found: dict[str, Any]) -> str:
    """The measurement as a row of the table."""
    return (
        "| {learners} | {cores} | {over:g} s | {all} MB ({server} + {kernel}) "
        "| {first} s ({longest}) | {press} ms | {press95} ms | {turned_away} "
        "| {solved} of {learners} | {failed} |"
    ).format(**found, all=found["server"] + found["kernel"])


def rendered(stored: list[dict[str, Any]]) -> str:
    """The table, and what the largest class says of memory and cores."""
    last = stored[-1]
    memory = last["server"] + last["kernel"]
    loaded = [str(each["learners"]) for each in stored if each["load"] > each["cores"] / 2]
    bounds = (
        f" Other work kept the cores busy in the minute before the rows of {' and '.join(loaded)} "
        "learners: their times are upper bounds."
        if loaded
        else ""
    )
    dates = " and ".join(sorted({each["date"] for each in stored}))
    return (
        "\n".join([HEAD, *map(row, stored)])
        + f"\n\nMeasured {dates}.{bounds} From the last row: {1000 // memory} learners a GB, "
        f"beside {last['hub']} MB for hub and proxy; and while all move sliders, "
        f"{int(1 / last['busy'])} learners a core, from the processor time that hub, servers and "
        "kernels took.\n"
    )


def store(found: dict[str, Any], at: Path = STORED) -> None:
    """Keep a measurement in the place of an older one of the same class on as many cores."""
    stored = json.loads(at.read_text(encoding="utf-8")) if at.exists() else []
    kept = [
        each for each in stored if any(each[key] != found[key] for key in ("learners", "cores"))
    ]
    kept = sorted([*kept, found], key=lambda each: (each["cores"], each["learners"]))
    lines = ",\n".join(json.dumps(each) for each in kept)
    at.write_text(f"[\n{lines}\n]\n", encoding="utf-8")


def written(text: str, at: Path = STORED) -> str:
    """The hub's guide with the table of what is stored."""
    table = rendered(json.loads(at.read_text(encoding="utf-8")))
    return _PLACE.sub(lambda _: table, text, count=1)


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
