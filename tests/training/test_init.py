"""How A is drawn."""

import numpy as np
import pytest

from helpers import training


@pytest.mark.parametrize("start", training.INITS)
def test_start_has_the_variance_it_says(start):
    A = training.init_A(np.random.RandomState(0), 50, 400, start)
    assert A.shape == (50, 400)
    assert A.var() == pytest.approx(training.init_variance(50, 400, start), rel=0.03)
    assert abs(A.mean()) < 4 * A.std() / np.sqrt(A.size)


def test_only_pefts_gaussian_start_shrinks_with_the_rank():
    for start, shrinks in (("kaiming", False), ("gaussian", False), ("peft_gaussian", True)):
        ratio = training.init_variance(2, 64, start) / training.init_variance(8, 64, start)
        assert ratio == pytest.approx(16 if shrinks else 1)
    for rank in (1, 5):
        variance = training.init_variance(rank, 64, "peft_gaussian")
        assert variance == pytest.approx(1 / rank**2)
    assert np.abs(training.init_A(np.random.RandomState(0), 64, 64)).max() <= 1 / 8


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: training.init_A(np.random.RandomState(0), 0, 64), "rank must be"),
        (lambda: training.init_A(np.random.RandomState(0), 4, 64, "he"), "init must be one of"),
    ],
)
def test_bad_input_is_named(call, message):
    with pytest.raises(ValueError, match=message):
        call()
