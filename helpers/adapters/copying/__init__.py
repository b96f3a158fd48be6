"""Copies of adapters: baked, cut, merged, and extracted from two checkpoints."""
