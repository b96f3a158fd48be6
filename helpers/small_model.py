"""The small model that ships with the series: its weights, its updates, what was measured.

How they were made: ``experiments/``, and the record in each file of ``helpers/data``.
"""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from . import truncation, validation
from .recall import TASKS
from .truncation import Parts
from .validation import Array

DATA = Path(__file__).parent / "data"

_GET_BACK = (
    "Get it back with `git checkout -- helpers/data`, or by installing the project again; "
    "`make experiments` makes it anew."
)


class DataError(RuntimeError):
    """A file that ships with the series is missing or damaged."""


@lru_cache(maxsize=4)
def measured(name: str = "small_model") -> dict[str, Any]:
    """What the experiments measured, and the record of how: one of the JSON files in data.

    Raises DataError if the file is missing or damaged.
    """
    file = DATA / f"{name}.json"
    try:
        return dict(json.loads(_bytes(file)))
    except ValueError as error:
        raise DataError(f"{file.name} is damaged ({error}). {_GET_BACK}") from None


@lru_cache(maxsize=1)
def base() -> dict[str, Array]:
    """The base model's weights: it knows 400 people in four styles."""
    return _weights("base")


@lru_cache(maxsize=8)
def update(task: str) -> dict[str, Array]:
    """What full fine-tuning on a task has added to each matrix of the base.

    Parameters
    ----------
    task : str
        One of `recall.TASKS`: "saga" for the new style, or a number of new people.
    """
    return _weights(f"update_{validation.choice('task', task, TASKS)}")


@lru_cache(maxsize=8)
def parts(task: str, noise: float = 0.0) -> dict[str, Parts]:
    """The decomposition of an update, with noise on every entry, always the same draw.

    Parameters
    ----------
    task : str
    noise : float
        Standard deviation, at least 0, in the units of the weights.
    """
    noise = validation.number("noise", noise, 0)
    generator = np.random.RandomState(0)
    return truncation.decompose(
        {
            name: (matrix + noise * generator.standard_normal(matrix.shape)).astype(np.float64)
            for name, matrix in update(task).items()
        }
    )


def spectra() -> dict[str, Array]:
    """Singular values of SmolLM2's full updates, by task and layer."""
    return _tensors("pretrained_spectra", measured("pretrained")["made"]["spectra"]["sha256"])


def _weights(name: str) -> dict[str, Array]:
    return _tensors(f"small_{name}", measured()["made"][name]["sha256"])


def _tensors(name: str, sha256: str) -> dict[str, Array]:
    """Half precision on disk, double in memory: what is printed is the same on every machine.

    What is read must be what was recorded.
    """
    # Imported here, so that only who opens the weights needs it.
    from safetensors.numpy import load

    file = DATA / f"{name}.safetensors"
    content = _bytes(file)
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(
            f"{file.name} is damaged: it is not the file that was recorded. {_GET_BACK}"
        )
    return {key: matrix.astype(np.float64) for key, matrix in sorted(load(content).items())}


def _bytes(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise DataError(f"{file.name} cannot be read ({error.strerror}). {_GET_BACK}") from None
