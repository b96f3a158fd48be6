"""One clear error for bad input: the argument, its value, what is allowed."""

from __future__ import annotations

import operator
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: An array of floats. Typed loosely: what NumPy infers differs between its versions.
Array = NDArray[Any]


def _shown(value: Any) -> str:
    """A short form of `value` for an error message."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _numbers(value: ArrayLike, kinds: str = "iuf") -> Array | None:
    """`value` as an array of real numbers, or None: no text, truth value or ragged list."""
    try:
        array = np.asarray(value)
    except ValueError:
        return None
    return array if array.dtype.kind in kinds else None


def integer(name: str, value: Any, low: int, high: int | None = None, note: str = "") -> int:
    """Return `value` as an int in [low, high] or raise a ValueError that names it."""
    try:
        result = None if isinstance(value, (bool, np.bool_)) else operator.index(value)
    except TypeError:
        result = None
    if result is None or result < low or (high is not None and result > high):
        allowed = f"between {low} and {high}" if high is not None else f"at least {low}"
        raise ValueError(f"{name} must be a whole number {allowed}{note}, got {_shown(value)}")
    return result


def number(
    name: str, value: Any, low: float, high: float = np.inf, *, above: bool = False
) -> float:
    """Return `value` as a finite float in [low, high] ((low, high] if `above`)."""
    is_real = isinstance(value, (Real, np.number)) and not isinstance(value, (bool, np.bool_))
    result = float(value) if is_real else np.nan
    # A comparison with NaN is False, so NaN fails here as well.
    if not (np.isfinite(result) and low <= result <= high) or (above and result == low):
        bound = f"above {low:g}" if above else f"at least {low:g}"
        if np.isfinite(high):
            bound += f" and at most {high:g}"
        raise ValueError(f"{name} must be a finite number {bound}, got {_shown(value)}")
    return result


def positive_array(name: str, value: ArrayLike) -> Array:
    """Return `value` as a float array whose entries are finite and above 0."""
    array = _numbers(value)
    if array is None or array.size == 0 or not np.all(np.isfinite(array) & (array > 0)):
        raise ValueError(f"{name} must be finite and above 0, got {_shown(value)}")
    return array.astype(np.float64)


def non_negative_array(name: str, value: ArrayLike) -> Array:
    """Return `value` as a float array whose entries are finite and at least 0."""
    array = _numbers(value)
    if array is None or array.size == 0 or not np.all(np.isfinite(array) & (array >= 0)):
        raise ValueError(f"{name} must be finite and at least 0, got {_shown(value)}")
    return array.astype(np.float64, copy=False)


def rank_array(
    name: str, value: ArrayLike, high: int | None = None, note: str = ""
) -> NDArray[np.int64]:
    """Return `value` as an int array with entries in [1, high]."""
    raw = _numbers(value, "iu")
    if raw is None or raw.size == 0 or raw.min() < 1 or (high is not None and raw.max() > high):
        allowed = f"between 1 and {high}{note}" if high is not None else "at least 1"
        raise ValueError(f"{name} must be a whole number {allowed}, got {_shown(value)}")
    return raw.astype(np.int64)


def matrix(name: str, value: ArrayLike) -> Array:
    """Return `value` as a finite 2-D float array."""
    array = _numbers(value)
    if array is None:
        raise ValueError(f"{name} must be a 2-D array of numbers, got {_shown(value)}")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(
            f"{name} must be a 2-D array with at least one row and column, got shape {array.shape}"
        )
    if not np.all(np.isfinite(array)):
        bad = int(array.size - np.count_nonzero(np.isfinite(array)))
        raise ValueError(
            f"{name} must hold finite numbers only, got {bad} that are NaN or infinite"
        )
    return array.astype(np.float64, copy=False)


def singular_values(name: str, value: ArrayLike) -> Array:
    """Return `value` as a non-empty, finite, non-negative, descending 1-D array.

    At least one entry must be above 0: an update of zero has no relative error.
    """
    array = _numbers(value)
    if array is None:
        raise ValueError(f"{name} must be a 1-D array of numbers, got {_shown(value)}")
    if array.ndim != 1 or array.size == 0:
        raise ValueError(f"{name} must be a 1-D array, got shape {array.shape}")
    if not np.all(np.isfinite(array)) or np.any(array < 0) or np.any(np.diff(array) > 0):
        raise ValueError(
            f"{name} must be finite, not negative and in descending order, got {_shown(value)}"
        )
    if array[0] == 0:
        raise ValueError(f"{name} must have at least one entry above 0, got {_shown(value)}")
    return array.astype(np.float64, copy=False)


def shape(name: str, value: Any) -> tuple[int, int]:
    """Return `value` as (rows, columns), both at least 1."""
    try:
        rows, columns = value
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be (rows, columns), got {_shown(value)}") from None
    return integer(f"{name}[0]", rows, 1), integer(f"{name}[1]", columns, 1)


def choice(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    """Return `value` if it is one of `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        listed = ", ".join(repr(option) for option in allowed)
        raise ValueError(f"{name} must be one of {listed}, got {_shown(value)}")
    return value
