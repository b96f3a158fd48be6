"""SGD and Adam against values recorded from PyTorch."""

import numpy as np
import pytest

from helpers import training
from tests.support.training import draw

# torch.optim.SGD and torch.optim.Adam in float64, PyTorch 2.13.0 (CPU), on the run below:
# `python tests/oracles/test_training_torch.py` prints them anew.
RECORDED = {
    "sgd": (
        0.02,
        [11.997177906634322, 9.506681001457176, 7.722690224732806,
         2.375526704932134, 0.257094912657393],
        [[0.933177877587251, 1.180935249541761, 0.342946199229510, -0.810346005076924],
         [-1.097314508743712, 0.029722229970752, 1.129432487521192, 1.190747724689427]],
        [[0.594429257438411, -0.704362482939413],
         [0.144078496948657, 0.923165842191422],
         [-0.782781238306624, -0.502480444555801]],
    ),
    "adam": (
        0.05,
        [11.997177906634322, 10.805677317535141, 9.601580823763237,
         2.209389577137480, 0.630728721345512],
        [[1.427714494114175, 1.421365228669983, 0.049573584105355, -1.319095082035246],
         [-1.128933657346130, 0.557149969283703, 1.518180301950888, 1.316732357599099]],
        [[0.648769396025183, -0.588779648230721],
         [0.011513965241793, 0.759727739534009],
         [-0.862081085745119, -0.826498593733957]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("optimiser", training.OPTIMISERS)
def test_training_against_values_recorded_from_pytorch(optimiser):
    rate, losses, A_end, B_end = RECORDED[optimiser]
    A = np.sin(np.arange(8.0) + 1).reshape(2, 4)
    loss = training.MatrixLoss(2 * np.cos(np.arange(12.0)).reshape(3, 4))
    history = training.train(loss, A, 1.5, rate, optimiser, 20)
    np.testing.assert_allclose(history.loss[[0, 1, 2, 10, 20]], losses, rtol=1e-9)
    np.testing.assert_allclose(history.A, A_end, rtol=1e-9)
    np.testing.assert_allclose(history.B, B_end, rtol=1e-9)


def test_adam_divides_by_epsilon_where_gradients_are_no_larger():
    g = 1e-8 * draw(0, 4, 4)
    direction = training.optimisers.optimiser("adam").direction(g)
    np.testing.assert_allclose(direction, g / (np.abs(g) + 1e-8), rtol=1e-12)
    assert np.all(np.abs(direction) < 0.8)


def test_adam_goes_on_with_some_of_the_runs():
    gradients = draw(1, 3, 4, 2, 2)
    kept = np.array([True, False, True, True])
    every, some = (training.optimisers.optimiser("adam") for _ in range(2))
    every.direction(gradients[0])
    some.direction(gradients[0])
    some.keep_only(kept)
    np.testing.assert_array_equal(
        some.direction(gradients[1][kept]), every.direction(gradients[1])[kept]
    )
