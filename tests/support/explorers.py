"""Every explorer that the notebooks can show, made once for all tests."""

import inspect
import re
from functools import cache

from helpers import explorers

FACTORIES = {
    name: function
    for name, function in vars(explorers).items()
    if inspect.isfunction(function) and function.__annotations__.get("return") == "Explorer"
}
#: The figures that they show, read where they are made: making them takes many seconds, which
#: every process that collects tests would wait for.
SHOWN = re.findall(r"\bfigures\.(\w+)\(", inspect.getsource(explorers))


@cache
def made(name):
    """The explorer of this factory. Building one is slow, so tests put it back as it was."""
    return FACTORIES[name]()
