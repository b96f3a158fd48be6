"""The list of planted faults, and planting one.

kind = "legend"                           # of all faults of the file, or of one
tests = ["tests/figures/test_records.py"] # likewise; what pytest is given

[[fault]]
file = "helpers/figures/scaling.py"
old = "words that stand there once"       # in a notebook, the words of a cell
new = "what is put in their place"
survives = "why no test can notice"       # for the few of which this is so
sample = true                             # for those that CI plants
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..project import ROOT

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

SOURCE = ROOT / "tests" / "mutants"


@dataclass(frozen=True)
class Fault:
    """One change of one file."""

    kind: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    survives: str = ""
    sample: bool = False

    @property
    def key(self) -> str:
        """What its result is kept under."""
        said = json.dumps([self.file, self.old, self.new, self.tests])
        return hashlib.sha1(said.encode()).hexdigest()[:10]

    def __str__(self) -> str:
        shown = [each if len(each) < 50 else f"{each[:47]}..." for each in (self.old, self.new)]
        return f"{self.kind}: {self.file}: {shown[0]!r} -> {shown[1]!r}"


def read(folder: Path = SOURCE) -> list[Fault]:
    """Every fault. Raises ValueError for an odd or missing key, and for a fault listed twice."""
    found: list[Fault] = []
    for path in sorted(folder.glob("*.toml")):
        parsed = tomllib.loads(path.read_text(encoding="utf-8"))
        shared: dict[str, Any] = {
            name: parsed.pop(name) for name in ("kind", "file", "tests") if name in parsed
        }
        blocks: list[dict[str, Any]] = parsed.pop("fault")
        if parsed:
            raise ValueError(f"{path.name} has {sorted(parsed)}; known: kind, file, tests, fault")
        for block in blocks:
            merged: dict[str, Any] = {**shared, **block}
            merged["tests"] = tuple(merged.get("tests", ()))
            try:
                found.append(Fault(**merged))
            except TypeError as error:
                raise ValueError(f"{path.name}: {error} in {block}") from None
            if not merged["tests"] or block["old"] == block["new"]:
                raise ValueError(f"{path.name}: a fault has tests and changes something: {block}")
    keys = [fault.key for fault in found]
    twice = [str(fault) for fault in found if keys.count(fault.key) > 1]
    if twice:
        raise ValueError(f"listed twice: {twice}")
    return found


def _pieces(file: str, text: str) -> list[str]:
    """What words are looked for in: a file's text, or the cells of a notebook."""
    if not file.endswith(".ipynb"):
        return [text]
    return ["".join(cell["source"]) for cell in json.loads(text)["cells"]]


def _changed(fault: Fault, text: str) -> str:
    """The text of a file with the fault in it. A notebook is written as `make refresh` does."""
    if not fault.file.endswith(".ipynb"):
        return text.replace(fault.old, fault.new)
    notebook = json.loads(text)
    for cell in notebook["cells"]:
        source = "".join(cell["source"]).replace(fault.old, fault.new)
        cell["source"] = source.splitlines(keepends=True)
    return json.dumps(notebook, indent=1, ensure_ascii=False) + "\n"


def stale(faults: Sequence[Fault], root: Path = ROOT) -> list[str]:
    """Faults whose words do not stand once in their file any more, a line each."""
    found = []
    for fault in faults:
        path = root / fault.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        count = sum(piece.count(fault.old) for piece in _pieces(fault.file, text)) if text else 0
        if count != 1:
            found.append(f"stands {count} times, not once: {fault}")
    return found


@contextmanager
def planted(fault: Fault, root: Path) -> Iterator[None]:
    """A tree with the fault in it, and as it was afterwards."""
    path = root / fault.file
    before = path.read_bytes()
    changed = _changed(fault, before.decode("utf-8")).encode("utf-8")
    if changed == before:
        raise ValueError(f"nothing to change: {fault}")
    try:
        _write(path, changed)
        yield
    finally:
        _write(path, before)


def _write(path: Path, content: bytes) -> None:
    """Compiled code of the same second and size would be taken for that of the new text."""
    path.write_bytes(content)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*.pyc"):
        compiled.unlink()


def described(fault: Fault) -> dict[str, Any]:
    """A fault as plain data, for the report."""
    return {**asdict(fault), "tests": list(fault.tests)}
