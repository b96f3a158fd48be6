"""The worked cases: each number is one that its own table shows, or follows from it."""

import numpy as np
import pytest

from helpers.model import adaptations, cases, settings
from tests.support.runs import best_rate


@pytest.mark.parametrize(
    "case, row, column",
    [(cases.dialled, 3, 1), (cases.merged, 1, 1), (cases.four_bits, -1, 2)],
)
def test_the_number_stands_in_the_table(case, row, column):
    number, table = case()
    rows = [each for each in table.rows if each[0] == "beside"] or [table.rows[row]]
    shown = float(rows[0][column].split()[0])
    assert shown == pytest.approx(number if number < 1 else number / 100, abs=0.0051)


def test_best_rates_are_those_of_the_rows():
    """For one rule and rank, by hand."""
    _, table = cases.doubled()
    assert table.rows[1][4] == f"{best_rate(64, 2.0):g}"


def test_the_best_single_change_learns_all_and_keeps_most():
    named, table = cases.one_change()
    shares = {row[0]: [float(cell.split()[0]) for cell in row[4:]] for row in table.rows[:4]}
    learned = {name: known for name, (facts, known) in shares.items() if facts >= 0.98}
    assert named == max(learned, key=learned.get)
    assert "a third of the rate" not in learned


def test_what_is_compared_was_run_in_worlds_that_chose_nothing():
    for rank, scale, rate in cases.compared():
        assert settings.exactly(rank, scale, rate).worlds == (3, 4, 5)


@pytest.mark.parametrize(
    "case, ranks", [(cases.one_change, None), (cases.on_or_off, 64), (cases.spike, None)]
)
def test_a_row_is_the_mean_of_the_worlds_that_chose_nothing(case, ranks):
    for row in case()[1].rows:
        if case is cases.spike:
            rank, scale = (float(part.split(" = ")[1]) for part in row[0].split(", "))
            rate = float(row[1])
        else:
            rank, scale, rate = (ranks or row[1], *map(float, row[-4:-2]))
        runs = [
            each
            for each in adaptations.plain_lora()
            if (each["rank"], each["scale"], each["learning_rate"]) == (rank, scale, rate)
            and each["seed"] in (3, 4, 5)
        ]
        assert len(runs) == 3
        for name, cell in zip(("facts", "known"), row[-2:]):
            values = [each[name] for each in runs]
            expected = f"{np.mean(values):.2f} ({min(values):.2f} to {max(values):.2f})"
            assert cell == expected


def test_a_server_that_ignores_the_root():
    number, table = cases.weak_server((4, 16))
    assert number == 25
    assert table.rows == [(4, "50.0 %", "32.0"), (16, "25.0 %", "64.0")]


def test_the_spike():
    said, table = cases.spike()
    assert said == "none"
    borne = {float(row[3]) for row in table.rows if row[4].startswith("1.00")}
    lost = {float(row[3]) for row in table.rows if row[4].startswith("0.0")}
    assert len(borne) + len(lost) == len(table.rows) - 2  # two have 0.040, and one is the edge
    assert max(borne) < min(lost)
    products = {row[2]: row[4][:4] for row in table.rows[1:5]}
    assert products["64"] < "0.10" and products["256"] == "1.00"  # so s r alone does not tell


def test_every_run_is_borne_or_lost_by_rate_times_root():
    """By hand over the shipped rows, world by world."""
    most, first, none = cases.most_borne()
    assert most < first < none
    sizes = set()
    for row in adaptations.plain_lora(finer=True):
        size = row["learning_rate"] * (row["scale"] * row["rank"]) ** 0.5
        lost = row["facts"] < 0.1 and row["known"] < 0.1
        sizes.add(round(size, 9))
        assert lost or size < none - 1e-9, row
        assert not lost or size > first - 1e-9, row
        assert not (most + 1e-9 < size < first - 1e-9 and row["facts"] > 0.975), row
    assert {round(each, 9) for each in (most, first, none)} <= sizes


def test_ten_times_at_alpha_16_and_less_than_once_at_a_large_alpha():
    times, table = cases.tenfold()
    assert times == pytest.approx(10)
    full, usual, large = (float(row[1]) for row in table.rows)
    assert large < full < usual
