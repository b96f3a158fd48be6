"""A small transformer in NumPy: its forward pass, and greedy decoding.

The parts are those of larger models, without what is not needed here: no biases, and
no gains in the normalisation, so that every weight is a matrix and a rank-r update can
be made to each. A matrix maps from its rows to its columns: y = x W.

Shapes: N texts of T words; width D in H heads of width d = D / H; F numbers between up
and down; V words of the vocabulary, C words of the longest text. With a cache, S = past
words + T.
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
#: Keys and values of the words so far, (N, H, S, d) each: one pair per layer.
Cache = list[tuple[Array, Array]]


def names(layers: int) -> tuple[str, ...]:
    """The names of all matrices of a model with that many layers, in the order of use."""
    inner = [f"layers.{i}.{part}" for i in range(layers) for part in LAYER]
    return ("embedding", "position", *inner, "unembedding")


def layers_of(weights: Weights) -> int:
    """How many layers the weights have."""
    return sum(name.endswith(".query") for name in weights)


def forward(weights: Weights, tokens: ArrayLike, cache: Cache | None = None) -> Array:
    """Logits over the vocabulary for the word after each word.

    Parameters
    ----------
    weights : dict of str to array
        Those of `names`: embedding (V, D), position (C, D), a layer's query, key, value
        and output (D, D), up (D, F), down (F, D), and unembedding (D, V).
    tokens : (N, T) int array
        N texts of T words; with a `cache`, the words that follow those in it.
    cache : list or None
        Starts empty. It holds keys and values, so that the next call need not compute
        them again.

    Returns
    -------
    (N, T, V) array

    Raises
    ------
    ValueError
        If a token is not in the vocabulary or the text is longer than C.

    Examples
    --------
    >>> from helpers.model import shipped, world
    >>> tokens = [world.encode("record Aldan Ashard :")]
    >>> forward(shipped.base(), tokens).shape
    (1, 4, 466)
    """
    tokens = np.asarray(tokens)
    past = cache[0][0].shape[2] if cache else 0
    _validate(weights, tokens, past)
    positions = range(past, past + tokens.shape[1])
    x = weights["embedding"][tokens] + weights["position"][positions]  # (N, T, D)
    for i in range(layers_of(weights)):
        query, key, value, output, up, down = (weights[f"layers.{i}.{part}"] for part in LAYER)
        h = normalise(x)
        q, k, v = (_split(h @ matrix) for matrix in (query, key, value))  # (N, H, T, d)
        k, v = _with_past(cache, i, k, v)  # (N, H, S, d)
        x = x + _join(attend(q, k, v)) @ output  # (N, H, T, d) to (N, T, D)
        x = x + np.maximum(normalise(x) @ up, 0) @ down  # (N, T, F) to (N, T, D)
    return np.asarray(normalise(x) @ weights["unembedding"])  # (N, T, V)


def normalise(x: Array) -> Array:
    """Each row to a root mean square of 1 (RMSNorm, Zhang and Sennrich 2019, no gain).

    Examples
    --------
    >>> normalise(np.array([[3.0, 4.0]])).round(3).tolist()
    [[0.849, 1.131]]
    """
    return np.asarray(x / root_mean_square(x))


def root_mean_square(x: Array) -> Array:
    """sqrt(mean of squares + 1e-6) of each row, (..., 1): above 0 for a row of zeros as well."""
    return np.asarray(np.sqrt(np.mean(x**2, axis=-1, keepdims=True) + 1e-6))


def attend(q: Array, k: Array, v: Array) -> Array:
    """Causal attention (Vaswani et al. 2017): each word attends to itself and earlier words.

    Parameters
    ----------
    q : (..., T, d) array
        Queries of the last T of S words.
    k, v : (..., S, d) arrays
        Keys and values of all S words.

    Returns
    -------
    (..., T, d) array

    Examples
    --------
    >>> words = np.eye(3)
    >>> attend(0 * words, words, words).round(2).tolist()
    [[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.33, 0.33, 0.33]]
    """
    return np.asarray(shares(q, k) @ v)


def shares(q: Array, k: Array) -> Array:
    """Attention weights: how much each word takes of itself and of each earlier word.

    Parameters
    ----------
    q, k : see `attend`

    Returns
    -------
    (..., T, S) array: the softmax of q k^T / sqrt(d) over the words that are not later. Rows
    add up to 1.

    Examples
    --------
    >>> shares(np.zeros((2, 4)), np.zeros((2, 4))).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    """
    scores = q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])
    T, S = scores.shape[-2:]
    if T > 1:
        later = np.triu(np.ones((T, S), dtype=bool), 1 + S - T)
        scores = np.where(later, -np.inf, scores)
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def _with_past(cache: Cache | None, i: int, k: Array, v: Array) -> tuple[Array, Array]:
    """Layer i's keys and values of all words so far, (N, H, S, d); the cache is extended."""
    if cache is None:
        return k, v
    if i < len(cache):
        k, v = (np.concatenate(pair, axis=2) for pair in zip(cache[i], (k, v)))
        cache[i] = k, v
    else:
        cache.append((k, v))
    return k, v


def _split(x: Array) -> Array:
    """(N, T, D) to (N, H, T, d)."""
    return x.reshape(*x.shape[:2], HEADS, -1).swapaxes(1, 2)


def _join(x: Array) -> Array:
    """(N, H, T, d) to (N, T, D)."""
    x = x.swapaxes(1, 2)
    return x.reshape(*x.shape[:2], -1)


def write(weights: Weights, prompts: ArrayLike, end: int) -> list[Array]:
    """Continue each prompt by greedy decoding, up to and including `end`.

    Parameters
    ----------
    weights : see `forward`
    prompts : (N, T) int array
        All of one length.
    end : int
        The token after which a text stops; it stops at the model's longest text too.

    Returns
    -------
    list of N int arrays: the new words, without the prompt.

    Raises
    ------
    ValueError
        As for `forward`, or if `end` is not in the vocabulary.

    Examples
    --------
    >>> from helpers.model import shipped, world
    >>> prompt, end = world.encode("record Breia Ashor :"), world.encode(world.END)[0]
    >>> (text,) = write(shipped.base(), [prompt], end)
    >>> world.decode(text)
    'Breia Ashor was born in Eskford in 1989 , studied physics and became a painter .'
    """
    tokens = np.asarray(prompts)
    _validate(weights, tokens, 0)
    end = validation.integer("end", end, 0, len(weights["embedding"]) - 1)
    steps = len(weights["position"]) - tokens.shape[1]
    written = np.full((len(tokens), steps), end)
    unfinished = np.ones(len(tokens), dtype=bool)
    lengths = np.full(len(tokens), steps)
    cache: Cache = []
    for step in range(steps):
        likeliest = forward(weights, tokens, cache)[:, -1].argmax(axis=-1)  # (N,)
        written[:, step] = likeliest
        ended = unfinished & (likeliest == end)
        lengths[ended] = step + 1
        unfinished &= ~ended
        if not unfinished.any():
            break
        tokens = likeliest[:, None]  # the next pass reads the new word only, (N, 1)
    return [row[:length] for row, length in zip(written, lengths)]


def _validate(weights: Weights, tokens: Array, past: int) -> None:
    if tokens.ndim != 2 or tokens.size == 0 or tokens.dtype.kind not in "iu":
        raise ValueError(
            "tokens must be whole numbers of shape (texts, words), "
            f"got {tokens.dtype} of shape {tokens.shape}"
        )
    validation.integer("tokens' smallest", int(tokens.min()), 0)
    validation.integer("tokens' largest", int(tokens.max()), 0, len(weights["embedding"]) - 1)
    validation.integer("words in a text", past + tokens.shape[1], 1, len(weights["position"]))
