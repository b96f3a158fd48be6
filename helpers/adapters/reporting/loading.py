"""What is known of loaders: each one's profile, by its source, and reports of those at fault.

PEFT applies to each module its own alpha, rank and rule. Others take one alpha and one r for
all modules, or one alpha over each tensor's own rank, or look in one place only, or know only
alpha/r; and each leaves something out or refuses it. `helpers/data/loaders.json` says which,
as of which version and where that stands.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Any

from ... import datafiles, validation


@dataclass(frozen=True)
class Loader:
    """A program that scaled rsLoRA adapters wrongly, and where that is reported.

    `date` is that of the report, or of the source as it was read; `state` is what the source
    said on the day that the file names: look there before relying on it.
    """

    name: str
    fault: str
    state: str
    date: str
    source: str


@lru_cache(maxsize=1)
def loaders() -> tuple[Loader, ...]:
    """Reports of loaders that ignore, or ignored, use_rslora, from helpers/data/loaders.json.

    Examples
    --------
    >>> loaders()[0].name, loaders()[0].fault
    ('SGLang', 'applies alpha/r')
    """
    return tuple(_report(each) for each in known()["reports"])


def _report(given: dict[str, Any]) -> Loader:
    return Loader(**given)


@lru_cache(maxsize=1)
def known() -> dict[str, Any]:
    """What helpers/data/loaders.json says: reports, features in words, profiles."""
    file = datafiles.DATA / "loaders.json"
    content = datafiles.read_object(file)
    try:
        for each in content["reports"]:
            _report(each)
        names = [_profile(each).checked(content["features"]).name for each in content["profiles"]]
        for name, said in content["features"].items():
            if not said["what"] or not all(isinstance(each, str) for each in said.values()):
                raise ValueError(f"the words of feature {name!r} are {said!r:.100}")
        if len({*names}) < len(names):
            raise ValueError(f"two of its profiles have one name: {names}")
    except (AttributeError, KeyError, TypeError):
        raise datafiles.damaged(file, "reports, features or profiles lack something") from None
    except ValueError as error:
        raise datafiles.damaged(file, str(error)) from None
    return content


@dataclass(frozen=True)
class Profile:
    """What a loader does with an adapter, by its source.

    Parameters
    ----------
    name : str
        What `--loader` takes.
    title : str
        As it is called in sentences, with its version.
    reads : tuple of str
        Sources of adapters, such as "peft" (see `Adapter.source`).
    scale : str
        One of `SCALES`.
    date, version, source, file : str
        The release or commit that was read, its date, and where.
    max_rank : int, optional
        The highest rank that it accepts unless `option` says otherwise.
    refuses, drops, dead, wrong, depends : tuple of str
        Features (the file has their words) with which it refuses an adapter; which it leaves
        out; which make it apply nothing; with which it applies an adapter to weights that it was
        not trained for; and which it takes in some models only.
    """

    name: str
    title: str
    reads: tuple[str, ...]
    scale: str
    date: str
    version: str
    source: str
    file: str
    max_rank: int | None = None
    option: str = ""
    refuses: tuple[str, ...] = ()
    drops: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    wrong: tuple[str, ...] = ()
    depends: tuple[str, ...] = ()

    def checked(self, features: Collection[str]) -> Profile:
        """Itself. Raises ValueError for what the file has no business to hold: it is edited."""
        effects = self.refuses, self.drops, self.dead, self.wrong, self.depends
        for each in fields(self):
            value, kind = getattr(self, each.name), each.type
            if kind == "int | None":
                fits = value is None or (type(value) is int and value > 0)
            elif kind == "str":
                fits = isinstance(value, str)
            else:
                fits = isinstance(value, tuple) and all(isinstance(one, str) for one in value)
            if not fits:
                raise ValueError(f"{each.name} of profile {self.name!r} is {value!r:.100}")
        validation.choice("scale", self.scale, SCALES)
        unknown = sorted(set(itertools.chain(*effects)) - set(features))
        if unknown:
            raise ValueError(f"profile {self.name!r} names features without words: {unknown}")
        return self


@lru_cache(maxsize=1)
def profiles() -> tuple[Profile, ...]:
    """The loaders whose behaviour is known, from helpers/data/loaders.json.

    Examples
    --------
    >>> [each.title for each in profiles()[:2]]
    ['PEFT 0.21.2', 'vLLM 0.33.0']
    """
    return tuple(_profile(each) for each in known()["profiles"])


def _profile(given: dict[str, Any]) -> Profile:
    lists: dict[str, Any] = {k: tuple(v) for k, v in given.items() if isinstance(v, list)}
    return Profile(**{**given, **lists})


def profile(name: str) -> Profile:
    """The profile of that name. Raises ValueError if there is none."""
    named = {each.name: each for each in profiles()}
    return named[validation.choice("loader", name, tuple(named))]


#: How a loader comes to a module's scale.
SCALES = (
    "own",  # as the adapter states it for this module
    "alpha/r",  # the same, whatever the rule
    "config",  # one alpha, one r and the rule of the config, for all modules
    "config alpha/r",  # the same, whatever the rule
    "config alpha over rank",  # one alpha for all, over the rank of each tensor
    "alpha tensors",  # the module's alpha tensor over its rank; 1 where there is none
    "metadata",  # Diffusers' metadata, else as by alpha tensors
    "metadata, or the first rank",  # without either, the first module's rank over each one's
    "header",  # what config, metadata or header state; 1 where they do not
)
