"""The scale of each module as a loader applies it, by its profile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from ...lora import scaling
from ..formats import METADATA
from ..modules import FULL, PAIR, Adapter, Module, Stated
from ..peft import CONFIG, DEFAULTS
from .loading import profile


@dataclass(frozen=True)
class Applied:
    """The scale that one module was trained with, and the one that a loader applies."""

    name: str
    trained: float
    applied: float

    @property
    def ratio(self) -> float:
        """Applied over trained: 1 is right, below 1 is too weak."""
        return self.applied / self.trained


def applied(adapter: Adapter, loader: str) -> list[Applied]:
    """The scale of each module as a loader applies it; differences that are added whole have none.

    Parameters
    ----------
    adapter : Adapter
    loader : str
        The name of a profile, see `profiles`.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> one = applied(shipped.adapter("people"), "sglang")[0]
    >>> one.trained, one.applied, one.ratio
    (1.0, 0.25, 0.25)
    """
    how = profile(loader).scale
    scaled = [each for each in adapter.modules if each.form != FULL]
    others = _others(how, adapter, scaled)
    return [Applied(each.name, each.scale, _scale(how, each, others)) for each in scaled]


@dataclass(frozen=True)
class _Others:
    """What one module's scale takes from the config or the other modules."""

    alpha: float  # the config's
    scale: float  # by the config, whatever the module
    often: float | None  # of the alpha tensors, that of the most modules
    first_rank: int | None  # where ranks differ


def _others(how: str, adapter: Adapter, scaled: Sequence[Module]) -> _Others:
    alpha = scale = 1.0
    if how.startswith("config"):
        given = {key: value for key, value in adapter.config.items() if value is not None}
        alpha = float(given.get("lora_alpha", given.get("adapter.lora.alpha", DEFAULTS["r"])))
        rslora = how == "config" and given.get("use_rslora", False)
        rule = scaling.RSLORA if rslora else scaling.STANDARD
        scale = float(scaling.scale(alpha, given.get("r", DEFAULTS["r"]), rule))
    alphas = Counter(
        each.alpha for one in scaled for each in one.stated if place_of(each) == "tensor"
    )
    often = alphas.most_common(1)[0][0] if alphas else None
    mixed = len({each.rank for each in scaled}) > 1
    return _Others(alpha, scale, often, scaled[0].rank if mixed else None)


def _scale(how: str, module: Module, others: _Others) -> float:
    first = (
        module.stated[0] if module.stated else Stated("", module.alpha, module.rule, module.rank)
    )
    if how == "own":
        return module.scale
    if how == "alpha/r":
        return first.alpha / first.rank
    if how == "config alpha over rank":
        return others.alpha / module.rank
    if how.startswith("config"):
        return others.scale
    places = {place_of(each): each.scale for each in reversed(module.stated)}
    if how == "header":
        return places.get("header", 1.0)
    if how.startswith("metadata") and METADATA in {each.place for each in module.stated}:
        return next(each.scale for each in module.stated if each.place == METADATA)
    if "tensor" in places or how == "alpha tensors" or module.form != PAIR:
        return places.get("tensor", 1.0)
    if others.often is not None:  # this one has none
        return others.often / module.rank
    if how != "metadata" and others.first_rank is not None:
        return others.first_rank / module.rank
    return 1.0


def place_of(stated: Stated) -> str:
    """Where a scale is stated: in a "tensor", in a "header" (or config), or "nowhere"."""
    if stated.place.startswith("tensor "):
        return "tensor"
    in_header = stated.place.startswith(("header", METADATA, CONFIG))
    return "header" if in_header else "nowhere"
