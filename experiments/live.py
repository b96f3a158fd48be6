"""The run of the trainer that notebook 09 shows: ``python -m experiments.live``.

It needs nothing but NumPy. Run anew, elsewhere, its last digits differ: training amplifies
the rounding of a processor's own sums.
"""

from __future__ import annotations

import json
from dataclasses import asdict

import numpy as np

from helpers.datafiles import digest_of
from helpers.model.fine_tuning import FineTuning, Recipe
from helpers.model.shipped import CHECKSUMS

from .config import DATA

RECIPE = Recipe(learning_rate=3.2e-3)


def main() -> None:
    """Train, and write helpers/data/small_live.json."""
    run = FineTuning(RECIPE)
    progress = [
        [each.step, each.loss and float(f"{each.loss:.4g}"), each.new, each.known]
        for each in run.train()
    ]
    new, known = run.recall()
    content = {
        "made": {"by": "python -m experiments.live", "numpy": np.__version__},
        "recipe": asdict(RECIPE),
        "progress": progress,
        "new": new,
        "known": known,
    }
    file, checksums = DATA / "small_live.json", DATA / CHECKSUMS
    file.write_text(json.dumps(content, separators=(",", ":")) + "\n")
    sums = {**json.loads(checksums.read_text()), file.name: digest_of(file.name, file.read_bytes())}
    checksums.write_text(json.dumps(sums, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
