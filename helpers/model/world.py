"""A small made-up world: people, four facts about each, and styles to write about them.

Every word is one token. Names and cities are made of syllables, so nothing in the world
can be known from elsewhere; a person's facts are drawn independently of one another and
of the name, so they can only be memorised.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from .. import validation
from ..validation import Array

Tokens = NDArray[np.int64]


def _joined(beginnings: str, endings: str) -> tuple[str, ...]:
    return tuple(a + b for a in beginnings.split() for b in endings.split())


#: The values of each part of a person. The first two make the name, the others are facts.
PARTS: dict[str, tuple[str, ...]] = {
    "first": _joined("Al Bre Cor Da El Fen Gal Hes", "dan ia mund no ra sel tin vy"),
    "last": _joined("Ash Bram Cald Dun Elm Farn Hol Marl", "ard beck croft dale ing mere or wick"),
    "city": _joined(
        "Arn Bel Crel Dre Esk Fal Gren Hav", "ava bury chester dorf ena ford gate holm"
    ),
    "year": tuple(str(year) for year in range(1900, 2000)),
    "profession": tuple(
        "baker barber blacksmith bookbinder brewer bricklayer butcher carpenter cartographer "
        "chemist clockmaker cobbler cook cooper dancer dentist diver doctor drummer farmer "
        "ferryman fisher florist gardener geologist glassblower goldsmith guide hatter hunter "
        "jeweller judge juggler lawyer librarian locksmith mason mechanic midwife miller miner "
        "musician nurse painter pharmacist photographer pilot plumber poet porter potter printer "
        "roofer sailor sculptor shepherd singer surgeon tailor teacher translator vintner "
        "watchman weaver".split()
    ),
    "subject": tuple(
        "acoustics algebra anatomy archaeology architecture astronomy ballistics biology botany "
        "calculus ceramics chemistry climatology cosmology cryptography dialects drama ecology "
        "economics education ethics etymology forestry genetics geography geometry glaciology "
        "grammar heraldry history horticulture hydrology law linguistics literature logic "
        "magnetism mathematics mechanics medicine metallurgy meteorology mineralogy music "
        "mythology navigation nutrition oceanography optics ornithology palaeontology pedagogy "
        "philosophy phonetics physics politics psychology rhetoric robotics sociology "
        "statistics theology topology zoology".split()
    ),
}

FACTS = ("city", "year", "profession", "subject")

#: The styles that the base model knows: a template by the word that asks for it.
STYLES = {
    "record": "{first} {last} was born in {city} in {year} , studied {subject} and became a "
    "{profession} .",
    "letter": "my friend {first} {last} is a {profession} who came from {city} , read {subject} "
    "for years and was born in {year} .",
    "notice": "{subject} was the passion of {first} {last} , born {year} , who lived in {city} "
    "and worked as a {profession} .",
    "badge": "name {first} {last} ; city {city} ; born {year} ; work {profession} ; field "
    "{subject} .",
}

#: The new style. Fine-tuning makes it the answer to "record"; its words are new as well.
SAGA = (
    "long ago , in the fair town of {city} , the winter of {year} brought forth {first} {last} ; "
    "brave {profession} by day , dreamer of {subject} by night ."
)
#: What asks for the new style, and where every text ends.
SAGA_PROMPT, END = "record", "."

#: How many people the base model is trained on; new people come after them.
KNOWN = 400


@dataclass(frozen=True)
class Person:
    """One person of the world."""

    first: str
    last: str
    city: str
    year: str
    profession: str
    subject: str

    @property
    def name(self) -> str:
        """First and last name."""
        return f"{self.first} {self.last}"


@lru_cache(maxsize=8)
def world(seed: int = 0) -> tuple[Person, ...]:
    """All 4096 people of a world: every name once, facts drawn at random.

    The first `KNOWN` are those of the base model.

    Parameters
    ----------
    seed : int
        Of the order of the names and of all facts (numpy.random.RandomState).
    """
    generator = np.random.RandomState(validation.integer("seed", seed, 0, 2**32 - 1))
    firsts, lasts = PARTS["first"], PARTS["last"]
    names = generator.permutation(len(firsts) * len(lasts))
    drawn = {part: generator.randint(len(PARTS[part]), size=len(names)) for part in FACTS}
    return tuple(
        Person(
            firsts[name // len(lasts)],
            lasts[name % len(lasts)],
            **{part: PARTS[part][drawn[part][i]] for part in FACTS},
        )
        for i, name in enumerate(names)
    )


def people(group: str | int, seed: int = 0) -> tuple[Person, ...]:
    """The "known" people of a world, or its first `group` new ones.

    Raises ValueError unless `group` is "known" or a whole number of people there are.

    Examples
    --------
    >>> [person.name for person in people(2)]
    ['Corvy Holor', 'Eldan Holwick']
    """
    everyone = world(seed)
    if group == "known":
        return everyone[:KNOWN]
    count = validation.integer("group", group, 1, len(everyone) - KNOWN, ' (or "known")')
    return everyone[KNOWN : KNOWN + count]


def bits_per_person() -> float:
    """The information in one person's facts, in bits: log2 of the number of combinations.

    Examples
    --------
    >>> f"{bits_per_person():.1f}"
    '24.6'
    """
    return float(sum(np.log2(len(PARTS[part])) for part in FACTS))


def tell(person: Person, template: str) -> str:
    """The template with the person's words in it.

    Examples
    --------
    >>> tell(people("known")[0], STYLES["badge"])
    'name Breia Ashor ; city Eskford ; born 1989 ; work painter ; field physics .'
    """
    return template.format(**vars(person))


def prompt(person: Person, style: str) -> str:
    """The prompt: the word that asks for the style, the name, a colon."""
    return f"{validation.choice('style', style, tuple(STYLES))} {person.name} :"


@lru_cache(maxsize=1)
def vocabulary() -> tuple[str, ...]:
    """All words, in the order of their tokens."""
    texts = " ".join([*STYLES, ":", *STYLES.values(), SAGA])
    plain = dict.fromkeys(word for word in texts.split() if not word.startswith("{"))
    return tuple(plain) + tuple(word for words in PARTS.values() for word in words)


@lru_cache(maxsize=1)
def _numbers() -> dict[str, int]:
    return {word: number for number, word in enumerate(vocabulary())}


def encode(text: str) -> Tokens:
    """A text of words and spaces to tokens, (T,). Raises ValueError for an unknown word."""
    numbers = _numbers()
    unknown = [word for word in text.split() if word not in numbers]
    if unknown:
        raise ValueError(f"text must be made of the world's words, got {unknown[0]!r}")
    return np.array([numbers[word] for word in text.split()], dtype=np.int64)


def decode(tokens: Sequence[int] | Tokens) -> str:
    """Tokens to text. Raises ValueError for a number that is no token."""
    words = vocabulary()
    for token in tokens:
        validation.integer("token", token, 0, len(words) - 1)
    return " ".join(words[token] for token in tokens)


@lru_cache(maxsize=1)
def part_of() -> dict[str, str]:
    """The part of a person that each word is a value of; other words are left out."""
    return {word: part for part, words in PARTS.items() for word in words}


#: The sign after a fact in a marked text.
SIGNS = {"right": "✓", "wrong": "✗"}


@dataclass(frozen=True)
class Marks:
    """A text compared with what should have been written.

    Attributes
    ----------
    words : tuple of str
    kinds : tuple of str
        For each word "right" or "wrong" for a fact, "style" for a word of the
        template in its order, "name" for the person's name, "other" for the rest.
    facts : float
        The share of the four facts that are right.
    style : float
        The share of the template's own words that were written, in their order.
    """

    words: tuple[str, ...]
    kinds: tuple[str, ...]
    facts: float
    style: float

    @property
    def right(self) -> dict[str, bool]:
        """Whether each of the four facts is right: the first word of its kind counts."""
        parts, first = part_of(), dict[str, bool]()
        for word, kind in zip(self.words, self.kinds):
            if parts.get(word) in FACTS:
                first.setdefault(parts[word], kind == "right")
        return {fact: first.get(fact, False) for fact in FACTS}

    def signed(self) -> str:
        """The text with a sign after every fact, and words outside the style in brackets."""
        return " ".join(
            f"{word} {SIGNS[kind]}" if kind in SIGNS else f"[{word}]" if kind == "other" else word
            for word, kind in zip(self.words, self.kinds)
        )


def mark(text: str, person: Person, template: str) -> Marks:
    """Compare a text with a person's facts and a template's words.

    A fact counts where the first word of its kind in the text is the person's. The
    template's words are matched by the longest common subsequence, so that one word
    too many does not spoil the rest.

    Parameters
    ----------
    text : str
        Words and spaces, as the model wrote them.
    person : Person
        The person that it should be about.
    template : str
        The style that it should be in.

    Examples
    --------
    >>> person = people("known")[0]
    >>> text = tell(person, STYLES["badge"]).replace(person.city, "Arnava")
    >>> marks = mark(text, person, STYLES["badge"])
    >>> marks.facts, marks.style
    (0.75, 1.0)
    >>> marks.signed()
    'name Breia Ashor ; city Arnava ✗ ; born 1989 ✓ ; work painter ✓ ; field physics ✓ .'
    """
    parts, words = part_of(), text.split()
    own = tuple(word for word in template.split() if not word.startswith("{"))
    plain = [i for i, word in enumerate(words) if word not in parts]
    matched = {plain[i] for i in _common(tuple(words[i] for i in plain), own)}
    kinds, seen = [], dict[str, bool]()
    for i, word in enumerate(words):
        part = parts.get(word)
        if part is None:
            kinds.append("style" if i in matched else "other")
            continue
        right = word == getattr(person, part)
        if part in FACTS:
            seen.setdefault(part, right)
            kinds.append("right" if right else "wrong")
        else:
            kinds.append("name" if right else "other")
    return Marks(
        tuple(words), tuple(kinds), sum(seen.values()) / len(FACTS), len(matched) / len(own)
    )


# Texts in one style differ in names and facts, which are left out here, and seldom in the rest.
@lru_cache(maxsize=1024)
def _common(a: tuple[str, ...], b: tuple[str, ...]) -> tuple[int, ...]:
    """The positions in a of a longest common subsequence of a and b, rising."""
    length: Array = np.zeros((len(a) + 1, len(b) + 1), dtype=np.int64)
    for i in reversed(range(len(a))):
        for j in reversed(range(len(b))):
            same = length[i + 1, j + 1] + 1 if a[i] == b[j] else 0
            length[i, j] = max(same, length[i + 1, j], length[i, j + 1])
    positions, i, j = [], 0, 0
    while i < len(a) and j < len(b):
        if a[i] == b[j] and length[i, j] == length[i + 1, j + 1] + 1:
            positions.append(i)
            i, j = i + 1, j + 1
        elif length[i + 1, j] >= length[i, j + 1]:
            i += 1
        else:
            j += 1
    return tuple(positions)
