"""python -m tools.teach [FOLDER]: everything for a workshop, into build/teach."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..notebooks import NOTEBOOKS
from ..project import ROOT
from . import editions, notes, quiz


def main() -> None:
    """Build all of it."""
    parser = argparse.ArgumentParser(prog="python -m tools.teach", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "teach")
    folder = parser.parse_args().folder
    made = [
        *quiz.write(folder / "quiz"),
        *editions.write(NOTEBOOKS, folder / "notebooks"),
        *notes.write(folder / "notes"),
    ]
    print(f"{len(made)} files in {folder}")


if __name__ == "__main__":
    main()
