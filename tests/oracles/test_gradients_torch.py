"""The gradients by hand against those that PyTorch works out."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; differences stand in")

from experiments import model  # noqa: E402
from helpers.model import shipped, tasks, world  # noqa: E402
from helpers.model.gradients import loss_and_gradients  # noqa: E402

# More threads only wait for each other where other work keeps the cores busy.
torch.set_num_threads(1)

#: Texts of four lengths, of people that the base knows and of people that it does not.
TEXTS = model.corpus((*world.people("known")[:4], *world.people(4)), world.STYLES)


@pytest.mark.parametrize(("kind", "tolerance"), [("float64", 1e-11), ("float32", 1e-5)])
@pytest.mark.parametrize("task", [None, *tasks.TASKS])
def test_loss_and_gradients_are_those_of_pytorch(task, kind, tolerance):
    """Before training, where the loss is large, and after it, where it is nearly nothing."""
    assert (TEXTS < 0).any()
    base = shipped.base()
    update = shipped.update(task) if task else dict.fromkeys(base, 0)
    weights = {name: (base[name] + update[name]).astype(kind) for name in base}
    theirs = {name: torch.tensor(matrix, requires_grad=True) for name, matrix in weights.items()}
    expected = model.loss(theirs, TEXTS)
    expected.backward()
    value, gradients = loss_and_gradients(weights, TEXTS.numpy())
    assert value == pytest.approx(expected.item(), rel=tolerance)
    for name, found in gradients.items():
        wanted = theirs[name].grad.numpy()
        assert found.dtype == wanted.dtype == kind
        assert np.linalg.norm(found - wanted) < tolerance * np.linalg.norm(wanted), name
