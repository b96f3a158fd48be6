"""The rest of every notebook's first cell, which looks for this file and runs it.

What is called `helpers` afterwards is the folder that this file is in, whatever else of that name
is on the reader's path or was imported by a file that Python runs at its start.
"""

from __future__ import annotations

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType

HERE = Path(__file__).resolve().parent


def is_ours(module: ModuleType | None) -> bool:
    """Whether a module lies in the folder that this file is in, and so does where it looks."""
    places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
    places = [Path(place).resolve() for place in places if place]
    return bool(places) and all(place.is_relative_to(HERE) for place in places)


def begin() -> str:
    """Make `helpers` importable and return what the first cell prints: what is missing, too.

    Raises ImportError if another package of that name is imported all the same.
    """
    # Quickest for matrices as small as ours. NumPy reads it when it is imported first.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    if sys.path[:1] != [str(HERE.parent)]:
        sys.path.insert(0, str(HERE.parent))
    loaded = [name for name in sys.modules if name.split(".")[0] == HERE.name]
    others = [name for name in loaded if not is_ours(sys.modules[name])]
    if others:
        place = getattr(sys.modules[others[0]], "__file__", None) or "a folder without __init__.py"
        print(
            f"Another `{others[0]}` had been imported, from {place}. "
            "From here on this name is the series' own package.",
            file=sys.stderr,
        )
        for name in loaded:
            del sys.modules[name]
    ours = importlib.import_module(HERE.name)
    if not is_ours(ours):
        raise ImportError(
            f"`{HERE.name}` is {ours.__file__}, and not {HERE}: Python has been told to import "
            "it from there. Start the notebook in an environment of its own, as `make lab` does."
        )
    lacking = importlib.import_module(f"{HERE.name}.environment").problems()
    state = "is ready." if not lacking else "lacks a package. Install it, restart the kernel:"
    return "\n".join([f"LoRA Rank Lab {ours.__version__} {state}", *lacking])


if __name__ == "__main__":
    print(begin())
