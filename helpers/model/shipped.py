"""What ships with the series: a small model, its updates, adapters of it, what was measured.

How they were made: ``experiments/``, and the record in each file of ``helpers/data``.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from .. import validation
from ..adapters import Adapter, read
from ..adapters.peft import CONFIG, WEIGHTS
from ..datafiles import DATA, check, read_object
from ..lora.truncation import SVD
from ..tensorfile import open_file
from ..validation import Array
from .tasks import SHIPPED_ADAPTERS, TASKS
from .update import decompose

#: The files of results, and the file that has the sha256 of each. The results have those
#: of the weights.
RESULTS = (
    "small_model", "small_lora", "small_live", "small_map", "pretrained", "pretrained_forgetting",
    "adapters",
)  # fmt: skip
CHECKSUMS = "checksums.json"


@lru_cache(maxsize=4)
def measured(name: str = "small_model") -> dict[str, Any]:
    """What the experiments measured, and the record of how: one of the JSON files in data.

    Raises DataError if the file is missing, or is not the one whose checksum was recorded.

    Examples
    --------
    >>> sorted(measured("small_model"))
    ['base', 'full', 'made', 'needed']
    """
    file = DATA / f"{validation.choice('name', name, RESULTS)}.json"
    content = read_object(file)
    check(file, read_object(DATA / CHECKSUMS).get(file.name))
    return content


@lru_cache(maxsize=1)
def base() -> dict[str, Array]:
    """The base model's weights: it knows 400 people in four styles.

    Examples
    --------
    >>> weights = base()
    >>> len(weights), weights["embedding"].shape
    (21, (466, 128))
    """
    return _weights("base")


@lru_cache(maxsize=8)
def update(task: str) -> dict[str, Array]:
    """What full fine-tuning on a task has added to each matrix of the base.

    Parameters
    ----------
    task : str
        One of `tasks.TASKS`: "saga" for the new style, or a number of new people.

    Examples
    --------
    >>> update("25")["layers.0.query"].shape
    (128, 128)
    """
    return _weights(f"update_{validation.choice('task', task, tuple(TASKS))}")


def parts(task: str, noise: float = 0.0) -> dict[str, SVD]:
    """The decomposition of an update, with noise on every entry, always the same draw.

    Parameters
    ----------
    task : str
    noise : float
        Standard deviation, at least 0, in the units of the weights.

    Examples
    --------
    >>> U, S, Vt = parts("25")["layers.0.query"]
    >>> U.shape, S.shape, Vt.shape
    ((128, 128), (128,), (128, 128))
    """
    return _parts(task, validation.number("noise", noise, 0))


@lru_cache(maxsize=8)
def _parts(task: str, noise: float) -> dict[str, SVD]:
    generator = np.random.RandomState(0)
    decomposed = decompose(
        {
            name: matrix + noise * generator.standard_normal(matrix.shape)
            for name, matrix in update(task).items()
        }
    )
    for array in (array for parts in decomposed.values() for array in parts):
        array.setflags(write=False)
    return decomposed


@lru_cache(maxsize=len(SHIPPED_ADAPTERS))
def adapter(name: str) -> Adapter:
    """One of the adapters that ship.

    Parameters
    ----------
    name : str
        One of `tasks.SHIPPED_ADAPTERS`.

    Raises
    ------
    DataError
        If its files are missing, or are not those that were recorded.

    Examples
    --------
    >>> people = adapter("people")
    >>> len(people.modules), people.modules[0].scale
    (21, 1.0)
    """
    folder = DATA / "adapters" / validation.choice("name", name, tuple(SHIPPED_ADAPTERS))
    recorded = measured("adapters")["made"].get(name, {}).get("sha256", {})
    for file in (CONFIG, WEIGHTS):
        check(folder / file, recorded.get(file))
    return read(folder)


def applied(adapter: Adapter) -> dict[str, SVD]:
    """The update of every matrix of the small model, decomposed, for `update.apply_update`.

    Raises ValueError if the adapter is one of another model.

    Examples
    --------
    >>> parts = applied(adapter("people"))
    >>> len(parts), parts["embedding"].S.shape
    (21, (16,))
    """
    weights = base()
    deltas = {module.name: adapter.delta(module) for module in adapter.modules}
    fits = weights.keys() == deltas.keys() and all(
        weights[name].shape == delta.shape for name, delta in deltas.items()
    )
    if not fits:
        raise ValueError(
            "adapter must be one of the small model, with all of its matrices, "
            f"got {len(deltas)} modules such as {next(iter(deltas))}"
        )
    ranks = {module.name: module.rank for module in adapter.modules}
    return {name: parts.truncated(ranks[name]) for name, parts in decompose(deltas).items()}


def spectra() -> dict[str, Array]:
    """Singular values of SmolLM2's full updates, by task and layer."""
    return _tensors("pretrained_spectra", measured("pretrained")["made"].get("spectra", {}))


def _weights(name: str) -> dict[str, Array]:
    return _tensors(f"small_{name}", measured()["made"].get(name, {}))


def _tensors(name: str, record: dict[str, Any]) -> dict[str, Array]:
    """Half precision on disk, double in memory: what is printed is the same on every machine.

    The file must be the one that was recorded. The arrays are shared between callers, so
    they are read-only.
    """
    file = DATA / f"{name}.safetensors"
    check(file, record.get("sha256"))
    stored = open_file(file)
    tensors = {key: stored.read(key).astype(np.float64) for key in sorted(stored.entries)}
    for tensor in tensors.values():
        tensor.setflags(write=False)
    return tensors
