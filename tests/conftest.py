"""What holds for every test: the package is importable, global randomness stays untouched."""

import os

import pytest
from hypothesis import Phase, settings

# So that a failing assert in these shows its values, as in the tests themselves.
pytest.register_assert_rewrite("tests.support")

# Threads only slow a 64 x 64 SVD down, five times on a busy machine. This has to be
# said before NumPy is imported, so nothing above imports it.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

# The same examples on every machine and every run, and no deadline on a busy one.
settings.register_profile("repeatable", derandomize=True, deadline=None, max_examples=60)
# For planted faults: that it fails is enough, the smallest example takes long to find.
settings.register_profile(
    "unshrunk", settings.get_profile("repeatable"), phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("repeatable")


@pytest.fixture(autouse=True)
def global_random_state_is_untouched():
    """No helper may draw from, or seed, NumPy's global stream."""
    import numpy as np

    before = np.random.get_state()
    yield
    after = np.random.get_state()
    assert before[2] == after[2]
    assert np.array_equal(before[1], after[1])


def pytest_collection_modifyitems(items):
    """Tests that take seconds come first, so that no worker is left with one at the end."""
    items.sort(key=lambda item: item.get_closest_marker("long") is None)
