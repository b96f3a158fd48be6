"""Recall: whom a task is about, what the model is asked, and how its answers are counted."""

import numpy as np
import pytest

from helpers.model import recall, shipped, tasks, world
from helpers.model.update import decompose
from tests.support.model_figures import matrices, written_without_a_cache

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
    for name in tasks.TASKS:
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


# What a figure shows


def test_behaviour_is_what_the_model_writes_of_the_first_people():
    """Against weights put together here, and decoding without a cache."""
    base, update = matrices("base"), matrices("update_25")
    found = recall.behaviour(tasks.TASKS["25"], decompose(update), 5, 0.5, people=3)
    weights, kept, total = {}, 0.0, 0.0
    for name, matrix in update.items():
        U, S, Vt = np.linalg.svd(matrix, full_matrices=False)
        weights[name] = base[name] + 0.5 * sum(S[i] * np.outer(U[:, i], Vt[i]) for i in range(5))
        kept, total = kept + np.sum(S[:5] ** 2), total + np.sum(S**2)
    assert found.people == world.people(25)[:3]
    written = [written_without_a_cache(weights, person, "record") for person in found.people]
    assert [" ".join(marks.words) for marks in found.marks] == written
    marks = [
        world.mark(text, person, STYLES["record"]) for text, person in zip(written, found.people)
    ]
    assert found.marks == tuple(marks)
    assert found.facts == pytest.approx(np.mean([mark.facts for mark in marks]))
    assert found.style_share == pytest.approx(np.mean([mark.style for mark in marks]))
    assert (found.rank, found.scale, found.style) == (5, 0.5, "record")
    assert found.energy == pytest.approx(kept / total, rel=1e-9)


def test_a_full_update_is_that_of_its_task_with_noise():
    clean, noisy = (recall.with_full_update("saga", 16, noise=noise) for noise in (0.0, 0.05))
    assert clean.task is tasks.TASKS["saga"]
    assert len(clean.people) == len(clean.marks) == recall.LIVE_PEOPLE
    assert clean.template == world.SAGA
    assert clean.style_share > 0.9 > noisy.style_share
    parts = shipped.parts("saga", 0.05)
    assert noisy == recall.behaviour(tasks.TASKS["saga"], parts, 16)


@pytest.mark.parametrize("name", tasks.SHIPPED_ADAPTERS)
def test_an_adapter_does_what_it_was_trained_for(name):
    found = recall.with_adapter(name, tasks.ADAPTERS[name].rank, people=5)
    assert found.task is tasks.ADAPTERS[name].task
    assert {"facts": found.facts, "style": found.style_share}[found.task.measure] > 0.95
    assert found.energy == 1
    assert recall.with_adapter(name, 1, people=5).energy < 0.9


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: recall.with_full_update("1600", 8), "task must be one of 'saga'"),
        (lambda: recall.with_adapter("wide", 8), "name must be one of 'people', 'crowd', 'style'"),
        (lambda: recall.with_full_update("25", -1), "rank must be a whole number at least 0"),
        (lambda: recall.with_full_update("25", 1, people=0), "people must be .* at least 1, got 0"),
    ],
)
def test_behaviour_of_what_there_is_not(call, message):
    with pytest.raises(ValueError, match=message):
        call()
