"""Which sections for 45 minutes, 90, half a day, a day: `teaching/paths.toml`.

    python -m tools.teach.paths      writes the tables of teaching/README.md anew

Minutes of a section are those of careful reading (`tools/minutes.py`), and one more for each
prediction: a show of hands, and somebody says why. They are estimates.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ..project import ROOT
from .sections import Section, find

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib  # pytest brings it

SOURCE = ROOT / "teaching" / "paths.toml"
README = ROOT / "teaching" / "README.md"
#: Minutes for what people say on a prediction, beyond reading it and its answer.
HANDS_UP = 1.0
#: The tables stand between these two lines of the guide.
BEGIN, END = "<!-- paths -->", "<!-- /paths -->"


@dataclass(frozen=True)
class Part:
    """A part of a path: a section of a notebook, or something else that takes `minutes`.

    late: the order in which to leave parts out, from 1; 0 for what stays.
    """

    notebook: str = ""
    section: str = ""
    exercises: tuple[str, ...] = ()
    late: int = 0
    what: str = ""
    minutes: int = 0

    @cached_property
    def found(self) -> Section:
        """The section. Raises ValueError if there is none, or an exercise is not in it."""
        section = find(self.notebook, self.section)
        for key in self.exercises:
            if key not in section.exercises:
                raise ValueError(f"{key} must be in {self.section!r}, got {section.exercises}")
        return section

    @property
    def takes(self) -> int:
        """Minutes, estimated; of exercises, the share of those that are chosen."""
        if self.what:
            return self.minutes
        section = self.found
        share = len(self.exercises) / len(section.exercises) if section.exercises else 1
        return max(1, round(share * section.minutes + HANDS_UP * len(section.predictions)))


@dataclass(frozen=True)
class TeachingPath:
    """A way through the series for a room with so many minutes."""

    name: str
    key: str
    minutes: int
    for_: str
    parts: tuple[Part, ...]

    @property
    def takes(self) -> int:
        """The sum of its parts' minutes."""
        return sum(part.takes for part in self.parts)


def read(path: Path = SOURCE) -> list[TeachingPath]:
    """The paths of a file."""
    found = []
    for block in tomllib.loads(path.read_text(encoding="utf-8"))["path"]:
        parts = tuple(
            Part(**{**part, "exercises": tuple(part.get("exercises", ()))})
            for part in block["part"]
        )
        found.append(
            TeachingPath(block["name"], block["key"], block["minutes"], block["for"], parts)
        )  # fmt: skip
    return found


def _what(part: Part) -> str:
    if part.what:
        return f"*{part.what}*"
    name = re.sub(r"\|", r"\\|", part.section)
    chosen = ", ".join(key[3:] for key in part.exercises)
    return f"{part.notebook} · {name}" + (f": {chosen}" if chosen else "")


def table(path: TeachingPath) -> str:
    """A path as a table: when each part begins, which it is, what it takes, when it may go."""
    rows = ["| from | notebook and section | minutes | predictions | if late |"]
    rows.append("|---|---|---|---|---|")
    begins = 0
    for part in path.parts:
        keys = "" if part.what else ", ".join(part.found.predictions)
        late = f"leave out {part.late}." if part.late else ""
        clock = f"{begins // 60}:{begins % 60:02}"
        rows.append(f"| {clock} | {_what(part)} | {part.takes} | {keys} | {late} |")
        begins += part.takes
    return "\n".join(rows)


def tables(paths: Sequence[TeachingPath]) -> str:
    """All paths, as the guide has them."""
    return "\n\n".join(
        f"### {path.name}\n\n{path.for_} About {path.takes} minutes.\n\n{table(path)}"
        for path in paths
    )


def written(text: str, paths: Sequence[TeachingPath]) -> str:
    """The guide with its tables anew."""
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n{tables(paths)}\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8"), read()), encoding="utf-8")
