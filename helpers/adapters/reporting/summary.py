"""The answer that `inspect` gives: the verdict first, then tables that fit the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...lora import over_modules
from ...lora.several import Spectrum
from ...tables import Table, short_names
from ...terminal import WIDTH
from ..modules import FULL, Adapter
from ..tensor_names import DORA
from .checking import Check, checks
from .report import CAUTION, Group, Row, groups, rows, used

LEGEND = (
    "scale: s, as trained; norm: Frobenius; 90 % and 99 %: components for that share of the "
    "energy (what is cut off is an error of 0.32 and 0.1); in use: effective rank over r."
)
#: Where a table is too wide, these columns go first, in this order.
_SPARE = ("90 %", "stable", "shape", "eff.", "in use", "scale", "norm")
_NAME = 28  # of the width, at least
#: An error of at most this in a module is one for 99 % of its energy: 0.1^2 = 1 - 0.99.
ERROR = 0.1


@dataclass(frozen=True)
class Answer:
    """What is in an adapter and what to do with it, before any table.

    Parameters
    ----------
    rank : str
        The rank that is used.
    strength : str
        Which loaders apply it as trained, and which do not; empty for two checkpoints.
    steps, caution : tuple of str, str
        What to do next, and what the numbers do not say.
    checks, rows : tuple of Check, tuple of Row
        One for each loader, and for each module in their order.
    """

    rank: str
    strength: str
    steps: tuple[str, ...]
    caution: str
    checks: tuple[Check, ...] = ()
    rows: tuple[Row, ...] = ()


def answer(spectra: Sequence[Spectrum], adapter: Adapter | None = None) -> Answer:
    """The answer for an adapter, or for the difference of two checkpoints.

    Parameters
    ----------
    spectra : sequence of Spectrum
        All of the adapter's, from `singular_values.spectra`.

    Examples
    --------
    >>> from helpers.adapters import spectra
    >>> from helpers.model import shipped
    >>> people = shipped.adapter("people")
    >>> found = answer(spectra(people), people)
    >>> found.strength[:38]
    'Applied as trained by PEFT 0.21.2, vLL'
    """
    found = tuple(checks(adapter)) if adapter is not None else ()
    made = rows(spectra)
    steps = [each.text for each in adapter.findings if each.kind == "dead"] if adapter else []
    if any(one.kind == "scale" for each in found for one in each.findings):
        steps.append("Before such a loader serves it: `bake`, then `check --loader NAME`.")
    todo = tuple(filter(None, [*steps, _cut(spectra, made, adapter)]))
    caution = CAUTION if any(row.norm > 0 for row in made) else ""
    return Answer(_rank(made, adapter), _strength(found), todo, caution, found, tuple(made))


def brief(check: Check) -> dict[str, Any]:
    """A check as JSON takes it, without each module's scale."""
    findings = [{"kind": one.kind, "text": one.text} for one in check.findings]
    return {
        "loader": check.loader, "fits": check.fits, "strength": check.strength,
        "findings": findings,
    }  # fmt: skip


def _rank(made: Sequence[Row], adapter: Adapter | None) -> str:
    whole = {each.name for each in adapter.modules if each.form == FULL} if adapter else set()
    low = [row for row in made if row.name not in whole]
    said = used(low or made)
    if low and whole:
        said += f" Beside them {len(whole)} differences of any rank are added whole."
    start = "Of s B A, which is not the whole update here: " + said[0].lower()
    return start + said[1:] if adapter and _not_all(adapter) else said


def _not_all(adapter: Adapter) -> bool:
    changed = any(each.kind == "base changed" for each in adapter.findings)
    dora = DORA in adapter.ignored.values() or bool(adapter.config.get("use_dora"))
    return changed or dora


def _strength(found: Sequence[Check]) -> str:
    """Which loaders apply an adapter as trained, which at another strength, and the rest."""
    said: dict[str, list[str]] = {"Applied as trained by": []}
    for each in sorted(found, key=lambda each: any(one.kind == "refused" for one in each.findings)):
        kinds = dict.fromkeys(one.kind for one in each.findings)
        low, high = each.strength
        if each.fits or set(kinds) <= {"limit", "depends"}:
            limit = " (if told to take the rank)" if "limit" in kinds else ""
            if not each.title.startswith("one "):
                said["Applied as trained by"].append(each.title + limit)
        elif "refused" in kinds:
            said.setdefault("Refused by", []).append(each.title)
        elif "scale" in kinds:
            times = f"{low:.3g}" if low == high else f"{low:.3g} to {high:.3g}"
            said.setdefault(f"Applied at {times} times the trained scale by", []).append(each.title)
        else:
            said.setdefault("Applied in part, or to other weights, by", []).append(each.title)
    return " ".join(f"{words} {', '.join(names)}." for words, names in said.items() if names)


def _cut(spectra: Sequence[Spectrum], made: Sequence[Row], adapter: Adapter | None) -> str:
    """Which modules to cut, to what rank, at what error."""
    if not any(row.norm > 0 for row in made):
        return ""
    if adapter is None:
        common = over_modules.common_rank(spectra, ERROR)
        return f"A LoRA of rank {common} in every module holds it with an error of {ERROR}."
    if _not_all(adapter):
        return "It is not to be cut as it is."
    plain = [each.plain for each in adapter.modules]
    spectra = [one for one, may in zip(spectra, plain) if may]
    made = [one for one, may in zip(made, plain) if may]
    if not made:
        return ""
    common = over_modules.common_rank(spectra, ERROR)
    ranks = [max(row.rank99, 1) for row in made]
    sides = np.array([row.d + row.k for row in made])
    whole = float(sides @ [row.rank for row in made])
    size = float(sides @ ranks) / whole
    if size > 0.9:
        return f"There is little to cut: an error of {ERROR} leaves {size:.0%} of the parameters."
    error = over_modules.cut_error(spectra, ranks)
    one = float(sides @ [min(common, row.rank) for row in made]) / whole
    return (
        f"To cut, each module to its own rank: `truncate --error {ERROR}` leaves {size:.0%} of "
        f"the parameters, at a relative error of {error:.2g} over all modules; to one rank for "
        f"all: `truncate --rank {common}` leaves {one:.0%} at {ERROR}.{_most(made)}"
    )


def _most(made: Sequence[Row]) -> str:
    """The kinds of modules with most and with least to cut."""
    kinds = sorted(groups(made, "kind"), key=lambda each: each.left)
    words = [f"{each.name} (r {each.span('rank')} to {each.span('rank99')})" for each in kinds]
    if len(kinds) < 2 or kinds[0].left > kinds[-1].left - 0.05:
        return " All kinds of modules alike." if len(kinds) > 1 else ""
    return f" Most to cut in {', '.join(words[:-1][:2])}, least in {words[-1]}."


def table(rows: Sequence[Row], width: int = WIDTH) -> Table:
    """The rows as a table of at most `width` columns.

    Where it would be wider, it has fewer columns, and then shorter names.

    Examples
    --------
    >>> print(table([Row("m", "linear", 9, 9, 2, 1.0, 2.2, 1.2, 1.9, 2, 2, 0.94)]))
    module  shape  r  scale  norm  stable  eff.  90 %  99 %  in use
    m       9 x 9  2  1      2.2   1.2     1.9   2     2     94 %
    """
    columns = {
        "shape": [f"{row.d} x {row.k}" for row in rows],
        "r": [f"{row.rank}" for row in rows],
        "scale": [f"{row.scale:.4g}" for row in rows],
        "norm": [f"{row.norm:.4g}" for row in rows],
        "stable": [f"{row.stable:.1f}" for row in rows],
        "eff.": [f"{row.effective:.1f}" for row in rows],
        "90 %": [f"{row.rank90}" for row in rows],
        "99 %": [f"{row.rank99}" for row in rows],
        "in use": [f"{100 * row.share:.0f} %" for row in rows],
    }
    return _fitted("module", [row.name for row in rows], columns, width)


def _fitted(heading: str, names: Sequence[str], columns: dict[str, list[str]], width: int) -> Table:
    spare = [name for name in _SPARE if name in columns]
    longest = max((len(name) for name in [heading, *names]), default=0)
    while spare and longest > (left := width - _taken(columns)):
        if left >= max(_NAME, longest // 2) and len(columns) < 6:
            break  # rather a short name than no columns
        del columns[spare.pop(0)]
    labels = short_names(names, max(width - _taken(columns), 8))
    return Table([heading, *columns], list(zip(labels, *columns.values())))


def _taken(columns: dict[str, list[str]]) -> int:
    return sum(2 + max(map(len, [name, *cells])) for name, cells in columns.items())


def group_table(groups: Sequence[Group], by: str, width: int = WIDTH) -> Table:
    """The groups as a table of at most `width` columns.

    Examples
    --------
    >>> row = Row("m", "linear", 9, 9, 2, 1.0, 2.2, 1.2, 1.9, 2, 2, 0.94)
    >>> print(group_table([Group("m", (row, row))], "kind"))
    kind  modules  r  scale  norm   99 %  median  in use
    m     2        2  1      3.111  2     2       94 %
    """
    columns = {
        "modules": [f"{len(each.rows)}" for each in groups],
        "r": [each.span("rank") for each in groups],
        "scale": [each.span("scale") for each in groups],
        "norm": [f"{each.norm:.4g}" for each in groups],
        "99 %": [each.span("rank99") for each in groups],
        "median": [f"{each.middle('rank99'):g}" for each in groups],
        "in use": [f"{100 * each.middle('share'):.0f} %" for each in groups],
    }
    return _fitted(by, [each.name for each in groups], columns, width)


def check_table(checks: Sequence[Check]) -> Table:
    """What each loader does, a row each.

    Examples
    --------
    >>> from helpers.adapters import check
    >>> from helpers.model import shipped
    >>> people = shipped.adapter("people")
    >>> check_table([check(people, "peft"), check(people, "sglang")])
    loader         strength  why not as trained
    PEFT 0.21.2    1         -
    SGLang 0.5.23  0.25      scale
    """
    rows = []
    for each in checks:
        low, high = each.strength
        strength = f"{low:.4g}" if np.isclose(low, high) else f"{low:.4g} to {high:.4g}"
        refused = any(one.kind == "refused" for one in each.findings)
        kinds = dict.fromkeys(one.kind for one in each.findings if one.kind != "depends")
        rows.append([each.title, "-" if refused else strength, ", ".join(kinds) or "-"])
    return Table(["loader", "strength", "why not as trained"], rows)
