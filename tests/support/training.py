"""What the tests of training share: losses of any shape, finite differences, a plain loop."""

import numpy as np

from helpers import training
from helpers.lora import updates

FACTS = training.MatrixLoss(updates.article_updates()["facts"].matrix())
STYLE = training.MatrixLoss(updates.article_updates()["style"].matrix())


def draw(seed, *shape):
    return np.random.RandomState(seed).standard_normal(shape)


def some_loss(kind, d, k, seed=0):
    generator = np.random.RandomState(seed)
    M = generator.standard_normal((d, k))
    if kind == "matrix":
        return training.MatrixLoss(M)
    return training.noisy_data(M, int(generator.randint(1, 12)), 0.5, generator)


def central_difference(function, array, step=1e-5):
    slope = np.empty_like(array)
    for index in np.ndindex(*array.shape):
        there, here = array.copy(), array.copy()
        there[index] += step
        here[index] -= step
        slope[index] = (function(there) - function(here)) / (2 * step)
    return slope


def plain_loop(loss, A, s, eta, optimiser, steps, ratio_B=1.0):
    """Textbook training of one run: the oracle for the batched one."""
    M = loss.target
    A, B = A.copy(), np.zeros((M.shape[0], len(A)))
    state = {name: [np.zeros_like(x), np.zeros_like(x)] for name, x in (("A", A), ("B", B))}
    losses, progress = [], []
    for t in range(1, steps + 2):
        dW = s * B @ A
        value, G = loss.evaluate(dW)
        losses.append(float(value))
        progress.append(np.sum(dW * M) / np.sum(M * M))
        if t > steps:
            return np.array(losses), np.array(progress), A, B
        for name, parameter, g in (("A", A, s * B.T @ G), ("B", B, s * G @ A.T)):
            if optimiser == "adam":
                m, v = state[name]
                m[:] = 0.9 * m + 0.1 * g
                v[:] = 0.999 * v + 0.001 * g * g
                g = (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
            parameter -= eta * (ratio_B if name == "B" else 1) * g
