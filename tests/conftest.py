"""What holds for every test: the package is importable, global randomness stays untouched."""

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings

sys.path.insert(0, str(Path(__file__).parent.parent))

# The same examples on every machine and every run, and no deadline on a busy one.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def global_random_state_is_untouched():
    """No helper may draw from, or seed, NumPy's global stream."""
    before = np.random.get_state()
    yield
    after = np.random.get_state()
    assert before[2] == after[2]
    assert np.array_equal(before[1], after[1])
