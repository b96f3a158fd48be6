"""SmolLM2's forgetting: by hand on planted runs, and read again straight from the record."""

import json
from pathlib import Path

import numpy as np
import pytest

from helpers.model import pretrained_forgetting as forgetting
from helpers.model import pretrained_windows as windows
from tests.support.runs import crossed

DATA = Path(forgetting.__file__).parents[1] / "data" / "pretrained_forgetting.json"


@pytest.fixture
def planted(monkeypatch):
    """Takes runs in place of those that ship; what was read before is forgotten."""

    def plant(runs):
        monkeypatch.setattr(forgetting, "measured", lambda name: {"runs": runs})
        forgetting.mapped.cache_clear()

    yield plant
    monkeypatch.undo()
    forgetting.mapped.cache_clear()


def run(rate, facts, known, seed=0, rank=4, scale=2.0, **more):
    both = {"facts": facts, "known": known}
    return {
        "seed": seed, "rank": rank, "scale": scale, "learning_rate": rate, **both,
        "facts_chosen_on": facts, "known_chosen_on": known, "dials": [{"dial": 0.75, **both}],
        **more,
    }  # fmt: skip


def test_rates_are_read_between_those_that_were_run(planted):
    planted([run(1e-4, 0.5, 0.9), run(1e-3, 1.0, 0.5), run(1e-2, 1.0, 0.0)])
    at = {"worlds": (0,), "level": 0.75}
    # Half-way from 0.5 to 1, on a logarithmic axis; three fifths of the way from 0.5 to 0.
    assert forgetting.learned_from(4, 2.0, **at) == pytest.approx([10**-3.5])
    assert forgetting.kept(4, 2.0, **at) == pytest.approx([0.7])
    assert forgetting.lost_from(4, 2.0, worlds=(0,), left=0.2) == pytest.approx([10**-2.4])


def test_what_is_never_reached_is_no_number(planted):
    planted([run(1e-4, 0.5, 0.9), run(1e-3, 0.9, 0.5)])
    for read in (forgetting.learned_from, forgetting.lost_from, forgetting.kept):
        assert np.isnan(read(4, 2.0, worlds=(0,))).all()


def test_a_world_without_a_rate_is_read_without_it(planted):
    planted([
        run(1e-4, 0.5, 0.9), run(1e-3, 1.0, 0.4), run(1e-2, 1.0, 0.0),
        run(1e-4, 0.5, 0.8, seed=1), run(1e-2, 1.0, 0.0, seed=1),
    ])  # fmt: skip
    assert forgetting.learned_from(4, 2.0, worlds=(0, 1), level=0.75) == pytest.approx(
        [10**-3.5, 10**-3.0]
    )


def test_what_was_not_run_is_named():
    with pytest.raises(ValueError, match="rank and scale must be run together, 64 and 3 are not"):
        forgetting.kept(64, 3.0)
    with pytest.raises(ValueError, match="asked must be one of"):
        forgetting.mapped("trained")


def test_a_scale_is_chosen_by_other_worlds_and_questions_than_it_is_reported_by(planted):
    """At scale 2 the choosing ones keep more; everything that reports keeps more at scale 1."""
    rows = []
    for seed in forgetting.WORLDS:
        for scale, high in ((1.0, seed > 2), (2.0, seed <= 2)):
            chosen, reported = (0.8 if high else 0.3), (0.9 if scale == 1.0 else 0.1)
            rows.append(run(1e-3, 1.0, reported, seed, scale=scale, known_chosen_on=chosen))
    planted(rows)
    assert forgetting.best_scale(4) == 2.0


def test_windows_that_follow_a_law_have_its_exponents(planted):
    """Learned at 0.004 and lost at 0.02, over the root of s r: by the rules 0, -1/4 and -1/2."""
    rows = []
    for rule in windows.FOLLOWED:
        for rank in forgetting.RANKS:
            scale = windows.RULES[rule](rank)
            if (rank, scale) in {(row["rank"], row["scale"]) for row in rows}:
                continue
            for product, facts, known in ((0.002, 0.0, 1.0), (0.004, 0.975, 0.9), (0.02, 1, 0.2)):
                rate = product / (scale * rank) ** 0.5
                rows += [run(rate, facts, known, seed, rank, scale) for seed in forgetting.WHOLE]
    planted(rows)
    for rule, power in windows.FOLLOWED.items():
        assert windows.exponents(rule) == pytest.approx(np.full((2, 5), power), abs=1e-9)
        assert windows.share_within(rule, 0.01) == 1
        assert windows.share_within(rule, 0.0039) == windows.share_within(rule, 0.0201) == 0
    served = [windows.serving(rule).tolist() for rule in windows.FOLLOWED]
    # Five times is a window; from rank 1 to 256 they move 4 and 16 times.
    assert served == [[True] * 5, [True] * 5, [False] * 5]


@pytest.mark.parametrize("rank, scale", [(None, 1.0), (1, 16.0), (64, 2.0), (256, 0.0625)])
def test_read_straight_from_the_record(rank, scale):
    runs = json.loads(DATA.read_text(encoding="utf-8"))["runs"]
    for seed in forgetting.WHOLE:
        mine = sorted(
            (run["learning_rate"], run["facts"], run["known"]) for run in runs
            if (run["rank"], run["scale"], run["seed"]) == (rank, scale, seed)
        )  # fmt: skip
        rates, facts, known = np.transpose(mine)
        share, place = crossed(facts, 0.975)
        expected = rates[place] * (rates[place + 1] / rates[place]) ** share
        assert forgetting.learned_from(rank, scale)[seed] == pytest.approx(expected)
        expected = known[place] + share * (known[place + 1] - known[place])
        assert forgetting.kept(rank, scale)[seed] == pytest.approx(expected)


def test_tables_say_what_is_read():
    front = {row[0]: row for row in forgetting.front_table().rows}
    left = forgetting.kept(64, forgetting.best_scale(64), worlds=(3, 4, 5))
    assert front["rank 64"][2] == f"{left.mean():.2f} ({left.min():.2f} to {left.max():.2f})"
    dialled = forgetting.kept(None, 1.0, "dialled", (3, 4, 5))
    assert front["all weights"][3].startswith(f"{dialled.mean():.2f} (")
    assert front["rank 4"][4] == "0.46" and front["rank 256"][4] == "not run"
    rule, *cells = windows.rules_table().rows[1]
    assert rule == "alpha/sqrt(r), alpha = 16" and cells[-1] == "-0.25"
    rates = forgetting.learned_from(16, 4.0, worlds=forgetting.WHOLE)
    assert cells[2].split(":")[0] == f"{np.exp(np.log(rates).mean()):.2g}"
    assert [row[:2] for row in forgetting.scales_table((16,)).rows] == [
        ("16", "1"), ("16", "2"), ("16", "4"),
    ]  # fmt: skip
