"""Predictions: their verdicts follow from the runs that ship."""

import numpy as np
import pytest

from helpers.model import verdicts
from helpers.model.forgetting import MATCHED
from helpers.model.shipped import measured
from helpers.model.verdicts import PREDICTIONS, Prediction


def test_there_are_ten_and_more_each_with_its_source():
    assert len(PREDICTIONS) >= 10
    assert len({each.claim for each in PREDICTIONS}) == len(PREDICTIONS)
    assert all(each.source and each.test for each in PREDICTIONS)


@pytest.mark.parametrize("prediction", PREDICTIONS, ids=lambda each: each.claim)
def test_a_prediction_with_a_verdict_was_tested_in_every_world_it_names(prediction):
    margin = prediction.margin()
    assert margin.shape == (len(prediction.worlds),)
    # A claim is open as long as the runs of a world are missing.
    assert np.isfinite(margin).all() or prediction.verdict() == "open"


def test_ten_claims_and_more_have_a_verdict():
    verdicts = [each.verdict() for each in PREDICTIONS]
    assert sum(verdict != "open" for verdict in verdicts) >= 10
    assert {"holds", "fails"} <= set(verdicts)


@pytest.mark.parametrize(
    "margin, verdict",
    [([0.1, 0.2], "holds"), ([-0.1, -0.2], "fails"), ([0.1, -0.2], "open"),
     ([0.1, np.nan], "open"), ([0.1, 0.0], "open")],
)  # fmt: skip
def test_a_verdict_needs_every_world(margin, verdict):
    made = Prediction("a", "b", "c", lambda: np.array(margin), (0, 1))
    assert made.verdict() == verdict


def found(claim):
    (prediction,) = (each for each in PREDICTIONS if each.claim == claim)
    return prediction.margin()


def runs(name, **setting):
    return {
        run["seed"]: run
        for run in measured("small_map")[name]
        if all(run.get(key) == value for key, value in setting.items())
    }


def test_alpha_and_rate_straight_from_the_record():
    plain = {"rank": 64, "optimiser": None, "replayed": None, "placement": None}
    first = runs("adapt", scale=2.0, learning_rate=3e-4, **plain)
    second = runs("adapt", scale=0.25, learning_rate=1e-3, **plain)
    expected = [first[w]["known"] - second[w]["known"] for w in (3, 4, 5)]
    np.testing.assert_allclose(found("alpha cannot be replaced by the learning rate"), expected)
    assert all(run[w]["facts"] >= MATCHED for run in (first, second) for w in (3, 4, 5))


def test_known_facts_along_a_dial_straight_from_the_record():
    for rank in (None, 64, 16):
        for world, got in zip((3, 4, 5), verdicts.turned_down(rank)):
            (run,) = (
                run for run in measured("small_map")["examine"]
                if (run["seed"], run["rank"], run.get("quantised")) == (world, rank, None)
            )  # fmt: skip
            dials = sorted((r["dial"], r["facts"], r["known"]) for r in run["after"]
                           if r["rank"] is None)  # fmt: skip
            dials.append((1.0, run["facts"], run["known"]))
            facts, known = (np.array([row[i] for row in dials]) for i in (1, 2))
            assert np.all(np.diff(facts) >= -0.01)
            expected = np.interp(MATCHED, facts, known) if facts[-1] >= MATCHED else np.nan
            assert got == pytest.approx(expected, abs=0.02, nan_ok=True)


def test_intruders_straight_from_the_record():
    lora, full = (runs("examine", rank=rank, quantised=None) for rank in (16, None))
    expected = [
        sum(lora[w]["intruder_counts"].values()) - sum(full[w]["intruder_counts"].values())
        for w in (3, 4, 5)
    ]
    claim = "LoRA makes intruder dimensions, full fine-tuning does not"
    np.testing.assert_array_equal(found(claim), expected)
