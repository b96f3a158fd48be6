"""Small transformers with random weights."""

import numpy as np

VOCABULARY, CONTEXT, HIDDEN = 11, 9, 12


def random_weights(seed, width=8, layers=2):
    """Large enough that attention is far from even and the logits far from equal."""
    shapes = {"embedding": (VOCABULARY, width), "position": (CONTEXT, width)}
    for i in range(layers):
        for part in ("query", "key", "value", "output"):
            shapes[f"layers.{i}.{part}"] = (width, width)
        shapes[f"layers.{i}.up"] = (width, HIDDEN)
        shapes[f"layers.{i}.down"] = (HIDDEN, width)
    shapes["unembedding"] = (width, VOCABULARY)
    stream = np.random.RandomState(seed)
    return {name: stream.standard_normal(shape) for name, shape in shapes.items()}
