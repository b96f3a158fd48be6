"""Copies of an adapter: with the scale of loaders of alpha/r, or of lower rank.

The rank of each module is chosen by `singular_values.plan`; the factors are the
truncated SVD, split evenly between both, and rounded to the type of the file.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ..lora import factored, scaling
from ..tensorfile import SIZES, FileError, encode, new, shown, write_safetensors
from ..validation import Array
from .modules import Adapter, Module, check_alpha
from .peft import CONFIG, WEIGHTS, read_peft, reconfigure, write_config
from .reading import ALPHA, METADATA, read_single
from .singular_values import Cut, Progress, plan
from .tensor_names import DORA

#: A tensor's type and shape.
_Kind = tuple[str, tuple[int, ...]]


def bake(adapter: Adapter, out: str | Path) -> Adapter:
    """A copy of a PEFT adapter with use_rslora off and alpha' = alpha sqrt(r).

    The weights are the same, byte for byte. Where modules differ in rank or alpha,
    alpha_pattern says so; a loader that ignores patterns as well (llama.cpp's
    converter does) still scales such an adapter wrongly.

    Parameters
    ----------
    adapter : Adapter
        From a PEFT folder, trained with use_rslora.
    out : str or Path
        A folder that does not exist.

    Returns
    -------
    Adapter
        The copy, read back.

    Raises
    ------
    FileError
        If `out` exists, or there is nothing to bake.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.model import shipped
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     copy = bake(shipped.adapter("people"), folder + "/baked")
    ...     print(copy.config["lora_alpha"], copy.config["use_rslora"])
    16 False
    """
    if adapter.source != "peft":
        raise FileError(
            f"{shown(adapter.path)} is one file in {adapter.source}'s names, which has no "
            "use_rslora to bake; only PEFT folders do"
        )
    if all(module.rule == scaling.STANDARD for module in adapter.modules):
        raise FileError(
            f"{shown(adapter.path)} has use_rslora off: its scale is alpha/r already, and "
            "there is nothing to bake"
        )
    names, ranks, alphas = zip(
        *(
            (
                each.name,
                each.rank,
                float(
                    scaling.equivalent_alpha(
                        each.alpha, each.rank, each.rule, each.rank, scaling.STANDARD
                    )
                ),
            )
            for each in adapter.modules
        )
    )
    for name, alpha in zip(names, alphas):
        check_alpha(alpha, f"{shown(adapter.path)}: the copy of module {name}")
    config = reconfigure(adapter.config, names, ranks, alphas, scaling.STANDARD)
    out = Path(out)
    with new(out) as draft:
        draft.mkdir()
        write_config(draft / CONFIG, config)
        shutil.copyfile(adapter.path / WEIGHTS, draft / WEIGHTS)
        check_scales(adapter, read_peft(draft))
    return read_peft(out)


def truncate(
    adapter: Adapter,
    out: str | Path,
    rank: int | None = None,
    energy: float | None = None,
    error: float | None = None,
    progress: Progress | None = None,
) -> list[Cut]:
    """Write a copy of lower rank; the scales stay, so alpha changes with the rank.

    Where a PEFT adapter's modules all come to one rank, and their scales differ, these
    go into B, and one alpha serves all.

    A PEFT adapter becomes a folder with rank_pattern and alpha_pattern; a file
    in kohya's or Diffusers' names becomes one file. Other tensors are copied.
    A loader that ignores the patterns scales modules of other ranks wrongly; with
    one `rank` that all modules reach there are none.

    Parameters
    ----------
    adapter : Adapter
    out : str or Path
        What to make; it must not exist.
    rank, energy, error
        As for `plan`.

    Returns
    -------
    list of Cut
        In the order of the adapter's modules.

    Raises
    ------
    FileError
        If `out` exists, or the adapter is one of DoRA, whose error is not that of B A.
    ValueError
        If not exactly one target is given, or it is out of range.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.model import shipped
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     cuts = truncate(shipped.adapter("people"), folder + "/cut", rank=4)
    >>> cuts[0].before, cuts[0].rank
    (16, 4)
    """
    out = Path(out)
    folder = adapter.source == "peft"
    where = shown(adapter.path)
    if DORA in adapter.ignored.values():
        raise FileError(f"{where} is a DoRA adapter: its error is not that of B A alone")
    if not folder and METADATA in adapter.config:
        raise FileError(f"{where} has {METADATA}, which cannot be rewritten yet")
    if not folder and out.suffix != ".safetensors":
        raise FileError(f"{shown(out)} must end in .safetensors, as its source does")
    if out.exists() or out.is_symlink():
        raise FileError(f"{shown(out)} exists already: nothing is ever overwritten")
    cuts = plan(adapter, rank, energy, error, progress)
    for cut in cuts:
        check_alpha(cut.alpha, f"{where}: the copy of module {cut.name}")
    with new(out) as draft:
        if folder:
            draft.mkdir()
            names, ranks, alphas = zip(*((cut.name, cut.rank, cut.alpha) for cut in cuts))
            rule = adapter.modules[0].rule
            write_config(draft / CONFIG, reconfigure(adapter.config, names, ranks, alphas, rule))
            _write(adapter, cuts, draft / WEIGHTS, adapter.tensors.metadata or {"format": "pt"})
            folds = {cut.name: cut.fold for cut in cuts}
            check_scales(adapter, read_peft(draft), folds)
        else:
            # Only this ending is read.
            made = draft.with_name(draft.name + ".safetensors")
            try:
                _write(adapter, cuts, made, _renamed(adapter.tensors.metadata, cuts))
                check_scales(adapter, read_single(made))
                made.rename(draft)
            finally:
                made.unlink(missing_ok=True)
    return cuts


def _renamed(metadata: dict[str, str], cuts: list[Cut]) -> dict[str, str]:
    """kohya's own metadata for a resized file; its hashes are of the old one."""
    kept = {key: v for key, v in metadata.items() if not key.startswith("sshs_")}
    for key, values in (
        ("ss_network_dim", {str(cut.rank) for cut in cuts}),
        ("ss_network_alpha", {f"{cut.alpha:g}" for cut in cuts}),
    ):
        if key in kept:
            kept[key] = values.pop() if len(values) == 1 else "Dynamic"
    return kept


def _write(adapter: Adapter, cuts: list[Cut], path: Path, metadata: dict[str, str]) -> None:
    """Everything in one file, wide types first, a module at a time."""
    tensors = adapter.tensors
    jobs: list[tuple[int, dict[str, _Kind], Module | str, Cut | None]] = []
    for module, cut in zip(adapter.modules, cuts):
        B_dtype = tensors.entries[module.parts["B"].key].dtype
        dtype = module.dtype if module.dtype == B_dtype else "F32"
        tail = module.kernel or (module.shape[1],)
        kinds = {
            module.parts["A"].key: (dtype, (cut.rank, *tail)),
            module.parts["B"].key: (dtype, (module.shape[0], cut.rank, *(1,) * (len(tail) - 1))),
        }
        jobs.append((SIZES[dtype], kinds, module, cut))
        # Where no alpha stands, some loaders take the rank for it and others do not.
        if adapter.source != "peft" and (
            module.name + ALPHA in tensors.entries or cut.alpha != cut.rank
        ):
            jobs.append((4, {module.name + ALPHA: ("F32", ())}, module.name + ALPHA, cut))
    for name in adapter.ignored:
        entry = tensors.entries[name]
        jobs.append((SIZES[entry.dtype], {name: (entry.dtype, entry.shape)}, name, None))
    jobs.sort(key=lambda job: -job[0])

    def coded(array: Array, dtype: str, name: str) -> bytes:
        try:
            return encode(array, dtype, name)
        except FileError as error:
            raise FileError(f"{shown(adapter.path)}: {error}") from None

    def contents() -> Iterator[bytes | bytearray]:
        for _, kinds, what, cut in jobs:
            if isinstance(what, str):
                yield tensors.raw(what) if cut is None else coded(np.array(cut.alpha), "F32", what)
                continue
            assert cut is not None
            B, A = factored.lower(*adapter.factors(what), cut.rank)
            for name, factor in ((what.parts["A"].key, A), (what.parts["B"].key, cut.fold * B)):
                yield coded(factor, kinds[name][0], name)

    kinds = {name: kind for _, each, _, _ in jobs for name, kind in each.items()}
    write_safetensors(path, kinds, contents(), metadata)


def check_scales(before: Adapter, after: Adapter, folds: Mapping[str, float] | None = None) -> None:
    """Raise FileError if a copy would be read with other scales than the original.

    `folds` says what each module's B has been multiplied by, if it has.
    """
    folds = folds or {}
    kept = {each.name: each.scale / folds.get(each.name, 1.0) for each in before.modules}
    for module in after.modules:
        if not np.isclose(module.scale, kept[module.name], rtol=1e-6, atol=0):
            raise FileError(
                f"module {module.name}: the copy would have the scale {module.scale:g} "
                f"instead of {kept[module.name]:g}"
            )
