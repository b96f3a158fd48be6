"""Reading an adapter in whichever of the formats it is."""

from __future__ import annotations

from pathlib import Path

from .errors import AdapterError, shown
from .model import Adapter
from .peft import CONFIG, WEIGHTS, read_peft
from .single import read_single


def read(path: str | Path) -> Adapter:
    """An adapter from a PEFT folder, or from one file in kohya's or Diffusers' names.

    Parameters
    ----------
    path : str or Path
        A folder with adapter_config.json; its adapter_model.safetensors; or
        another .safetensors file.

    Raises
    ------
    AdapterError
        If it is none of these, or damaged. Pickled files are refused unread.
    """
    path = Path(path)
    try:
        exists, is_folder = path.exists(), path.is_dir()
    except (OSError, ValueError):
        exists = is_folder = False
    if not exists:
        hub = len(path.parts) == 2 and not path.suffix and not path.parent.exists()
        hint = ": a name on a hub is not a path, so download it first" if hub else ""
        raise AdapterError(f"{shown(path)} does not exist{hint}")
    if is_folder:
        return read_peft(path)
    if path.name == WEIGHTS and (path.parent / CONFIG).is_file():
        return read_peft(path.parent)
    return read_single(path)
