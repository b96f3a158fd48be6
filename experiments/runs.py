"""Runs that can be stopped: each result is saved as it comes, and found again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from . import config, records

Settings = dict[str, Any]


def run_all(function: Callable[..., dict[str, Any]], settings: Iterable[Settings]) -> None:
    """`function(**setting)` for each setting that has no saved result yet, in parallel.

    joblib spreads the runs: over this machine's cores, or with
    ``joblib.parallel_config(backend="dask")`` around the call over a Dask cluster.
    """
    settings = list(settings)
    done = {_name(run["settings"]) for run in _finished(function, not config.ANEW)}
    waiting = [setting for setting in settings if _name(setting) not in done]
    jobs = joblib.Parallel(return_as="generator_unordered")(
        joblib.delayed(_run)(function, setting, config.RUNS) for setting in waiting
    )
    start = len(settings) - len(waiting)
    for _ in tqdm(jobs, total=len(settings), initial=start, desc=function.__name__, mininterval=5):
        pass


def result(function: Callable[..., dict[str, Any]], **setting: Any) -> dict[str, Any]:
    """The saved result of one run, which is made first where it is missing."""
    for run in _finished(function, not config.ANEW):
        if _name(run["settings"]) == _name(setting):
            return dict(run["result"])
    _run(function, setting, config.RUNS)
    return dict(json.loads(_file(function, setting).read_text())["result"])


def results(function: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """All finished runs of a function: {"settings", "result", "made"} each, in a fixed order.

    Those that ship with the series (`records`) count, so that a fresh clone goes on where
    the last machine stopped; a run's own file goes before its record.
    """
    runs = _finished(function, recorded=True)
    return sorted(runs, key=lambda run: json.dumps(run["settings"], sort_keys=True))


def _finished(function: Callable[..., dict[str, Any]], recorded: bool) -> list[dict[str, Any]]:
    found = {_name(run["settings"]): run for run in records.read(function)} if recorded else {}
    for file in (config.RUNS / function.__name__).glob("*.json"):
        run = json.loads(file.read_text())
        found[_name(run["settings"])] = run
    return list(found.values())


def tensors(function: Callable[..., dict[str, Any]], **setting: Any) -> dict[str, Any]:
    """The tensors that one run saved; no record holds them, so its file must be there."""
    file = _file(function, setting)
    if not file.exists():
        _run(function, setting, config.RUNS)
    return dict(load_file(file.with_suffix(".safetensors")))


def _file(
    function: Callable[..., dict[str, Any]], setting: Settings, folder: Path | None = None
) -> Path:
    return (folder or config.RUNS) / function.__name__ / f"{_name(setting)}.json"


def _name(setting: Settings) -> str:
    """A readable name, with a digest where it would be too long."""
    name = ",".join(f"{key}={setting[key]}" for key in sorted(setting)).replace("/", "_")
    if len(name) > 150:
        name = name[:120] + hashlib.sha256(name.encode()).hexdigest()[:12]
    return name


def _run(function: Callable[..., dict[str, Any]], setting: Settings, folder: Path) -> None:
    """Make one result and save it whole or not at all."""
    import torch

    torch.set_num_threads(1)  # One core per run: independent runs fill the others.
    config.RUNS = folder
    file = _file(function, setting)
    if file.exists():  # A cluster repeats what a lost worker had finished.
        return
    start = time.perf_counter()
    found = function(**setting)
    file.parent.mkdir(parents=True, exist_ok=True)
    made = provenance(f"experiments/{function.__module__.split('.')[-1]}.py: {function.__name__}")
    made["seconds"] = round(time.perf_counter() - start, 1)
    saved = found.pop("tensors", None)
    if saved is not None:
        partial = file.with_suffix(f".tensors{os.getpid()}")
        save_file(saved, partial)
        partial.chmod(0o644)
        partial.replace(file.with_suffix(".safetensors"))
    text = json.dumps({"settings": setting, "result": found, "made": made}, indent=1)
    temporary = file.with_suffix(f".{os.getpid()}")
    temporary.write_text(text)
    temporary.replace(file)


#: What computes on an accelerator where there is one, by module; all else is on the CPU.
ACCELERATED = ("experiments/pretrained",)


def provenance(script: str) -> dict[str, Any]:
    """By what, with which versions, when; and on which accelerator, where the run used one."""
    import torch

    packages = ["numpy", "torch", "safetensors"]
    packages += [each for each in ("peft", "transformers") if each in sys.modules]
    used = script.startswith(ACCELERATED) and torch.cuda.is_available()
    device = {"device": torch.cuda.get_device_name()} if used else {}
    return {
        "script": script,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        **device,
        "date": date.today().isoformat(),
    }
