"""Writing an adapter with the best approximation of lower rank in every module.

The rank of each is chosen by `planning.plan`; the factors are the truncated SVD, split
evenly between both, and rounded to the type of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from ..lora.truncation import svd
from ..validation import Array
from .config import reconfigure, write_config
from .copies import check_multipliers
from .errors import AdapterError, shown
from .header import SIZES
from .model import Adapter, Module, check_alpha
from .output import Kind, encode, new, write_safetensors
from .peft import CONFIG, WEIGHTS, read_peft
from .planning import Cut, plan
from .single import ALPHA, METADATA, read_single
from .spectra import Progress


def truncate(
    adapter: Adapter,
    out: str | Path,
    rank: int | None = None,
    energy: float | None = None,
    error: float | None = None,
    progress: Progress | None = None,
) -> list[Cut]:
    """Write a copy of lower rank; the multipliers stay, so alpha changes with the rank.

    Where a PEFT adapter's modules all come to one rank, and their multipliers differ, these
    go into B, and one alpha serves all.

    A PEFT adapter becomes a folder with rank_pattern and alpha_pattern; a file
    in kohya's or Diffusers' names becomes one file. Other tensors are copied.
    A reader that ignores the patterns scales modules of other ranks wrongly; with
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
    AdapterError
        If `out` exists, or the adapter is one of DoRA, whose error is not that of B A.
    ValueError
        If not exactly one target is given, or it is out of range.
    """
    out = Path(out)
    folder = adapter.source == "peft"
    where = shown(adapter.path)
    if "DoRA magnitude" in adapter.ignored.values():
        raise AdapterError(f"{where} is a DoRA adapter: its error is not that of B A alone")
    if not folder and METADATA in adapter.config:
        raise AdapterError(f"{where} has {METADATA}, which cannot be rewritten yet")
    if not folder and out.suffix != ".safetensors":
        raise AdapterError(f"{shown(out)} must end in .safetensors, as its source does")
    if out.exists() or out.is_symlink():
        raise AdapterError(f"{shown(out)} exists already: nothing is ever overwritten")
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
            check_multipliers(adapter, read_peft(draft), folds)
        else:
            # The reader asks for the ending.
            made = draft.with_name(draft.name + ".safetensors")
            try:
                _write(adapter, cuts, made, _renamed(adapter.tensors.metadata, cuts))
                check_multipliers(adapter, read_single(made))
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
    jobs: list[tuple[int, dict[str, Kind], Module | str, Cut | None]] = []
    for module, cut in zip(adapter.modules, cuts):
        B_dtype = tensors.entries[module.B_key].dtype
        dtype = module.dtype if module.dtype == B_dtype else "F32"
        tail = module.kernel or (module.shape[1],)
        kinds = {
            module.A_key: (dtype, (cut.rank, *tail)),
            module.B_key: (dtype, (module.shape[0], cut.rank, *(1,) * (len(tail) - 1))),
        }
        jobs.append((SIZES[dtype], kinds, module, cut))
        if module.name + ALPHA in tensors.entries:
            jobs.append((4, {module.name + ALPHA: ("F32", ())}, module.name + ALPHA, cut))
    for name in adapter.ignored:
        entry = tensors.entries[name]
        jobs.append((SIZES[entry.dtype], {name: (entry.dtype, entry.shape)}, name, None))
    jobs.sort(key=lambda job: -job[0])

    def coded(array: Array, dtype: str, name: str) -> bytes:
        try:
            return encode(array, dtype, name)
        except AdapterError as error:
            raise AdapterError(f"{shown(adapter.path)}: {error}") from None

    def contents() -> Iterator[bytes]:
        for _, kinds, what, cut in jobs:
            if isinstance(what, str):
                yield tensors.raw(what) if cut is None else coded(np.array(cut.alpha), "F32", what)
                continue
            assert cut is not None
            B, A = lower(*adapter.factors(what), cut.rank)
            for name, factor in ((what.A_key, A), (what.B_key, cut.fold * B)):
                yield coded(factor, kinds[name][0], name)

    kinds = {name: kind for _, each, _, _ in jobs for name, kind in each.items()}
    write_safetensors(path, kinds, contents(), metadata)


def lower(B: Array, A: Array, rank: int) -> tuple[Array, Array]:
    """Factors of the best approximation of B A of this rank, in float64.

    B (d x r) and A (r x k) to (d x rank) and (rank x k), with equal norms. Those
    of a product of zero: zeros, and the first rows of A, so that it can be trained on.
    """
    B, A = B.astype(np.float64), A.astype(np.float64)
    sizes = [float(np.abs(each).max()) for each in (B, A)]
    if min(sizes) == 0:
        return np.zeros((len(B), rank)), A[:rank]
    Q_B, R_B = np.linalg.qr(B / sizes[0])
    Q_A, R_A = np.linalg.qr(A.T / sizes[1])
    U, S, Vt = svd(R_B @ R_A.T).truncated(rank)
    root = np.sqrt(S) * np.sqrt(sizes[0]) * np.sqrt(sizes[1])
    return (Q_B @ U) * root, root[:, None] * (Vt @ Q_A.T)
