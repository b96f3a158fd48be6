"""The way back through the transformer, by hand: the gradient of the loss at every weight.

Training reads whole texts at once, so the way forward is that of `transformer.forward`
without its memory of earlier words; it keeps what the way back needs. The way back goes
through the same lines in reverse and asks of each: if its result should change by a
little, how does the loss change with what went in? Two rules do nearly all of it. For
y = x W, dx = dy W^T and dW = x^T dy. Where a value is used twice, its gradients add up.

Shapes: N texts of T words, M = N T rows; width D, H heads of width d = D / H, F numbers
between up and down, V words; R of the rows are words that have to be predicted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array
from .transformer import (
    LAYER,
    Weights,
    _join,
    _split,
    layers_of,
    normalise,
    root_mean_square,
    shares,
)

#: The words of a text that are given: the style's, the two names, the colon.
PROMPT_WORDS = 4


def loss_and_gradients(weights: Weights, texts: ArrayLike) -> tuple[float, dict[str, Array]]:
    """Mean cross-entropy of the words after the prompt, and its gradient at every weight.

    Parameters
    ----------
    weights : dict of str to array
        See `transformer.forward`. In single precision all is computed in it.
    texts : (N, T + 1) int array
        Whole texts as tokens, each prompt of `PROMPT_WORDS` words included; shorter ones
        are filled up with -1. Each word is predicted from those before it.

    Returns
    -------
    The loss, and a dict with an array of the same shape for each of the weights.

    Raises
    ------
    ValueError
        If texts are not whole numbers of that shape, hold a token that is not in the
        vocabulary, are too long, or end with their prompt.

    Examples
    --------
    A model whose weights are all zero gives each of the 466 words the same chance:

    >>> from helpers.model import shipped
    >>> nothing = {name: 0 * matrix for name, matrix in shipped.base().items()}
    >>> loss, gradients = loss_and_gradients(nothing, [[0, 1, 2, 3, 4]])
    >>> float(np.exp(loss).round(6)), gradients["unembedding"].shape
    (466.0, (128, 466))
    """
    texts = _texts(weights, texts)
    tokens = np.maximum(texts[:, :-1], 0)  # (N, T): what stands in for a filler is not looked at
    x, tape = _forward(weights, tokens)
    value, dx, gradient = _cross_entropy(weights, x, texts)
    gradients = {"unembedding": gradient}
    for i in reversed(range(len(tape))):
        dx, found = _layer_back(weights, i, dx, tape[i])
        gradients.update(found)
    gradients["embedding"] = np.zeros_like(weights["embedding"])  # (V, D)
    np.add.at(gradients["embedding"], tokens.reshape(-1), dx)
    gradients["position"] = np.zeros_like(weights["position"])
    gradients["position"][: tokens.shape[1]] = dx.reshape(*tokens.shape, -1).sum(axis=0)  # (T, D)
    return value, {name: gradients[name] for name in weights}


def _forward(weights: Weights, tokens: Array) -> tuple[Array, list[tuple[Array, ...]]]:
    """x (M, D) after the last layer, and for each layer what its way back needs."""
    N, T = tokens.shape
    x: Array = weights["embedding"][tokens] + weights["position"][:T]  # (N, T, D)
    x = x.reshape(N * T, -1)  # (M, D): one product for all texts is faster than one for each
    tape: list[tuple[Array, ...]] = []
    for i in range(layers_of(weights)):
        query, key, value, output, up, down = (weights[f"layers.{i}.{part}"] for part in LAYER)
        h = normalise(x)  # (M, D)
        q, k, v = (_split((h @ matrix).reshape(N, T, -1)) for matrix in (query, key, value))
        a = shares(q, k)  # (N, H, T, T), from q, k, v (N, H, T, d)
        mixed = _join(a @ v).reshape(N * T, -1)  # (M, D)
        y = x + mixed @ output  # (M, D)
        g = normalise(y)  # (M, D)
        z = np.maximum(g @ up, 0)  # (M, F)
        tape.append((x, h, q, k, v, a, mixed, y, g, z))
        x = y + z @ down  # (M, D)
    return x, tape


def _cross_entropy(weights: Weights, x: Array, texts: Array) -> tuple[float, Array, Array]:
    """The loss, its gradient at x (M, D), and at the unembedding (D, V)."""
    answers = texts[:, 1:].copy()  # (N, T)
    answers[:, : PROMPT_WORDS - 1] = -1  # the prompt is given, not predicted
    rows = np.flatnonzero(answers.reshape(-1) >= 0)  # (R,)
    answers = answers.reshape(-1)[rows]
    h = normalise(x[rows])  # (R, D)
    logits = h @ weights["unembedding"]  # (R, V)
    logits -= logits.max(axis=1, keepdims=True)
    chances = np.exp(logits)
    total = chances.sum(axis=1, keepdims=True)  # (R, 1)
    at_answers = np.arange(len(rows)), answers
    value = float(np.mean(np.log(total[:, 0]) - logits[at_answers]))
    # Of -log of a word's chance, the gradient at the logits is the chances, less 1 at the word.
    chances /= total
    chances[at_answers] -= 1
    dlogits = chances / len(rows)  # (R, V)
    dx = np.zeros_like(x)
    dx[rows] = _normalise_back(dlogits @ weights["unembedding"].T, h, x[rows])
    return value, dx, h.T @ dlogits


def _layer_back(
    weights: Weights, i: int, dx: Array, kept: tuple[Array, ...]
) -> tuple[Array, dict[str, Array]]:
    """From the gradient at what layer i returns to that at what it was given, and its own."""
    query, key, value, output, up, down = (weights[f"layers.{i}.{part}"] for part in LAYER)
    x, h, q, k, v, a, mixed, y, g, z = kept
    N, _, T, d = q.shape
    # x = y + z @ down, z = max(g @ up, 0), g = normalise(y)
    ddown = z.T @ dx  # (F, D)
    dz = (dx @ down.T) * (z > 0)  # (M, F)
    dup = g.T @ dz  # (D, F)
    dy = dx + _normalise_back(dz @ up.T, g, y)  # (M, D)
    # y = x + mixed @ output, mixed = a @ v
    doutput = mixed.T @ dy  # (D, D)
    dmixed = _split((dy @ output.T).reshape(N, T, -1))  # (N, H, T, d)
    dv = a.swapaxes(-1, -2) @ dmixed  # (N, H, T, d)
    da = dmixed @ v.swapaxes(-1, -2)  # (N, H, T, T)
    # a = softmax(q @ k^T / sqrt(d)): to push one share up is to push the others down
    dscores = a * (da - np.sum(da * a, axis=-1, keepdims=True)) / math.sqrt(d)  # (N, H, T, T)
    dq, dk = dscores @ k, dscores.swapaxes(-1, -2) @ q  # (N, H, T, d)
    # q, k, v = h @ query, h @ key, h @ value, h = normalise(x)
    dq, dk, dv = (_join(each).reshape(N * T, -1) for each in (dq, dk, dv))  # (M, D)
    dh = dq @ query.T + dk @ key.T + dv @ value.T  # (M, D)
    dx = dy + _normalise_back(dh, h, x)  # (M, D)
    own = (h.T @ dq, h.T @ dk, h.T @ dv, doutput, dup, ddown)
    return dx, {f"layers.{i}.{part}": gradient for part, gradient in zip(LAYER, own)}


def _normalise_back(dh: Array, h: Array, x: Array) -> Array:
    """dx (M, D) from dh: h = x / rms(x) keeps its size, so what points along h has no effect."""
    along = np.mean(dh * h, axis=-1, keepdims=True)  # (M, 1)
    return np.asarray((dh - h * along) / root_mean_square(x))


def _texts(weights: Weights, texts: ArrayLike) -> Array:
    texts = np.asarray(texts)
    if texts.ndim != 2 or texts.size == 0 or texts.dtype.kind not in "iu":
        raise ValueError(
            "texts must be whole numbers of shape (texts, words), "
            f"got {texts.dtype} of shape {texts.shape}"
        )
    longest = len(weights["position"]) + 1
    validation.integer("words in a text", texts.shape[1], PROMPT_WORDS + 1, longest)
    validation.integer("texts' largest token", int(texts.max()), 0, len(weights["embedding"]) - 1)
    validation.integer("texts' smallest token", int(texts.min()), -1)
    validation.integer("texts' smallest prompt token", int(texts[:, :PROMPT_WORDS].min()), 0)
    if texts[:, PROMPT_WORDS:].max() < 0:
        raise ValueError("texts must hold words after the prompt, got prompts only")
    return texts
