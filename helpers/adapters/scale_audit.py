"""The scale audit: what an adapter was trained with, and what its loaders apply.

A loader that knows only alpha/r makes an rsLoRA adapter too weak by sqrt(r).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from ..lora import scaling
from ..tables import Table
from .modules import FULL, Adapter


@dataclass(frozen=True)
class Audit:
    """The scales of all modules with one rank, alpha and rule.

    Parameters
    ----------
    modules : int
        How many.
    rank, alpha, rule
    trained : float
        The scale by the adapter's own rule.
    standard, rslora : float
        What a loader with alpha/r and one with alpha/sqrt(r) applies.
    standard_ratio, rslora_ratio : float
        The same over `trained`: 1 is right, below 1 is too weak.
    """

    modules: int
    rank: int
    alpha: float
    rule: str
    trained: float
    standard: float
    rslora: float
    standard_ratio: float
    rslora_ratio: float


def audit(adapter: Adapter) -> list[Audit]:
    """The scales of an adapter, most frequent first.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> (one,) = audit(shipped.adapter("people"))
    >>> one.rule, one.trained, one.standard
    ('alpha/sqrt(r)', 1.0, 0.25)
    """
    counts = Counter(
        (each.rank, each.alpha, each.rule) for each in adapter.modules if each.form != FULL
    )
    made = []
    for (rank, alpha, rule), count in counts.most_common():
        trained, standard, rslora = (
            float(scaling.scale(alpha, rank, each))
            for each in (rule, scaling.STANDARD, scaling.RSLORA)
        )
        ratios = (
            float(scaling.loader_ratio(rank, rule, each))
            for each in (scaling.STANDARD, scaling.RSLORA)
        )
        made.append(Audit(count, rank, alpha, rule, trained, standard, rslora, *ratios))
    return made


def table(audits: list[Audit]) -> Table:
    """The audit as a table."""
    headings = [
        "modules", "r", "alpha", "trained with", "scale", "by alpha/r", "ratio",
        "by alpha/sqrt(r)", "ratio",
    ]  # fmt: skip
    return Table(
        headings,
        [
            [
                each.modules, each.rank, f"{each.alpha:g}", each.rule, f"{each.trained:.4g}",
                f"{each.standard:.4g}", f"{each.standard_ratio:.4g}", f"{each.rslora:.4g}",
                f"{each.rslora_ratio:.4g}",
            ]
            for each in audits
        ],
    )  # fmt: skip


def verdict(audits: list[Audit]) -> str:
    """A sentence or two: which loaders scale this adapter wrongly, and what helps.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> verdict(audit(shipped.adapter("people")))[:68]
    'A loader that ignores use_rslora applies 0.25 of the trained scale, '
    """
    rslora = [each for each in audits if each.rule == scaling.RSLORA]
    weakest = min((each.standard_ratio for each in rslora), default=1.0)
    if not rslora:
        said = (
            "The rule is alpha/r, the common one; a loader told alpha/sqrt(r) would be too "
            "strong by sqrt(r)."
        )
    elif weakest == 1:
        said = "At rank 1 both rules give the same scale."
    else:
        said = (
            f"A loader that ignores use_rslora applies {weakest:.4g} of the trained scale, "
            f"{1 / weakest:.4g} times too weak; `bake` writes a copy that it reads rightly."
        )
    ends = [each.trained for each in audits] or [1.0]
    low, high = min(ends), max(ends)
    if low < high:
        said += (
            f" Scales differ between modules, from {low:.4g} to {high:.4g}: a loader must "
            "heed each module's own (in PEFT's files rank_pattern and alpha_pattern)."
        )
    return said
