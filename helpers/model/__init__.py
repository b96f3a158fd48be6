"""The small language model: its world, its weights, its updates, and what was measured."""
