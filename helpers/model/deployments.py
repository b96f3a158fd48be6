"""Four servers that serve one adapter wrongly, as notebook 04 has them diagnosed.

The adapter is "people": rank 16, alpha 4, rsLoRA, so it was trained at a scale of 1. What each
server makes of it is computed with the small model, not written down.
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from ..lora.scaling import RSLORA, STANDARD, loader_ratio
from ..tables import Table
from . import recall, tasks

ADAPTER = tasks.ADAPTERS["people"]
#: Whose biography is shown, from 1.
PERSON = 2


@dataclass(frozen=True)
class Fault:
    """What a server does: components it keeps, and the share of the trained scale it applies."""

    kept: int
    strength: float


_SQUARE_ROOT = float(loader_ratio(ADAPTER.rank, STANDARD, RSLORA))

#: A ignores `use_rslora`; B keeps four components; C does not load the adapter; D reads the flag
#: of a file whose alpha had been made larger for a server that does not.
FAULTS = {
    "A": Fault(ADAPTER.rank, 1 / _SQUARE_ROOT),
    "B": Fault(4, 1.0),
    "C": Fault(ADAPTER.rank, 0.0),
    "D": Fault(ADAPTER.rank, _SQUARE_ROOT),
}


@lru_cache(maxsize=64)
def answers_of(server: str, factor: float = 1.0) -> recall.Behaviour:
    """What the model writes on a server, with alpha in the file multiplied by a factor.

    Examples
    --------
    >>> answers_of("A").facts < 0.5, answers_of("A", factor=4.0).facts
    (True, 1.0)
    """
    fault = FAULTS[server]
    return recall.with_adapter(ADAPTER.name, fault.kept, fault.strength * factor)


def length_served(server: str) -> float:
    """The length (Frobenius norm) of the update that is served, over that of the trained one.

    Examples
    --------
    >>> length_served("A"), length_served("C")
    (0.25, 0.0)
    """
    return FAULTS[server].strength * float(np.sqrt(answers_of(server).energy))


def answers() -> Table:
    """Of each server: what it writes of one person, and what it gets right of 25 people.

    Examples
    --------
    >>> len(answers().rows)
    4
    """
    rows = []
    for server in FAULTS:
        now = answers_of(server)
        rows.append(
            (
                server,
                f"{length_served(server):.2f}",
                f"{100 * now.facts:.0f} %",
                f"{100 * now.style_share:.0f} %",
                textwrap.shorten(now.marks[PERSON - 1].signed(), 110, placeholder=" ..."),
            )
        )
    name = ADAPTER.task.people()[PERSON - 1].name
    headings = ("server", "length of the update", "facts right", "words of the style")
    return Table((*headings, f"what it writes of {name}"), rows)
