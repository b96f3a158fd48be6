"""The scaling rules against plain arithmetic, and the conversions there and back."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.lora import scaling
from helpers.lora.scaling import RSLORA, RULES, STANDARD

ALPHAS = st.floats(1e-3, 1e4)
RANKS = st.integers(1, 4096)
ANY_RULE = st.sampled_from(RULES)


@given(alpha=ALPHAS, rank=RANKS)
def test_scale_is_plain_arithmetic(alpha, rank):
    assert float(scaling.scale(alpha, rank)) == pytest.approx(alpha / rank, rel=1e-14)
    assert float(scaling.scale(alpha, rank, RSLORA)) == pytest.approx(
        alpha / math.sqrt(rank), rel=1e-14
    )


def test_the_articles_table():
    ranks = np.array([1, 4, 8, 16, 32, 64])
    assert scaling.scale(16, ranks, STANDARD).tolist() == [16, 4, 2, 1, 0.5, 0.25]
    rounded = np.round(scaling.scale(16, ranks, RSLORA), 1).tolist()
    assert rounded == [16, 8, 5.7, 4, 2.8, 2.0]


def test_broadcasting_and_shapes():
    assert scaling.scale(16, 4).shape == ()
    grid = scaling.scale(np.array([1.0, 2.0, 3.0]), np.array([[1], [4]]), RSLORA)
    np.testing.assert_allclose(grid, [[1, 2, 3], [0.5, 1, 1.5]], rtol=1e-15)


@given(alpha=ALPHAS, rank=RANKS, rule=ANY_RULE)
def test_alpha_for_scale_undoes_scale(alpha, rank, rule):
    back = scaling.alpha_for_scale(scaling.scale(alpha, rank, rule), rank, rule)
    assert float(back) == pytest.approx(alpha, rel=1e-14)


@given(alpha=ALPHAS, rank=RANKS, rule=ANY_RULE, new_rank=RANKS, new_rule=ANY_RULE)
def test_equivalent_alpha_keeps_the_scale_and_comes_back(alpha, rank, rule, new_rank, new_rule):
    there = scaling.equivalent_alpha(alpha, rank, rule, new_rank, new_rule)
    assert float(scaling.scale(there, new_rank, new_rule)) == pytest.approx(
        float(scaling.scale(alpha, rank, rule)), rel=1e-14
    )
    back = scaling.equivalent_alpha(there, new_rank, new_rule, rank, rule)
    assert float(back) == pytest.approx(alpha, rel=1e-13)


@given(alpha=ALPHAS, rank=RANKS)
def test_equivalent_alpha_at_one_rank(alpha, rank):
    to_rslora = scaling.equivalent_alpha(alpha, rank, STANDARD, rank, RSLORA)
    baked = scaling.equivalent_alpha(alpha, rank, RSLORA, rank, STANDARD)
    assert float(to_rslora) == pytest.approx(alpha / math.sqrt(rank), rel=1e-14)
    assert float(baked) == pytest.approx(alpha * math.sqrt(rank), rel=1e-14)


@given(rank=RANKS)
def test_loader_ratio(rank):
    root = math.sqrt(rank)
    assert float(scaling.loader_ratio(rank, RSLORA, STANDARD)) == pytest.approx(1 / root, rel=1e-14)
    assert float(scaling.loader_ratio(rank, STANDARD, RSLORA)) == pytest.approx(root, rel=1e-14)
    for rule in RULES:
        assert float(scaling.loader_ratio(rank, rule, rule)) == 1


@given(alpha=st.floats(1, 100))
def test_rank_at_scale_one(alpha):
    assert float(scaling.rank_at_scale_one(alpha, STANDARD)) == pytest.approx(alpha, rel=1e-14)
    assert float(scaling.rank_at_scale_one(alpha, RSLORA)) == pytest.approx(alpha**2, rel=1e-14)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("alpha", [1, 4, 16])
def test_the_scale_there_is_one(rule, alpha):
    rank = int(scaling.rank_at_scale_one(alpha, rule))
    assert float(scaling.scale(alpha, rank, rule)) == 1


def test_both_rules_agree_at_rank_one_only():
    ranks = np.arange(1, 65)
    ratio = scaling.scale(16, ranks, RSLORA) / scaling.scale(16, ranks, STANDARD)
    assert ratio[0] == 1
    assert np.all(np.diff(ratio) > 0)
