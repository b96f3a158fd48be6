"""Aligned tables of medians and ratios, and the same numbers as JSON."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np


def summary(seconds: list[float]) -> dict[str, float]:
    """Median and 95th percentile, in milliseconds, and how many were measured."""
    ms = 1000 * np.asarray(seconds)
    return {
        "median_ms": float(np.median(ms)), "p95_ms": float(np.percentile(ms, 95)), "n": len(ms),
    }  # fmt: skip


def table(title: str, rows: list[dict[str, Any]]) -> None:
    """Print rows under their keys: numbers with 3 digits, to the right."""
    cells = [list(rows[0])] + [
        [f"{value:,.3g}" if isinstance(value, float) and value < 1000 else
         f"{value:,.0f}" if isinstance(value, float) else str(value) for value in row.values()]
        for row in rows
    ]  # fmt: skip
    widths = [max(len(row[i]) for row in cells) for i in range(len(cells[0]))]
    words = [isinstance(value, str) for value in rows[0].values()]
    print(f"\n{title}")
    for row in cells:
        print("  ".join(
            cell.ljust(width) if left else cell.rjust(width)
            for cell, width, left in zip(row, widths, words)
        ).rstrip())  # fmt: skip


def arguments(description: str | None) -> argparse.Namespace:
    """The one option that both scripts have."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers here, too")
    return parser.parse_args()


def save(path: Path | None, results: dict[str, Any]) -> None:
    """Write the results where asked to."""
    if path:
        path.write_text(json.dumps(results, indent=1) + "\n")
