"""Copies of an adapter: with its scales folded into B, or of lower rank.

Whatever is no factor is copied as it is, and so are the files beside an adapter's folder: see
`remarks` for what a copy mends and leaves. A copy is read back before it gets its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...lora import factored, scaling
from ...lora.factored import Widening
from ...tensorfile import FileError, Job, shown
from ...validation import Array
from ..formats import (
    ALPHA,
    METADATA,
    alpha_keys,
    bias_key,
    check_copied,
    config_with,
    number,
    raw,
    save_copy,
    unread,
)
from ..modules import PAIR, Adapter, Module, check_alpha
from ..peft import reconfigure, unscaled
from ..reading import read
from ..singular_values import Cut, Progress, has_others, plan
from ..structures import widening_of
from ..tensor_names import DORA, mended
from .combining import in_layout, pair_kinds

#: The roles of the part that takes the scale, one for each form but whole differences.
_LEADS = ("B", "B1", "W1", "W1a")


def bake(adapter: Adapter, out: str | Path, pad: bool = True) -> Adapter:
    """A copy whose scale is in its weights, so that every loader applies what was trained.

    B becomes s B. Modules of lower rank are filled up with zeros to the highest, so that one r
    and one alpha = r hold for all: s is 1 by alpha/r, by one alpha over each tensor's own rank,
    by the header alone, and where no alpha is known. use_rslora is off.

    A product with s other than a power of two is rounded to the type of the file; B of float16
    becomes float32 where it would lose more than that.

    Parameters
    ----------
    adapter : Adapter
    out : str or Path
        What to make, a folder for a folder and a file for a file; it must not exist.
    pad : bool
        Whether ranks are made equal. Without it a loader of one alpha for all ranks stays wrong.

    Returns the copy, read back. Raises FileError if `out` exists, nothing would change, or what
    is in the adapter cannot be baked.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.model import shipped
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     copy = bake(shipped.adapter("people"), folder + "/baked")
    ...     print(copy.config["lora_alpha"], copy.config["use_rslora"])
    16 False
    """
    out, where, modules = Path(out), shown(adapter.path), adapter.modules
    check_copied(adapter, out)
    shared = adapter.source in ("peft", "mlx") or METADATA in adapter.config
    if shared and (left := unread(adapter)):
        raise FileError(
            f"{where}: {shown(left[0])} is not read, and its scale, which the settings of all "
            "modules set, cannot be folded into it"
        )
    pairs = [module for module in modules if module.form == PAIR]
    highest = max((module.rank for module in pairs), default=0)
    if not pad or (shared and len(pairs) < len(modules)):
        highest = 0  # each keeps its own
    ranks = [highest or each.rank if each.form == PAIR else each.rank for each in modules]
    scales: dict[str, float] = {}
    wider: dict[str, Widening] = {}
    alphas: dict[str, int] = {}
    for module, rank in zip(modules, ranks):
        for role, part in module.parts.items():
            if role in _LEADS and scales.setdefault(part.key, module.scale) != module.scale:
                raise FileError(f"{where}: {shown(part.key)} holds modules of different scales")
            if module.rank < rank:
                wider[part.key] = widening_of(adapter, module, role, rank)
        alphas |= dict.fromkeys(alpha_keys(adapter, module), rank)
    scales |= {bias: s for key, s in scales.items() if (bias := bias_key(adapter, key))}
    jobs: list[Job] = []
    # Diffusers refuses alphas beside metadata, and most of its pipelines refuse them in its names.
    equal = len({rank for each, rank in zip(modules, ranks) if each.form == PAIR}) < 2
    bare = METADATA in adapter.config or (adapter.source == "diffusers" and equal)
    for name in adapter.tensors.entries:
        s, widening = scales.get(name, 1.0), wider.get(name)
        if name in alphas:
            jobs += [number(adapter, name, alphas[name])] * (not bare)
        elif s == 1 and widening is None:
            jobs.append(raw(adapter, name))
        else:
            jobs.append(_changed(adapter, name, s, widening))
    one = ranks[0] if len(pairs) == len(modules) and len(set(ranks)) == 1 else None
    config = config_with(adapter, ranks, ranks, lambda old, _: unscaled(old, one), 1.0)
    says = all(each.scale == 1 for module in modules for each in module.stated)
    names = {name for job in jobs for name in job.kinds} == set(adapter.tensors.entries)
    kept = {key: value for key, value in config.items() if value or key in adapter.config}
    if says and names and not wider and set(scales.values()) <= {1.0} and kept == adapter.config:
        raise FileError(f"{where}: every loader's scale is 1 already: there is nothing to bake")
    save_copy(adapter, out, jobs, config, {each.name: each.scale for each in modules}, read)
    return read(out)


def _changed(adapter: Adapter, name: str, s: float, widening: Widening | None) -> Job:
    """A tensor times s, in float32 where it would not survive in float16."""
    dtype, shape = adapter.tensors.entries[name].dtype, adapter.tensors.entries[name].shape

    def make() -> Array:
        array = s * adapter.tensors.read(name).astype(np.float64)
        return widening(array) if widening else array

    if dtype == "F16" and s != 1:
        exact = make()
        with np.errstate(over="ignore"):
            lost = exact.astype(np.float16).astype(np.float64) - exact
        if not np.linalg.norm(lost) <= 2**-11 * np.linalg.norm(exact):
            dtype = "F32"
    new_shape = widening.shape(shape) if widening else shape
    return Job({mended(name, adapter.source): (dtype, new_shape)}, lambda: [make()])


def truncate(
    adapter: Adapter,
    out: str | Path,
    rank: int | None = None,
    energy: float | None = None,
    error: float | None = None,
    progress: Progress | None = None,
    *,
    max_rank: int | None = None,
    budget: float | None = None,
) -> list[Cut]:
    """Write a copy of lower rank; the scales stay, so alpha changes with the rank.

    Where a PEFT adapter's modules all come to one rank, and their scales differ, these go into
    B, and one alpha serves all. In Diffusers' names s always goes into B, because few of its
    pipelines read alphas. Where ranks differ, every alpha is written; a loader that ignores
    them, or a config's patterns, is wrong until `bake` has made the ranks equal again.

    Modules that are no pair of whole tensors (LoHa, LoKr, stacked experts) stay as they are.

    Parameters
    ----------
    adapter : Adapter
    out : str or Path
        What to make, a folder for a folder and a file for a file; it must not exist.
    rank, energy, error, max_rank, budget
        As for `plan`.

    Returns
    -------
    list of Cut
        In the order of the adapter's modules.

    Raises
    ------
    FileError
        If `out` exists, the adapter belongs to a changed base (PiSSA and the like), or is one
        of DoRA, whose error is not that of B A.
    ValueError
        If not exactly one target is given, or one is out of range.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.model import shipped
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cuts = truncate(shipped.adapter("people"), folder + "/cut", rank=4)
    >>> cuts[0].before, cuts[0].rank
    (16, 4)
    """
    out, where = Path(out), shown(adapter.path)
    check_copied(adapter, out)
    if DORA in adapter.ignored.values() or adapter.config.get("use_dora"):
        raise FileError(
            f"{where} is a DoRA adapter: its error is not that of B A alone. Merge it with PEFT; "
            "`extract BASE MERGED OUT` then makes a LoRA of any rank"
        )
    cuts = plan(adapter, rank, energy, error, progress, max_rank=max_rank, budget=budget)
    others = has_others(adapter)
    made: dict[str, Job] = {}
    mixed = len({cut.rank for cut in cuts}) > 1
    for module, cut in zip(adapter.modules, cuts):
        check_alpha(cut.alpha, f"{where}: the copy of module {module.name}")
        if not module.plain:
            continue
        keys = [module.parts[role].key for role in "AB"]
        if cut.rank < module.rank or cut.fold != 1:
            made |= dict.fromkeys(keys, _cut_job(adapter, module, cut))
        if cut.fold != 1 and (bias := bias_key(adapter, keys[1])):
            made[bias] = _changed(adapter, bias, cut.fold, None)
        own = module.name + ALPHA
        # Where no alpha stands, some loaders take the rank for it and others do not.
        needed = adapter.source not in ("peft", "mlx") and METADATA not in adapter.config
        if own in adapter.tensors.entries or (needed and (mixed or cut.alpha != cut.rank)):
            made[own] = number(adapter, own, cut.alpha)
    jobs = {id(job): job for job in (made.get(name) or raw(adapter, name)
            for name in {**adapter.tensors.entries, **made})}  # fmt: skip

    def settings(old: Mapping[str, Any], names: Sequence[tuple[str, int]]) -> Mapping[str, Any]:
        some = [(name, cuts[i]) for name, i in names if adapter.modules[i].plain]
        if not some:
            return old
        rules = {adapter.modules[i].rule for _, i in names}
        rule = scaling.STANDARD if adapter.source == "diffusers" and not others else rules.pop()
        ranks, alphas = ([getattr(cut, key) for _, cut in some] for key in ("rank", "alpha"))
        return reconfigure(old, [name for name, _ in some], ranks, alphas, rule, others)

    ranks, alphas = ([getattr(cut, key) for cut in cuts] for key in ("rank", "alpha"))
    config = config_with(adapter, ranks, alphas, settings)
    save_copy(adapter, out, [*jobs.values()], config, {cut.name: cut.fold for cut in cuts}, read)
    return cuts


def _cut_job(adapter: Adapter, module: Module, cut: Cut) -> Job:
    """Both factors of a module at a lower rank, split evenly; or only B, times its fold."""
    B_dtype = adapter.tensors.entries[module.parts["B"].key].dtype
    kinds = pair_kinds(
        adapter, module, cut.rank, module.dtype if module.dtype == B_dtype else "F32"
    )

    def make() -> list[Array]:
        B, A = adapter.factors(module)
        if cut.rank < module.rank:
            B, A = factored.lower(cut.fold * B.astype(np.float64), A, cut.rank)
        else:
            B = cut.fold * B.astype(np.float64)
        return in_layout(module, A, B)

    return Job(kinds, make)
