"""The nearest measured setting, and when there is none."""

import numpy as np
import pytest

from helpers.model import adaptations, settings
from helpers.model.forgetting import RATES


def test_every_setting_is_its_own_nearest():
    for each in settings.measured():
        found, near = settings.nearest(each.rank, each.scale, each.learning_rate)
        assert near
        assert found is each


@pytest.mark.parametrize(
    "asked, near",
    [((64, 2.0, 6e-4), True), ((64, 2.0, 1e-1), False),
     ((64, 200.0, 1e-5), False), ((32, 2.0, 3e-4), True), ((31, 0.25, 1e-3), True)],
)  # fmt: skip
def test_near_is_a_factor_of_two_in_each(asked, near):
    found, said = settings.nearest(*asked)
    mine = np.array([found.rank, found.scale, found.learning_rate])
    assert said == near == bool(np.all(np.maximum(mine / asked, asked / mine) <= 2 + 1e-9))


def test_a_setting_is_read_where_none_was_chosen_or_where_it_was_run():
    """By hand over the shipped rows."""
    for each in settings.measured():
        runs = {
            row["seed"]: row["known"]
            for row in adaptations.plain_lora(finer=True)
            if (row["rank"], row["scale"], row["learning_rate"])
            == (each.rank, each.scale, each.learning_rate)
        }
        if {3, 4, 5} <= set(runs):
            assert each.worlds == (3, 4, 5)
        else:
            assert each.worlds == ((0, 1, 2) if {0, 1, 2} <= set(runs) else tuple(sorted(runs)))
        assert each.known.tolist() == [runs[world] for world in each.worlds]


def test_shares_are_shares_of_as_many_worlds():
    for each in settings.measured():
        assert each.facts.shape == each.known.shape == (len(each.worlds),)
        assert ((each.facts >= 0) & (each.facts <= 1) & (each.known >= 0) & (each.known <= 1)).all()


def test_what_keeps_most_has_learned_all_where_it_was_chosen():
    best = settings.keeps_most(64)
    assert best.learned and best.learning_rate in RATES and best.worlds == (3, 4, 5)
    chosen_on = adaptations.lora(64, (0, 1, 2)).whole()
    facts, known = chosen_on.facts.mean(axis=0), chosen_on.known.mean(axis=0)
    mine = chosen_on.settings.index((best.scale, best.learning_rate))
    assert known[mine] == known[facts >= 0.975].max()
    assert settings.keeps_most(64, 2.0).learning_rate == 1e-4  # which the others have not run
    with pytest.raises(ValueError, match="rank must be one that learned all facts, got 1 at"):
        settings.keeps_most(1, 0.25)


def test_what_is_no_setting_is_named():
    with pytest.raises(ValueError, match="learning_rate"):
        settings.nearest(4, 1.0, 0.0)
    with pytest.raises(ValueError, match="must be one that was run, got rank 8"):
        settings.exactly(8, 1.0, 1e-3)
