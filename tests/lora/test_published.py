"""Published runs: the figures as their records have them, and what follows from them."""

import re

import pytest

from helpers.lora import published

#: (created, rank, use_rslora): test, last validation, train loss, as read in the records.
RECORDS = {
    ("2025-06-17", 64, False): (0.488248673237301, 0.56, 0.5928513034582138),
    ("2025-06-17", 64, True): (0.5299469294920395, 0.58, 0.5655942368507385),
    ("2025-06-19", 64, False): (0.4890068233510235, 0.58, 0.5928755496740341),
    ("2025-06-19", 64, True): (0.5299469294920395, 0.52, 0.5657225311994553),
    ("2026-01-10", 64, False): (0.48142532221379836, 0.54, 0.5927872058153153),
    ("2026-01-10", 64, True): (0.5322213798332069, 0.64, 0.5659015461206436),
    ("2026-07-15", 64, False): (0.47384382107657314, 0.54, 0.5930530812740326),
    ("2026-07-15", 64, True): (0.513267626990144, 0.54, 0.5663226752281189),
    ("2026-07-15", 32, False): (0.4783927217589083, 0.5, 0.6068399169445038),
}
FORGETTING = {
    ("2026-01-10", 64, False): 0.5590972900390625,
    ("2026-01-10", 64, True): 0.6632366180419922,
    ("2026-07-15", 64, False): 0.059417724609375,
    ("2026-07-15", 64, True): 0.11056065559387207,
    ("2026-07-15", 32, False): 0.04995572566986084,
}


def key(run):
    return run.created, run.rank, run.rule == "alpha/sqrt(r)"


def test_every_record_is_there_once():
    assert sorted(map(key, published.METAMATHQA)) == sorted(RECORDS)


@pytest.mark.parametrize("run", published.METAMATHQA, ids=lambda run: "-".join(map(str, key(run))))
def test_figures_are_those_of_the_record(run):
    found = (run.test, run.validation, run.loss)
    assert found == pytest.approx(RECORDS[key(run)], abs=5.1e-5)
    if key(run) in FORGETTING:
        assert run.forgetting == pytest.approx(FORGETTING[key(run)], abs=2e-4)
        assert run.shifted == (run.created > "2026-07-14")
    else:
        assert run.forgetting is None
    # 1,319 test questions: every share is a whole number of them.
    assert abs(run.test * 1319 - round(run.test * 1319)) < 0.07
    assert re.fullmatch(r"[0-9a-f]{8}", run.commit)
    assert run.path.endswith(f"rank{run.rank}{'-rslora' if key(run)[2] else ''}.json")


def test_a_row_shows_the_scale_and_marks_the_other_measure():
    rows = [run.row() for run in published.METAMATHQA]
    assert {row[1]: row[2] for row in rows} == {
        "LoRA, r = 64": "2",
        "rsLoRA, r = 64": "8",
        "LoRA, r = 32": "2",
    }
    assert (rows[0][-1], rows[5][-1]) == ("", "0.663 (*)")
    assert rows[7] == ("2026-07-15", "rsLoRA, r = 64", "8", "51.3 %", "54 %", "0.566", "0.111")
