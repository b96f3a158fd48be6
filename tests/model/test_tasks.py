"""The records of tasks and kept adapters, against the world, the weights and the results."""

import pytest

from helpers.model import shipped, tasks, world
from tests.support.model_figures import stored


def test_new_people_and_a_new_style():
    new, style = tasks.task("100"), tasks.task("saga")
    assert new.people(2) == world.people(100, 2)
    assert style.people(2) == world.people("known", 2)
    assert dict(new.styles) == new.other_styles == world.STYLES
    assert dict(style.styles) == {"record": world.SAGA}
    assert style.other_styles.keys() == world.STYLES.keys() - {"record"}
    assert (new.measure, style.measure) == ("facts", "style")


def test_words_are_those_of_the_task():
    for name, task in tasks.TASKS.items():
        assert task.name == name
        count = str(task.new_people) if task.new_people else "style"
        for text in (task.label, task.description, task.measured):
            assert count in text.split()


def test_tasks_are_those_that_were_measured():
    for part in ("full", "needed"):
        assert {run["task"] for run in stored("small_model")[part]} == set(tasks.TASKS)
    trained = {run["task"] for run in stored("small_lora")["runs"]}
    assert trained == {*tasks.TASKS, tasks.LARGEST.name}


def test_the_highest_rank_is_that_of_the_largest_matrices():
    highest = max(min(matrix.shape) for matrix in shipped.base().values())
    assert {task.highest_rank for task in tasks.TASKS.values()} == {highest}
    for run in stored("small_model")["full"]:
        assert run["ranks"][-1]["rank"] == highest


def test_kept_adapters_are_those_that_were_measured():
    record = stored("adapters")
    assert {run["name"] for run in record["runs"]} == set(tasks.ADAPTERS)
    for name, adapter in tasks.ADAPTERS.items():
        assert adapter.name == name
        assert adapter.ships is (name in record["made"]) is (name in tasks.SHIPPED_ADAPTERS)
        run = next(run for run in record["runs"] if run["name"] == name)
        assert run["scales"] and run["ranks"][-1]["rank"] == adapter.rank
        if adapter.ships:
            trained = record["made"][name]["trained"]
            assert (trained["task"], trained["rank"]) == (adapter.task.name, adapter.rank)


@pytest.mark.parametrize("name", ["poem", "-5", "2.5", "", 25, None, "0"])
def test_unknown_tasks(name):
    with pytest.raises(ValueError, match=r"^name must be \"saga\" or a number of people .* got"):
        tasks.task(name)
