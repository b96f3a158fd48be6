"""Small, pure building blocks for the LoRA Rank Lab notebooks.

Mathematics (``updates``, ``scaling``, ``approximation``, ``spectrum``,
``article``) knows nothing of drawing; ``figures`` draws numbers and knows
nothing of sliders; ``explorers`` wires sliders to figures.
"""

__version__ = "1.0.0"
