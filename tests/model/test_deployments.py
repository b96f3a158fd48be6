"""Four faulty servers: what each does is what the model is run with."""

import numpy as np
import pytest

from helpers.model import deployments, recall


@pytest.mark.parametrize(
    "server, kept, strength", [("A", 16, 4 / 16), ("B", 4, 1.0), ("C", 16, 0.0), ("D", 16, 16 / 4)]
)
def test_each_serves_what_its_fault_says(server, kept, strength):
    """alpha 4 over 16 for A; for D an alpha of 16, made for such a server, over the root of 16."""
    assert deployments.answers_of(server) == recall.with_adapter("people", kept, strength)


def test_lengths_from_the_matrices():
    whole = deployments.recall._adapter_update("people").values()
    for server, kept, strength in (("A", 16, 0.25), ("B", 4, 1.0), ("C", 16, 0.0), ("D", 16, 4.0)):
        served = sum(np.sum(each.truncated(kept).matrix(strength) ** 2) for each in whole)
        trained = sum(np.sum(each.matrix() ** 2) for each in whole)
        expected = np.sqrt(served / trained)
        assert deployments.length_served(server) == pytest.approx(expected, rel=1e-5)


def test_the_table_tells_the_four_apart():
    lengths, facts, style = zip(*(row[1:4] for row in deployments.answers().rows))
    assert lengths == ("0.25", "0.85", "0.00", "4.00")
    assert facts == ("10 %", "78 %", "2 %", "2 %")
    assert style[:3] == ("100 %",) * 3
    assert style[3] == "9 %"
