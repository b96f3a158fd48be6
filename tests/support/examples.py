"""The examples in the docstrings of a module."""

import doctest
import importlib
import re


def of(name):
    """Those of a module by its full name; mutmut copies a function, docstring and all."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = finder.find(importlib.import_module(name), name)
    return [each for each in found if not re.search(r"__mutmut_\d+$", each.name)]


def failures(examples):
    """What went wrong, as doctest prints it."""
    runner, output = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), []
    for example in examples:
        runner.run(example, out=output.append)
    return "".join(output) if runner.failures else ""
