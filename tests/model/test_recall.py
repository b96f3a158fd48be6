"""Recall: whom a task is about, what the model is asked, and how its answers are counted."""

import numpy as np
import pytest

from helpers.model import recall, world

PEOPLE = world.people(4)
STYLES = world.STYLES


def answering(monkeypatch, texts):
    """Whatever the model is asked, it writes these; returns what it was asked."""
    asked, left = [], iter(texts)

    def write(weights, prompts, end):
        asked.append([world.decode(prompt) for prompt in prompts])
        assert world.decode([end]) == world.END
        return [world.encode(next(left)) for _ in prompts]

    monkeypatch.setattr(recall, "write", write)
    return asked


def truth(people, *styles):
    return [world.tell(person, STYLES[style]) for style in styles for person in people]


def test_the_new_style_is_for_known_people():
    people, styles = recall.task("saga")
    assert people == world.people("known")
    assert styles == {"record": world.SAGA}


@pytest.mark.parametrize("name", ["1", "25", "400", "1600"])
def test_new_people_come_in_the_known_styles(name):
    people, styles = recall.task(name, 2)
    assert people == world.people(int(name), 2)
    assert styles == STYLES
    assert styles is not STYLES


def test_every_task_exists_in_every_world():
    for name in recall.TASKS:
        for seed in (0, 1):
            people, styles = recall.task(name, seed)
            assert set(people) <= set(world.world(seed))
            assert set(styles) <= set(STYLES)


@pytest.mark.parametrize(
    "name, message",
    [
        ("poem", r"^name must be \"saga\" or a number of people .*, got 'poem'$"),
        ("-5", r"^name must .*, got '-5'$"),
        ("2.5", r"^name must .*, got '2.5'$"),
        ("", r"^name must .*, got ''$"),
        (25, r"^name must .*, got 25$"),
        (None, r"^name must .*, got None$"),
        ("0", r"^name must .*, got '0'$"),
        ("3697", r"between 1 and 3696 .* got 3697$"),
    ],
)
def test_unknown_tasks(name, message):
    with pytest.raises(ValueError, match=message):
        recall.task(name)


def test_everyone_is_asked_about_in_the_style(monkeypatch):
    asked = answering(monkeypatch, truth(PEOPLE, "badge"))
    assert recall.texts({}, PEOPLE, "badge") == truth(PEOPLE, "badge")
    assert asked == [[f"badge {person.name} :" for person in PEOPLE]]


def test_texts_of_nobody_or_in_no_style():
    with pytest.raises(ValueError, match=r"^people must .* at least 1, got 0$"):
        recall.texts({}, [], "badge")
    with pytest.raises(ValueError, match=r"^style must .* got 'saga'$"):
        recall.texts({}, PEOPLE, "saga")


def test_all_is_recalled(monkeypatch):
    asked = answering(monkeypatch, truth(PEOPLE, *STYLES))
    assert recall.measure({}, PEOPLE, STYLES) == {"facts": 1, "style": 1}
    assert [prompts[0].split()[0] for prompts in asked] == list(STYLES)


def test_nothing_is_recalled(monkeypatch):
    answering(monkeypatch, ["", "", "", ""])
    record = {"record": STYLES["record"]}
    assert recall.measure({}, PEOPLE, record) == {"facts": 0, "style": 0}


def test_answers_count_for_those_they_are_about(monkeypatch):
    """Everyone's text is said of the next: in style, and right only by accident."""
    people = [*PEOPLE[1:], PEOPLE[0]]
    answering(monkeypatch, truth(people, "record"))
    found = recall.measure({}, PEOPLE, {"record": STYLES["record"]})
    same = [
        getattr(one, fact) == getattr(other, fact)
        for one, other in zip(PEOPLE, people)
        for fact in world.FACTS
    ]
    assert found == {"facts": sum(same) / 16, "style": 1}


def test_means_are_over_people_and_styles(monkeypatch):
    """Of two people in two styles: 4, 3, 4 and 0 facts of 4; all, all, 9 and 0 of 10 words."""
    one, other = PEOPLE[:2]
    record, badge = STYLES["record"], STYLES["badge"]
    wrong = next(city for city in world.PARTS["city"] if city != other.city)
    answers = [
        world.tell(one, record),
        world.tell(other, record).replace(other.city, wrong),
        world.tell(one, badge).removesuffix(" ."),
        "",
    ]
    answering(monkeypatch, answers)
    found = recall.measure({}, [one, other], {"record": record, "badge": badge})
    assert found == {"facts": round(11 / 16, 4), "style": round(2.9 / 4, 4)}


def test_shares_are_rounded(monkeypatch):
    three = PEOPLE[:3]
    answering(monkeypatch, [truth(three, "record")[0], "", ""])
    found = recall.measure({}, three, {"record": STYLES["record"]})
    assert found == {"facts": 0.3333, "style": 0.3333}
    assert all(type(share) is float for share in found.values())


def test_a_style_may_get_a_new_template(monkeypatch):
    """Asked for a record, a saga is right; of its 24 words a record has "in", "," and "."."""
    one, other = PEOPLE[:2]
    saga = {world.SAGA_PROMPT: world.SAGA}
    answers = [world.tell(one, world.SAGA), world.tell(other, STYLES["record"])]
    answering(monkeypatch, answers)
    found = recall.measure({}, [one, other], saga)
    assert found == {"facts": 1, "style": round((1 + 3 / 24) / 2, 4)}


def test_a_real_model_is_asked():
    """Without a stand-in: a model that knows but one word fills its text with it."""
    words = len(world.vocabulary())
    weights = {
        "embedding": np.ones((words, 4)),
        "position": np.zeros((9, 4)),
        "unembedding": np.zeros((4, words)),
    }
    weights["unembedding"][:, world.encode("born")[0]] = 1
    assert recall.texts(weights, PEOPLE, "letter") == ["born born born born born"] * 4


def test_no_people_of_a_task_and_no_styles():
    with pytest.raises(ValueError, match='name must be "saga" or a number of people'):
        recall.task("0")
    with pytest.raises(ValueError, match=r"number of styles must .* got 0"):
        recall.measure({}, PEOPLE, {})
