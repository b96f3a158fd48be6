"""The findings of README and recaps: where each is shown, how often, and what would falsify it.

`notebooks/appendix/claims/03.toml` has what notebook 03's recap says, README.toml what the
README does, and cheatsheet.toml the rows of the cheat sheet that are marked as shown. They are
written by hand, one block for each sentence:

    [[claim]]
    words = "The sentence as it stands, without links and emphasis."
    shows = "03 c03-20"       # the notebook, or an appendix by its name, and the cell's id
    seeds = "3 worlds"
    spread = "0.59 to 0.62"
    falsified = "What one would have to find for it to be false."
    check = ["matched.over_rates('adamw')[-1].known.min() > 0.55"]    # if it can be computed
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

from .bound import SOURCE, names
from .text import ROOT, notebook, plain, sentences

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

TABLE = SOURCE.with_suffix(".md")
README = "README"
CHEATSHEET = "cheatsheet"
#: The parts of the README that say what was found.
FOUND = ("What came out",)


@dataclass(frozen=True)
class Claim:
    """One sentence and what stands behind it; see the module's text for the fields."""

    words: str
    where: str
    shows: str
    seeds: str
    spread: str
    falsified: str
    check: Sequence[str] = ()


@cache
def read(folder: Path = SOURCE) -> list[Claim]:
    """The claims of a folder, README's first. Raises ValueError for a block's odd key."""
    known = {field.name for field in fields(Claim)} - {"where"}
    found = []
    for path in sorted(folder.glob("*.toml"), key=lambda path: (path.stem != README, path.stem)):
        for block in tomllib.loads(path.read_text(encoding="utf-8")).get("claim", ()):
            odd = sorted((block.keys() ^ known) - {"check"})
            if odd:
                words = block.get("words", block)
                raise ValueError(f"a claim has {known}; odd: {odd}, in {path.name}: {words!r}")
            found.append(Claim(where=path.stem, **block))
    return found


def _source(cell: dict[str, Any]) -> str:
    return "".join(cell["source"])


def _section(text: str, heading: str) -> str:
    found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, flags=re.M | re.S)
    if found is None:
        raise ValueError(f"there is no heading {heading!r}")
    return found.group(1)


def rows_shown(text: str) -> list[str]:
    """The rows of tables whose last cell says *shown*, as "first cell: second cell".

    >>> rows_shown("| Rank | 16. | *shown* [09](09.ipynb) |")
    ['Rank: 16.']
    """
    rows = [row.strip("| ").split(" | ") for row in text.splitlines() if row.startswith("|")]
    return [plain(f"{row[0]}: {row[1]}") for row in rows if "*shown*" in row[-1]]


def said() -> dict[str, list[str]]:
    """What is claimed: by README's findings, the cheat sheet and each notebook's recap."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = {README: sentences("\n\n".join(_section(readme, part) for part in FOUND))}
    sheet = (ROOT / "notebooks" / f"{CHEATSHEET}.md").read_text(encoding="utf-8")
    found[CHEATSHEET] = rows_shown(sheet)
    for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb")):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        text = "\n\n".join(_source(cell) for cell in cells if cell["cell_type"] == "markdown")
        found[path.name[:2]] = sentences(_section(text, "Recap"))
    return found


def shown(claim: Claim) -> tuple[dict[str, Any], str]:
    """The notebook and the heading above the cell that shows a claim.

    Raises ValueError if there is no such cell, or it is no code cell.
    """
    name, _, identity = claim.shows.partition(" ")
    try:
        found = notebook(name)
    except ValueError:
        raise ValueError(f"{claim.shows!r} names no notebook") from None
    heading = ""
    for cell in found["cells"]:
        if cell["cell_type"] == "markdown":
            for line in re.findall(r"^#{1,4} (.+)$", _source(cell), flags=re.M):
                heading = plain(line)
        if cell["id"] == identity:
            if cell["cell_type"] != "code":
                raise ValueError(f"{claim.shows!r} is no code cell")
            return found, heading
    raise ValueError(f"{claim.shows!r} names no cell")


@cache
def true(expression: str) -> bool:
    """Whether a check holds; the same expression is worked out once."""
    return bool(eval(expression, names()))


def problems(claims: Sequence[Claim], stated: dict[str, list[str]] | None = None) -> list[str]:
    """What is wrong, a line each: claims not listed, not stated, not shown, or not true."""
    stated = said() if stated is None else stated
    listed = {(claim.where, claim.words) for claim in claims}
    found = [
        f"{where} says, and no claim lists: {sentence}"
        for where, each in stated.items()
        for sentence in each
        if (where, sentence) not in listed
    ]
    for claim in claims:
        if claim.words not in stated.get(claim.where, ()):
            found.append(f"{claim.where} does not say: {claim.words}")
        for name in ("seeds", "spread", "falsified"):
            if not getattr(claim, name).strip():
                found.append(f"{name} is empty: {claim.words}")
        try:
            shown(claim)
        except ValueError as error:
            found.append(f"{error}: {claim.words}")
        for expression in claim.check:
            if not true(expression):
                found.append(f"not true, {expression}: {claim.words}")
    return found


def render(claims: Sequence[Claim]) -> str:
    """The table as Markdown."""
    lines = [
        "# Every claim, and what stands behind it",
        "",
        "Each sentence of the README's findings and of the notebooks' recaps, and each row of the "
        "cheat sheet that is marked as shown, with the cell that "
        "shows it, how often it was measured, how far the measurements lie apart, and what would "
        "falsify it. Written from `claims/` by `python -m tools.claims write`; a test holds "
        "that no sentence is missing here, that each still stands where this table says, and "
        "that what can be computed comes out true.",
    ]
    places: dict[str, list[Claim]] = {}
    for claim in claims:
        places.setdefault(claim.where, []).append(claim)
    for where, each in places.items():
        headings = {README: README, CHEATSHEET: "The cheat sheet"}
        lines += ["", f"## {headings.get(where, f'Notebook {where}, recap')}", ""]
        lines += ["| claim | shown by | seeds | spread | falsified by |", "|---|---|---|---|---|"]
        for claim in each:
            found, heading = shown(claim)
            name = claim.shows.split()[0].replace("_", " ")
            place = os.path.relpath(found["path"], TABLE.parent)
            cell = f"[{name}, *{heading}*]({Path(place).as_posix()})"
            cells = (claim.words, cell, claim.seeds, claim.spread, claim.falsified)
            lines.append("| " + " | ".join(each.replace("|", "\\|") for each in cells) + " |")
    computed = sum(bool(claim.check) for claim in claims)
    lines += ["", f"{computed} of {len(claims)} are computed again by the test.", ""]
    return "\n".join(lines)
