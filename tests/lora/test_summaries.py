"""The notebooks' tables: their numbers against the matrices themselves."""

import numpy as np
import pytest

from helpers.lora import scaling, summaries, truncation, updates


def matrices(noise=0.01):
    return {name: update.matrix(noise) for name, update in updates.article_updates().items()}


def test_stored_numbers_by_counting_entries():
    table = summaries.stored_numbers([8, 16], [1, 4])
    assert [row[1:4] for row in table.rows] == [
        (r, side * side, np.empty((side, r)).size + np.empty((r, side)).size)
        for side in (8, 16)
        for r in (1, 4)
    ]
    assert table.rows[0][4] == "4"


def test_errors_by_reconstruction():
    rows = summaries.errors_over_rank([2, 64], alpha=16).rows
    expected = [
        (f"{name}, {rule}", *(
            f"{truncation.error_by_reconstruction(update, r, 16, rule):.3f}" for r in (2, 64)
        ))
        for name, update in matrices().items() for rule in scaling.RULES
    ]  # fmt: skip
    assert rows == expected


def test_which_rule_is_better_rank_by_rank():
    for alpha, name in ((4, "facts"), (1, "style")):
        update = matrices()[name]
        better = [
            r for r in range(1, 65)
            if truncation.error_by_reconstruction(update, r, alpha, scaling.RSLORA)
            < truncation.error_by_reconstruction(update, r, alpha, scaling.STANDARD) - 1e-12
        ]  # fmt: skip
        found = summaries.ranks_with_smaller_error(alpha, name, scaling.RSLORA)
        assert found.tolist() == better
    assert summaries.smaller_errors([1]).rows[0][2:] == ("none", "63 (2 to 64)")


def test_smallest_ranks_meet_their_goals_and_one_less_does_not():
    (style, *_), (_, *ranks) = summaries.smallest_ranks([0.9], [0.1]).rows
    assert style == "style"
    update = matrices()["facts"]
    for rank, goal in zip(ranks, (np.sqrt(0.1), 0.1)):
        errors = [
            truncation.relative_error(update, np.matmul(*truncation.factor(update, r)))
            for r in (rank, rank - 1)
        ]
        assert errors[0] <= goal < errors[1]


@pytest.mark.parametrize("rank", [1, 16, 64])
def test_alphas_and_scales(rank):
    ((_, *numbers),) = summaries.alphas_and_scales([rank], scale=2, alpha=32).rows
    root = np.sqrt(rank)
    expected = (2 * rank, 2 * root, 32 / rank, 32 / root, 2)
    assert numbers == [f"{value:.2f}" for value in expected]
    ((_, *scales),) = summaries.scales_over_rank(32, [rank]).rows
    assert scales == [f"{value:.2f}" for value in (32 / rank, 32 / root, root)]


def test_the_noise_has_the_energy_that_its_entries_have():
    (style, *_) = summaries.measures_of_rank([0.1]).rows
    noise = matrices(0.1)["style"] - matrices(0.0)["style"]
    share = np.sum(noise**2) / np.sum(matrices(0.1)["style"] ** 2)
    assert style[2] == f"{100 * share:.1f} %"
