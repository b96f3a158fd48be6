"""Small, pure building blocks for the LoRA Rank Lab notebooks.

Arrows point one way. ``validation`` and ``tables`` stand at the bottom; ``lora`` is the
mathematics of one update, ``training`` trains a LoRA by hand, ``adapters`` looks into a
reader's own files, and ``model`` is the small language model and what was measured on it.
``figures`` draws numbers and knows nothing of sliders; ``explorers`` wires sliders to figures.
"""

__version__ = "1.0.0"
