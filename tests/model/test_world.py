"""The made-up world: who lives in it, what its words are, how a text is marked."""

import itertools
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.model import world
from helpers.model.world import END, FACTS, KNOWN, PARTS, SAGA, STYLES, Person

EVERYONE = world.world()
ALL_STYLES = {**STYLES, "saga": SAGA}
RECORD = STYLES["record"]
ADA = Person("Aldan", "Ashard", "Arnava", "1900", "baker", "algebra")
#: 16 words: two of the name, four facts, ten of the style.
PERFECT = "Aldan Ashard was born in Arnava in 1900 , studied algebra and became a baker ."


# --- people -------------------------------------------------------------------


def test_a_world_is_the_same_each_time():
    again = world.world.__wrapped__(0)
    assert again == EVERYONE
    assert again is not EVERYONE
    assert world.world(1) != EVERYONE


@pytest.mark.parametrize("seed", [0, 1, 2, 2**32 - 1])
def test_every_name_occurs_once(seed):
    names = [person.name for person in world.world(seed)]
    assert len(names) == len(set(names)) == 64 * 64
    firsts, lasts = zip(*map(str.split, names))
    assert (set(firsts), set(lasts)) == (set(PARTS["first"]), set(PARTS["last"]))


def test_groups_are_nested_and_apart_from_the_known():
    known = world.people("known")
    assert len(known) == KNOWN
    few, many, all_new = (world.people(n) for n in (1, 100, len(EVERYONE) - KNOWN))
    assert (len(few), len(many)) == (1, 100)
    assert many[:1] == few
    assert all_new[:100] == many
    assert not {p.name for p in known} & {p.name for p in all_new}
    assert set(known + all_new) == set(EVERYONE)


def test_groups_are_of_the_world_that_is_asked_for():
    for group in ("known", 5):
        assert set(world.people(group, 3)) <= set(world.world(3))
        assert world.people(group, 3) != world.people(group, 0)


def too_far_from_even(pairs, rows, columns):
    """By how many standard deviations chi squared is off, if all pairs are as likely."""
    expected = len(pairs) / (len(rows) * len(columns))
    counts = Counter(pairs)
    seen = [counts[pair] for pair in itertools.product(rows, columns)]
    freedom = (len(rows) - 1) * (len(columns) - 1) or len(seen) - 1
    return (sum((n - expected) ** 2 for n in seen) / expected - freedom) / math.sqrt(2 * freedom)


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_facts_are_drawn_evenly(seed, fact):
    drawn = [(None, getattr(person, fact)) for person in world.world(seed)]
    assert {value for _, value in drawn} == set(PARTS[fact])
    assert abs(too_far_from_even(drawn, [None], PARTS[fact])) < 5


@pytest.mark.parametrize("one, other", list(itertools.combinations(["first", "last", *FACTS], 2)))
def test_no_part_of_a_person_tells_of_another(one, other):
    pairs = [(getattr(person, one), getattr(person, other)) for person in EVERYONE]
    if {one, other} == {"first", "last"}:
        assert len(set(pairs)) == len(pairs)
    else:
        assert abs(too_far_from_even(pairs, PARTS[one], PARTS[other])) < 5


def test_the_place_in_the_world_tells_of_no_fact():
    for fact in FACTS:
        place = [PARTS[fact].index(getattr(person, fact)) for person in EVERYONE]
        apart = np.corrcoef(place, range(len(place)))[0, 1]
        following = np.corrcoef(place[1:], place[:-1])[0, 1]
        assert abs(apart) < 5 / math.sqrt(len(place))
        assert abs(following) < 5 / math.sqrt(len(place))


def test_bits_per_person():
    """64 cities, 100 years, 64 professions, 64 subjects: 26 214 400 different people."""
    assert world.bits_per_person() == pytest.approx(math.log2(64 * 100 * 64 * 64), rel=1e-14)


# --- words --------------------------------------------------------------------


def test_every_word_has_one_meaning():
    words = world.vocabulary()
    assert len(words) == len(set(words))
    assert all(word and len(word.split()) == 1 and "{" not in word for word in words)
    of_parts = [word for part in PARTS.values() for word in part]
    assert len(of_parts) == len(set(of_parts))
    of_styles = " ".join([*ALL_STYLES.values(), *STYLES, ":"]).split()
    plain = {word for word in of_styles if not word.startswith("{")}
    assert not plain & set(of_parts)
    assert set(words) == plain | set(of_parts)


def test_part_of_knows_the_words_of_every_part():
    found = world.part_of()
    assert found["Arnava"] == "city"
    assert found["1999"] == "year"
    assert "born" not in found
    assert {part: tuple(w for w in found if found[w] == part) for part in PARTS} == PARTS


@pytest.mark.parametrize("style", ALL_STYLES)
def test_every_text_can_be_written_and_read_again(style):
    for person in EVERYONE:
        text = world.tell(person, ALL_STYLES[style])
        tokens = world.encode(text)
        assert tokens.shape == (len(text.split()),)
        assert world.decode(tokens) == text
        assert text.endswith(f" {END}")
        assert f" {END} " not in text
        assert 4 + len(tokens) <= 36


@pytest.mark.parametrize("style", ALL_STYLES)
def test_a_text_holds_every_part_once(style):
    words = world.tell(ADA, ALL_STYLES[style]).split()
    assert all(words.count(value) == 1 for value in vars(ADA).values())


@pytest.mark.parametrize("style", STYLES)
def test_every_prompt_is_four_words_and_says_no_fact(style):
    for person in EVERYONE:
        prompt = world.prompt(person, style)
        assert prompt == f"{style} {person.first} {person.last} :"
        assert world.encode(prompt).shape == (4,)


def test_tokens_number_the_vocabulary():
    words = world.vocabulary()
    np.testing.assert_array_equal(world.encode(" ".join(words)), np.arange(len(words)))
    assert world.decode([0, len(words) - 1]) == f"{words[0]} {words[-1]}"
    assert world.encode("").shape == (0,)
    assert world.decode([]) == ""


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: world.encode("Aldan was Born"), r"^text must .* got 'Born'"),
        (lambda: world.prompt(ADA, "saga"), r"^style must .*'record', .* got 'saga'"),
        (lambda: world.prompt(ADA, None), r"^style must .* got None"),
        (lambda: world.people("new"), r'^group must .* \(or "known"\), got \'new\''),
        (lambda: world.people(0), r"^group must .* between 1 and 3696 .* got 0"),
        (lambda: world.people(3697), r"^group must .* between 1 and 3696 .* got 3697"),
        (lambda: world.people(2.5), r"^group must .* got 2\.5"),
        (lambda: world.world(-1), r"^seed must .* got -1"),
        (lambda: world.world(2**32), r"^seed must .* got 4294967296"),
        (lambda: world.world("one"), r"^seed must .* got 'one'"),
    ],
)
def test_what_the_world_does_not_have(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# --- marks --------------------------------------------------------------------


@pytest.mark.parametrize("style", ALL_STYLES)
@pytest.mark.parametrize("person", EVERYONE[::800])
def test_a_perfect_text(person, style):
    text = world.tell(person, ALL_STYLES[style])
    marks = world.mark(text, person, ALL_STYLES[style])
    assert (marks.facts, marks.style) == (1, 1)
    assert marks.words == tuple(text.split())
    assert Counter(marks.kinds) == {"name": 2, "right": 4, "style": len(text.split()) - 6}


#: What was written, the facts and the style's words (of ten) that count, and the kinds
#: of the words that are special, where that says something.
DAMAGED = [
    ("nothing", "", 0, 0, {}),
    ("a wrong fact", PERFECT.replace("Arnava", "Belava"), 3, 10, {"Belava": "wrong"}),
    ("a year for a city", PERFECT.replace("Arnava", "1900"), 3, 10, {"1900": "right"}),
    ("no city", PERFECT.replace("Arnava ", ""), 3, 10, {}),
    ("right, then wrong", PERFECT.replace("Arnava", "Arnava Belava"), 4, 10,
     {"Arnava": "right", "Belava": "wrong"}),
    ("wrong, then right", PERFECT.replace("Arnava", "Belava Arnava"), 3, 10,
     {"Arnava": "right", "Belava": "wrong"}),
    ("twice the right one", PERFECT.replace("Arnava", "Arnava Arnava"), 4, 10, {}),
    ("no name", PERFECT.replace("Aldan Ashard ", ""), 4, 10, {}),
    ("another's name", PERFECT.replace("Aldan", "Brera"), 4, 10,
     {"Brera": "other", "Ashard": "name"}),
    ("a word too many", PERFECT.replace("became", "friend became"), 4, 10,
     {"friend": "other", "became": "style"}),
    ("an unknown word", PERFECT.replace("became", "gladly became"), 4, 10, {"gladly": "other"}),
    ("a word too few", PERFECT.replace("became ", ""), 4, 9, {}),
    ("two words swapped", PERFECT.replace("born in Arnava", "in born Arnava"), 4, 9, {}),
    ("no end", PERFECT.removesuffix(" ."), 4, 9, {}),
    ("written twice", f"{PERFECT} {PERFECT}", 4, 10, {}),
    ("all facts, no style", "baker algebra 1900 Arnava", 4, 0, {"baker": "right"}),
    ("all style, no facts", "was born in in , studied and became a .", 0, 10, {"was": "style"}),
    ("style from the end", ". a became and studied , in in born was", 0, 2, {}),
]  # fmt: skip


@pytest.mark.parametrize(
    "text, facts, style, kinds", [pytest.param(*case, id=name) for name, *case in DAMAGED]
)
def test_each_kind_of_damage(text, facts, style, kinds):
    marks = world.mark(text, ADA, RECORD)
    assert marks.facts == facts / 4
    assert marks.style == style / 10
    found = dict(zip(marks.words, marks.kinds))
    assert {word: found[word] for word in kinds} == kinds
    assert marks.words == tuple(text.split())
    assert len(marks.kinds) == len(marks.words)
    assert marks.kinds.count("style") == style


def test_one_style_is_not_another():
    """Of the badge's ten own words the record has two, in their order."""
    marks = world.mark(PERFECT, ADA, STYLES["badge"])
    assert marks.facts == 1
    assert marks.style == 2 / 10
    shown = [word for word, kind in zip(marks.words, marks.kinds) if kind == "style"]
    assert shown == ["born", "."]


def test_signs_show_how_a_text_was_marked():
    text = "Brera Ashard was friend born in Belava in 1900"
    marked = world.mark(text, ADA, RECORD).signed()
    assert marked == "[Brera] Ashard was [friend] born in Belava ✗ in 1900 ✓"


def longest_common(a, b):
    """Literally: the longest choice of a's words that is found in b in the same order."""
    for size in range(min(len(a), len(b)), 0, -1):
        choices = set(itertools.combinations(b, size))
        if any(choice in choices for choice in itertools.combinations(a, size)):
            return size
    return 0


@given(
    a=st.lists(st.sampled_from("abc"), max_size=7), b=st.lists(st.sampled_from("abcd"), max_size=7)
)
def test_the_style_is_a_longest_common_subsequence(a, b):
    places = world._common(tuple(a), tuple(b))
    assert len(places) == longest_common(a, b)
    assert list(places) == sorted(set(places))
    # What was chosen is in b in that order.
    rest = iter(b)
    assert all(a[place] in rest for place in places)


@given(words=st.lists(st.sampled_from([*PERFECT.split(), "Belava", "1999", "my", "Brera"])))
def test_any_text_is_marked_by_its_rules(words):
    """The rules written out: first of its kind, and the template's words in their order."""
    marks = world.mark(" ".join(words), ADA, RECORD)
    right = 0
    for fact in FACTS:
        of_kind = [word for word in words if word in PARTS[fact]]
        right += bool(of_kind) and of_kind[0] == getattr(ADA, fact)
    assert marks.facts == right / 4
    assert 0 <= marks.style <= 1
    for word, kind in zip(words, marks.kinds):
        parts = [part for part in PARTS if word in PARTS[part]]
        if not parts:
            assert kind in ("style", "other")
        elif parts[0] in FACTS:
            assert kind == ("right" if word in vars(ADA).values() else "wrong")
        else:
            assert kind == ("name" if word in vars(ADA).values() else "other")


@pytest.mark.parametrize("token", [-1, 466, 2.5])
def test_a_number_that_is_no_token(token):
    with pytest.raises(ValueError, match="token must be a whole number between 0 and 465"):
        world.decode([0, token])
