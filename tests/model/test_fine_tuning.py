"""Training the small model: what is trained, on which texts, in which order, and what comes out."""

import math

import numpy as np
import pytest

from helpers.model import recall, shipped, world
from helpers.model.fine_tuning import (
    ASKED,
    KNOWN_ASKED,
    FineTuning,
    Progress,
    Recipe,
    corpus,
    rate_at,
)
from helpers.model.trainable import PLACEMENTS, LoRA, Whole
from helpers.training.optimisers import OPTIMISERS

#: Small enough that a step takes a few milliseconds.
SMALL = {"people": 2, "steps": 3, "batch": 4, "rank": 2}
BASE = {name: matrix.astype(np.float32) for name, matrix in shipped.base().items()}


def run_of(**changes):
    return FineTuning(Recipe(**{**SMALL, **changes}))


def trained(**changes):
    """A run after its steps, and their losses."""
    run = run_of(**changes)
    return run, [run.take_step() for _ in range(run.recipe.steps)]


# --- what is trained ----------------------------------------------------------


@pytest.mark.parametrize(
    "placement, ends, parameters",
    [
        ("all", 21, 6728),
        ("attention, mlp", 18, 5376),
        ("attention", 12, 3072),
        ("query, value", 6, 1536),
    ],
)
def test_a_placement_is_so_many_matrices_and_numbers_a_rank(placement, ends, parameters):
    """21 matrices: 3 layers of 4 of 128 x 128 and 2 of 128 x 256, and 3 around them."""
    for rank in (1, 2, 16):
        assert run_of(placement=placement, rank=rank).parameters == rank * parameters
    run, _ = trained(placement=placement)
    changed = [name for name in BASE if not np.array_equal(run.weights()[name], BASE[name])]
    assert len(changed) == ends
    assert all(name.endswith(PLACEMENTS[placement]) for name in changed)
    whole = run_of(placement=placement, method="full")
    assert whole.parameters == sum(BASE[name].size for name in changed)


@pytest.mark.parametrize("method", ["lora", "full"])
def test_it_starts_as_the_base(method):
    weights = run_of(method=method).weights()
    assert list(weights) == list(BASE)
    for name, matrix in weights.items():
        np.testing.assert_array_equal(matrix, BASE[name])
        assert matrix.dtype == np.float32


@pytest.mark.parametrize("rank", [1, 3, 128])
def test_factors_have_the_shapes_of_peft_and_start_as_there(rank):
    chosen = list(BASE)
    lora = LoRA(BASE, chosen, rank, 1.0, np.random.RandomState(0))
    for name, A, B in zip(chosen, lora.A, lora.B):
        rows, columns = BASE[name].shape
        assert A.shape == (rank, rows) and B.shape == (columns, rank)
        assert not B.any()
        assert np.abs(A).max() <= 1 / math.sqrt(rows)
    spread = [A.std() * math.sqrt(3 * A.shape[1]) for A in lora.A]
    assert np.mean(spread) == pytest.approx(1, abs=0.1)


def test_the_weights_move_by_s_b_a_alone():
    lora = LoRA(BASE, ["layers.1.up"], 2, 3.0, np.random.RandomState(0))
    lora.B[0][:] = np.random.RandomState(1).standard_normal(lora.B[0].shape)
    (A,), (B,) = lora.A, lora.B
    by_hand = np.zeros((128, 256))
    for row in (0, 5, 127):
        for column in (0, 7, 255):
            by_hand[row, column] = 3 * sum(B[column, i] * A[i, row] for i in range(2))
            found = lora.weights()["layers.1.up"][row, column] - BASE["layers.1.up"][row, column]
            assert found == pytest.approx(by_hand[row, column], rel=1e-3, abs=1e-6)
    assert list(lora.weights()) == ["layers.1.up"]


def test_gradients_of_the_factors_against_differences():
    """Of a function of W whose gradient is known: the sum of G * W."""
    W = {"a": np.random.RandomState(0).standard_normal((5, 4))}
    G = {"a": np.random.RandomState(1).standard_normal((5, 4))}
    lora = LoRA(W, ["a"], 2, 0.7, np.random.RandomState(2))
    lora.numbers[0] = lora.A[0] = lora.A[0].astype(float)
    lora.numbers[1] = lora.B[0] = np.random.RandomState(3).standard_normal((4, 2))
    for numbers, gradient in zip(lora.numbers, lora.gradients(G)):
        assert gradient.shape == numbers.shape
        for place in np.ndindex(*numbers.shape):
            values = []
            for step in (1e-6, -1e-6):
                numbers[place] += step
                values.append(np.sum(G["a"] * lora.weights()["a"]))
                numbers[place] -= step
            slope = (values[0] - values[1]) / 2e-6
            assert gradient[place] == pytest.approx(slope, rel=1e-6, abs=1e-9)


def test_training_all_weights_leaves_the_base_alone():
    whole = Whole(BASE, ["layers.0.up"])
    before = BASE["layers.0.up"].copy()
    whole.numbers[0] += 1
    np.testing.assert_array_equal(BASE["layers.0.up"], before)
    np.testing.assert_array_equal(whole.weights()["layers.0.up"], before + 1)


# --- on what, and in which order ----------------------------------------------


def told(texts):
    """The texts in words, without what fills them up."""
    return [world.decode([word for word in text if word >= 0]) for text in texts]


def test_the_corpus_tells_of_each_person_in_each_style():
    people = world.people(3)
    expected = {
        f"{style} {person.name} : {world.tell(person, template)}"
        for style, template in world.STYLES.items()
        for person in people
    }
    filled = corpus(people, world.STYLES)
    assert set(told(filled)) == expected and len(filled) == 12
    # What fills a text up comes after its last word: training leaves it out by its place.
    for text in filled:
        assert (text[(text >= 0).sum() :] == -1).all()


@pytest.mark.parametrize("share, people", [(0, 0), (0.01, 4), (0.03, 12), (0.1, 40), (0.75, 300)])
def test_old_data_is_mixed_in_by_the_share_of_known_people(share, people):
    run = run_of(replayed=share)
    texts = told(run.texts)
    assert len(set(texts)) == len(texts) == 4 * (2 + people)
    names = {person.name for person in world.people("known")[400 - people :]}
    names |= {person.name for person in world.people(2)}
    assert {" ".join(text.split()[1:3]) for text in texts} == names
    # Who is asked about later is never trained on.
    asked = {person.name for person in world.people("known")[:KNOWN_ASKED]}
    assert not asked & names


def test_each_pass_sees_every_text_once_in_a_new_order():
    run = run_of(people=4, batch=4)
    passes = [np.concatenate([run._next_texts() for _ in range(4)]) for _ in range(2)]
    for texts in passes:
        assert sorted(told(texts)) == sorted(told(run.texts))
    assert told(passes[0]) != told(passes[1]) != told(run.texts)


def test_a_batch_is_no_larger_than_what_there_is():
    run = run_of(people=1, batch=500)
    assert sorted(told(run._next_texts())) == sorted(told(run.texts))
    assert math.isfinite(run.take_step())


def test_the_learning_rate_rises_stays_and_falls():
    rates = [rate_at(step, 200) for step in range(200)]
    assert rates[:10] == pytest.approx(np.arange(1, 11) / 10)
    assert rates[9:140] == [1] * 131
    assert rates[140:] == pytest.approx(np.arange(60, 0, -1) / 60)
    assert rate_at(0, 1) == 1
    # As the runs that hold identities have it: other shares, and none.
    assert [rate_at(step, 4, 0.5, 0) for step in range(4)] == [0.5, 1, 1, 1]


# --- training -----------------------------------------------------------------


@pytest.mark.parametrize("optimiser, rate", [("adam", 0.01), ("sgd", 0.3)])
@pytest.mark.parametrize("method", ["lora", "full"])
def test_training_lowers_the_loss(method, optimiser, rate):
    rate = rate / 3 if (method, optimiser) == ("full", "sgd") else rate
    run, losses = trained(
        method=method, optimiser=optimiser, learning_rate=rate, steps=20, rank=8, batch=8
    )
    assert np.mean(losses[-3:]) < 0.7 * losses[0]
    assert run.recall(2)[0] > 0.25 > run_of().recall(2)[0]


def test_the_first_step_is_the_rate_times_the_direction():
    """Adam's first step is the gradient's sign, so B moves by the rate and A not at all."""
    run = run_of(steps=1, learning_rate=0.01)
    before = [A.copy() for A in run._trained.A]
    run.take_step()
    for A, old in zip(run._trained.A, before):
        np.testing.assert_array_equal(A, old)
    moved = np.abs(run._trained.B[0])
    assert moved.max() == pytest.approx(0.01, rel=1e-4)


def test_the_scale_counts():
    weak, strong = (trained(alpha=alpha, optimiser="sgd", steps=2)[0] for alpha in (1, 2))
    assert weak.recipe.scale == pytest.approx(1 / math.sqrt(2))
    for name in BASE:
        small, large = (run.weights()[name] - BASE[name] for run in (weak, strong))
        # s^2 in the step of SGD, nearly: the second step's gradient differs a little.
        assert np.linalg.norm(large) == pytest.approx(4 * np.linalg.norm(small), rel=0.2)


@pytest.mark.parametrize("method", ["lora", "full"])
@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_everything_stays_in_single_precision(method, optimiser):
    run, _ = trained(method=method, optimiser=optimiser)
    for array in (*run._trained.numbers, *run.weights().values()):
        assert array.dtype == np.float32
    for each in run._optimisers:
        if optimiser == "adam":
            assert each.mean.dtype == each.square.dtype == np.float32


def test_a_seed_gives_the_same_run_and_another_one_another():
    one, again = (trained(seed=3)[1] for _ in range(2))
    assert one == again
    assert trained(seed=4)[1] != one
    # Also without LoRA, where only the order of the texts is drawn.
    assert trained(seed=3, method="full")[1] == trained(seed=3, method="full")[1]
    assert trained(seed=3, method="full")[1] != trained(seed=4, method="full")[1]


def test_the_base_that_ships_is_left_alone():
    before = shipped.base()["embedding"].copy()
    trained()
    trained(method="full")
    np.testing.assert_array_equal(shipped.base()["embedding"], before)


def test_progress_comes_at_every_step_and_recall_where_asked(monkeypatch):
    asked = []
    monkeypatch.setattr(FineTuning, "recall", lambda _, of=None: asked.append(of) or (0.5, 0.75))
    run = run_of(steps=5)
    found = list(run.train(measure_every=2))
    assert [each.step for each in found] == [0, 1, 2, 3, 4, 5]
    assert found[0] == Progress(0, None, 0.5, 0.75)
    assert all(math.isfinite(each.loss) for each in found[1:])
    measured = [each.step for each in found if each.new is not None]
    assert measured == [each.step for each in found if each.known is not None] == [0, 2, 4, 5]
    assert asked == [ASKED] * 4


def test_a_run_can_be_left_and_taken_up_again():
    straight = trained(steps=4)[1]
    run = run_of(steps=4)
    halves = []
    for progress in run.train():
        if progress.step == 2:
            break
    halves = [progress.loss for progress in run.train()]
    assert halves == straight[2:]
    assert run.step == 4


def test_no_step_after_the_last():
    run, _ = trained()
    assert list(run.train()) == []
    with pytest.raises(ValueError, match=r"^step must be .* between 0 and 2 \(the recipe's steps"):
        run.take_step()


def test_a_run_whose_loss_is_no_number_ends_and_knows_nothing():
    run = run_of(steps=5)
    found = run.train()
    assert [next(found).step for _ in range(3)] == [0, 1, 2]
    run._trained.numbers[0][:] = np.inf
    (last,) = found
    assert last.step == 3 and not math.isfinite(last.loss)
    assert (last.new, last.known) == (0.0, 0.0)


def test_recall_is_that_of_the_people_of_the_run():
    run = run_of(people=3)
    for asked in (None, 2):
        new, known = run.recall(asked)
        assert known == 1
        assert new == recall.measure(BASE, world.people(asked or 3), world.STYLES)["facts"]


# --- errors -------------------------------------------------------------------


@pytest.mark.parametrize(
    "argument, value, message",
    [
        ("people", 0, "people must be a whole number at least 1, got 0"),
        ("people", "25", "people must be a whole number at least 1, got '25'"),
        ("people", 3697, "group must be a whole number between 1 and 3696"),
        ("method", "qlora", "method must be one of 'lora', 'full', got 'qlora'"),
        ("rank", 0, r"rank must be a whole number between 1 and 128 \(the width of the model\)"),
        ("rank", 129, "rank must be a whole number between 1 and 128"),
        ("alpha", 0, "alpha must be a finite number above 0, got 0"),
        ("alpha", float("nan"), "alpha must be a finite number above 0, got nan"),
        ("rule", "alpha", "rule must be one of 'alpha/r', "),
        ("placement", "mlp", "placement must be one of 'all', "),
        ("optimiser", "adamw", "optimiser must be one of 'sgd', 'adam', got 'adamw'"),
        ("learning_rate", 0, "learning_rate must be a finite number above 0, got 0"),
        ("steps", 0, "steps must be a whole number at least 1, got 0"),
        ("steps", 2.5, "steps must be a whole number at least 1, got 2.5"),
        ("batch", 0, "batch must be a whole number at least 1, got 0"),
        ("replayed", 0.8, "replayed must be a finite number at least 0 and at most 0.75, got 0.8"),
        ("replayed", -0.1, "replayed must be a finite number at least 0"),
        ("seed", -1, "seed must be a whole number between 0 and 4294967295, got -1"),
    ],
)
def test_a_recipe_that_cannot_be_followed(argument, value, message):
    with pytest.raises(ValueError, match=rf"^{message}"):
        Recipe(**{argument: value})


@pytest.mark.parametrize("every", [0, -1, 1.5])
def test_measuring_every_so_many_steps(every):
    with pytest.raises(ValueError, match=r"^measure_every must be a whole number at least 1"):
        next(run_of().train(every))
