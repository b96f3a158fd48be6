"""The difference of two checkpoints: as spectra, or written as an adapter of low rank."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from ...lora import factored, scaling
from ...lora.several import Spectrum, Targets
from ...tensorfile import (
    FileError,
    Job,
    Kind,
    Tensors,
    check_new,
    difference_of_rows,
    new_as,
    no_more_open,
    open_checkpoint,
    shared,
    shown,
    sides,
    write_jobs,
)
from ...validation import Array
from ..formats import ALPHA
from ..peft import CONFIG, WEIGHTS, reconfigure, write_config
from ..reading import read
from ..singular_values import Cut, Progress, error_and_norm
from ..tensor_names import PREFIX

#: The last part of the names of embeddings, whose weight is (tokens, dimension).
_EMBEDDINGS = (
    "embed_tokens", "wte", "wpe", "word_embeddings", "position_embeddings", "embed_positions",
    "token_type_embeddings", "tok_embeddings", "embed_in", "embedding", "token_embedding",
    "position_embedding", "shared",
)  # fmt: skip
#: Embeddings that models use again for their output, where a checkpoint has no lm_head.
_TIED = ("embed_tokens", "wte", "shared")
#: GPT-2's layers, whose weight lies as (inputs, outputs).
_GPT2 = ("c_attn", "c_fc", "c_proj")


def difference(
    before: Path, after: Path, progress: Progress | None = None
) -> tuple[list[Spectrum], dict[str, str]]:
    """Spectra of every matrix that two checkpoints share, and what was left out and why.

    Parameters
    ----------
    before, after : Path
        Each a .safetensors file, an index of shards, or a folder with either.

    Raises FileError if a checkpoint cannot be read, or no matrix is in both with one shape.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> file = shipped.DATA / "small_base.safetensors"
    >>> found, left_out = difference(file, file)
    >>> len(found), float(found[0].values[0]), left_out
    (21, 0.0, {})
    """
    old, new = open_checkpoint(Path(before)), open_checkpoint(Path(after))
    names, left_out = shared(old, new)
    return _changes(old, new, names, progress), left_out


def _changes(
    old: Tensors, new: Tensors, names: list[str], progress: Progress | None
) -> list[Spectrum]:
    found = []
    for name in names:
        (d, k), axes = sides(new, name), len(new.entries[name].shape)
        values = factored.values_of_rows(difference_of_rows(old, new, name), (d, k))
        if values is None:
            raise FileError(
                f"{shown(new.path)}: tensor {name}: the difference is too large for float64"
            )
        kind = "linear" if axes == 2 else f"conv{axes - 2}d"
        found.append(Spectrum(name, kind, (d, k), min(d, k), 1.0, values))
        if progress is not None:
            progress(len(found), len(names))
    return found


def extract(
    before: str | Path,
    after: str | Path,
    out: str | Path,
    rank: int | None = None,
    energy: float | None = None,
    error: float | None = None,
    progress: Progress | None = None,
    *,
    max_rank: int | None = None,
    budget: float | None = None,
    prefix: str = "",
) -> tuple[list[Cut], dict[str, str]]:
    """Write the difference of two checkpoints as an adapter of scale 1: every alpha is its rank.

    Matrices that did not change take no part. Embeddings are known by their names, and GPT-2's
    weights, which lie as (inputs, outputs), by their shapes.

    Parameters
    ----------
    before, after : str or Path
        Each a .safetensors file, an index of shards, or a folder with either.
    out : str or Path
        A folder for PEFT, or one file that ends in .safetensors, in Diffusers' names.
    rank, energy, error, max_rank, budget
        As for `plan`. A budget's share is one of the matrices that changed.
    prefix : str
        What to put before the names in a file, such as "transformer.".

    Returns
    -------
    cuts : list of Cut
        What each matrix came to.
    left_out : dict of str to str
        Every tensor whose change is not in the adapter, and why.

    Raises
    ------
    FileError
        If `out` exists, a checkpoint cannot be read, or no matrix has changed.
    ValueError
        If not exactly one target is given, or one is out of range.

    Examples
    --------
    >>> import tempfile
    >>> from helpers.model import shipped
    >>> from helpers.tensorfile import save
    >>> base, update = shipped.base(), shipped.update("25")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, s in (("old", 0), ("new", 1)):
    ...         made = {f"{key}.weight": base[key] + s * update[key] for key in update}
    ...         save(f"{folder}/{name}.safetensors", made)
    ...     old, new = (f"{folder}/{name}.safetensors" for name in ("old", "new"))
    ...     cuts, left_out = extract(old, new, f"{folder}/lora", rank=8)
    >>> len(cuts), cuts[0].rank, left_out
    (21, 8, {})
    """
    out, folder = Path(out), Path(out).suffix != ".safetensors"
    check_new(out, folder)
    old, new = open_checkpoint(Path(before)), open_checkpoint(Path(after))
    where = shown(new.path)
    names, left_out = shared(old, new)
    left_out |= {name: "no module's weight" for name in names if not name.endswith(".weight")}
    names = [name for name in names if name not in left_out]
    targets = Targets(rank, energy, error, max_rank, budget)
    targets.check(max((min(sides(new, name)) for name in names), default=1))
    found = [each for each in _changes(old, new, names, progress) if each.values[0] > 0]
    if not found:
        raise FileError(f"{where}: no matrix has changed")
    for name in [name for name in left_out if name in old.entries and name in new.entries]:
        if old.entries[name].shape == new.entries[name].shape and old.raw(name) == new.raw(name):
            del left_out[name]
    ranks = targets.ranks(found, [each.shape[0] * each.shape[1] for each in found])
    cuts = [_cut(each.name.removesuffix(".weight"), each, r) for each, r in zip(found, ranks)]
    tied = not any(name.endswith("lm_head.weight") for name in new.entries)
    if folder and tied and any(cut.name.rpartition(".")[2] in _TIED for cut in cuts):
        left_out["lm_head.weight"] = "tied to the embedding: PEFT changes it only when merging"
    gpt2 = _is_gpt2(new)
    jobs = []
    for cut, each in zip(cuts, found):
        stem = PREFIX + cut.name if folder else prefix + cut.name
        turned = gpt2 and cut.name.endswith(_GPT2)
        jobs.append(_extracted(old, new, each, cut.rank, stem, turned))
        if len(set(ranks)) > 1 and not folder:
            jobs.append(Job({stem + ALPHA: ("F32", ())}, partial(_one, cut.rank)))
    with new_as(out, folder) as draft:
        if folder:
            write_config(draft / CONFIG, _config(new, cuts, gpt2))
        write_jobs(draft / WEIGHTS if folder else draft, jobs, {"format": "pt"}, where)
        no_more_open(draft, {*old.files.values(), *new.files.values()})
        if {module.scale for module in read(draft).modules} != {1.0}:
            raise FileError(f"{where}: what was extracted would be read with another scale than 1")
    return cuts, left_out


def _is_gpt2(tensors: Tensors) -> bool:
    """Whether layers lie as (inputs, outputs): these two have fewer inputs than outputs."""
    known = ("c_fc.weight", "c_attn.weight")
    shapes = [each.shape for name, each in tensors.entries.items() if name.endswith(known)]
    return any(len(shape) == 2 and shape[0] < shape[1] for shape in shapes)


def _one(value: float) -> list[Array]:
    return [np.array(value)]


def _cut(name: str, each: Spectrum, rank: int) -> Cut:
    return Cut(name, each.rank, rank, float(rank), *error_and_norm(each.values, rank))


def _extracted(
    old: Tensors, new: Tensors, each: Spectrum, rank: int, stem: str, turned: bool
) -> Job:
    """The two factors of one difference, under PEFT's names."""
    (d, k), shape = each.shape, new.entries[each.name].shape
    embedding = len(shape) == 2 and stem.rpartition(".")[2] in _EMBEDDINGS
    dtype = {"F64": "F32"}.get(new.entries[each.name].dtype, new.entries[each.name].dtype)
    A_key, B_key = (f"{stem}.lora_{'embedding_' * embedding}{half}{'.weight' * (not embedding)}"
                    for half in "AB")  # fmt: skip
    kinds: dict[str, Kind]
    if embedding or turned:
        kinds = {A_key: (dtype, (rank, d)), B_key: (dtype, (k, rank))}
    else:
        ones = (1,) * (len(shape) - 2)
        kinds = {A_key: (dtype, (rank, *shape[1:])), B_key: (dtype, (d, rank, *ones))}

    def make() -> list[Array]:
        blocks = partial(difference_of_rows, old, new, each.name)
        made = factored.lower_of_rows(blocks, each.shape, rank)
        assert made is not None, "its values were finite"
        B, A = made
        return [B.T, A.T] if embedding or turned else [A, B]

    return Job(kinds, make)


def _config(new: Tensors, cuts: list[Cut], gpt2: bool) -> dict[str, object]:
    """PEFT's config, with the last parts of names as targets where these mean no other module."""
    names = {cut.name for cut in cuts}
    modules = {name.removesuffix(".weight") for name in new.entries if name.endswith(".weight")}
    others = {name.rpartition(".")[2] for name in modules - names}
    last = {name.rpartition(".")[2] for name in names}
    config = {
        "peft_type": "LORA", "target_modules": sorted(names if last & others else last),
        "bias": "none", "lora_dropout": 0.0, "fan_in_fan_out": gpt2, "inference_mode": True,
        "init_lora_weights": True, "base_model_name_or_path": None, "task_type": None,
    }  # fmt: skip
    alphas = [cut.alpha for cut in cuts]
    return reconfigure(
        config, [cut.name for cut in cuts], [cut.rank for cut in cuts], alphas, scaling.STANDARD
    )
