"""Tables over the two simulated updates, a line each: what notebooks 01 to 05 show.

They are computed at the article's noise unless they say otherwise, and rounded as they are shown.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..tables import Table
from ..validation import Array
from . import scaling, spectrum, truncation, updates

#: How the measures of rank are called.
MEASURES = {
    "stable rank": spectrum.stable_rank,
    "participation ratio": spectrum.participation_ratio,
    "effective rank": spectrum.effective_rank,
}
_EVERY_RANK = np.arange(1, min(updates.ARTICLE_SHAPE) + 1)


def _over_rank(first: str, ranks: Sequence[int]) -> tuple[str, ...]:
    return (first, *(f"r = {r}" for r in ranks))


def stored_numbers(sides: Sequence[int], ranks: Sequence[int]) -> Table:
    """How many numbers a square update has, and how many an adapter of it.

    Examples
    --------
    >>> stored_numbers([64], [16])
    weight   rank r  full update  B and A  times smaller
    64 x 64  16      4096         2048     2
    """
    rows = []
    for side in sides:
        for rank in ranks:
            full, adapter = side * side, side * rank + rank * side
            rows.append((f"{side} x {side}", rank, full, adapter, f"{full / adapter:g}"))
    return Table(("weight", "rank r", "full update", "B and A", "times smaller"), rows)


def largest_singular_values(noises: Sequence[float], count: int = 10) -> Table:
    """The largest singular values of both updates, at each noise.

    Examples
    --------
    >>> largest_singular_values([0.01], count=3)
    update             1     2     3
    style, noise 0.01  4.99  3.50  2.01
    facts, noise 0.01  3.00  2.96  2.91
    """
    rows = []
    for name in updates.NAMES:
        for noise in noises:
            values = updates.article_singular_values(name, noise)[:count]
            rows.append((f"{name}, noise {noise:g}", *(f"{value:.2f}" for value in values)))
    return Table(("update", *map(str, range(1, count + 1))), rows)


def _error(name: str, ranks: Sequence[int] | Array, alpha: float, rule: str) -> Array:
    values = updates.article_singular_values(name)
    return truncation.error_plane(values, ranks, [alpha], rule)[:, 0]


def errors_over_rank(ranks: Sequence[int], alpha: float) -> Table:
    """The error of both updates under both rules.

    Examples
    --------
    >>> errors_over_rank([8, 16], alpha=16)
    relative error        r = 8  r = 16
    style, alpha/r        1.000  0.064
    style, alpha/sqrt(r)  4.642  2.995
    facts, alpha/r        1.000  0.701
    facts, alpha/sqrt(r)  2.620  2.251
    """
    rows = [
        (f"{name}, {rule}", *(f"{error:.3f}" for error in _error(name, ranks, alpha, rule)))
        for name in updates.NAMES
        for rule in scaling.RULES
    ]
    return Table(_over_rank("relative error", ranks), rows)


def ranks_with_smaller_error(alpha: float, name: str, rule: str) -> Array:
    """The ranks at which an update's error is the smaller one under `rule`.

    Examples
    --------
    >>> ranks_with_smaller_error(16, "style", scaling.RSLORA).tolist()
    []
    """
    (other,) = set(scaling.RULES) - {rule}
    errors = {each: _error(name, _EVERY_RANK, alpha, each) for each in scaling.RULES}
    return np.asarray(_EVERY_RANK[errors[rule] < errors[other]])


def smaller_errors(alphas: Sequence[float]) -> Table:
    """At how many of the 64 ranks each rule has the smaller error.

    Examples
    --------
    >>> smaller_errors([16])
    alpha  update  alpha/r is better  alpha/sqrt(r) is better
    16     style   63 (2 to 64)       none
    16     facts   63 (2 to 64)       none
    """

    def said(found: Array) -> str:
        return f"{len(found)} ({found[0]} to {found[-1]})" if len(found) else "none"

    rows = [
        (alpha, name, *(said(ranks_with_smaller_error(alpha, name, r)) for r in scaling.RULES))
        for alpha in alphas
        for name in updates.NAMES
    ]
    return Table(("alpha", "update", *(f"{rule} is better" for rule in scaling.RULES)), rows)


def scales_over_rank(alpha: float, ranks: Sequence[int]) -> Table:
    """Both rules' scales, and how many times larger rsLoRA's is.

    Examples
    --------
    >>> scales_over_rank(16, [1, 64])
    rank r  alpha/r  alpha/sqrt(r)  ratio
    1       16.00   16.00         1.00
    64      0.25    2.00          8.00
    """
    rows = []
    for rank in ranks:
        standard, rslora = (float(scaling.scale(alpha, rank, rule)) for rule in scaling.RULES)
        rows.append((rank, f"{standard:.2f}", f"{rslora:.2f}", f"{rslora / standard:.2f}"))
    return Table(("rank r", *scaling.RULES, "ratio"), rows)


def alphas_and_scales(ranks: Sequence[int], scale: float, alpha: float) -> Table:
    """The alpha that each rule needs for a scale, and the scale it makes of one alpha.

    Examples
    --------
    >>> alphas_and_scales([16], scale=2, alpha=32).rows
    [(16, '32.00', '8.00', '2.00', '8.00', '2.00')]
    """
    headings = (
        "rank r",
        f"LoRA alpha for scale {scale:g}", f"rsLoRA alpha for scale {scale:g}",
        f"LoRA scale at alpha {alpha:g}", f"rsLoRA scale at alpha {alpha:g}",
        "LoRA scale at alpha = 2r",
    )  # fmt: skip
    rows = []
    for rank in ranks:
        numbers = [scaling.alpha_for_scale(scale, rank, rule) for rule in scaling.RULES]
        numbers += [scaling.scale(alpha, rank, rule) for rule in scaling.RULES]
        numbers.append(scaling.scale(2 * rank, rank, scaling.STANDARD))
        rows.append((rank, *(f"{float(number):.2f}" for number in numbers)))
    return Table(headings, rows)


def captured(ranks: Sequence[int]) -> Table:
    """The share of each update's energy that the first components hold.

    Examples
    --------
    >>> captured([4, 8])
    captured energy  r = 4   r = 8
    style            99.2 %  99.3 %
    facts            14.9 %  28.3 %
    """
    rows = []
    for name in updates.NAMES:
        energy = spectrum.captured_energy(updates.article_singular_values(name))
        rows.append((name, *(f"{100 * energy[r - 1]:.1f} %" for r in ranks)))
    return Table(_over_rank("captured energy", ranks), rows)


def energy_and_error(energies: Sequence[float]) -> Table:
    """The error that belongs to a share of the energy.

    Examples
    --------
    >>> energy_and_error([0.5, 0.99])
    captured energy  50.0 %  99.0 %
    relative error   0.707   0.100
    """
    errors = np.sqrt(1 - np.asarray(energies, dtype=float))
    return Table(
        ("captured energy", *(f"{100 * energy:.1f} %" for energy in energies)),
        [("relative error", *(f"{error:.3f}" for error in errors))],
    )


def smallest_ranks(energies: Sequence[float], errors: Sequence[float]) -> Table:
    """The smallest rank for each goal, a share of the energy or an error.

    Examples
    --------
    >>> smallest_ranks([0.9], [0.05])
    smallest rank for  energy 90 %  error 0.05
    style              3            24
    facts              41           62
    """
    goals = [f"energy {100 * energy:g} %" for energy in energies]
    goals += [f"error {error:g}" for error in errors]
    rows = []
    for name in updates.NAMES:
        values = updates.article_singular_values(name)
        ranks = [spectrum.rank_for_energy(values, energy) for energy in energies]
        ranks += [spectrum.rank_for_error(values, error) for error in errors]
        rows.append((name, *ranks))
    return Table(("smallest rank for", *goals), rows)


def measures_of_rank(noises: Sequence[float]) -> Table:
    """Three measures of rank of both updates, and how much of the energy is noise.

    Examples
    --------
    >>> measures_of_rank([0.01]).rows[0]
    ('style', '0.01', '1.0 %', '1.68', '2.22', '11.78')
    """
    rows = []
    for name in updates.NAMES:
        for noise in noises:
            values = updates.article_singular_values(name, noise)
            added = noise**2 * np.sum(updates.article_updates()[name].unit_noise ** 2)
            numbers = (f"{measure(values):.2f}" for measure in MEASURES.values())
            share = f"{100 * added / np.sum(values**2):.1f} %"
            rows.append((name, f"{noise:g}", share, *numbers))
    return Table(("update", "noise", "energy of the noise", *MEASURES), rows)
