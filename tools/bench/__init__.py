"""How fast, as medians and as ratios to the alternatives; nothing here asserts a time."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # as in the notebooks' first cell
