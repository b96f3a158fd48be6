"""How long the runs take, from the seconds that they recorded: python -m experiments.times.

Hours of one core, of which each run uses one. "As recorded": with whatever else kept the machine
busy, so too much; what recorded none is taken as the mean of its kind, for each step. "As the
quickest": every run as quick, for each step, as the quickest of its kind; the least to expect.
"""

from __future__ import annotations

import json
from collections import defaultdict
from itertools import product
from statistics import mean
from time import process_time
from typing import Any

from helpers.model import adaptations, forgetting, recall, shipped
from helpers.tables import Table

from . import config, plans, records, runs

#: A run: its kind, how many steps of that kind it takes, and its seconds where they are recorded.
Run = tuple[tuple[Any, ...], int, float | None]
#: Other files of results, whose rows have their seconds: by part, the file and its lists.
OTHERS = {
    "lora": ("small_lora.json", ("runs",)),
    "adapters": ("adapters.json", ("runs",)),
    "pretrained": ("pretrained.json", ("full", "lora")),
    "forgetting": ("pretrained_forgetting.json", ("runs",)),
}
#: The parts that `make experiments` runs.
MAKE = ("small", "report")


def small() -> list[Run]:
    """Bases (the reporting worlds' too), full updates, and the recalls of `small.needed_rank`.

    Seconds are recorded of the first seed's bases and updates alone; see `recalls`.
    """
    content = json.loads((config.DATA / "small_model.json").read_text())
    made = {name: each["seconds"] for name, each in content["made"].items()}

    def run(seed: int, kind: str) -> Run:
        return (kind,), 1, made[kind] if seed == config.SEEDS[0] else None

    found = [run(seed, "base") for seed in (*config.SEEDS, *forgetting.REPORT)]
    found += [run(seed, f"update_{task}") for seed, task in product(config.SEEDS, config.FULL)]
    return found + [
        (("needed_rank", row["task"]), len(row["seen"]), None) for row in content["needed"]
    ]


def recalls() -> list[Run]:
    """One recall of each task, timed now: no run of `needed_rank` recorded its seconds."""
    found: list[Run] = []
    for task in config.FULL:
        people, styles = recall.task(task)
        start = process_time()
        recall.measure(shipped.base(), people[: config.EVALUATED], styles)
        found.append((("needed_rank", task), 1, process_time() - start))
    return found


def of_the_map(part: str) -> list[Run]:
    """The planned runs of a part of `plans`, each once."""
    found: dict[tuple[str, str], Run] = {}
    for function, settings in plans.PARTS[part]():
        made = {runs._name(run["settings"]): run for run in records.read(function)}
        for setting in settings:
            name = runs._name(setting)
            seconds = made[name]["made"]["seconds"] if name in made else None
            full = {**adaptations.PLAIN, **setting}
            adapts = function.__name__ == "adapt"
            kind = (function.__name__, full["batch"] if adapts else setting.get("other"))
            found[function.__name__, name] = kind, full["steps"] if adapts else 1, seconds
    return list(found.values())


def planned() -> dict[str, list[Run]]:
    """Every run, by the part that makes it; of `OTHERS` those that are made."""
    found = {"small": small(), **{part: of_the_map(part) for part in plans.PARTS}}
    for part, (name, lists) in OTHERS.items():
        content = json.loads((config.DATA / name).read_text())
        found[part] = [
            ((part, each, row.get("task"), row.get("name"), row.get("batch")),
             row.get("steps", 1), row["seconds"])
            for each in lists for row in content[each]
        ]  # fmt: skip
    return found


def table(found: dict[str, list[Run]], timed: list[Run]) -> Table:
    """Runs and hours by part, first what `make experiments` makes; `timed` are no part's."""
    paces = defaultdict(list)
    for kind, steps, seconds in (run for part in (*found.values(), timed) for run in part):
        if seconds is not None:
            paces[kind].append(seconds / steps)
    rows = []
    for part, each in {"make experiments": [r for p in MAKE for r in found[p]], **found}.items():
        quickest = sum(steps * min(paces[kind]) for kind, steps, _ in each)
        recorded = sum(
            steps * mean(paces[kind]) if seconds is None else seconds
            for kind, steps, seconds in each
        )
        made = sum(seconds is not None for *_, seconds in each)
        hours = (f"{seconds / 3600:.1f}" for seconds in (recorded, quickest))
        rows.append((part, len(each), made, *hours))
    return Table(("part", "runs", "timed", "as recorded", "as the quickest"), rows)


if __name__ == "__main__":
    print(table(planned(), recalls()))
