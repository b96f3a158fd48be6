"""The examples in docstrings: they run, and every function that a notebook calls has one."""

import ast
import doctest
import importlib
import inspect
import pkgutil

import pytest

import helpers
from tests.support.notebooks import PATHS, code_cells, load

MODULES = [
    module.name
    for module in pkgutil.walk_packages(helpers.__path__, "helpers.")
    if not module.name.endswith("__main__")
]
#: What these return is shown in the notebook itself, right under the call.
SHOWN = ("helpers.figures", "helpers.explorers")


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    failed, _ = doctest.testmod(importlib.import_module(name))
    assert failed == 0, "see the captured output"


def imported(tree):
    """The names that a cell imports from helpers, and what they are."""
    names = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("helpers"):
            package = importlib.import_module(node.module)
            for alias in node.names:
                found = getattr(package, alias.name, None)
                if found is None:
                    found = importlib.import_module(f"{node.module}.{alias.name}")
                names[alias.asname or alias.name] = found
    return names


def functions_in(notebook):
    """Every function of helpers that a notebook's code names, such as `scaling.scale`."""
    names, functions = {}, set()
    for cell in code_cells(notebook):
        tree = ast.parse(cell.source)
        names |= imported(tree)
        for node in ast.walk(tree):
            path, inner = [], node
            while isinstance(inner, ast.Attribute):
                path.append(inner.attr)
                inner = inner.value
            if isinstance(inner, ast.Name) and inner.id in names:
                found = names[inner.id]
                for attribute in reversed(path):
                    found = getattr(found, attribute, None)
                found = inspect.unwrap(found) if callable(found) else found
                if inspect.isfunction(found) and found.__module__.startswith("helpers"):
                    functions.add(found)
    return functions


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.name)
def test_every_function_that_a_notebook_calls_has_an_example(path):
    functions = functions_in(load(path))
    assert functions
    bare = [
        f"{function.__module__}.{function.__qualname__}"
        for function in functions
        if not function.__module__.startswith(SHOWN) and ">>> " not in (function.__doc__ or "")
    ]
    assert bare == []
