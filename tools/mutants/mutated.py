"""What mutmut made of a module: mutants in words alone, and those with a written reason.

mutmut writes each mutant of a function beside it: `x_f__mutmut_orig`, `x_f__mutmut_1` and so on.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from . import faults

#: A text with as many is a sentence; with fewer it may be a key or a heading.
_SPACES = 3
Function = ast.FunctionDef | ast.AsyncFunctionDef
#: Faults that mutmut plants and no test can notice, each with the reason.
REASONS = faults.SOURCE / "generated"


def _pairs(text: str) -> Iterator[tuple[str, Function, Function]]:
    """Every mutant's name, its function, and the function that it is one of."""
    functions = {
        node.name: node for node in ast.walk(ast.parse(text)) if isinstance(node, Function)
    }
    for name, node in functions.items():
        stem, mark, number = name.rpartition("__mutmut_")
        original = functions.get(f"{stem}__mutmut_orig")
        if mark and number.isdigit() and original is not None:
            yield name, node, original


def only_words(text: str) -> set[str]:
    """Mutants, by their functions' names, that change what an error says and nothing else.

    That is a change inside `raise` or of an error's words, or of the words that a check is given
    to call its argument by; and of the case or the ends of a sentence, whoever says it.
    """
    found, originals = set(), dict[str, str]()
    for name, node, original in _pairs(text):
        if original.name not in originals:
            originals[original.name] = _without_words(original)
        if _without_words(node) == originals[original.name]:
            found.add(name)
    return found


def _without_words(function: Function) -> str:
    """A function's code, but for its name, what it raises, and the words that checks are given."""

    class Words(ast.NodeTransformer):
        def visit_Raise(self, node: ast.Raise) -> ast.AST:
            return ast.Raise()

        def visit_Call(self, node: ast.Call) -> ast.AST:
            self.generic_visit(node)
            called = ast.unparse(node.func)
            if called.startswith("validation."):
                node.args = [each for each in node.args[1:] if not _is_text_or_none(each)]
            return ast.Constant("") if called.endswith("Error") else node

        def visit_Constant(self, node: ast.Constant) -> ast.AST:
            if isinstance(node.value, str) and node.value.count(" ") >= _SPACES:
                node.value = node.value.removeprefix("XX").removesuffix("XX").lower()
            return node

    copied = ast.parse(ast.unparse(function)).body[0]
    return ast.unparse(Words().visit(_unnamed(copied)))


def _is_text_or_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and (node.value is None or isinstance(node.value, str))


def _unnamed(function: ast.stmt) -> ast.stmt:
    assert isinstance(function, Function)
    function.name = ""
    return function


def with_reason(text: str, listed: Sequence[faults.Fault]) -> set[str]:
    """Mutants, by their functions' names, that are one of these faults of the module."""
    found, of_originals = set(), dict[str, list[str]]()
    for name, node, original in _pairs(text):
        stem = name.rpartition("__mutmut_")[0]
        if stem not in of_originals:
            source = ast.get_source_segment(text, original) or ""
            changed = (source.replace(each.old, each.new) for each in listed if each.old in source)
            of_originals[stem] = [
                ast.unparse(_unnamed(ast.parse(each).body[0])) for each in changed
            ]
        if ast.unparse(_unnamed(node)) in of_originals[stem]:
            found.add(name)
    return found
