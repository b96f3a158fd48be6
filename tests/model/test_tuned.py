"""Each rank at its best: what is chosen, where, and among which rates."""

import pytest

from helpers.model import adaptations, tuned, verdicts
from helpers.model.forgetting import CHOOSE, RATES


def run(world, scale, rate, known, **other):
    return {
        "seed": world, "rank": 16, "scale": scale, "learning_rate": rate, "facts": 1.0,
        "known": known, "loss": 0.1, "diverged": False, **other,
    }  # fmt: skip


@pytest.fixture
def record(monkeypatch):
    """Of the map's own rates 1e-4 keeps most, of all rates one between them."""
    content: dict = {"adapt": [
        run(world, 4.0, rate, known)
        for world in range(6) for rate, known in ((1e-3, 0.3), (1e-4, 0.6), (1.7e-4, 0.8))
    ]}  # fmt: skip
    found = {"small_map": content, "small_lora": {"runs": []}}
    monkeypatch.setattr(adaptations, "measured", lambda name: found[name])
    adaptations.rows.cache_clear()
    yield content
    adaptations.rows.cache_clear()


def test_what_is_chosen_is_of_the_maps_own_rates(record):
    assert 1.7e-4 not in RATES
    assert tuned.best(16) == (4.0, 1e-4)
    assert tuned.most_known(16) == pytest.approx(0.6)
    assert tuned.best(16, finer=True) == (4.0, 1.7e-4)
    assert tuned.kept_by(16, 4.0, 1.7e-4).tolist() == [0.8] * 3  # and can be looked up


def test_a_rate_between_is_chosen_only_where_every_choosing_world_has_it(record):
    record["adapt"] = [each for each in record["adapt"]
                       if (each["seed"], each["learning_rate"]) != (1, 1.7e-4)]  # fmt: skip
    adaptations.rows.cache_clear()
    assert tuned.best(16, finer=True) == (4.0, 1e-4)


def test_what_was_examined_at_another_setting_is_no_part_of_what_was_chosen(record):
    def examined(rate, known):
        after = [{"rank": None, "dial": 0.5, "facts": 0.95, "known": known}]
        return [run(world, 4.0, rate, 0.3, after=after) for world in (3, 4, 5)]

    record["examine"] = [*examined(1e-3, 0.5), *examined(1e-4, 0.9)]
    adaptations.rows.cache_clear()
    along = 0.9 + 0.5 * (0.3 - 0.9)  # half of the way from 0.95 to all of the new facts
    assert verdicts.turned_down(16) == pytest.approx([along] * 3)


def test_every_choosing_world_has_run_what_ships_as_chosen():
    for rank in tuned.TRAINED:
        for finer in (False, True):
            points = tuned.tried(rank, CHOOSE, finer)
            assert tuned.best(rank, finer) in points.whole().settings
