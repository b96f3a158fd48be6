"""The weighted sum of adapters of one model, exact or truncated."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ... import validation
from ...lora import factored, scaling
from ...lora.several import Spectrum, Targets
from ...tensorfile import FileError, Job, Kind, shown
from ...validation import Array
from ..formats import ALPHA, METADATA, check_copied, config_with, number, save_copy, unread
from ..modules import Adapter, Module
from ..peft import reconfigure
from ..reading import read
from ..singular_values import Cut, error_and_norm
from ..tensor_names import in_model, mended


def merge(
    adapters: Sequence[Adapter],
    out: str | Path,
    weights: Sequence[float] | None = None,
    rank: int | None = None,
    energy: float | None = None,
    error: float | None = None,
    *,
    max_rank: int | None = None,
    budget: float | None = None,
) -> list[Cut]:
    """Write the weighted sum of adapters' updates as one adapter of scale 1, like the first one.

    Without a target the sum is exact but for rounding: factors stand beside each other, and ranks
    add up. With one it is truncated, and the error is that of the exact sum.

    Parameters
    ----------
    adapters : sequence of Adapter
        At least two, with the same modules; ranks, alphas and rules may differ.
    out : str or Path
        What to make, as the first adapter is; it must not exist.
    weights : sequence of float, or None
        One for each adapter, 1 by default.
    rank, energy, error, max_rank, budget
        As for `plan`, or none of them. A budget's share is one of the exact sum.

    Returns
    -------
    list of Cut
        In the order of the first adapter's modules.

    Raises
    ------
    FileError
        If `out` exists, modules or shapes differ, or an adapter holds more than pairs of factors.
    ValueError
        If there are not as many weights as adapters, or an argument is out of range.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.model import shipped
    >>> people, style = shipped.adapter("people"), shipped.adapter("style")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cuts = merge([people, style], folder + "/both", [1, 0.5])
    >>> cuts[0].rank, cuts[0].error
    (32, 0.0)
    """
    if len(adapters) < 2:
        raise ValueError(f"adapters must be at least two, got {len(adapters)}")
    given = [1.0] * len(adapters) if weights is None else list(weights)
    if len(given) != len(adapters):
        raise ValueError(f"weights must be {len(adapters)}, one an adapter, got {len(given)}")
    for weight in given:
        validation.number("weights", weight, -1e30, 1e30)
    out, first = Path(out), adapters[0]
    for adapter in adapters:
        check_copied(adapter, out if adapter is first else None)
        _check_like(first, adapter)
    names = [in_model(module.name) for module in first.modules]
    sources = [{in_model(each.name): each for each in adapter.modules} for adapter in adapters]
    groups = [[modules[name] for modules in sources] for name in names]
    found = [_spectrum(adapters, group, given) for group in groups]
    ranks = [each.rank for each in found]
    targets = Targets(rank, energy, error, max_rank, budget)
    if targets != Targets():
        targets.check(max(len(each.values) for each in found))
        ranks = targets.ranks(found, [sum(each.shape) * each.rank for each in found])
    cuts, jobs = [], list[Job]()
    alphas = first.source not in ("peft", "mlx") and METADATA not in first.config
    for group, each, new in zip(groups, found, ranks):
        missed, norm = error_and_norm(each.values, min(new, len(each.values)))
        missed = 0.0 if new == each.rank else missed
        cuts.append(Cut(each.name, each.rank, new, float(new), missed, norm))
        jobs.append(_job(adapters, group, given, new))
        own = group[0].name + ALPHA
        if alphas and (len(set(ranks)) > 1 or own in first.tensors.entries):
            jobs.append(number(first, own, new))

    def settings(old: Mapping[str, Any], some: Sequence[tuple[str, int]]) -> Mapping[str, Any]:
        own = [ranks[i] for _, i in some]
        rule = scaling.STANDARD
        return reconfigure(old, [n for n, _ in some], own, [*map(float, own)], rule) if own else old

    config = config_with(first, ranks, ranks, settings, 1.0)
    save_copy(first, out, jobs, config, {each.name: each.scale for each in first.modules}, read)
    return cuts


def _check_like(first: Adapter, other: Adapter) -> None:
    """Raise FileError, naming modules, unless both hold pairs of the same shapes and no more."""
    where = shown(other.path)
    for name, kind in other.ignored.items():
        raise FileError(f"{where}: {shown(name)} ({kind}) has no place in a sum of updates")
    for module in other.modules:
        if not module.plain:
            raise FileError(f"{where}: module {shown(module.name)} is no pair of whole tensors")
    if left := unread(other):
        raise FileError(f"{where}: {shown(left[0])} is not read, and would be missing in a sum")
    one, two = (
        {in_model(each.name): each for each in adapter.modules} for adapter in (first, other)
    )
    lonely = sorted(one.keys() ^ two.keys())
    if lonely:
        raise FileError(
            f"{where} and {shown(first.path)} have not the same modules: {len(lonely)} are in one "
            f"only, such as {shown(', '.join(lonely[:3]), 120)}"
        )
    for name, module in one.items():
        key = (two[name].shape, two[name].kind, two[name].kernel, two[name].transposed)
        if key != (module.shape, module.kind, module.kernel, module.transposed):
            raise FileError(
                f"{where}: module {shown(name)} is {two[name].kind} of shape {two[name].shape}, "
                f"and {module.kind} of shape {module.shape} in {shown(first.path)}"
            )


def _summed(
    adapters: Sequence[Adapter], group: Sequence[Module], weights: Sequence[float]
) -> tuple[Array, Array]:
    """B and A of the sum of one module's updates, beside each other, the scales in B."""
    pairs = [adapter.factors(module) for adapter, module in zip(adapters, group)]
    sizes = [weight * module.scale for weight, module in zip(weights, group)]
    B = np.concatenate([s * B.astype(np.float64) for s, (B, _) in zip(sizes, pairs)], axis=1)
    return B, np.concatenate([A.astype(np.float64) for _, A in pairs])


def _spectrum(
    adapters: Sequence[Adapter], group: Sequence[Module], weights: Sequence[float]
) -> Spectrum:
    B, A = _summed(adapters, group, weights)
    core, unit = factored.core(B, A)
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.linalg.svd(core, compute_uv=False) * unit
    name = group[0].name
    if not np.isfinite(values.sum()):
        raise FileError(f"{shown(adapters[0].path)}: module {name}: the sum is too large")
    return Spectrum(name, group[0].kind, group[0].shape, len(A), 1.0, values)


def _job(
    adapters: Sequence[Adapter], group: Sequence[Module], weights: Sequence[float], rank: int
) -> Job:
    dtypes = {each.dtype for each in group}
    dtypes |= {one.tensors.entries[each.parts["B"].key].dtype for one, each in zip(adapters, group)}
    kinds = pair_kinds(adapters[0], group[0], rank, dtypes.pop() if len(dtypes) == 1 else "F32")

    def make() -> list[Array]:
        B, A = _summed(adapters, group, weights)
        if rank < len(A):
            B, A = factored.lower(B, A, rank)
        return in_layout(group[0], A, B)

    return Job(kinds, make)


def pair_kinds(adapter: Adapter, module: Module, rank: int, dtype: str) -> dict[str, Kind]:
    """Names, types and shapes of A and B at another rank, laid out as the module's own."""
    A, B = (module.parts[role] for role in "AB")
    tail = module.kernel or (module.shape[1],)
    shapes = ((rank, *tail), (module.shape[0], rank, *(1,) * (len(tail) - 1)))
    return {
        mended(part.key, adapter.source): (dtype, shape[::-1] if part.transposed else shape)
        for part, shape in zip((A, B), shapes)
    }


def in_layout(module: Module, A: Array, B: Array) -> list[Array]:
    """Both factors, turned as the module's own are."""
    turned = [module.parts[role].transposed for role in "AB"]
    return [each.T if turn else each for each, turn in zip((A, B), turned)]
