"""Runs that can be stopped: each result is saved as it comes, and found again."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import time
from collections.abc import Callable, Iterable
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
from safetensors.torch import load_file, save_file
from tqdm import tqdm

from . import config

Settings = dict[str, Any]


def run_all(function: Callable[..., dict[str, Any]], settings: Iterable[Settings]) -> None:
    """`function(**setting)` for each setting that has no saved result yet, in parallel.

    joblib spreads the runs: over this machine's cores, or with
    ``joblib.parallel_config(backend="dask")`` around the call over a Dask cluster.
    """
    waiting = [setting for setting in settings if not _file(function, setting).exists()]
    jobs = joblib.Parallel(return_as="generator_unordered")(
        joblib.delayed(_run)(function, setting, config.RUNS) for setting in waiting
    )
    for _ in tqdm(jobs, total=len(waiting), desc=function.__name__, mininterval=5):
        pass


def result(function: Callable[..., dict[str, Any]], **setting: Any) -> dict[str, Any]:
    """The saved result of one run, which is made first where it is missing."""
    file = _file(function, setting)
    if not file.exists():
        _run(function, setting, config.RUNS)
    return dict(json.loads(file.read_text())["result"])


def results(function: Callable[..., dict[str, Any]]) -> list[dict[str, Any]]:
    """All saved runs of a function: {"settings", "result", "made"} each, in a fixed order."""
    files = sorted((config.RUNS / function.__name__).glob("*.json"))
    runs = [json.loads(file.read_text()) for file in files]
    return sorted(runs, key=lambda run: json.dumps(run["settings"], sort_keys=True))


def tensors(function: Callable[..., dict[str, Any]], **setting: Any) -> dict[str, Any]:
    """The tensors that one run saved."""
    result(function, **setting)
    return dict(load_file(_file(function, setting).with_suffix(".safetensors")))


def _file(
    function: Callable[..., dict[str, Any]], setting: Settings, folder: Path | None = None
) -> Path:
    """A readable name, with a digest where it would be too long."""
    name = ",".join(f"{key}={setting[key]}" for key in sorted(setting)).replace("/", "_")
    if len(name) > 150:
        name = name[:120] + hashlib.sha256(name.encode()).hexdigest()[:12]
    return (folder or config.RUNS) / function.__name__ / f"{name}.json"


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


def provenance(script: str) -> dict[str, Any]:
    """By what, with which versions, when."""
    packages = ("numpy", "torch", "safetensors")
    return {
        "script": script,
        "python": platform.python_version(),
        **{package: version(package) for package in packages},
        "date": date.today().isoformat(),
    }
