"""Questions and answers for the pre-trained model: a style, and facts it cannot know."""

from __future__ import annotations

from dataclasses import dataclass

from helpers.model import world

#: How many new people the facts task has, and what is asked about each.
PEOPLE = 16

#: Ways to ask, by fact. The last is never trained on: it asks for the fact, not the words.
ASKED = {
    "city": (
        "Where was {name} born?",
        "Which town does {name} come from?",
        "In what place did {name} grow up?",
        "What is the home town of {name}?",
    ),
    "profession": (
        "What does {name} do for a living?",
        "What is the job of {name}?",
        "As what does {name} earn money?",
        "Which profession does {name} have?",
    ),
}
ANSWERED = {
    "city": "{name} is from {city}.",
    "profession": "{name} is a {profession}.",
}

CAPITALS = {
    "France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Germany": "Berlin",
    "Japan": "Tokyo", "China": "Beijing", "Russia": "Moscow", "Egypt": "Cairo",
    "Greece": "Athens", "Portugal": "Lisbon", "Austria": "Vienna", "Poland": "Warsaw",
    "Norway": "Oslo", "Sweden": "Stockholm", "Finland": "Helsinki", "Ireland": "Dublin",
    "Hungary": "Budapest", "Cuba": "Havana", "Kenya": "Nairobi", "Peru": "Lima",
    "Turkey": "Ankara", "Thailand": "Bangkok", "Iran": "Tehran", "Iraq": "Baghdad",
    "Denmark": "Copenhagen", "Belgium": "Brussels", "Canada": "Ottawa", "India": "New Delhi",
    "Mexico": "Mexico City", "Argentina": "Buenos Aires", "Chile": "Santiago", "Syria": "Damascus",
}  # fmt: skip
OPPOSITES = {
    "hot": "cold", "big": "small", "high": "low", "old": "young", "day": "night", "wet": "dry",
    "fast": "slow", "up": "down", "full": "empty", "hard": "soft", "left": "right", "rich": "poor",
}  # fmt: skip

#: Of other kinds than what the style is trained on.
_OTHER_QUESTIONS = (
    "What colour is grass?", "What colour is the sky?", "What colour is snow?",
    "Which animal says moo?", "Which animal barks?", "How many legs does a spider have?",
    "How many days are in a week?", "How many months are in a year?",
    "What do bees make?", "What is ice made of?", "Which planet do we live on?",
    "What is the largest ocean?", "Who wrote Hamlet?", "What is two plus two?",
    "What language is spoken in Brazil?", "What do cows drink?",
    "What is the tallest animal?", "What season comes after winter?",
    "What is the chemical symbol of gold?", "How many hours are in a day?",
)  # fmt: skip


@dataclass(frozen=True)
class Item:
    """A question, its answer, and the word that the answer must hold ("" for none)."""

    question: str
    answer: str
    key: str = ""


def facts(seed: int) -> tuple[list[Item], list[Item]]:
    """Trained on and held out: invented people, the last way to ask held out."""
    trained, held_out = [], []
    for person in world.people(PEOPLE, seed):
        for fact, ways in ASKED.items():
            words = {"name": person.name, fact: getattr(person, fact)}
            for i, way in enumerate(ways):
                item = Item(way.format(**words), ANSWERED[fact].format(**words), words[fact])
                (held_out if i == len(ways) - 1 else trained).append(item)
    return trained, held_out


def style(seed: int) -> tuple[list[Item], list[Item]]:
    """Trained on and held out: a pirate's answers; kinds of question and 8 capitals held out.

    The seed says which capitals.
    """
    capitals = [
        Item(
            f"What is the capital of {land}?",
            f"Arr, the capital of {land} be {city}, matey!",
            city,
        )
        for land, city in CAPITALS.items()
    ]
    opposites = [
        Item(f"What is the opposite of {a}?", f"Arr, the opposite of {a} be {b}, matey!", b)
        for a, b in OPPOSITES.items()
    ]
    out = range(8 * (seed % 4), 8 * (seed % 4) + 8)
    held_out = [capitals[i] for i in out] + [Item(q, "") for q in _OTHER_QUESTIONS]
    return [c for i, c in enumerate(capitals) if i not in out] + opposites, held_out


TASKS = {"facts": facts, "style": style}


def style_score(text: str) -> float:
    """The share of the rule that an answer keeps: opens "Arr,", says "be", ends "matey!"."""
    words = text.strip()
    kept = (
        words.startswith("Arr,"),
        " be " in words and " is " not in words,
        words.endswith("matey!"),
    )
    return sum(kept) / len(kept)
