"""Sweeps over ranks and learning rates, and what is read off them."""

from dataclasses import replace

import numpy as np
import pytest

from helpers import training
from tests.support.training import FACTS


def hand_made_sweep():
    """One scaling, one rank, four rates, one seed; 1.0 at the start, floor 0.5."""
    end = np.array([0.9, 0.7, 0.5, np.inf])
    loss = np.stack([np.ones(4), end], axis=-1)[None, None, :, None, :]
    rates = np.array([1e-3, 1e-2, 1e-1, 1.0])
    return training.Sweep(np.array([1]), rates, loss, loss, np.array([0.5]))


def test_unlearned_tuned_and_diverging_rate():
    swept = hand_made_sweep()
    np.testing.assert_allclose(swept.unlearned()[0, 0, :, 0], [0.8, 0.4, 0.0, np.inf])
    np.testing.assert_allclose(swept.unlearned(0), 1)
    assert swept.tuned() == 0
    assert swept.diverged.ravel().tolist() == [False, False, False, True]
    assert swept.diverging_rate() == 1.0


def test_shared_rate_is_judged_at_the_rank_it_serves_worst():
    end = np.array([[0.6, 0.9, np.inf], [0.95, 0.7, 0.6]])
    loss = np.stack([np.ones((2, 3)), end], axis=-1)[None, :, :, None, :]
    rates, floor = np.array([0.1, 1.0, 10.0]), np.array([0.5, 0.5])
    swept = training.Sweep(np.array([1, 2]), rates, loss, loss, floor)
    rate, left = swept.shared()
    assert rate == [1.0]
    np.testing.assert_allclose(left, [0.8])


def test_needed_rate_is_interpolated_in_both_logarithms():
    swept = hand_made_sweep()
    assert swept.needed_rate(0.4)[0, 0, 0] == pytest.approx(1e-2)
    assert swept.needed_rate(np.sqrt(0.8 * 0.4))[0, 0, 0] == pytest.approx(10**-2.5)
    assert np.isnan(swept.needed_rate(0.9)[0, 0, 0])
    assert 1e-2 < swept.needed_rate(0.01)[0, 0, 0] < 1e-1
    never = training.Sweep(
        swept.ranks, swept.learning_rates[:2], swept.loss[:, :, :2], swept.error, swept.floor
    )
    assert np.isnan(never.needed_rate(0.1)).all()
    assert np.isinf(never.diverging_rate()).all()


def test_spiking_rate_is_the_first_at_which_a_run_rises_above_its_start():
    loss = np.ones((1, 1, 3, 2, 3))
    loss[0, 0, 1, 1, 1], loss[0, 0, 2, :, 2] = 1.2, np.inf
    swept = training.Sweep(np.array([4]), np.array([0.1, 0.2, 0.3]), loss, loss, np.zeros(1))
    assert swept.spiking_rate()[0, 0].tolist() == [0.3, 0.2]
    assert swept.spiking_rate(1.3)[0, 0].tolist() == [0.3, 0.3]
    assert np.isinf(replace(swept, loss=np.ones_like(loss)).spiking_rate()).all()
    with pytest.raises(ValueError, match="above must be"):
        swept.spiking_rate(1.0)


def test_the_grid_has_alpha_2r_beside_the_rules():
    grid = training.rate_grid("style", "adam")
    alone = training.sweep(training.article_loss("style"), (16,), grid.learning_rates, "adam", 32,
                           rules=["alpha/r"])  # fmt: skip
    np.testing.assert_allclose(grid.loss[2, 2], alone.loss[0, 0], rtol=1e-9)


def test_the_articles_picture_and_its_end():
    """At one small rate rsLoRA looks better at high rank; at tuned rates neither does."""
    ranks, grid = (1, 16, 64), 10 ** np.array([-3.0, -2.5, -2.0, -1.5, -1.0, -0.5, 0.0])
    for optimiser in training.OPTIMISERS:
        swept = training.sweep(FACTS, ranks, grid, optimiser, seeds=(0, 1))
        standard, rslora = swept.unlearned().mean(axis=-1)[:, :, 0]
        np.testing.assert_allclose(standard[0], rslora[0])
        assert standard[2] > rslora[2] + 0.15
        assert np.all(swept.tuned() < 0.02)


def test_compare_starts_both_scalings_from_the_same_a():
    history = training.compare(FACTS, 1, 16, [1e-3, 1e-2], "adam", seeds=(0, 1), steps=5)
    assert history.loss.shape == (2, 2, 2, 6)
    np.testing.assert_allclose(history.loss[0], history.loss[1])


def test_what_is_left_out_is_what_the_signature_says():
    """Adam, one seed, 100 steps, PEFT's start, one rate for both factors, both rules."""
    said = {"optimiser": "adam", "seeds": (0,), "steps": 100, "init": "kaiming", "ratio_B": 1.0}
    rules = ("alpha/r", "alpha/sqrt(r)")
    found, expected = (
        training.compare(FACTS, 2, 16, 0.01, **given) for given in ({}, {**said, "rules": rules})
    )
    np.testing.assert_array_equal(found.loss, expected.loss)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: training.compare(FACTS, 0, 16, 0.1), "rank must be .* between 1 and 64"),
        (lambda: training.compare(FACTS, 65, 16, 0.1), "rank must be .* between 1 and 64"),
        (lambda: training.compare(FACTS, 4, 0, 0.1), "alpha must be"),
        (lambda: training.compare(FACTS, 4, 16, 0.1, seeds=()), "seeds must hold"),
        (lambda: training.compare(FACTS, 4, 16, 0.1, init="zeros"), "init must be one of"),
        (lambda: training.sweep(FACTS, (1, 65), 0.1), "ranks must be .* between 1 and 64"),
        (lambda: training.sweep(FACTS, (1, 2), [0.1, 0.01]), "learning_rates must rise"),
        (lambda: training.sweep(FACTS, (1, 2), [0.1, 0.0]), "learning_rates must be finite"),
        (lambda: hand_made_sweep().needed_rate(0.0), "left must be"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
