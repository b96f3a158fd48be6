"""How much of what a model should write it does write: recall of facts and of style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .. import validation
from ..tables import Table
from . import shipped, tasks, world
from .tasks import Task
from .transformer import Weights, write
from .update import Update, apply_update, captured_energy
from .world import Marks, Person

#: How many people an explorer lets the model write about at each step.
LIVE_PEOPLE = 25


def task(name: str, seed: int = 0) -> tuple[tuple[Person, ...], dict[str, str]]:
    """The people and the styles of a task, templates by the word that asks for them.

    Parameters
    ----------
    name : str
        "saga" for the new style, or a number of new people, such as "100".
    seed : int
        Of the world.

    Examples
    --------
    >>> people, styles = task("100")
    >>> len(people), list(styles)
    (100, ['record', 'letter', 'notice', 'badge'])
    """
    record = tasks.task(name)
    return record.people(seed), dict(record.styles)


def texts(weights: Weights, people: Sequence[Person], style: str) -> list[str]:
    """What the model writes about each person when asked for a style.

    Parameters
    ----------
    weights : dict of str to array
        See `transformer.forward`.
    people : sequence of Person, at least one
    style : str
        One of `world.STYLES`: the word that the prompt opens with.

    Examples
    --------
    >>> texts(shipped.base(), world.people("known")[:1], "badge")
    ['name Breia Ashor ; city Eskford ; born 1989 ; work painter ; field physics .']
    """
    validation.integer("people", len(people), 1)
    prompts = np.stack([world.encode(world.prompt(p, style)) for p in people])
    end = int(world.encode(world.END)[0])
    return [world.decode(written) for written in write(weights, prompts, end)]


def written(weights: Weights, people: Sequence[Person], style: str = "record") -> Table:
    """What a model writes of each person, the facts marked, and the share of them that is right.

    Examples
    --------
    >>> written(shipped.base(), world.people("known")[:1]).rows[0][2]
    '100 %'
    """
    rows = []
    for person, text in zip(people, texts(weights, people, style)):
        marks = world.mark(text, person, world.STYLES[style])
        rows.append((person.name, marks.signed(), f"{100 * marks.facts:.0f} %"))
    return Table((f"{style} of", "what the model writes", "facts right"), rows)


def measure(
    weights: Weights, people: Sequence[Person], styles: Mapping[str, str]
) -> dict[str, float]:
    """Recall of facts and of style, means over people and styles.

    Parameters
    ----------
    weights : dict of str to array
    people : sequence of Person
    styles : dict
        Template of what should be written, by the word that asks for it.

    Returns
    -------
    dict with "facts" and "style", see `world.mark`, rounded to 4 digits.

    Raises ValueError if there are no people or no styles.

    Examples
    --------
    >>> measure(shipped.base(), world.people("known")[:5], world.STYLES)
    {'facts': 1.0, 'style': 1.0}
    """
    validation.integer("number of styles", len(styles), 1)
    marks = [
        mark
        for style, template in styles.items()
        for mark in _marks(weights, people, style, template)
    ]
    return {
        "facts": round(float(np.mean([mark.facts for mark in marks])), 4),
        "style": round(float(np.mean([mark.style for mark in marks])), 4),
    }


def _marks(
    weights: Weights, people: Sequence[Person], style: str, template: str
) -> tuple[Marks, ...]:
    written = texts(weights, people, style)
    return tuple(world.mark(text, person, template) for text, person in zip(written, people))


@dataclass(frozen=True)
class Behaviour:
    """What the small model writes with a truncated and scaled update of a task.

    Attributes
    ----------
    task : Task
    rank : int
        r that the update is truncated to.
    scale : float
        s on the truncated update; 1 is what it was trained with.
    energy : float
        The share of the update's energy that rank r captures.
    style : str
        The word that the model is asked with, such as "record".
    template : str
        What it should write.
    people : tuple of Person
        Whom it is asked about: the first of the task.
    marks : tuple of Marks
        For each person the text that the model wrote, marked.
    """

    task: Task
    rank: int
    scale: float
    energy: float
    style: str
    template: str
    people: tuple[Person, ...]
    marks: tuple[Marks, ...]

    @property
    def facts(self) -> float:
        """The share of the facts that are right, mean over people."""
        return float(np.mean([mark.facts for mark in self.marks]))

    @property
    def style_share(self) -> float:
        """The share of the style's words that are right, mean over people."""
        return float(np.mean([mark.style for mark in self.marks]))


def behaviour(
    task: Task, update: Update, rank: int, scale: float = 1.0, people: int = LIVE_PEOPLE
) -> Behaviour:
    """Run the shipped model with an update: what it then writes about the first people of a task.

    It is asked in the task's first style.

    Parameters
    ----------
    task : Task
    update : dict of str to SVD
        Of every matrix, see `update.decompose`.
    rank, scale : as for `update.apply_update`
    people : int
        How many it is asked about, at least 1.
    """
    validation.integer("people", people, 1)
    style, template = next(iter(task.styles.items()))
    asked = task.people()[:people]
    weights = apply_update(shipped.base(), update, rank, scale)
    marks = _marks(weights, asked, style, template)
    energy = captured_energy(update, rank)
    return Behaviour(task, rank, scale, energy, style, template, asked, marks)


def with_full_update(
    task: str, rank: int, scale: float = 1.0, noise: float = 0.0, people: int = LIVE_PEOPLE
) -> Behaviour:
    """`behaviour` with what full fine-tuning on a task has added to the base.

    Parameters
    ----------
    task : str
        One of `tasks.TASKS`.
    noise : float
        See `shipped.parts`.

    Examples
    --------
    >>> found = with_full_update("25", rank=128)
    >>> found.facts, found.style_share, f"{found.energy:.2f}"
    (1.0, 1.0, '1.00')
    """
    validation.choice("task", task, tuple(tasks.TASKS))
    return _full(task, rank, scale, noise, people)


# A slider over people must not run the model again: it has written about all of them.
@lru_cache(maxsize=8, typed=True)
def _full(task: str, rank: int, scale: float, noise: float, people: int) -> Behaviour:
    return behaviour(tasks.TASKS[task], shipped.parts(task, noise), rank, scale, people)


def with_adapter(name: str, rank: int, scale: float = 1.0, people: int = LIVE_PEOPLE) -> Behaviour:
    """`behaviour` with one of the adapters that ship.

    Parameters
    ----------
    name : str
        One of `tasks.SHIPPED_ADAPTERS`.

    Examples
    --------
    >>> found = with_adapter("people", rank=16)
    >>> found.task.name, found.facts
    ('100', 1.0)
    """
    validation.choice("name", name, tuple(tasks.SHIPPED_ADAPTERS))
    return _adapted(name, rank, scale, people)


@lru_cache(maxsize=8, typed=True)
def _adapted(name: str, rank: int, scale: float, people: int) -> Behaviour:
    return behaviour(tasks.ADAPTERS[name].task, _adapter_update(name), rank, scale, people)


@lru_cache(maxsize=len(tasks.SHIPPED_ADAPTERS))
def _adapter_update(name: str) -> Update:
    """Decomposed once: a slider must not wait for 21 decompositions."""
    return shipped.applied(shipped.adapter(name))
