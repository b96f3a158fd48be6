"""From finished runs to helpers/data: what the notebooks read, and how it was made."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from helpers.datafiles import digest_of
from helpers.model.results import ALPHA
from helpers.model.shipped import CHECKSUMS

from . import config, plans, records, runs, small


def small_model() -> None:
    """The first seed's base and updates in half precision, and the results of all seeds."""
    config.DATA.mkdir(exist_ok=True)
    seed = config.SEEDS[0]
    weights = {"base": runs.tensors(small.pretrain, seed=seed)}
    for task in config.FULL:
        weights[f"update_{task}"] = runs.tensors(small.full, seed=seed, task=task)
    made = {"base": _made(small.pretrain, seed=seed)}
    made |= {f"update_{task}": _made(small.full, seed=seed, task=task) for task in config.FULL}
    for name, tensors in weights.items():
        file = config.DATA / f"small_{name}.safetensors"
        save_file(tensors, file)
        file.chmod(0o644)
        made[name]["sha256"] = _digest(file)
    full = [
        {**run["settings"], **{k: run["result"][k] for k in ("loss", "before", "ranks", "scales")}}
        for run in runs.results(small.full)
    ]
    pretrained = [{**run["settings"], **run["result"]} for run in runs.results(small.pretrain)]
    needed = [{**run["settings"], **run["result"]} for run in runs.results(small.needed_rank)]
    _write("small_model.json", {"made": made, "base": pretrained, "full": full, "needed": needed})


def lora() -> None:
    """Every LoRA run of the small model, one row per run, with the family that it belongs to."""
    families = {alpha: family for family, alpha in ALPHA.items()}
    rows = [
        {**_row(run), "family": families.get(run["settings"]["alpha"])}
        for run in runs.results(small.lora)
    ]
    _write("small_lora.json", {"made": {"runs": _together(runs.results(small.lora))}, "runs": rows})


def small_map() -> None:
    """Every adaptation of the small model and what was asked of it: also the record of it."""
    content = records.together({f.__name__: runs.results(f) for f in plans.FUNCTIONS})
    _write(records.NAME, content)


def pretrained() -> None:
    """SmolLM2: behaviour of every run, and the singular values of the first seed's updates."""
    from . import pretrained as part

    spectra = {
        f"{task}.{name}": values
        for task in config.PRETRAINED_FULL
        for name, values in runs.tensors(
            part.pretrained_full, task=task, seed=config.SEEDS[0]
        ).items()
    }
    file = config.DATA / "pretrained_spectra.safetensors"
    save_file(spectra, file)
    file.chmod(0o644)
    full, adapters = runs.results(part.pretrained_full), runs.results(part.pretrained_lora)
    made = {"runs": _together(full + adapters), "spectra": {"sha256": _digest(file)}}
    rows = [_row(run) for run in full]
    _write("pretrained.json", {"made": made, "full": rows, "lora": [_row(run) for run in adapters]})


def pretrained_forgetting() -> None:
    """What SmolLM2 forgets over the learning rate, one row per run."""
    from . import pretrained_forgetting as part

    finished = runs.results(part.pretrained_forgets)
    made = {"runs": _together(finished)}
    _write("pretrained_forgetting.json", {"made": made, "runs": [_row(run) for run in finished]})


def adapters() -> None:
    """The first seed's adapters as PEFT folders, and the results of all seeds."""
    from . import adapters as part

    seed, made = config.SEEDS[0], {}
    for name in (name for name, each in config.ADAPTERS.items() if each.ships):
        folder = config.DATA / "adapters" / name
        folder.mkdir(parents=True, exist_ok=True)
        tensors = runs.tensors(part.adapter, name=name, seed=seed)
        files = [folder / "adapter_config.json", folder / "adapter_model.safetensors"]
        modules = sorted({key.removeprefix("base_model.model.").split(".lora_")[0]
                          for key in tensors})  # fmt: skip
        said = part.peft_config(config.ADAPTERS[name], modules)
        files[0].write_text(json.dumps(said, indent=2, sort_keys=True) + "\n")
        save_file(tensors, files[1], {"format": "pt"})
        files[1].chmod(0o644)
        made[name] = _made(part.adapter, name=name, seed=seed)
        made[name]["trained"] = asdict(config.ADAPTERS[name])
        made[name]["sha256"] = {file.name: _digest(file) for file in files}
    made["runs"] = _together(runs.results(part.adapter))
    _write("adapters.json", {"made": made, "runs": [_row(r) for r in runs.results(part.adapter)]})


def _digest(file: Path) -> str:
    return digest_of(file.name, file.read_bytes())


def _row(run: dict[str, Any]) -> dict[str, Any]:
    return {**run["settings"], **run["result"], "seconds": run["made"]["seconds"]}


def _made(function: Any, **settings: Any) -> dict[str, Any]:
    return next(
        {"settings": run["settings"], **run["made"]}
        for run in runs.results(function)
        if run["settings"] == settings
    )


def _together(finished: list[dict[str, Any]]) -> dict[str, Any]:
    """One record for many runs: the first's, with all their seconds."""
    record = dict(finished[0]["made"])
    record["dates"] = sorted({run["made"]["date"] for run in finished})
    del record["date"]
    return {**record, "seconds": round(sum(run["made"]["seconds"] for run in finished))}


def _write(name: str, content: dict[str, Any]) -> None:
    """One run per line, so that a change reads as one in a diff; and the file's checksum."""
    lines = []
    for key, value in content.items():
        if isinstance(value, list):
            inner = ",\n".join(json.dumps(row, sort_keys=True) for row in value)
            lines.append(f"{json.dumps(key)}: [\n{inner}\n]")
        else:
            inner = ",\n".join(
                f"{json.dumps(k)}: {json.dumps(v, sort_keys=True)}" for k, v in value.items()
            )
            lines.append(f"{json.dumps(key)}: {{\n{inner}\n}}")
    (config.DATA / name).write_text("{\n" + ",\n".join(lines) + "\n}\n")
    record(name)


def record(name: str) -> None:
    """Write down the sha256 of a file of results: the helpers read no other file under its name."""
    file = config.DATA / CHECKSUMS
    sums = json.loads(file.read_text()) if file.exists() else {}
    sums[name] = _digest(config.DATA / name)
    file.write_text(json.dumps(sums, indent=1, sort_keys=True) + "\n")
