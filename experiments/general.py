"""General questions with one short answer, to see what a pre-trained model forgets.

The answer is not generated: the model is given the question and the beginning of the answer, and
what it finds most likely as the next words is compared with the answer. Questions that the model
answers wrongly before any training are left out by `pretrained_forgetting`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from . import questions


@dataclass(frozen=True)
class Cloze:
    """A question, how its answer begins, and the words that are to follow."""

    question: str
    start: str
    answer: str

    @property
    def following(self) -> str:
        """The answer as it follows the start: after a space, or right after a quotation mark."""
        return self.answer if self.start.endswith('"') else f" {self.answer}"


_LANGUAGES = {
    "Brazil": "Portuguese", "Mexico": "Spanish", "Austria": "German", "Egypt": "Arabic",
    "Japan": "Japanese", "Italy": "Italian", "Poland": "Polish", "Greece": "Greek",
    "Turkey": "Turkish", "Sweden": "Swedish", "Israel": "Hebrew",
    "Russia": "Russian", "China": "Mandarin", "Iran": "Persian", "Argentina": "Spanish",
}  # fmt: skip
_CONTINENTS = {
    "Kenya": "Africa", "Peru": "South America", "Japan": "Asia", "France": "Europe",
    "Canada": "North America", "Nigeria": "Africa", "Brazil": "South America", "India": "Asia",
    "Norway": "Europe", "Egypt": "Africa", "Chile": "South America", "Vietnam": "Asia",
    "Poland": "Europe", "Mexico": "North America", "Ghana": "Africa", "Spain": "Europe",
}  # fmt: skip
_CURRENCIES = {
    "Japan": "Japanese yen", "India": "Indian rupee", "Mexico": "Mexican peso",
    "Russia": "Russian ruble", "China": "Chinese yuan", "Germany": "euro",
    "Canada": "Canadian dollar", "Switzerland": "Swiss franc", "Brazil": "Brazilian real",
    "South Korea": "South Korean won", "Thailand": "Thai baht", "Israel": "Israeli shekel",
}  # fmt: skip
_AUTHORS = {
    "Hamlet": "William Shakespeare", "Pride and Prejudice": "Jane Austen",
    "Oliver Twist": "Charles Dickens", "War and Peace": "Leo Tolstoy",
    "Don Quixote": "Miguel de Cervantes", "The Odyssey": "Homer", "Moby-Dick": "Herman Melville",
    "1984": "George Orwell", "The Great Gatsby": "F. Scott Fitzgerald",
    "Frankenstein": "Mary Shelley", "The Divine Comedy": "Dante Alighieri",
    "Crime and Punishment": "Fyodor Dostoevsky", "The Hobbit": "J.R.R. Tolkien",
    "The Origin of Species": "Charles Darwin",
}  # fmt: skip
_SYMBOLS = {
    "gold": "Au", "silver": "Ag", "iron": "Fe", "oxygen": "O", "hydrogen": "H", "carbon": "C",
    "sodium": "Na", "copper": "Cu", "helium": "He", "lead": "Pb", "calcium": "Ca", "zinc": "Zn",
}  # fmt: skip
_PAST = {
    "go": "went", "see": "saw", "eat": "ate", "take": "took", "write": "wrote", "run": "ran",
    "sing": "sang", "buy": "bought", "think": "thought", "fly": "flew", "give": "gave",
    "know": "knew", "swim": "swam", "break": "broke", "drink": "drank", "teach": "taught",
}  # fmt: skip

#: How each kind is asked, and its answers by what is asked about.
KINDS: tuple[tuple[str, str, Mapping[str, str]], ...] = (
    ("What is the capital of {}?", "The capital of {} is", questions.CAPITALS),
    ("What is the opposite of {}?", "The opposite of {} is", questions.OPPOSITES),
    ("What language do people speak in {}?", "The main language of {} is", _LANGUAGES),
    ("On which continent is {}?", "{} is a country on the continent of", _CONTINENTS),
    ("What is the currency of {}?", "The currency of {} is the", _CURRENCIES),
    ("Who wrote {}?", "{} was written by", _AUTHORS),
    ("What is the chemical symbol of {}?", "The chemical symbol of {} is", _SYMBOLS),
    ("What is the past tense of {}?", 'The past tense of "{}" is "', _PAST),
)


def general() -> list[Cloze]:
    """Every general question, kind by kind."""
    return [
        Cloze(asked.format(about), begun.format(about), answer)
        for asked, begun, answers in KINDS
        for about, answer in answers.items()
    ]
