"""Opening a checkpoint: one safetensors file, or several with an index."""

from __future__ import annotations

import re
from pathlib import Path

from .errors import AdapterError, shown
from .files import HOW_TO_CONVERT, PICKLED, Tensors, open_file, read_json
from .header import check_name

#: A file in the same folder: no separator of any system, no `..`.
_PLAIN = re.compile(r"\w[\w. +-]*\.safetensors")


def open_checkpoint(path: Path) -> Tensors:
    """The tensors of a checkpoint: a .safetensors file, an index, or a folder with either.

    Raises
    ------
    AdapterError
        If there is none or more than one, if an index names a file outside its
        folder, or if index and shards disagree.
    """
    if path.is_dir():
        found = sorted(path.glob("*.safetensors.index.json")) or sorted(path.glob("*.safetensors"))
        if len(found) != 1:
            pickled = any(p.suffix in PICKLED for p in path.iterdir())
            raise AdapterError(
                f"{shown(path)} must hold one .safetensors.index.json or one .safetensors "
                f"file, got {len(found)}" + (f"; it has a pickle: {HOW_TO_CONVERT}" * pickled)
            )
        path = found[0]
    return _open_shards(path) if path.name.endswith(".index.json") else open_file(path)


def _open_shards(index: Path) -> Tensors:
    where = shown(index)
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise AdapterError(f"{where} must have a weight_map of tensor names to files")
    shards: dict[str, Tensors] = {}
    for name, file in weight_map.items():
        check_name(name, where)
        if not isinstance(file, str) or not _PLAIN.fullmatch(file):
            raise AdapterError(
                f"{where}: tensor {name} lies in {shown(file)}; only plain file names "
                "in the same folder are allowed"
            )
        if file not in shards:
            shards[file] = open_file(index.parent / file)
    entries, files = {}, {}
    for file, shard in shards.items():
        for name, entry in shard.entries.items():
            if weight_map.get(name) != file:
                raise AdapterError(
                    f"{where} disagrees with {shown(file)}, which holds tensor {name}: "
                    f"the index says {shown(weight_map.get(name, 'nothing'))}"
                )
            entries[name], files[name] = entry, shard.path
    missing = [name for name in weight_map if name not in entries]
    if missing:
        raise AdapterError(
            f"{where}: tensor {missing[0]} is not in {shown(weight_map[missing[0]])}, as it says"
        )
    return Tensors(index, entries, files, {})
