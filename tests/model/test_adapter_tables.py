"""The tables of notebook 10 against the record of the runs."""

import numpy as np

from helpers.model import adapter_tables, results


def test_cut_or_trained_has_the_means_of_the_runs():
    table = adapter_tables.cut_or_trained()
    cells = {row[0]: row[1:] for row in table.rows}
    for way, curves in (("cut from 16", results.adapter("people")),
                        ("trained at it", results.trained("100"))):  # fmt: skip
        for column, rank in enumerate(adapter_tables.RANKS):
            at = int(np.flatnonzero(curves.at == rank)[0])
            mean = np.mean(curves.values["known"][:, at])
            assert cells[f"{way}: known facts"][column] == f"{mean:.2f}"


def test_random_factors_are_of_nearly_full_rank():
    *_, random = adapter_tables.medians().rows
    assert random[0] == "random"
    assert 15 < float(random[3]) < 16


def test_readings_hold_what_a_wrong_strength_leaves():
    rows = {row[:2]: row[3] for row in adapter_tables.readings().rows}
    assert rows["people", "as trained"].startswith("1.00")
    assert float(rows["people", "by alpha/r"][:4]) < 0.2
