"""The hand-written training against PyTorch's autograd and its own SGD and Adam."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed; recorded values stand in")

from helpers import training  # noqa: E402


def torch_run(loss_of_update, A, outputs, scale, learning_rate, optimiser, steps):
    """Losses before each step and after the last, and the final factors, all in float64."""
    A = torch.tensor(A, dtype=torch.float64, requires_grad=True)
    B = torch.zeros((outputs, A.shape[0]), dtype=torch.float64, requires_grad=True)
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimiser]
    stepper = kind([A, B], lr=learning_rate)
    losses = []
    for _ in range(steps):
        stepper.zero_grad()
        loss = loss_of_update(scale * (B @ A))
        loss.backward()
        losses.append(loss.item())
        stepper.step()
    losses.append(loss_of_update(scale * (B @ A)).item())
    return np.array(losses), A.detach().numpy(), B.detach().numpy()


@pytest.mark.parametrize("optimiser, rate", [("sgd", 0.01), ("adam", 0.01)])
@pytest.mark.parametrize("data", [False, True])
@pytest.mark.parametrize("rank", [1, 3, 7])
def test_training_agrees_with_pytorch(optimiser, rate, data, rank):
    generator = np.random.RandomState(rank)
    M = generator.standard_normal((9, 7))
    loss = training.MatrixLoss(M)
    if data:
        loss = training.noisy_data(M, 20, 0.3, generator)
        X, Y = torch.tensor(loss.inputs), torch.tensor(loss.outputs)

        def loss_of_update(update):
            return ((X @ update.T - Y) ** 2).sum() / (2 * len(X))
    else:

        def loss_of_update(update):
            return ((update - torch.tensor(M)) ** 2).sum() / 2

    A = training.init_A(generator, rank, 7)
    history = training.train(loss, A, 1.7, rate, optimiser, 60)
    losses, A_end, B_end = torch_run(loss_of_update, A, 9, 1.7, rate, optimiser, 60)
    np.testing.assert_allclose(history.loss, losses, rtol=1e-9)
    np.testing.assert_allclose(history.A, A_end, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(history.B, B_end, rtol=1e-7, atol=1e-9)


def test_pytorch_starts_a_where_peft_does():
    """PEFT's default is kaiming_uniform_(a = sqrt 5); ours has its range and variance."""
    weight = torch.empty(400, 64)
    torch.nn.init.kaiming_uniform_(weight, a=5**0.5, generator=torch.Generator().manual_seed(0))
    ours = training.init_A(np.random.RandomState(0), 400, 64)
    for drawn in (weight.numpy(), ours):
        assert np.abs(drawn).max() <= 1 / 8
        assert np.abs(drawn).max() > 0.999 / 8
        assert drawn.var() == pytest.approx(training.init_variance(400, 64), rel=0.02)


def recorded_values():
    """What tests/training/test_training.py holds; run this file to print it anew."""
    A = np.sin(np.arange(8.0) + 1).reshape(2, 4)
    M = 2 * np.cos(np.arange(12.0)).reshape(3, 4)
    for optimiser, rate in (("sgd", 0.02), ("adam", 0.05)):
        losses, A_end, B_end = torch_run(
            lambda update: ((update - torch.tensor(M)) ** 2).sum() / 2,
            A,
            3,
            1.5,
            rate,
            optimiser,
            20,
        )
        yield optimiser, losses[[0, 1, 2, 10, 20]], A_end, B_end


if __name__ == "__main__":
    np.set_printoptions(precision=15, floatmode="fixed")
    for optimiser, *values in recorded_values():
        print(optimiser, torch.__version__, *map(repr, values), sep="\n")
