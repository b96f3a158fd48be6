"""The worked cases: each number is one that its own table shows, or follows from it."""

import numpy as np
import pytest

from helpers.model import adaptations, cases
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
    shares = {row[0]: [float(cell.split()[0]) for cell in row[4:6]] for row in table.rows[:4]}
    learned = {name: known for name, (facts, known) in shares.items() if facts >= 0.98}
    assert named == max(learned, key=learned.get)
    assert "a third of the rate" not in learned


@pytest.mark.parametrize("case, place", [(cases.one_change, 1), (cases.on_or_off, None)])
def test_known_facts_stand_in_the_column_of_their_worlds(case, place):
    for row in case()[1].rows:
        rank, scale, rate = (row[1] if place else 64, *map(float, row[-5:-3]))
        for worlds, cell in zip(((0, 1, 2), (3, 4, 5)), row[-2:]):
            runs = [
                each["known"]
                for each in adaptations.plain_lora()
                if (each["rank"], each["scale"], each["learning_rate"]) == (rank, scale, rate)
                and each["seed"] in worlds
            ]
            assert cell.split()[0] == (f"{np.mean(runs):.2f}" if len(runs) == 3 else "-")


def test_a_server_that_ignores_the_root():
    number, table = cases.weak_server((4, 16))
    assert number == 25
    assert table.rows == [(4, "50.0 %", "32.0"), (16, "25.0 %", "64.0")]


def test_the_spike():
    said, table = cases.spike()
    assert said == "none"
    borne = {float(row[3]) for row in table.rows if row[4].startswith("1.00")}
    lost = {float(row[3]) for row in table.rows if row[4].startswith("0.00")}
    assert len(borne) + len(lost) == len(table.rows) - 1  # two rows have 0.040
    assert max(borne) < min(lost)
    products = {row[2]: row[4][:4] for row in table.rows[1:5]}
    assert products["64"] == "0.00" and products["256"] == "1.00"  # so s r alone does not tell


def test_every_run_is_borne_or_lost_by_rate_times_root():
    """By hand over the shipped rows: no run that learned all lies above one that lost all."""
    most, least = cases.most_borne()
    assert most < least
    for row in adaptations.plain_lora():
        size = row["learning_rate"] * (row["scale"] * row["rank"]) ** 0.5
        assert not (row["facts"] < 0.05 and row["known"] < 0.05 and size < least - 1e-9), row
        assert not (row["facts"] > 0.975 and size > most + 1e-9), row


def test_ten_times_at_alpha_16_and_less_than_once_at_a_large_alpha():
    times, table = cases.tenfold()
    assert times == pytest.approx(10)
    full, usual, large = (float(row[1]) for row in table.rows)
    assert large < full < usual
