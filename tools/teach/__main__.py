"""python -m tools.teach [FOLDER]: everything for a workshop, into build/teach."""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

from ..project import ROOT
from ..site import blocks


def main() -> None:
    """Build all of it, with the explorers that the slides show beside it."""
    from . import kit  # which the processes that draw explorers need not load

    parser = argparse.ArgumentParser(prog="python -m tools.teach", description=__doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "build" / "teach")
    folder = parser.parse_args().folder
    names = kit.build(folder, "../explorers/")
    static = folder / "_static"
    shutil.copytree(ROOT / "tools" / "site" / "static", static)
    (folder / "explorers").mkdir()
    with blocks.processes() as drawing:
        begun = blocks.begin(folder / "explorers", drawing, names)
        live = blocks.finish(folder / "explorers", begun)
    (static / "drawn.css").write_text(blocks.css(live, {}), encoding="utf-8")
    if not kit.pdfs(folder, folder, decks=True):
        print("No PDFs: they are printed with Chromium, which is not here. Pages print as well.")
    print(f"Ready: python -m http.server -d {folder}, then /slides/90.html")


if __name__ == "__main__":
    main()
