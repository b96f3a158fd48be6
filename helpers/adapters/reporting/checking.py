"""Whether a loader applies an adapter as it was trained: the scale, and what else it holds.

A loader may refuse an adapter, leave a part of it out, match its names with nothing, or apply
it to other weights than it was trained for. `loading.Profile` says with which features of an
adapter it does so.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

import numpy as np

from ...tensorfile import shown
from ..formats import unread
from ..modules import PAIR, Adapter, Finding
from ..tensor_names import EMPTY
from .applying import Applied, applied, place_of
from .features import features
from .loading import Profile, known, profile, profiles

_BAKE = "`bake` writes a copy with one scale for all loaders."
#: What a loader does with a feature: the kind of the finding, and its words.
_EFFECTS = {
    "refuses": ("refused", "{title} refuses {what}."),
    "drops": ("dropped", "{title} leaves out {what}."),
    "dead": ("dead", "{title} matches {of[0]} of {of[1]} modules with nothing: {what}."),
    "wrong": ("wrong", "{title} applies it to weights that it was not trained for: {what}."),
    "depends": ("depends", "Whether {title} takes {what} depends on the model."),
}
#: Ratios of scales this near to 1 are right: alphas may be stored in half precision.
_NEAR = 1e-3


@dataclass(frozen=True)
class Check:
    """What one loader does with one adapter.

    Parameters
    ----------
    loader, title : str
    scales : tuple of Applied
        For each module the trained and the applied scale.
    findings : tuple of Finding
        Of kind "refused", "limit" (a rank above what the loader takes unless told), "dropped",
        "dead", "wrong", "scale", "unread" or "depends".
    """

    loader: str
    title: str
    scales: tuple[Applied, ...]
    findings: tuple[Finding, ...]

    @property
    def fits(self) -> bool:
        """Whether the adapter is applied as it was trained; "depends" is left to the user."""
        return all(each.kind == "depends" for each in self.findings)

    @property
    def strength(self) -> tuple[float, float]:
        """The lowest and the highest of applied over trained scale; 0 for what is not applied."""
        if any(each.kind == "refused" for each in self.findings):
            return 0.0, 0.0
        dead = {name for each in self.findings if each.kind == "dead" for name in each.names}
        ratios = [0.0 if each.name in dead else each.ratio for each in self.scales] or [1.0]
        return min(ratios), max(ratios)

    @property
    def sentence(self) -> str:
        """The answer in a line."""
        if self.fits:
            return f"{self.title} applies this adapter as it was trained."
        bad = [each.text for each in self.findings if each.kind != "depends"]
        more = f" And {len(bad) - 1} more." if len(bad) > 1 else ""
        return f"{bad[0]}{more}"


def check(adapter: Adapter, loader: str, max_rank: int | None = None) -> Check:
    """What a loader does with an adapter.

    Parameters
    ----------
    adapter : Adapter
    loader : str
        The name of a profile, see `profiles`.
    max_rank : int, optional
        The highest rank that the server was started for, in place of its default.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> people = shipped.adapter("people")
    >>> check(people, "peft").fits, check(people, "sglang").strength
    (True, (0.25, 0.25))
    """
    found = profile(loader)
    return _check(adapter, found, features(adapter), max_rank or found.max_rank)


def checks(adapter: Adapter, max_rank: int | None = None) -> list[Check]:
    """What each loader does with an adapter, of those that read its format; see `check`.

    One that goes by the header alone is left out where no header states a scale.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> [each.loader for each in checks(shipped.adapter("people")) if each.fits]
    ['peft', 'vllm', 'vllm-0.31', 'header-only']
    """
    held = features(adapter)
    readers = [each for each in profiles() if adapter.source in each.reads]
    made = [_check(adapter, each, held, max_rank or each.max_rank) for each in readers]
    says = any(place_of(one) == "header" for each in adapter.modules for one in each.stated)
    return [each for each in made if says or each.loader != "header-only"]


def _check(
    adapter: Adapter, found: Profile, held: dict[str, list[str]], max_rank: int | None
) -> Check:
    scales = tuple(applied(adapter, found.name))
    findings = [*_troubles(adapter, found, held, max_rank), *_of_scales(found, scales)]
    return Check(found.name, found.title, scales, tuple(findings))


def _troubles(
    adapter: Adapter, found: Profile, held: dict[str, list[str]], max_rank: int | None
) -> Iterator[Finding]:
    if adapter.source not in found.reads:
        formats = " and ".join(found.reads)
        yield Finding(
            "refused", f"{found.title} reads {formats} adapters, and this is {adapter.source}."
        )
    modules = len(adapter.modules)
    for effect, (kind, words) in _EFFECTS.items():
        for feature in getattr(found, effect):
            if feature in held:
                said, counts = known()["features"][feature], (len(held[feature]), modules)
                text = words.format(title=found.title, what=said["what"], of=counts)
                text = f"{text} {said.get('cure', '')}".rstrip()
                yield Finding(kind, text, tuple(held[feature]))
    highest = max((each.rank for each in adapter.modules if each.form == PAIR), default=0)
    if max_rank is not None and highest > max_rank:
        cure = f" Start it with {found.option} {highest}, or cut." if found.option else ""
        text = f"{found.title} refuses rank {highest}: its limit is {max_rank}.{cure}"
        yield Finding("limit", text)
    for finding in adapter.findings:
        if finding.kind == "dead" and EMPTY in finding.text:
            yield finding
        elif finding.kind == "odd":
            text = f"Not checked: {finding.text.removeprefix('Not read: ')}"
            yield Finding("unread", text, finding.names)
    for kind in dict.fromkeys(adapter.ignored[each] for each in unread(adapter)
                              if each in adapter.ignored):  # fmt: skip
        names = tuple(name for name, each in adapter.ignored.items() if each == kind)
        text = f"Not checked: {len(names)} tensors, such as {shown(names[0])} ({kind})."
        yield Finding("unread", text, names)


def _of_scales(found: Profile, scales: Sequence[Applied]) -> Iterator[Finding]:
    off = [each for each in scales if abs(each.ratio - 1) > _NEAR]
    if off:
        low, high = (end(each.ratio for each in off) for end in (min, max))
        times = f"{low:.4g}" if np.isclose(low, high) else f"{low:.4g} to {high:.4g}"
        first = off[0]
        text = (
            f"{found.title} applies {times} times the trained scale in {len(off)} of "
            f"{len(scales)} modules, such as {first.applied:.4g} in place of {first.trained:.4g} "
            f"in {shown(first.name)}. {_BAKE}"
        )
        yield Finding("scale", text, tuple(each.name for each in off))


def sarif(path: str, checks: Sequence[Check]) -> dict[str, Any]:
    """The findings in SARIF 2.1.0 (OASIS, 2020), for tools that show them beside a file."""
    kinds = {one.kind: one.text for each in checks for one in each.findings}
    results = [
        {
            "ruleId": one.kind,
            "level": "warning" if one.kind == "depends" else "error",
            "message": {"text": one.text},
            "locations": [{"physicalLocation": {"artifactLocation": {"uri": quote(path)}}}],
        }
        for each in checks
        for one in each.findings
    ]
    driver = {"name": "rank-lab", "rules": [{"id": kind} for kind in kinds]}
    run = {"tool": {"driver": driver}, "results": results}
    schema = "https://json.schemastore.org/sarif-2.1.0.json"
    return {"$schema": schema, "version": "2.1.0", "runs": [run]}
