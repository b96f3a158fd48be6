"""Small, pure building blocks for the LoRA Rank Lab notebooks.

Mathematics (``updates``, ``scaling``, ``approximation``, ``spectrum``, ``training``,
``article``) knows nothing of drawing; ``figures`` draws numbers and knows
nothing of sliders; ``explorers`` wires sliders to figures. For the language models:
``biographies`` is their world, ``language_model`` the transformer, ``truncation`` what
is done to it, ``recall`` what it then knows, ``small_model`` and ``results`` what ships.
``adapters`` looks into a reader's own.
"""

__version__ = "1.0.0"
