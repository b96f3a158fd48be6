"""A small transformer in NumPy: its forward pass, and writing by taking the likeliest word.

The parts are those of larger models, without what is not needed here: no biases, and
no gains in the normalisation, so that every weight is a matrix and a rank-r update can
be made to each. A matrix maps from its rows to its columns: y = x W.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike

from .. import validation
from ..validation import Array

HEADS = 4
#: The matrices of one layer.
LAYER = ("query", "key", "value", "output", "up", "down")

Weights = Mapping[str, Array]
#: Keys and values of the words so far, a pair a layer.
Cache = list[tuple[Array, Array]]


def names(layers: int) -> tuple[str, ...]:
    """All matrices of a model of so many layers, from the first to the last used."""
    inner = [f"layers.{i}.{part}" for i in range(layers) for part in LAYER]
    return ("embedding", "position", *inner, "unembedding")


def layers_of(weights: Weights) -> int:
    """How many layers the weights have."""
    return sum(name.endswith(".query") for name in weights)


def forward(weights: Weights, tokens: ArrayLike, cache: Cache | None = None) -> Array:
    """What the model expects after each word: logits over the vocabulary.

    Parameters
    ----------
    weights : dict of str to array
        Those of `names`: embedding (V, D), position (C, D), a layer's query, key, value
        and output (D, D), up (D, H), down (H, D), and unembedding (D, V).
    tokens : (N, T) int array
        N texts of T words; with a `cache`, the words that follow those in it.
    cache : list or None
        Starts empty. It remembers keys and values, so that the next call need not
        work them out again.

    Returns
    -------
    (N, T, V) array

    Raises
    ------
    ValueError
        If a token is not in the vocabulary or the text is longer than C.
    """
    tokens = np.asarray(tokens)
    before = cache[0][0].shape[2] if cache else 0
    _validate(weights, tokens, before)
    places = range(before, before + tokens.shape[1])
    x = weights["embedding"][tokens] + weights["position"][places]
    for i in range(layers_of(weights)):
        query, key, value, output, up, down = (weights[f"layers.{i}.{part}"] for part in LAYER)
        h = normalise(x)
        q, k, v = (_split(h @ matrix) for matrix in (query, key, value))
        k, v = _remembered(cache, i, k, v)
        x = x + _join(attend(q, k, v)) @ output
        x = x + np.maximum(normalise(x) @ up, 0) @ down
    return np.asarray(normalise(x) @ weights["unembedding"])


def normalise(x: Array) -> Array:
    """Each row to a root mean square of 1 (RMSNorm, Zhang and Sennrich 2019, no gain)."""
    return np.asarray(x / root_mean_square(x))


def root_mean_square(x: Array) -> Array:
    """Of each row, (..., 1); a little more, so that a row of zeros can be divided by it."""
    return np.asarray(np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6))


def attend(q: Array, k: Array, v: Array) -> Array:
    """Causal attention (Vaswani et al. 2017): each word looks at itself and those before.

    Parameters
    ----------
    q : (..., T, d) array
        The last T of S words ask.
    k, v : (..., S, d) arrays
        All S words answer.

    Returns
    -------
    (..., T, d) array
    """
    return np.asarray(shares(q, k) @ v)


def shares(q: Array, k: Array) -> Array:
    """How much each word takes in of those before it and of itself: rows that add up to 1.

    Parameters
    ----------
    q, k : see `attend`

    Returns
    -------
    (..., T, S) array: the softmax of q k^T / sqrt(d), without the words that come later.
    """
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    T, S = scores.shape[-2:]
    if T > 1:
        later = np.triu(np.ones((T, S), dtype=bool), 1 + S - T)
        scores = np.where(later, -np.inf, scores)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _remembered(cache: Cache | None, i: int, k: Array, v: Array) -> tuple[Array, Array]:
    """Layer i's keys and values of all words so far, which the cache then holds."""
    if cache is None:
        return k, v
    if i < len(cache):
        k, v = (np.concatenate(pair, axis=2) for pair in zip(cache[i], (k, v)))
        cache[i] = k, v
    else:
        cache.append((k, v))
    return k, v


def _split(x: Array) -> Array:
    """(N, T, D) to (N, heads, T, D / heads)."""
    return x.reshape(*x.shape[:2], HEADS, -1).swapaxes(1, 2)


def _join(x: Array) -> Array:
    """(N, heads, T, D / heads) to (N, T, D)."""
    x = x.swapaxes(1, 2)
    return x.reshape(*x.shape[:2], -1)


def write(weights: Weights, prompts: ArrayLike, end: int) -> list[Array]:
    """Go on from each prompt with the likeliest word, up to and with `end`.

    Parameters
    ----------
    weights : see `forward`
    prompts : (N, T) int array
        All of one length.
    end : int
        The token after which a text stops; it stops at the model's longest text too.

    Returns
    -------
    list of N int arrays: what was written, without the prompt.
    """
    latest = np.asarray(prompts)
    _validate(weights, latest, 0)
    end = validation.integer("end", end, 0, len(weights["embedding"]) - 1)
    room = len(weights["position"]) - latest.shape[1]
    written = np.full((len(latest), room), end)
    open_texts = np.ones(len(latest), dtype=bool)
    lengths = np.full(len(latest), room)
    cache: Cache = []
    for step in range(room):
        likeliest = forward(weights, latest, cache)[:, -1].argmax(axis=-1)
        written[:, step] = likeliest
        closing = open_texts & (likeliest == end)
        lengths[closing] = step + 1
        open_texts &= ~closing
        if not open_texts.any():
            break
        latest = likeliest[:, None]
    return [row[:length] for row, length in zip(written, lengths)]


def _validate(weights: Weights, tokens: Array, before: int) -> None:
    if tokens.ndim != 2 or tokens.size == 0 or tokens.dtype.kind not in "iu":
        raise ValueError(
            "tokens must be whole numbers of shape (texts, words), "
            f"got {tokens.dtype} of shape {tokens.shape}"
        )
    validation.integer("tokens' smallest", int(tokens.min()), 0)
    validation.integer("tokens' largest", int(tokens.max()), 0, len(weights["embedding"]) - 1)
    validation.integer("words in a text", before + tokens.shape[1], 1, len(weights["position"]))
