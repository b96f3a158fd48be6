"""What was reported, as data, and an audit that computes each verdict.

Reported in "The LoRA Assumption That Breaks in Production" (MarkTechPost, April
2026) or in one of four write-ups of it, two of which state figures of their own. Write-up
A says of itself that a language model summarised the article. The audit runs the
article's construction (see `updates`) and compares at the digits that were printed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..tables import Table
from ..validation import Array
from . import spectrum, updates
from .scaling import RSLORA, RULES, STANDARD, scale
from .truncation import scaled_error

ALPHA = updates.ARTICLE_ALPHA
ERROR_RANKS = (2, 4, 8, 16, 32, 48)
SCALE_RANKS = (1, 4, 8, 16, 32, 64)

#: The documents that state the claims.
ARTICLE, WRITE_UP_A, WRITE_UP_B = "article", "write-up A", "write-up B"
SOURCES = (ARTICLE, WRITE_UP_A, WRITE_UP_B)

REPRODUCES = "reproduces"
DIFFERS = "does not reproduce"
HALF = "half true"
MISLEADING = "true, and misleading"
UNTESTED = "not tested there"


@dataclass(frozen=True)
class Claim:
    """One reported figure, or one sentence.

    Attributes
    ----------
    number : int
        Its row in the audit.
    text : str
        What was reported, in our words.
    source : one of `SOURCES`
        The document that states it; where the article does as well, the article.
    quantity : str
        Which of `QUANTITIES` it is about, or "" for a sentence.
    ranks : tuple of int
        Ranks (or indices) of the values.
    values : tuple of float
        The reported values, in the quantity's unit.
    relation : "=", ">" or "among"
        "=" compares at `decimals`; ">" asks for more than the value; "among" asks for a
        value's place anywhere among the first ten.
    decimals : int
    """

    number: int
    text: str
    source: str
    quantity: str = ""
    ranks: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    relation: str = "="
    decimals: int = 3


CLAIMS = (
    Claim(1, "style: rank 4 captures over 99 % of the energy", ARTICLE,
          "style energy %", (4,), (99,), ">", 1),
    Claim(2, "style: rank 8 captures 99 %", WRITE_UP_A,
          "style energy %", (8,), (99,), "=", 0),
    Claim(3, "facts: rank 8 captures about 28 %", ARTICLE, "facts energy %", (8,), (28,), "=", 0),
    Claim(4, "alpha/r at alpha = 16", ARTICLE, "scale alpha/r",
          SCALE_RANKS, (16, 4, 2, 1, 0.5, 0.25), "=", 2),
    Claim(5, "alpha/sqrt(r) at alpha = 16", ARTICLE, "scale alpha/sqrt(r)",
          SCALE_RANKS, (16, 8, 5.7, 4, 2.8, 2.0), "=", 1),
    Claim(6, "style: largest singular values", WRITE_UP_A,
          "style singular value", (1, 2, 3, 4, 5), (5.0, 4.5, 4.0, 3.5, 0.5), "=", 1),
    Claim(7, "facts: largest singular values", WRITE_UP_A,
          "facts singular value", (1, 2, 3), (3.0, 2.9, 2.8), "=", 1),
    Claim(8, "error of style over rank", WRITE_UP_A,
          "style error alpha/r", ERROR_RANKS, (0.201, 0.015, 0.002, 0.001, 0.000, 0.000)),
    Claim(8, "error of facts over rank", WRITE_UP_A,
          "facts error alpha/r", ERROR_RANKS, (0.916, 0.850, 0.692, 0.553, 0.417, 0.289)),
    Claim(9, "error of facts over rank, rsLoRA", WRITE_UP_A,
          "facts error alpha/sqrt(r)", ERROR_RANKS, (0.894, 0.775, 0.585, 0.413, 0.199, 0.099)),
    Claim(10, "standard LoRA's error is not monotone in the rank: it gets unstable", ARTICLE),
    Claim(11, "rsLoRA reduces the error more steadily", ARTICLE),
    Claim(12, "the optimiser must overcompensate, training converges poorly", ARTICLE),
    Claim(13, "style wants a low rank with LoRA, facts a high one with rsLoRA", ARTICLE),
    Claim(13, "facts want r >= 32", WRITE_UP_A),
    Claim(14, "style: singular values drop from 5.0 to 0.6", WRITE_UP_B,
          "style singular value", (1, 4), (5.0, 0.6), "among", 1),
    Claim(15, "too large a scale and a vanishing one cause the same instability", ARTICLE),
)  # fmt: skip


def _values(name: str) -> Array:
    return updates.article_singular_values(name)


def _energy(name: str) -> Callable[[Array], Array]:
    return lambda ranks: 100 * spectrum.captured_energy(_values(name))[ranks - 1]


def _singular_value(name: str) -> Callable[[Array], Array]:
    return lambda ranks: _values(name)[ranks - 1]


def _scale(rule: str) -> Callable[[Array], Array]:
    return lambda ranks: scale(ALPHA, ranks, rule)


def _error(name: str, rule: str) -> Callable[[Array], Array]:
    return lambda ranks: scaled_error(_values(name), ranks, scale(ALPHA, ranks, rule))


def _best_error(name: str) -> Callable[[Array], Array]:
    return lambda ranks: scaled_error(_values(name), ranks)


def _missed_energy(name: str) -> Callable[[Array], Array]:
    return lambda ranks: 1 - spectrum.captured_energy(_values(name))[ranks - 1]


NAMES = updates.NAMES

#: What each quantity is in the construction: an array of ranks in, values out.
QUANTITIES: dict[str, Callable[[Array], Array]] = {
    **{f"scale {rule}": _scale(rule) for rule in RULES},
    **{f"{name} energy %": _energy(name) for name in NAMES},
    **{f"{name} singular value": _singular_value(name) for name in NAMES},
    **{f"{name} error {rule}": _error(name, rule) for name in NAMES for rule in RULES},
    **{f"{name} error scale 1": _best_error(name) for name in NAMES},
    **{f"{name} missed energy": _missed_energy(name) for name in NAMES},
}


@dataclass(frozen=True)
class Finding:
    """A claim beside what the construction gives."""

    claim: Claim
    measured: tuple[float, ...]
    verdict: str
    remark: str


def audit() -> list[Finding]:
    """Set every claim beside what the construction gives, and judge it.

    Examples
    --------
    >>> findings = audit()
    >>> findings[0].claim.text
    'style: rank 4 captures over 99 % of the energy'
    >>> findings[0].verdict, findings[0].measured
    ('reproduces', (99.2,))
    """
    return [_judge(claim) for claim in CLAIMS]


def verdicts() -> Table:
    """Every claim, who states it, what the construction gives, and the verdict.

    Examples
    --------
    >>> len(verdicts().rows) == len(CLAIMS)
    True
    """

    def shown(values: tuple[float, ...]) -> str:
        return ", ".join(f"{value:g}" for value in values)

    rows = [
        (each.claim.number, each.claim.text, each.claim.source, shown(each.claim.values),
         shown(each.measured), each.verdict)
        for each in audit()
    ]  # fmt: skip
    return Table(("no.", "reported", "by", "values", "construction", "verdict"), rows)


def remarks() -> Table:
    """Why a claim does not hold, or only half.

    Examples
    --------
    >>> remarks().rows[0][:2]
    (6, 'does not reproduce')
    """
    rows = [(each.claim.number, each.verdict, each.remark) for each in audit() if each.remark]
    return Table(("no.", "verdict", "why"), rows)


def _judge(claim: Claim) -> Finding:
    if not claim.quantity:
        return _SENTENCES[claim.number](claim)
    measured = QUANTITIES[claim.quantity](np.array(claim.ranks))
    rounded = tuple(float(value) for value in np.round(measured, claim.decimals))
    if claim.relation == ">":
        holds = all(value > bound for value, bound in zip(measured, claim.values))
    elif claim.relation == "among":
        holds = set(claim.values) <= _first_ten(claim)
    else:
        # One unit in the last printed digit: some write-ups cut where others round.
        unit = 10.0**-claim.decimals
        holds = bool(np.all(np.abs(measured - np.array(claim.values)) < unit))
    if holds:
        return Finding(claim, rounded, REPRODUCES, "")
    if "error" in claim.quantity:
        return Finding(claim, rounded, DIFFERS, _closest_column(claim))
    if "singular value" in claim.quantity:
        return Finding(claim, rounded, *_among_the_first_ten(claim))
    return Finding(claim, rounded, DIFFERS, "")


def _first_ten(claim: Claim) -> set[float]:
    """The first ten values of a claim's quantity, at its digits."""
    ten = np.round(QUANTITIES[claim.quantity](np.arange(1, 11)), claim.decimals)
    return {float(value) for value in ten}


def _among_the_first_ten(claim: Claim) -> tuple[str, str]:
    """Whether the reported singular values occur at other positions among the first ten."""
    ten = _first_ten(claim)
    if set(claim.values) <= ten:
        return HALF, "all of them occur among the first ten, but not in these places"
    gone = [value for value in claim.values if value not in ten]
    values = QUANTITIES[claim.quantity](np.arange(1, 11))
    nearest = [f"{values[np.abs(values - value).argmin()]:.2f}" for value in gone]
    verbs = ("does", "is") if len(gone) == 1 else ("do", "are")
    return DIFFERS, (
        f"{' and '.join(f'{value:g}' for value in gone)} {verbs[0]} not occur among the first ten; "
        f"the nearest {verbs[1]} {' and '.join(nearest)}"
    )


def _closest_column(claim: Claim) -> str:
    """Which column of the construction comes nearest to the reported one."""
    columns = [key for key in QUANTITIES if " error " in key or "missed" in key]
    ranks, reported = np.array(claim.ranks), np.array(claim.values)
    distance = {key: float(np.max(np.abs(QUANTITIES[key](ranks) - reported))) for key in columns}
    nearest = min(distance, key=lambda key: distance[key])
    return f"no column gives it; the nearest, {nearest}, is off by up to {distance[nearest]:.3f}"


def _monotone(claim: Claim) -> Finding:
    ranks = np.arange(1, 65)
    columns = [QUANTITIES[f"{name} error alpha/r"](ranks) for name in NAMES]
    best = [QUANTITIES[f"{name} error scale 1"](ranks) for name in NAMES]
    rises = [bool(np.any(np.diff(column) > 0)) for column in columns]
    falls_at_one = all(np.all(np.diff(column) < 0) for column in best)
    style, facts = (int(ranks[np.argmin(column)]) for column in columns)
    verdict = HALF if all(rises) and falls_at_one else DIFFERS
    return Finding(
        claim, (), verdict,
        f"it does turn (lowest at r = {style} for style, {facts} for facts), because alpha/r "
        f"falls through 1 at r = {ALPHA}; at scale 1 it falls all the way",
    )  # fmt: skip


def _steadier(claim: Claim) -> Finding:
    ranks = np.arange(1, 65)
    larger, monotone = [], []
    for name in NAMES:
        standard = QUANTITIES[f"{name} error {STANDARD}"](ranks)
        rslora = QUANTITIES[f"{name} error {RSLORA}"](ranks)
        larger.append(set(ranks[rslora > standard]))
        monotone.append(bool(np.all(np.diff(rslora) < 0)))
    where = sorted(int(rank) for rank in set.intersection(*larger))
    everywhere = where == list(range(2, 65))
    verdict = MISLEADING if all(monotone) and everywhere else DIFFERS
    return Finding(
        claim, (), verdict,
        f"it falls at every step, but is the larger error at every rank from {where[0]} to "
        f"{where[-1]}: its scale is 1 only at r = {ALPHA**2}",
    )  # fmt: skip


def _training(claim: Claim) -> Finding:
    return Finding(
        claim, (), UNTESTED, "nothing is trained in the construction; notebooks 06 to 09 train"
    )


def _choice(claim: Claim) -> Finding:
    return Finding(
        claim, (), UNTESTED, "an assumption about real models; the construction assumes the ranks"
    )


def _two_causes(claim: Claim) -> Finding:
    ranks = np.arange(1, 65)
    scales = QUANTITIES[f"scale {STANDARD}"](ranks)
    large, small = ranks[scales > 1], ranks[scales < 1]
    verdict = HALF if len(large) and len(small) else DIFFERS
    return Finding(
        claim, (), verdict,
        f"alpha/r is above 1 up to r = {large[-1]} and below 1 from r = {small[0]} on: two sides "
        "of one curve; nothing is repeated, so nothing can become unstable",
    )  # fmt: skip


_SENTENCES: dict[int, Callable[[Claim], Finding]] = {
    10: _monotone,
    11: _steadier,
    12: _training,
    13: _choice,
    15: _two_causes,
}
