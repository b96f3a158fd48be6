"""What was measured on the kept adapters, as the tables of notebook 10.

Three seeds, each a model and an adapter of its own: means, and the range in brackets.
"""

from __future__ import annotations

import numpy as np

from ..lora import spectrum
from ..tables import Table
from ..validation import Array
from . import results
from .results import Curves

#: The adapters and what each has learned.
HOLDS = {
    "style": "a new style", "people": "100 people", "crowd": "400 people",
    "wide": "100 people, r = 64",
}  # fmt: skip
RANKS = (1, 2, 4, 8, 16)


def over_seeds(values: Array, digits: int = 2) -> str:
    """The mean, and the range over the seeds.

    >>> over_seeds(np.array([0.5, 0.7]))
    '0.60 (0.50 to 0.70)'
    """
    mean, low, high = (f"{of(values):.{digits}f}" for of in (np.mean, np.min, np.max))
    return f"{mean} ({low} to {high})"


def medians() -> Table:
    """Measures of the spectra, medians over all modules; and of factors that are random.

    Examples
    --------
    >>> medians().rows[1][3]
    '12.3 (12.0 to 12.6)'
    """
    rows = []
    for name, holds in HOLDS.items():
        found = results.adapter_spectrum(name)
        ranks = (over_seeds(found[key], 1) for key in ("stable", "effective"))
        energies = (over_seeds(found[key], 0) for key in ("rank90", "rank99"))
        rows.append((name, holds, *ranks, *energies))
    draw = np.random.RandomState(0)
    product = draw.standard_normal((128, 16)) @ draw.standard_normal((16, 128))
    values = np.linalg.svd(product, compute_uv=False)[:16]
    measures = (spectrum.stable_rank(values), spectrum.effective_rank(values))
    energies = (f"{spectrum.rank_for_energy(values, target)}" for target in (0.9, 0.99))
    rows.append(("random", "nothing", *(f"{each:.1f}" for each in measures), *energies))
    columns = ("stable rank", "effective rank", "90 % energy", "99 % energy")
    return Table(("adapter", "learned", *columns), rows)


def cut_or_trained() -> Table:
    """New and known facts of adapters cut to a rank, and of those trained at it.

    Examples
    --------
    >>> cut_or_trained().rows[0]
    ('cut from 16: new facts', '0.06', '0.18', '0.70', '1.00', '1.00')
    """
    ways = {
        "cut from 16": results.adapter("people"),
        "trained at it": results.trained("100"),
    }
    rows = [
        (f"{way}: {said}", *(f"{_mean(curves, name, rank):.2f}" for rank in RANKS))
        for name, said in (("facts", "new facts"), ("known", "known facts"))
        for way, curves in ways.items()
    ]
    return Table(("three seeds, means", *(f"rank {rank}" for rank in RANKS)), rows)


def _mean(curves: Curves, name: str, at: float) -> float:
    return float(curves.mean(name)[list(curves.at).index(at)])


def readings() -> Table:
    """What is left of each adapter where a server applies it too weakly or too strongly.

    Examples
    --------
    >>> readings().rows[1][:4]
    ('people', 'by alpha/r', '0.25', '0.10 (0.09 to 0.11)')
    """
    rows = []
    for name, label, dial in (
        ("people", "as trained", 1.0), ("people", "by alpha/r", 0.25),
        ("style", "as trained", 1.0), ("style", "by alpha/sqrt(r)", 4.0),
    ):  # fmt: skip
        curves = results.adapter(name, "scales")
        at = list(curves.at).index(dial)
        found = (over_seeds(curves.values[key][:, at]) for key in ("facts", "style", "known"))
        rows.append((name, label, f"{dial:g}", *found))
    columns = ("adapter", "read", "strength", "new facts", "style", "known facts")
    return Table(columns, rows)
