"""Which notebook uses what of `helpers`, read from its code cells.

    python -m tools.map      write the table into CONTRIBUTING.md

`python -m tools.notebooks sync` writes it as well.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import nbformat

from .project import ROOT

PATH = ROOT / "CONTRIBUTING.md"
MARKS = ("<!-- map -->\n", "<!-- /map -->")
#: What every notebook has, and what is no subject of its own.
EVERYWHERE = ("helpers.tables", "helpers.environment", "helpers.explorers", "helpers.exercises")


def notebooks() -> list[Path]:
    """All notebooks of the series, the appendices last."""
    folder = ROOT / "notebooks"
    return [*sorted(folder.glob("*.ipynb")), *sorted(folder.glob("appendix/*.ipynb"))]


def parsed(path: Path) -> ast.Module:
    """A notebook's code cells as one module."""
    cells = nbformat.read(path, as_version=4).cells
    return ast.parse("\n".join(cell.source for cell in cells if cell.cell_type == "code"))


def imported(tree: ast.AST) -> dict[str, Any]:
    """What the names stand for that are imported from `helpers`."""
    known: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "helpers":
            source = importlib.import_module(str(node.module))
            for alias in node.names:
                if not hasattr(source, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")
                known[alias.asname or alias.name] = getattr(source, alias.name)
    return known


def resolved(node: ast.expr, known: dict[str, Any]) -> Any:
    """The object of `helpers` that an expression such as `scaling.scale` names, or None."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = resolved(node.value, known)
        return getattr(owner, node.attr, None) if isinstance(owner, ModuleType | type) else None
    return None


def used(path: Path) -> Iterator[tuple[Any, str]]:
    """Each function or class of `helpers` that a notebook names, with the module it is from."""
    tree = parsed(path)
    known = imported(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name | ast.Attribute):
            found = resolved(node, known)
            if isinstance(found, ModuleType):
                continue
            module = getattr(found, "__module__", None) or ""
            if module.startswith("helpers."):
                yield found, module
            elif found is not None and isinstance(node, ast.Attribute):
                owner = resolved(node.value, known)
                if isinstance(owner, ModuleType) and not hasattr(owner, "__path__"):
                    yield found, owner.__name__  # a constant


def called(path: Path) -> dict[str, Any]:
    """The functions of `helpers` that a notebook calls, by their full names."""
    tree = parsed(path)
    known = imported(tree)
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    functions = (resolved(call, known) for call in calls)
    return {
        f"{function.__module__}.{function.__qualname__}": function
        for function in functions
        if inspect.isfunction(function)
    }


def tests_of(module: str) -> str:
    """The file or folder of tests that holds a module of `helpers`."""
    *rooms, name = module.split(".")[1:]
    folder = Path("tests", *rooms)
    if (ROOT / folder / f"test_{name}.py").exists():
        return (folder / f"test_{name}.py").as_posix()
    if (ROOT / folder).is_dir() and rooms:
        return f"{folder.as_posix()}/"
    raise ValueError(f"{module} must have tests in {folder}")


def by_folder(places: set[str]) -> str:
    """Paths as a table's cell says them: `lora/` scaling.py, updates.py."""
    folders: dict[str, list[str]] = {}
    for place in sorted(places):
        folder, _, name = place.rpartition("/")
        folders.setdefault(folder, []).append(name)
    return "<br>".join(
        f"`{folder}/` {', '.join(filter(None, names))}".rstrip()
        for folder, names in folders.items()
    )


def row(path: Path) -> str:
    """A notebook's line of the table."""
    modules, figures, tests = set(), set(), set()
    for found, module in used(path):
        if not module.startswith(EVERYWHERE):
            tests.add(tests_of(module))
        if module.startswith("helpers.figures."):
            figures.add(f"{module.replace('.', '/')}.py/{found.__name__}")
        elif not module.startswith(EVERYWHERE):
            modules.add(module)
    name = path.relative_to(ROOT / "notebooks").as_posix().removesuffix(".ipynb")
    cells = (
        name,
        by_folder(
            {f"{module.replace('.', '/').removeprefix('helpers/')}.py" for module in modules}
        ),
        by_folder({figure.removeprefix("helpers/figures/") for figure in figures}),
        by_folder(tests),
    )
    return f"| {' | '.join(cell.replace('.py/`', '.py`') or '(none)' for cell in cells)} |"


def table() -> str:
    """The whole table."""
    head = "| notebook | computes with `helpers/` | draws with `helpers/figures/` | held by |\n"
    return head + "|---|---|---|---|\n" + "".join(f"{row(path)}\n" for path in notebooks())


def written() -> str:
    """CONTRIBUTING.md as it should read now."""
    text = PATH.read_text(encoding="utf-8")
    begin, end = MARKS
    if not re.search(f"{begin}.*?{end}", text, flags=re.S):
        raise ValueError(f"CONTRIBUTING.md must have the marks {begin.strip()} and {end}")
    before, _, rest = text.partition(begin)
    return f"{before}{begin}{table()}{end}{rest.partition(end)[2]}"


def write() -> list[Path]:
    """Write the table; return the file if that changed it."""
    text = written()
    if text == PATH.read_text(encoding="utf-8"):
        return []
    PATH.write_text(text, encoding="utf-8")
    return [PATH]


if __name__ == "__main__":
    write()
