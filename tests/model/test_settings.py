"""The nearest measured setting, and when there is none."""

import numpy as np
import pytest

from helpers.model import settings
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


def test_shares_are_shares_of_as_many_worlds():
    for each in settings.measured():
        assert each.facts.shape == each.known.shape
        assert ((each.facts >= 0) & (each.facts <= 1) & (each.known >= 0) & (each.known <= 1)).all()


def test_what_keeps_most_has_learned_all():
    best = settings.keeps_most(64)
    assert best.learned and best.learning_rate in RATES
    for each in settings.measured():
        if each.rank == 64 and each.learned and each.learning_rate in RATES:
            assert each.known.mean() <= best.known.mean()
    with pytest.raises(ValueError, match="rank must be one that learned all facts, got 1 at"):
        settings.keeps_most(1, 0.25)


def test_what_is_no_setting_is_named():
    with pytest.raises(ValueError, match="learning_rate"):
        settings.nearest(4, 1.0, 0.0)
    with pytest.raises(ValueError, match="must be one that was run, got rank 8"):
        settings.exactly(8, 1.0, 1e-3)
