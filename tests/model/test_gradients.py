"""The way back through the transformer against differences of the loss, and that by loops."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers.model import transformer, world
from helpers.model.gradients import PROMPT_WORDS, loss_and_gradients
from tests.support.transformer import CONTEXT, VOCABULARY, random_weights

SEEDS = st.integers(0, 2**31)


def texts_of(*lengths, seed=0):
    """Random texts, the shorter ones filled up with -1."""
    stream = np.random.RandomState(seed)
    texts = stream.randint(VOCABULARY, size=(len(lengths), max(lengths)))
    for text, length in zip(texts, lengths):
        text[length:] = -1
    return texts


def loss_by_loops(weights, texts):
    """Mean of -log of each word's chance, over the words after the prompt."""
    terms = []
    for text in texts:
        words = [word for word in text if word >= 0]
        logits = transformer.forward(weights, [words[:-1]])[0]
        for place in range(PROMPT_WORDS, len(words)):
            powers = np.exp(logits[place - 1])
            terms.append(-math.log(powers[words[place]] / powers.sum()))
    return sum(terms) / len(terms)


#: Of one and of many words after the prompt, of one length and of several, twice the same.
BATCHES = [(5,), (CONTEXT + 1,), (7, 7, 7), (5, 10, 8, 6)]


@pytest.mark.parametrize("lengths", BATCHES)
@pytest.mark.parametrize("layers", [0, 1, 3])
def test_the_loss_equals_loops(lengths, layers):
    weights, texts = random_weights(1, layers=layers), texts_of(*lengths)
    value, _ = loss_and_gradients(weights, texts)
    assert value == pytest.approx(loss_by_loops(weights, texts), rel=1e-12)


def moved(weights, name, step):
    return {**weights, name: weights[name] + step}


@pytest.mark.parametrize("lengths", BATCHES)
@pytest.mark.parametrize("name", random_weights(0))
def test_every_gradient_against_differences(lengths, name):
    """In two directions each: a random one, and the gradient's own."""
    weights, texts = random_weights(2), texts_of(*lengths)
    # Half as large, so that no row of attention rests on one word.
    weights = {key: matrix / 2 for key, matrix in weights.items()}
    _, gradients = loss_and_gradients(weights, texts)
    found = gradients[name]
    assert found.shape == weights[name].shape
    random = np.random.RandomState(3).standard_normal(found.shape)
    for direction in (random, found / max(np.linalg.norm(found), 1e-12)):
        step = 1e-5 * direction
        ahead, behind = (
            loss_and_gradients(moved(weights, name, sign * step), texts)[0] for sign in (1, -1)
        )
        slope = (ahead - behind) / 2e-5
        assert np.sum(found * direction) == pytest.approx(slope, rel=1e-6, abs=1e-9)


@settings(max_examples=20)
@given(seed=SEEDS)
def test_single_weights_against_differences(seed):
    """One number of each matrix, wherever it lies."""
    weights, texts = random_weights(seed), texts_of(6, 9, seed=seed)
    weights = {key: matrix / 3 for key, matrix in weights.items()}
    _, gradients = loss_and_gradients(weights, texts)
    stream = np.random.RandomState(seed)
    for name, found in gradients.items():
        step = np.zeros_like(found)
        place = tuple(stream.randint(size) for size in found.shape)
        step[place] = 1e-6
        ahead, behind = (
            loss_and_gradients(moved(weights, name, sign * step), texts)[0] for sign in (1, -1)
        )
        assert found[place] == pytest.approx((ahead - behind) / 2e-6, rel=1e-4, abs=1e-7)


@given(seed=SEEDS, first=st.integers(5, 10), second=st.integers(5, 10))
def test_texts_count_by_their_words(seed, first, second):
    """Together: the mean of each alone, weighted by how many words it has to say."""
    weights, texts = random_weights(seed), texts_of(first, second, seed=seed)
    value, gradients = loss_and_gradients(weights, texts)
    alone = [
        loss_and_gradients(weights, text[None, :length])
        for text, length in zip(texts, (first, second))
    ]
    share = (first - PROMPT_WORDS) / (first + second - 2 * PROMPT_WORDS)
    assert value == pytest.approx(share * alone[0][0] + (1 - share) * alone[1][0], rel=1e-9)
    for name, found in gradients.items():
        mean = share * alone[0][1][name] + (1 - share) * alone[1][1][name]
        np.testing.assert_allclose(found, mean, rtol=1e-7, atol=1e-10)


def test_words_and_places_that_do_not_occur_have_no_gradient():
    weights = random_weights(0)
    _, gradients = loss_and_gradients(weights, [[3, 1, 4, 1, 5, 2]])
    seen = np.flatnonzero(np.abs(gradients["embedding"]).sum(axis=1))
    assert seen.tolist() == [1, 3, 4, 5]  # the last word is predicted, and not read
    assert np.flatnonzero(np.abs(gradients["position"]).sum(axis=1)).tolist() == [0, 1, 2, 3, 4]


def test_the_gradients_come_in_the_order_of_the_weights():
    weights = random_weights(0)
    assert list(loss_and_gradients(weights, texts_of(7))[1]) == list(weights)


def test_single_precision_stays_single_and_agrees():
    weights, texts = random_weights(0), texts_of(7, 9)
    value, gradients = loss_and_gradients(weights, texts)
    single = {name: matrix.astype(np.float32) for name, matrix in weights.items()}
    single_value, found = loss_and_gradients(single, texts)
    assert single_value == pytest.approx(value, rel=1e-5)
    for name, gradient in found.items():
        assert gradient.dtype == np.float32
        distance = np.linalg.norm(gradient - gradients[name])
        assert distance < 1e-4 * np.linalg.norm(gradients[name])


def test_neither_weights_nor_texts_are_changed():
    weights, texts = random_weights(0), texts_of(7, 9)
    for matrix in (*weights.values(), texts):
        matrix.setflags(write=False)
    loss_and_gradients(weights, texts)


def test_large_scores_do_not_overflow():
    weights = {name: 1e3 * matrix for name, matrix in random_weights(0).items()}
    value, gradients = loss_and_gradients(weights, texts_of(7))
    assert math.isfinite(value)
    assert all(np.isfinite(found).all() for found in gradients.values())


def test_a_prompt_has_so_many_words():
    person = world.people("known")[0]
    assert {len(world.encode(world.prompt(person, s))) for s in world.STYLES} == {PROMPT_WORDS}


@pytest.mark.parametrize(
    "texts, message",
    [
        ([[0, 1, 2, 3, VOCABULARY]], r"^texts' largest token must .* between 0 and 10, got 11$"),
        ([[0, 1, 2, 3, -2]], r"^texts' smallest token must .* at least -1, got -2$"),
        ([[0, 1, 2, -1, 4]], r"^texts' smallest prompt token must .* at least 0, got -1$"),
        ([[0, 1, 2, 3, -1]], r"^texts must hold words after the prompt, got prompts only$"),
        ([[0, 1, 2, 3]], r"^words in a text must .* between 5 and 10, got 4$"),
        ([[0] * (CONTEXT + 2)], r"^words in a text must .* between 5 and 10, got 11$"),
        ([[0.0] * 6], r"^texts must be whole numbers .*, got float64 of shape \(1, 6\)$"),
        ([0] * 6, r"^texts must be .*\(texts, words\), got int64 of shape \(6,\)$"),
        (np.zeros((0, 6), dtype=int), r"^texts must be .* of shape \(0, 6\)$"),
    ],
)
def test_bad_texts(texts, message):
    with pytest.raises(ValueError, match=message):
        loss_and_gradients(random_weights(0), texts)
