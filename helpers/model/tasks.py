"""What the small model is fine-tuned on, and the LoRAs of it that were kept: one record each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from ..lora.scaling import RSLORA, STANDARD
from . import world
from .world import Person

#: The largest rank that an update of one of the small model's matrices can have: its width.
FULL_RANK = 128
#: The name of the task that teaches a new style; those of the others are numbers of people.
NEW_STYLE = "saga"


@dataclass(frozen=True)
class Task:
    """One thing to learn: a new style for people that the base knows, or new people.

    Attributes
    ----------
    name : str
        As in the files of results: "saga", or a number of people such as "100".
    label : str
        For a row of a table: "new style", "100 people".
    description : str
        Inside a sentence: "a new style for known people", "the facts of 100 new people".
    measure : "style" or "facts"
        The share that says how well the task is learned.
    measured : str
        The same as a title: "words of the style", "facts of 100 people".
    new_people : int
        How many people the base does not know; 0 for the new style.
    styles : mapping of str to str
        What should be written: the template by the word that asks for it.
    highest_rank : int
        The rank at which a truncated update is the whole update.
    """

    name: str
    label: str
    description: str
    measure: str
    measured: str
    new_people: int
    styles: Mapping[str, str] = field(hash=False)
    highest_rank: int = FULL_RANK

    def people(self, seed: int = 0) -> tuple[Person, ...]:
        """The people of the task in the world of that seed."""
        return world.people(self.new_people or "known", seed)

    @property
    def other_styles(self) -> dict[str, str]:
        """The base's styles that the task does not replace: known people are asked in these."""
        return {
            word: template
            for word, template in world.STYLES.items()
            if self.styles.get(word, template) == template
        }


def task(name: str) -> Task:
    """The record of a task.

    Parameters
    ----------
    name : str
        "saga" for the new style, or a number of new people.

    Raises ValueError for another name.

    Examples
    --------
    >>> task("saga").measure, task("25").measured
    ('style', 'facts of 25 people')
    """
    if name == NEW_STYLE:
        styles = MappingProxyType({world.SAGA_PROMPT: world.SAGA})
        return Task(
            name, "new style", "a new style for known people", "style", "words of the style",
            0, styles,
        )  # fmt: skip
    if not isinstance(name, str) or not name.isdecimal() or int(name) == 0:
        raise ValueError(
            f'name must be "{NEW_STYLE}" or a number of people such as "100", got {name!r}'
        )
    return Task(
        name, f"{name} people", f"the facts of {name} new people", "facts",
        f"facts of {name} people", int(name), MappingProxyType(world.STYLES),
    )  # fmt: skip


#: The tasks whose full updates ship, by name.
TASKS = MappingProxyType({name: task(name) for name in (NEW_STYLE, "25", "100", "400")})
#: One that was only trained with LoRA, at two ranks.
LARGEST = task("1600")


@dataclass(frozen=True)
class KeptAdapter:
    """A LoRA of the small model that was kept after training.

    Attributes
    ----------
    name : str
    task : Task
        What it was trained on.
    label : str
        What it learned, in a table: "100 new people", "a new style".
    rank : int
    alpha : float
    rule : str
        "alpha/r" or "alpha/sqrt(r)".
    ships : bool
        Whether its files are in `helpers/data/adapters`; the others were only measured.
    """

    name: str
    task: Task
    label: str
    rank: int
    alpha: float
    rule: str
    ships: bool = True


_KEPT = (
    KeptAdapter("people", TASKS["100"], "100 new people", 16, 4, RSLORA),
    KeptAdapter("crowd", TASKS["400"], "400 new people", 16, 4, RSLORA),
    KeptAdapter("style", TASKS[NEW_STYLE], "a new style", 16, 16, STANDARD),
    KeptAdapter("wide", TASKS["100"], "100 new people, rank 64", 64, 8, RSLORA, ships=False),
)
#: The adapters that were kept, and those of them that ship, by name.
ADAPTERS = MappingProxyType({adapter.name: adapter for adapter in _KEPT})
SHIPPED_ADAPTERS = MappingProxyType({adapter.name: adapter for adapter in _KEPT if adapter.ships})
