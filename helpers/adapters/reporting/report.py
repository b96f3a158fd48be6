"""What the singular values say: a row for each module, two sentences, groups.

Stable rank, effective rank and captured energy are those of `helpers.lora.spectrum`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, fields
from statistics import median

import numpy as np

from ... import validation
from ...lora import spectrum
from ...lora.several import Spectrum
from ...tables import blocks
from ...validation import Array


@dataclass(frozen=True)
class Row:
    """One module in numbers. All measures are 0 for an update of zero.

    Parameters
    ----------
    name, kind : str
    d, k : int
        The update's shape.
    rank : int
        r of the factors; min(d, k) for the difference of two checkpoints.
    scale : float
    norm : float
        Frobenius norm of the update, the scale included.
    stable : float
        Energy over the largest squared singular value.
    effective : float
        exp of the entropy of the singular values (Roy and Vetterli).
    rank90, rank99 : int
        Singular values needed for 90 and 99 % of the energy.
    share : float
        effective / rank: the share of the rank in use.
    """

    name: str
    kind: str
    d: int
    k: int
    rank: int
    scale: float
    norm: float
    stable: float
    effective: float
    rank90: int
    rank99: int
    share: float


#: What rows can be sorted by.
SORTS = tuple(field.name for field in fields(Row) if field.name not in ("kind", "d", "k"))


def rows(spectra: Sequence[Spectrum], sort: str | None = None) -> list[Row]:
    """A row for each spectrum; in their order, or by one column, largest first.

    Parameters
    ----------
    sort : one of `SORTS`, or None
        Names are sorted upwards.

    Examples
    --------
    >>> from helpers.adapters import spectra
    >>> from helpers.model import shipped
    >>> found = rows(spectra(shipped.adapter("people")), sort="share")
    >>> found[0].rank, 0 < found[-1].share <= found[0].share <= 1
    (16, True)
    """
    return ordered([_row(each) for each in spectra], sort)


def ordered(rows: Sequence[Row], sort: str | None, smallest_first: bool = False) -> list[Row]:
    """Rows in the order that `rows` describes, or the other way round."""
    made = list(rows)
    if sort is not None:
        sort = validation.choice("sort", sort, SORTS)
        made.sort(key=lambda row: getattr(row, sort), reverse=sort != "name")
    return made[::-1] if smallest_first else made


def _row(each: Spectrum) -> Row:
    start = (each.name, each.kind, *each.shape, each.rank, each.scale)
    if each.values[0] == 0:
        return Row(*start, 0.0, 0.0, 0.0, 0, 0, 0.0)
    largest = each.values[0]
    effective = spectrum.effective_rank(each.values / largest)
    rank90, rank99 = spectrum.ranks_for_energy(each.values, (0.9, 0.99))
    return Row(
        *start,
        float(largest * np.linalg.norm(each.values / largest)), spectrum.stable_rank(each.values),
        effective, rank90, rank99, effective / each.rank,
    )  # fmt: skip


CAUTION = (
    "That is about weights and not behaviour, because components with little energy can still "
    "matter; and cutting this update to a lower rank is not the same as training at it."
)


def sentences(rows: Sequence[Row]) -> str:
    """What the rows mean, in two sentences, and what they do not.

    Examples
    --------
    >>> said = sentences([Row("m", "linear", 9, 9, 2, 1.0, 2.2, 1.2, 1.9, 2, 2, 0.94)])
    >>> said[: said.index(",")]
    'In 1 module of rank 2'
    """
    said = used(rows)
    return f"{said} {CAUTION}" if any(row.norm > 0 for row in rows) else said


def used(rows: Sequence[Row]) -> str:
    """The rank in use, in a sentence."""
    alive = [row for row in rows if row.norm > 0]
    if not alive:
        return (
            f"All {len(rows)} updates are zero: the adapter changes nothing. "
            "Either it was not trained, or the file was saved before training."
        )
    ends = sorted({end(row.rank for row in alive) for end in (min, max)})
    of = " to ".join(map(str, ends))
    needed = [row.rank99 for row in alive]
    effective, least, most = median(row.effective for row in alive), min(needed), max(needed)
    components = (
        f"{least} component{'s' * (least > 1)}"
        if least == most
        else f"between {least} and {most} components, with a median of {median(needed):g}"
    )
    zero = f" ({len(rows) - len(alive)} more are zero)" if len(alive) < len(rows) else ""
    return (
        f"In {len(alive)} module{'s' * (len(alive) > 1)} of rank {of}{zero}, 99 % of the energy "
        f"takes {components}, and the effective rank has a median of {effective:.1f}."
    )


@dataclass(frozen=True)
class Group:
    """The rows of one kind of module, or of one layer."""

    name: str
    rows: tuple[Row, ...]

    @property
    def left(self) -> float:
        """The share of its parameters that a cut with error 0.1 leaves."""
        sides = np.array([row.d + row.k for row in self.rows])
        return float(sides @ self.column("rank99") / (sides @ self.column("rank")))

    def column(self, field: str) -> Array:
        """One column."""
        return np.array([getattr(row, field) for row in self.rows])

    @property
    def norm(self) -> float:
        """Frobenius norm of all its updates together."""
        return float(np.linalg.norm(self.column("norm")))

    def middle(self, field: str) -> float:
        """The median of a column; of `norm` the norm of all."""
        return self.norm if field == "norm" else float(np.median(self.column(field)))

    def span(self, field: str) -> str:
        """The range of a column in words."""
        low, high = (f"{end(self.column(field)):.4g}" for end in (min, max))
        return low if low == high else f"{low}-{high}"


def groups(
    rows: Sequence[Row], by: str, sort: str | None = None, smallest_first: bool = False
) -> list[Group]:
    """The rows by "kind", which is what follows the last number in a name, or by "layer".

    `sort` and `smallest_first` are as for `ordered`, by the median of a column.

    Examples
    --------
    >>> from helpers.adapters import spectra
    >>> from helpers.model import shipped
    >>> found = groups(rows(spectra(shipped.adapter("people"))), "layer")
    >>> [(each.name, len(each.rows)) for each in found][1:3]
    [('layers.0', 6), ('layers.1', 6)]
    """
    validation.choice("by", by, ("kind", "layer"))
    made: dict[str, list[Row]] = {}
    for row in rows:
        name = row.name
        if numbers := blocks(name):
            name = name[numbers[-1] + 1 :] if by == "kind" else name[: numbers[0]]
            name = re.sub(r"(experts.*\.)\d+$", r"\1*", name)  # of one tensor
        made.setdefault(name, []).append(row)
    found = [Group(name, tuple(some)) for name, some in made.items()]
    if sort == "name":
        found.sort(key=lambda each: each.name)
    elif sort is not None:
        found.sort(key=lambda each: each.middle(sort), reverse=True)
    return found[::-1] if smallest_first else found
