"""What the tests of the experiments share."""

import pytest


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """Two worlds of 12 known people, a model of one narrow layer, a few steps."""
    from experiments import config, small
    from experiments.config import SmallModel, Training
    from helpers.model import world

    monkeypatch.setattr(world, "KNOWN", 12)
    monkeypatch.setattr(small, "SMALL", SmallModel(width=16, hidden=32, layers=1))
    for name, value in {
        "RUNS": tmp_path / "runs",
        "DATA": tmp_path / "data",
        "SEEDS": (0, 1),
        "PRETRAINING": Training(steps=3, learning_rate=5e-3, batch=8),
        "FULL": {"25": Training(steps=2, learning_rate=1e-3, batch=8)},
        "EVALUATED": 2,
        "EVALUATED_KNOWN": 2,
    }.items():
        monkeypatch.setattr(config, name, value)
    return tmp_path
