"""How much of what a model should say it says: recall of facts and of style."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from .. import validation
from . import world
from .transformer import Weights, write
from .world import Person

#: What the small model is fine-tuned on: a new style for people it knows, or new people.
TASKS = ("saga", "25", "100", "400")

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
    """
    if name == "saga":
        return world.people("known", seed), {world.SAGA_PROMPT: world.SAGA}
    if not isinstance(name, str) or not name.isdecimal() or int(name) == 0:
        raise ValueError(f'name must be "saga" or a number of people such as "100", got {name!r}')
    return world.people(int(name), seed), dict(world.STYLES)


def texts(weights: Weights, people: Sequence[Person], style: str) -> list[str]:
    """What the model writes of each person when asked for a style."""
    validation.integer("people", len(people), 1)
    prompts = np.stack([world.encode(world.prompt(p, style)) for p in people])
    end = int(world.encode(world.END)[0])
    return [world.decode(written) for written in write(weights, prompts, end)]


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
    """
    validation.integer("number of styles", len(styles), 1)
    marks = [
        world.mark(text, person, template)
        for style, template in styles.items()
        for text, person in zip(texts(weights, people, style), people)
    ]
    return {
        "facts": round(float(np.mean([m.facts for m in marks])), 4),
        "style": round(float(np.mean([m.style for m in marks])), 4),
    }
