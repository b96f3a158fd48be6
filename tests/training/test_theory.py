"""The first step and the largest step: formulas against the loop, exponents measured."""

import numpy as np
import pytest

from helpers import training
from helpers.lora import updates
from helpers.lora.scaling import RSLORA, RULES, STANDARD, scale
from tests.support.training import FACTS, STYLE, draw


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
def test_sizes_of_the_first_step_without_forming_it(optimiser):
    A = training.init_A(np.random.RandomState(0), 5, 64)
    progress, norm = training.first_step_sizes(STYLE.target, A, optimiser)
    history = training.train(STYLE, A, 3.0, 1e-3, optimiser, 1)
    factor = 1e-3 * (9.0 if optimiser == "sgd" else 3.0)
    assert history.progress[1] == pytest.approx(factor * progress, rel=1e-5)
    assert history.norm[1] == pytest.approx(factor * norm, rel=1e-5)


PROGRESS = {
    ("sgd", STANDARD): -1.0,
    ("sgd", RSLORA): 0.0,
    ("adam", STANDARD): 0.0,
    ("adam", RSLORA): 0.5,
}
NORM = {
    ("sgd", STANDARD): -1.5,
    ("sgd", RSLORA): -0.5,
    ("adam", STANDARD): -0.5,
    ("adam", RSLORA): 0.0,
}


def test_theory_of_the_exponents():
    for (optimiser, rule), exponent in PROGRESS.items():
        assert training.theory_exponent(optimiser, rule) == exponent
    for (optimiser, rule), exponent in NORM.items():
        assert training.theory_exponent(optimiser, rule, "norm") == exponent
    shrinking = {key: training.theory_exponent(*key, init="peft_gaussian") for key in PROGRESS}
    assert list(shrinking.values()) == [-3.0, -2.0, -1.0, -0.5]


@pytest.mark.parametrize("width", [64, 128, 256])
@pytest.mark.parametrize("start", training.INITS)
def test_measured_exponents_of_full_rank_targets(width, start):
    found = training.measure_exponents(training.gaussian_target(width), init=start)
    for optimiser, rule in PROGRESS:
        exponent = found["progress", optimiser, rule]
        assert exponent.theory == training.theory_exponent(optimiser, rule, init=start)
        assert abs(exponent.slope - exponent.theory) < 0.05
        assert exponent.spread < 0.06
        assert np.all(np.abs(exponent.seed_slopes - exponent.theory) < 0.15)


@pytest.mark.parametrize("name", ["style", "facts"])
def test_measured_exponents_of_the_articles_targets(name):
    target = updates.article_updates()[name].matrix()
    found = training.measure_exponents(target, seeds=range(100))
    for key in PROGRESS:
        assert abs(found[("progress", *key)].slope - PROGRESS[key]) < 0.1
        assert found[("progress", *key)].spread < (0.25 if name == "style" else 0.05)


def test_measured_exponents_of_a_rank_one_target_hold_on_average_only():
    found = training.measure_exponents(training.gaussian_target(64, 1), seeds=range(200))
    for key in PROGRESS:
        assert abs(found[("progress", *key)].slope - PROGRESS[key]) < 0.1
    assert found["progress", "sgd", STANDARD].spread > 0.2


def test_norms_have_other_exponents_where_the_rank_is_far_below_the_width():
    found = training.measure_exponents(training.gaussian_target(512), seeds=range(3))
    for key in NORM:
        assert abs(found[("norm", *key)].slope - NORM[key]) < 0.05


def test_exponents_are_those_of_the_loop():
    """The same slopes, by training one step at every rank."""
    ranks, seeds = (2, 4, 8, 16, 32, 64), range(4)
    found = training.measure_exponents(FACTS.target, ranks, seeds)
    for optimiser in training.OPTIMISERS:
        values = np.empty((2, len(seeds), len(ranks)))
        for i, seed in enumerate(seeds):
            generator = np.random.RandomState(seed)
            for j, rank in enumerate(ranks):
                A = training.init_A(generator, rank, 64)
                s = np.array([scale(16, rank, rule) for rule in RULES])
                run = training.train(FACTS, A, s, 1e-4, optimiser, 1)
                values[:, i, j] = run.progress[:, 1]
        for i, rule in enumerate(RULES):
            expected = training.log_slope(ranks, values[i])
            np.testing.assert_allclose(
                found["progress", optimiser, rule].seed_slopes, expected, atol=1e-4
            )


def test_log_slope_of_a_power():
    x = np.array([1, 3, 10, 50])
    np.testing.assert_allclose(training.log_slope(x, [2 * x**1.5, x**-0.5]), [1.5, -0.5])


def test_curvature_at_the_balanced_minimum_sets_the_largest_rate():
    """2 / curvature at the minimum is 1 / (s sigma_1), and no minimum curves less."""
    M = draw(0, 4, 3)
    U, S, Vt = np.linalg.svd(M, full_matrices=False)
    s, r = 1.7, 2

    def curvature(balance):
        root = np.sqrt(S[:r] / s)
        A, B = Vt[:r] * root[:, None] * balance, U[:, :r] * root / balance

        def gradient(flat):
            A, B = flat[: r * 3].reshape(r, 3), flat[r * 3 :].reshape(4, r)
            _, _, gradient_A, gradient_B = training.gradients(training.MatrixLoss(M), A, B, s)
            return np.concatenate([gradient_A.ravel(), gradient_B.ravel()])

        at = np.concatenate([A.ravel(), B.ravel()])
        assert np.abs(gradient(at)).max() < 1e-12
        steps = 1e-6 * np.eye(len(at))
        hessian = [(gradient(at + h) - gradient(at - h)) / 2e-6 for h in steps]
        return np.linalg.eigvalsh(hessian)[-1]

    limit = float(training.stable_rate(S[0], s))
    assert 2 / curvature(1.0) == pytest.approx(limit, rel=1e-6)
    assert curvature(1.3) > curvature(1.0) and curvature(0.7) > curvature(1.0)


@pytest.mark.parametrize("loss", [STYLE, FACTS], ids=["style", "facts"])
def test_sgd_diverges_just_above_the_largest_stable_rate(loss):
    ranks = (1, 8, 64)
    for rule in RULES:
        for rank in ranks:
            s = scale(16, rank, rule)
            limit = training.stable_rate(loss.singular_values[0], s)
            A = training.init_A(np.random.RandomState(0), rank, 64)
            history = training.train(loss, A, s, limit * np.array([0.9, 1.6]), "sgd", 100)
            assert history.diverged.tolist() == [False, True]


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: training.theory_exponent("sgd", "alpha"), "rule must be one of"),
        (lambda: training.theory_exponent("lion", STANDARD), "optimiser must be one of"),
        (lambda: training.theory_exponent("sgd", STANDARD, "loss"), "quantity must be one of"),
        (lambda: training.measure_exponents(FACTS.target, (4,)), "ranks must hold two"),
        (lambda: training.measure_exponents(FACTS.target, (4, 65)), "ranks must be"),
        (lambda: training.measure_exponents(FACTS.target, seeds=(1,)), "seeds must hold two"),
        (lambda: training.gaussian_target(8, 9), "rank must be .* between 1 and 8"),
        (lambda: training.stable_rate(0.0, 1.0), "largest_singular_value must be"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
