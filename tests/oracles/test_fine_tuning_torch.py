"""Training by hand against PyTorch's optimisers on the same texts, and the same recipe."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; differences stand in")

from experiments import config, model, small  # noqa: E402
from helpers.model.fine_tuning import FineTuning, Recipe  # noqa: E402

# More threads only wait for each other where other work keeps the cores busy.
torch.set_num_threads(1)

MAKE = {
    "adam": lambda parameters: torch.optim.AdamW(parameters, lr=0.003, weight_decay=0.0),
    "sgd": lambda parameters: torch.optim.SGD(parameters, lr=0.003),
}


@pytest.mark.parametrize("optimiser", MAKE)
@pytest.mark.parametrize("method", ["lora", "full"])
def test_steps_are_those_of_pytorch(method, optimiser, monkeypatch):
    """Ten steps: later, rounding would grow as it does between any two libraries."""
    run = FineTuning(Recipe(people=4, method=method, optimiser=optimiser, rank=4, steps=10,
                            batch=8, learning_rate=0.003))  # fmt: skip
    base = {name: torch.tensor(matrix) for name, matrix in run.weights().items()}
    batches = []
    draw = run._next_texts
    monkeypatch.setattr(run, "_next_texts", lambda: batches.append(draw()) or batches[-1])
    if method == "lora":
        factors = {
            name: (torch.tensor(A.T.copy()), torch.tensor(B.T.copy()))
            for name, A, B in zip(base, run._trained.A, run._trained.B)
        }
        parameters = [pair[i] for i in (0, 1) for pair in factors.values()]
        weights = lambda: small.merged(base, factors, run.recipe.scale)  # noqa: E731
    else:
        theirs = {name: matrix.clone() for name, matrix in base.items()}
        parameters, weights = list(theirs.values()), lambda: theirs
    for each in parameters:
        each.requires_grad_()
    losses = [run.take_step() for _ in range(10)]
    steps = MAKE[optimiser](parameters)
    schedule = torch.optim.lr_scheduler.LambdaLR(steps, config.Training(10, 0.003).rate_at)
    for loss, texts in zip(losses, batches):
        value = model.loss(weights(), torch.from_numpy(texts))
        steps.zero_grad()
        value.backward()
        steps.step()
        schedule.step()
        assert loss == pytest.approx(value.item(), rel=1e-4, abs=1e-5)
    with torch.no_grad():
        expected = {name: (matrix - base[name]).numpy() for name, matrix in weights().items()}
    for name, matrix in run.weights().items():
        found = matrix - base[name].numpy()
        assert np.linalg.norm(found - expected[name]) < 0.02 * np.linalg.norm(expected[name])
