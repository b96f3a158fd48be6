"""Finished runs that ship with the series, so that nobody has to repeat them.

`helpers/data/small_map.json` has a list for each function: one run a line, its settings and
its result side by side. `made` says with what; a run names its maker by position.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterable
from typing import Any

from . import config

NAME = "small_map.json"


def read(function: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """The recorded runs of a function, as `runs.results` has them; none where there is no file."""
    file = config.DATA / NAME
    if not file.exists():
        return []
    content = json.loads(file.read_text())
    return [
        _run(row, function, content["made"]["makers"]) for row in content.get(function.__name__, ())
    ]


def _run(
    row: dict[str, Any], function: Callable[..., dict[str, Any]], makers: list[dict[str, Any]]
) -> dict[str, Any]:
    settings = {name: row[name] for name in inspect.signature(function).parameters if name in row}
    made = {**makers[row["maker"]], "date": row["date"], "seconds": row["seconds"]}
    apart = {*settings, "maker", "date", "seconds"}
    return {
        "settings": settings,
        "result": {name: value for name, value in row.items() if name not in apart},
        "made": made,
    }


def together(finished: dict[str, Iterable[dict[str, Any]]]) -> dict[str, Any]:
    """The content of the record: runs, as `runs.results` has them, by the function's name."""
    makers: list[dict[str, Any]] = []
    rows: dict[str, list[dict[str, Any]]] = {}
    for name, runs in finished.items():
        rows[name] = []
        for run in runs:
            made = dict(run["made"])
            date, seconds = made.pop("date"), made.pop("seconds")
            if made not in makers:
                makers.append(made)
            row = {**run["settings"], **run["result"], "date": date, "seconds": seconds}
            if len(row) != len(run["settings"]) + len(run["result"]) + 2:
                raise ValueError(f"{name}: a result must not be called as a setting is, got {row}")
            rows[name].append({**row, "maker": makers.index(made)})
    return {"made": {"makers": makers}, **rows}
