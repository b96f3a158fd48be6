"""Every explorer that the notebooks can show, made once for all tests."""

import inspect
from functools import cache

from helpers import explorers

FACTORIES = {
    name: function
    for name, function in vars(explorers).items()
    if inspect.isfunction(function) and function.__annotations__.get("return") == "Explorer"
}


@cache
def made(name):
    """The explorer of this factory. Building one is slow, so tests put it back as it was."""
    return FACTORIES[name]()
