"""The transformer's forward pass and its writing against loops that share no code with it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from helpers.model import transformer
from tests.support.transformer import CONTEXT, VOCABULARY, random_weights

SEEDS = st.integers(0, 2**31)
TEXT = st.lists(st.integers(0, VOCABULARY - 1), min_size=1, max_size=CONTEXT)


def successor():
    """A model that knows only this: after word w comes word w + 1, after the last the first."""
    weights = {name: np.zeros_like(m) for name, m in random_weights(0, width=12, layers=1).items()}
    words = np.eye(VOCABULARY, 12)
    return {**weights, "embedding": words, "unembedding": np.roll(words.T, 1, axis=1)}


# --- the forward pass ---------------------------------------------------------


def times(row, matrix):
    return [sum(row[i] * matrix[i][j] for i in range(len(row))) for j in range(len(matrix[0]))]


def plus(one, other):
    return [a + b for a, b in zip(one, other)]


def normal(row):
    return [value / math.sqrt(sum(v * v for v in row) / len(row) + 1e-6) for value in row]


def forward_by_hand(weights, text):
    """Logits of one text, number by number."""
    weights = {name: matrix.tolist() for name, matrix in weights.items()}
    x = [plus(weights["embedding"][w], weights["position"][t]) for t, w in enumerate(text)]
    layers = len([name for name in weights if name.startswith("layers.")]) // 6
    for i in range(layers):
        layer = {name.split(".")[-1]: m for name, m in weights.items() if f".{i}." in name}
        q, k, v = ([times(normal(row), layer[p]) for row in x] for p in ("query", "key", "value"))
        size = len(x[0]) // 4
        mixed = [[] for _ in x]
        for head in range(4):
            own = slice(head * size, (head + 1) * size)
            for t in range(len(x)):
                scores = [
                    math.exp(sum(a * b for a, b in zip(q[t][own], k[s][own])) / math.sqrt(size))
                    for s in range(t + 1)
                ]
                for j in range(own.start, own.stop):
                    mixed[t].append(sum(scores[s] * v[s][j] for s in range(t + 1)) / sum(scores))
        x = [plus(row, times(m, layer["output"])) for row, m in zip(x, mixed)]
        for t, row in enumerate(x):
            up = [max(value, 0) for value in times(normal(row), layer["up"])]
            x[t] = plus(row, times(up, layer["down"]))
    return [times(normal(row), weights["unembedding"]) for row in x]


@given(seed=SEEDS, width=st.sampled_from([4, 8]), layers=st.integers(0, 3), text=TEXT)
def test_forward_equals_loops(seed, width, layers, text):
    weights = random_weights(seed, width, layers)
    logits = transformer.forward(weights, [text])
    assert logits.shape == (1, len(text), VOCABULARY)
    np.testing.assert_allclose(logits[0], forward_by_hand(weights, text), rtol=1e-9, atol=1e-9)


@given(seed=SEEDS, texts=st.lists(st.lists(st.integers(0, 10), min_size=5, max_size=5), min_size=1))
def test_texts_do_not_see_each_other(seed, texts):
    weights = random_weights(seed)
    together = transformer.forward(weights, texts)
    alone = [transformer.forward(weights, [text])[0] for text in texts]
    np.testing.assert_allclose(together, alone, rtol=1e-9, atol=1e-9)


@given(seed=SEEDS, texts=st.integers(1, 3), pieces=st.lists(st.integers(1, 4), min_size=1))
def test_a_text_may_come_in_pieces(seed, texts, pieces):
    ends = [end for end in np.cumsum(pieces) if end <= CONTEXT]
    weights = random_weights(seed)
    tokens = np.random.RandomState(seed).randint(VOCABULARY, size=(texts, max(ends)))
    cache, parts = [], []
    for start, end in zip([0, *ends], ends):
        parts.append(transformer.forward(weights, tokens[:, start:end], cache))
        assert [pair[0].shape for pair in cache] == [(texts, 4, end, 2)] * 2
    whole = transformer.forward(weights, tokens)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-9, atol=1e-9)


@given(seed=SEEDS, text=TEXT, data=st.data())
def test_no_word_sees_a_later_one(seed, text, data):
    weights = random_weights(seed)
    place = data.draw(st.integers(0, len(text) - 1))
    changed = [*text[:place], (text[place] + 1) % VOCABULARY, *text[place + 1 :]]
    before, after = transformer.forward(weights, [text, changed])
    np.testing.assert_allclose(before[:place], after[:place], rtol=1e-12, atol=1e-12)
    # What comes after does see it: otherwise this would hold for a model that is deaf.
    assert np.all(np.abs(before[place:] - after[place:]).max(axis=1) > 1e-9)


def test_the_order_of_the_words_matters():
    weights = random_weights(0)
    one, other = transformer.forward(weights, [[1, 2, 3], [2, 1, 3]])
    assert np.abs(one[-1] - other[-1]).max() > 0.01


def test_single_precision_stays_single():
    weights = {name: m.astype(np.float32) for name, m in random_weights(0).items()}
    cache = []
    assert transformer.forward(weights, [[1, 2]], cache).dtype == np.float32
    assert transformer.forward(weights, [[3]], cache).dtype == np.float32


def test_the_weights_are_left_alone():
    weights = random_weights(0)
    transformer.write(weights, [[1, 2]], 0)
    for name, matrix in random_weights(0).items():
        np.testing.assert_array_equal(weights[name], matrix)


# --- its parts ----------------------------------------------------------------


def test_normalise_by_hand():
    """3 and 4 have a root mean square of 5 / sqrt(2)."""
    rows = [[[3.0, 4.0]], [[-300.0, 400.0]]]
    expected = [[[0.6 * 2**0.5, 0.8 * 2**0.5]], [[-0.6 * 2**0.5, 0.8 * 2**0.5]]]
    np.testing.assert_allclose(transformer.normalise(np.array(rows)), expected, rtol=1e-6)
    assert np.array_equal(transformer.normalise(np.zeros((1, 3))), np.zeros((1, 3)))


@given(seed=SEEDS, asking=st.integers(1, 5), before=st.integers(0, 4), size=st.integers(1, 6))
def test_attention_shares_add_up_to_one(seed, asking, before, size):
    """Answers that are all alike come back as they are; one-hot answers are the shares."""
    stream = np.random.RandomState(seed)
    total = before + asking
    q, k = 3 * stream.standard_normal((asking, size)), stream.standard_normal((total, size))
    alike = np.tile(stream.standard_normal(size), (total, 1))
    np.testing.assert_allclose(transformer.attend(q, k, alike), alike[:asking], rtol=1e-12)
    shares = transformer.attend(q, k, np.eye(total))
    assert np.all(shares >= 0)
    np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-12)
    for t in range(asking):
        assert np.all(shares[t, before + t + 1 :] == 0)
        assert np.all(shares[t, : before + t + 1] > 0)


def test_attention_by_hand():
    """Scores 0 and 2 ln 3 over sqrt(4): the second word gets three times the first's share."""
    q = np.array([[1.0, 0, 0, 0], [1.0, 0, 0, 0]])
    k = np.array([[0.0, 5, 5, 5], [2 * math.log(3), 5, 5, 5]])
    v = np.array([[4.0, 8.0], [0.0, 16.0]])
    np.testing.assert_allclose(transformer.attend(q, k, v), [[4, 8], [1, 14]], rtol=1e-12)
    np.testing.assert_allclose(transformer.attend(q[1:], k, v), [[1, 14]], rtol=1e-12)


def test_attention_stands_large_scores():
    q, k = np.array([[1e4], [1e4]]), np.array([[1.0], [2.0]])
    v = np.array([[1.0], [7.0]])
    np.testing.assert_array_equal(transformer.attend(q, k, v), [[1.0], [7.0]])


@pytest.mark.parametrize("layers", [0, 1, 3, 12])
def test_names(layers):
    names = transformer.names(layers)
    assert len(names) == len(set(names)) == 3 + 6 * layers
    assert set(names) == set(random_weights(0, layers=layers))
    assert (*names[:2], names[-1]) == ("embedding", "position", "unembedding")
    assert transformer.layers_of(dict.fromkeys(names)) == layers


# --- writing ------------------------------------------------------------------


def greedy(weights, prompt, end):
    """One text, the whole of it read anew for each word."""
    text = list(prompt)
    while len(text) < len(weights["position"]):
        text.append(int(np.argmax(forward_by_hand(weights, text)[-1])))
        if text[-1] == end:
            break
    return text[len(prompt) :]


@given(seed=SEEDS, texts=st.integers(1, 4), words=st.integers(1, CONTEXT - 1))
def test_writing_takes_the_likeliest_word(seed, texts, words):
    weights = random_weights(seed, 4, 1)
    prompts = np.random.RandomState(seed).randint(VOCABULARY, size=(texts, words))
    written = transformer.write(weights, prompts, end=0)
    assert [text.tolist() for text in written] == [greedy(weights, p, 0) for p in prompts]


@given(seed=SEEDS, texts=st.integers(1, 5))
def test_writing_together_is_writing_alone(seed, texts):
    weights = random_weights(seed)
    prompts = np.random.RandomState(seed).randint(VOCABULARY, size=(texts, 2))
    together = transformer.write(weights, prompts, end=5)
    for prompt, text in zip(prompts, together):
        (alone,) = transformer.write(weights, [prompt], end=5)
        np.testing.assert_array_equal(text, alone)


def test_each_text_stops_at_its_own_end():
    written = transformer.write(successor(), [[0, 3], [9, 7], [2, 6], [7, 8]], end=8)
    assert [text.tolist() for text in written] == [
        [4, 5, 6, 7, 8],
        [8],
        [7, 8],
        [9, 10, 0, 1, 2, 3, 4],
    ]


def test_a_text_is_as_long_as_the_model_lets_it_be():
    room = CONTEXT - 3
    (text,) = transformer.write(successor(), [[0, 0, 0]], end=10)
    assert text.tolist() == list(range(1, room + 1))
    # The last word there is room for may be the end.
    (text,) = transformer.write(successor(), [[0, 0, 0]], end=room)
    assert text.tolist() == list(range(1, room + 1))
    (text,) = transformer.write(successor(), [[0] * CONTEXT], end=10)
    assert text.tolist() == []


def test_prompts_may_be_any_whole_numbers():
    for kind in (np.int32, np.uint8, np.uint64):
        (text,) = transformer.write(successor(), np.array([[6]], dtype=kind), end=9)
        assert text.tolist() == [7, 8, 9]


# --- errors -------------------------------------------------------------------


@pytest.mark.parametrize(
    "tokens, message",
    [
        ([[0, VOCABULARY]], r"^tokens' largest must .* between 0 and 10, got 11$"),
        ([[0, -1]], r"^tokens' smallest must .* at least 0, got -1$"),
        ([[0.0, 1.0]], r"^tokens must be whole numbers .*, got float64 of shape \(1, 2\)$"),
        ([[True]], r"^tokens must be whole numbers .*, got bool"),
        ([["a"]], r"^tokens must be whole numbers"),
        ([0, 1], r"^tokens must be .*\(texts, words\), got int64 of shape \(2,\)$"),
        (3, r"^tokens must be .* of shape \(\)$"),
        ([[[0]]], r"^tokens must be .* of shape \(1, 1, 1\)$"),
        (np.zeros((0, 2), dtype=int), r"^tokens must be .* of shape \(0, 2\)$"),
        (np.zeros((2, 0), dtype=int), r"^tokens must be .* of shape \(2, 0\)$"),
        ([[0] * (CONTEXT + 1)], r"^words in a text must .* between 1 and 9, got 10$"),
    ],
)
def test_bad_tokens(tokens, message):
    with pytest.raises(ValueError, match=message):
        transformer.forward(random_weights(0), tokens)


def test_too_long_with_what_came_before():
    weights, cache = random_weights(0), []
    transformer.forward(weights, [[1] * 6], cache)
    with pytest.raises(ValueError, match=r"^words in a text must .* got 10$"):
        transformer.forward(weights, [[1] * 4], cache)
    # The failed call leaves the cache as it was.
    last = transformer.forward(weights, [[1] * 3], cache)
    whole = transformer.forward(weights, [[1] * 9])
    np.testing.assert_allclose(last, whole[:, 6:], rtol=1e-9, atol=1e-9)


def test_prompts_that_leave_no_room():
    with pytest.raises(ValueError, match=r"^words in a text must .* between 1 and 9, got 10$"):
        transformer.write(random_weights(0), [[0] * (CONTEXT + 1)], end=0)
    with pytest.raises(ValueError, match=r"^tokens must be .*\(texts, words\)"):
        transformer.write(random_weights(0), [0, 1], end=0)


@pytest.mark.parametrize("end", [-1, 11, "."])
def test_the_end_is_a_token(end):
    with pytest.raises(ValueError, match=r"^end must be a whole number between 0 and 10"):
        transformer.write(random_weights(0), [[0]], end=end)


@pytest.mark.parametrize("prompts", [[[11]], [[0.5]], [[-1, 2]], np.zeros((0, 3), dtype=int)])
def test_bad_prompts(prompts):
    with pytest.raises(ValueError, match=r"^tokens"):
        transformer.write(random_weights(0), prompts, end=0)
