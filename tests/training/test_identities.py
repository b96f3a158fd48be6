"""What makes a scale and a pair of rates the same run, and what bends the exponents."""

import numpy as np
import pytest

from helpers import training
from helpers.lora import scaling
from helpers.training import identities

RANKS = (2, 4, 8, 16, 32, 64)


@pytest.fixture(scope="module")
def loss():
    return training.article_loss("facts")


@pytest.fixture(scope="module")
def A():
    return training.init_A(np.random.RandomState(0), 16, 64)


def scales(rule):
    if rule == "alpha = 2r":
        return [2.0] * len(RANKS)
    return [float(scaling.scale(16, rank, rule)) for rank in RANKS]


def by_hand(target, A, s, rates, decays, epsilons, steps):
    """AdamW as its paper writes it, one matrix at a time."""
    A, B = A.copy(), np.zeros((len(target), len(A)))
    m, v = ([np.zeros_like(A), np.zeros_like(B)] for _ in range(2))
    for t in range(1, steps + 1):
        G = s * B @ A - target
        new = []
        for i, (weight, g) in enumerate(((A, s * B.T @ G), (B, s * G @ A.T))):
            m[i] = 0.9 * m[i] + 0.1 * g
            v[i] = 0.999 * v[i] + 0.001 * g * g
            step = (m[i] / (1 - 0.9**t)) / (np.sqrt(v[i] / (1 - 0.999**t)) + epsilons[i])
            new.append(weight - rates[i] * decays[i] * weight - rates[i] * step)
        A, B = new
    return s * B @ A


@pytest.mark.parametrize("decays", [(0.0, 0.0), (0.1, 0.3)])
def test_adamw_is_what_its_paper_writes(loss, A, decays):
    settings = (2.0, (1e-3, 3e-3), decays, (1e-8, 1e-6))
    found = training.adamw(loss, A, *settings, steps=20)
    np.testing.assert_allclose(found, by_hand(loss.target, A, *settings, 20), rtol=1e-9, atol=1e-12)


def test_without_decay_it_is_the_training_of_the_notebook(loss, A):
    run = training.train(loss, A, 2.0, 1e-3, "adam", 30)
    found = training.adamw(loss, A, 2.0, (1e-3, 1e-3), steps=30)
    np.testing.assert_allclose(found, 2.0 * run.B @ run.A, rtol=1e-9, atol=1e-12)


def apart(one, other):
    return np.linalg.norm(one - other) / np.linalg.norm(one)


@pytest.mark.parametrize(
    "rate_B, decay_B, epsilon_B, least, most",
    [
        (2, 1 / 2, 1 / 2, 0, 1e-12),
        (2, 1 / 2, 1, 1e-9, 1e-3),  # epsilon as it was
        (2, 1, 1 / 2, 1e-4, 1e-1),  # weight decay as it was
        (1, 1 / 2, 1 / 2, 1e-1, np.inf),
    ],
)
def test_a_scale_is_the_ratio_of_the_rates_where_decay_and_epsilon_go_with_it(
    loss, A, rate_B, decay_B, epsilon_B, least, most
):
    rate, decay, epsilon = 3e-4, 0.1, 1e-8
    one = training.adamw(loss, A, 2.0, (rate, rate), (decay, decay))
    other = training.adamw(
        loss, A, 1.0, (rate, rate_B * rate), (decay, decay_B * decay),
        (epsilon, epsilon_B * epsilon),
    )  # fmt: skip
    assert least <= apart(one, other) <= most


def test_one_rate_for_both_factors_is_another_knob(loss, A):
    one = training.adamw(loss, A, 2.0, (3e-4, 3e-4))
    assert apart(one, training.adamw(loss, A, 1.0, (6e-4, 6e-4))) > 0.1


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
@pytest.mark.parametrize("rule", scaling.RULES)
def test_tidy_conditions_give_the_exponents_of_theory(loss, optimiser, rule):
    found = training.first_step_exponent(loss.target, scales(rule), optimiser)
    assert found == pytest.approx(training.theory_exponent(optimiser, rule), abs=0.05)
    measured = training.measure_exponents(loss.target)["progress", optimiser, rule]
    assert found == pytest.approx(measured.slope, abs=0.03)


@pytest.mark.parametrize(
    "condition, expected",
    [
        ({"optimiser": "sgd"}, (-1, 0, 1)),
        ({}, (0, 0.5, 1)),
        ({"size": 1e-10}, (-1, 0, 1)),  # all of the gradient below epsilon: SGD
        ({"noise": 10}, (0, 0.5, 1)),
        ({"optimiser": "sgd", "clipped": True}, (-0.5, 0, 0.5)),
        ({"clipped": True}, (0, 0.5, 1)),  # Adam's first step knows no size
    ],
)
def test_exponents_under_other_conditions(loss, condition, expected):
    rules = (*scaling.RULES, "alpha = 2r")
    found = [training.first_step_exponent(loss.target, scales(rule), **condition) for rule in rules]
    np.testing.assert_allclose(found, expected, atol=0.1)


def test_what_is_left_out_is_what_the_signature_says(loss):
    """Adam sees the gradient as it is: not resized, not blurred, not clipped."""
    said = {"optimiser": "adam", "size": 1.0, "noise": 0.0, "clipped": False, "init": "kaiming",
            "ranks": RANKS, "seeds": range(10)}  # fmt: skip
    found, expected = (
        training.first_step_exponent(loss.target, [1.0] * 6, **given) for given in ({}, said)
    )
    assert found == expected


def test_as_many_scales_as_ranks(loss):
    with pytest.raises(ValueError, match="scales must be one for each of 6 ranks, got 2"):
        training.first_step_exponent(loss.target, [1.0, 2.0])
    with pytest.raises(ValueError, match="optimiser must be one of"):
        training.first_step_exponent(loss.target, [1.0] * 6, "lion")
    assert len(identities.RANKS) == 6


def test_a_sweep_with_an_alpha_for_each_rank(loss):
    found = training.sweep(
        loss, (2, 8), (1e-3, 1e-2), "adam", (4, 16), (0,), 5, rules=(scaling.STANDARD,)
    )
    assert found.loss.shape == (1, 2, 2, 1, 6)
    for i, (rank, alpha) in enumerate(((2, 4), (8, 16))):
        each = training.compare(loss, rank, alpha, (1e-3, 1e-2), "adam", (0,), 5)
        np.testing.assert_allclose(found.loss[0, i], each.loss[0], rtol=1e-12)
    with pytest.raises(ValueError):
        training.sweep(loss, (2, 8), 1e-3, alpha=(4, 16, 32))


@pytest.mark.parametrize("update", ["style", "facts"])
def test_the_second_step_by_hand(update):
    """Adam written out for two steps: the signs, then what bias correction makes of both."""
    M = training.article_loss(update).target
    rows = training.second_step(update, ranks=(4, 64), steps=2).rows
    for row, (rank, s) in zip(rows, [(4, 2), (4, 4), (4, 2), (64, 0.125), (64, 1), (64, 2)]):
        A = training.init_A(np.random.RandomState(0), rank, 64)
        B, before, lengths, losses = np.zeros((64, rank)), None, [], [np.sum(M**2)]
        for t in (1, 2):
            G = s * B @ A - M
            now = s * B.T @ G, s * G @ A.T
            if t == 1:
                moves = [np.sign(g) for g in now]
            else:
                means = [(0.09 * f + 0.1 * g) / 0.19 for f, g in zip(before, now)]
                sizes = [(0.999 * f**2 + g**2) / 1.999 for f, g in zip(before, now)]
                moves = [m / np.sqrt(v) for m, v in zip(means, sizes)]
            A, B, before = A - 0.1 * moves[0], B - 0.1 * moves[1], now
            lengths.append(np.linalg.norm(s * B @ A) / np.linalg.norm(M))
            losses.append(np.sum((s * B @ A - M) ** 2))
        peak = max(losses) / losses[0]
        assert row[1:] == (f"{s * rank:g}", *(f"{x:.1f}" for x in (*lengths, peak)))


def test_a_scale_is_a_rate_and_a_start():
    """Scale s is scale 1 from sqrt(s) A, at sqrt(s) times the rate (Adam) or s times (SGD)."""
    loss, s = training.article_loss("facts"), 2.0
    A = training.init_A(np.random.RandomState(0), 8, 64)
    for optimiser, power in (("adam", 0.5), ("sgd", 1.0)):
        whole = training.train(loss, A, s, 3e-4, optimiser, 50)
        other = training.train(loss, s**0.5 * A, 1.0, 3e-4 * s**power, optimiser, 50)
        np.testing.assert_allclose(whole.loss, other.loss, rtol=1e-6)
