"""Are cited pages still there, and is what is said of them still so? Asks the network.

    python -m tools.links

One line for each page that is gone, each arXiv number whose paper has another title than the
one quoted beside it, each issue of `helpers/data/loaders.json` that was closed or opened since,
each of its dates that is older than six months, and each loader that is described from older
source under a title that names no version or date. The exit status is 1 if there is one.
"""

from __future__ import annotations

import json
import re
import sys
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any

from .project import ROOT, files

LINK = re.compile(r"https?://[^\s<>\"'`)\]}\\]+")
ARXIV = re.compile(r"arxiv\.org/abs/(\d{4}\.\d{4,5})")
#: A title in emphasis before a link to the paper: *Title*, [arXiv:...](...).
TITLED = re.compile(
    r"\*([^*\n]{8,200})\*,? \[arXiv:[\d.]+\]\(https://arxiv\.org/abs/(\d{4}\.\d{4,5})"
)
ISSUE = re.compile(r"https://github\.com/([^/]+/[^/]+)/(?:issues|pull)/(\d+)$")
#: Addresses that are examples, or that only a machine asks for.
LEFT_OUT = re.compile(r"127\.0\.0\.1|localhost|example\.|w3\.org|json\.schemastore|\.invalid")
LOADERS = ROOT / "helpers" / "data" / "loaders.json"
MONTHS = 6

Fetch = Callable[[str], bytes]


def fetch(address: str) -> bytes:
    """What stands at an address. Raises OSError, with the reason, if nothing does."""
    request = urllib.request.Request(address, headers={"User-Agent": "link check"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return bytes(answer.read())


def texts(root: Path = ROOT) -> dict[str, str]:
    """{file: prose} of everything that cites: Markdown, and the text cells of notebooks."""
    found = {}
    for path in files(root):
        if path.suffix == ".md":
            found[path.relative_to(root).as_posix()] = path.read_text(encoding="utf-8")
        if path.suffix == ".ipynb":
            cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
            prose = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
            found[path.relative_to(root).as_posix()] = "\n\n".join(prose)
    return found


def links(found: dict[str, str]) -> dict[str, list[str]]:
    """{address: the files that cite it}, without fragments and examples."""
    cited: dict[str, list[str]] = {}
    for name, text in found.items():
        for each in LINK.findall(text):
            address = urllib.parse.urldefrag(each.rstrip(".,;:*_"))[0]
            if not LEFT_OUT.search(address) and name not in cited.setdefault(address, []):
                cited[address].append(name)
    return cited


def gone(cited: dict[str, list[str]], ask: Fetch = fetch) -> list[str]:
    """A line for each page that does not answer.

    A page that refuses a script (401, 403, 429) is there.
    """

    def problem(address: str) -> str:
        try:
            ask(address)
        except urllib.error.HTTPError as error:
            return "" if error.code in (401, 403, 429) else str(error)
        except OSError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(problem, cited))
    return [f"{a}: {why}, cited in {', '.join(cited[a])}" for a, why in zip(cited, said) if why]


def _plain(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", " ", title.lower()).strip()


def wrong_titles(found: dict[str, str], ask: Fetch = fetch) -> list[str]:
    """A line for each arXiv number with no paper, or with another title than is quoted."""
    numbers = sorted({number for text in found.values() for number in ARXIV.findall(text)})
    if not numbers:
        return []
    query = urllib.parse.urlencode({"id_list": ",".join(numbers), "max_results": len(numbers)})
    feed = ElementTree.fromstring(ask(f"https://export.arxiv.org/api/query?{query}"))
    atom = "{http://www.w3.org/2005/Atom}"
    titles = {}
    for entry in feed.iter(f"{atom}entry"):
        number = re.search(r"abs/([\d.]+?)(v\d+)?$", entry.findtext(f"{atom}id") or "")
        if number:
            titles[number[1]] = _plain(entry.findtext(f"{atom}title") or "")
    problems = [f"arXiv {number}: no such paper" for number in numbers if number not in titles]
    for name, text in found.items():
        for quoted, number in TITLED.findall(text):
            if number in titles and not titles[number].startswith(_plain(quoted)):
                problems.append(
                    f"arXiv {number} is {titles[number]!r}, and {name} calls it {quoted!r}"
                )
    return problems


def moved_on(loaders: dict[str, Any], ask: Fetch = fetch) -> list[str]:
    """A line for each report whose issue is open where we say closed, or the reverse."""
    problems = []
    for report in loaders["reports"]:
        named = ISSUE.match(report["source"])
        if named is None:
            continue
        state = json.loads(ask(f"https://api.github.com/repos/{named[1]}/issues/{named[2]}"))
        if (state["state"] == "open") != report["state"].startswith("open"):
            problems.append(
                f"{report['source']} is {state['state']}, and loaders.json says {report['state']!r}"
            )
    return problems


def _dates(value: Any, where: str) -> Iterable[tuple[str, str]]:
    if isinstance(value, dict):
        for key, each in value.items():
            if key in ("looked_up", "read") and isinstance(each, str):
                yield f"{where}/{key}", each
            else:
                yield from _dates(each, f"{where}/{key}")
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _dates(each, f"{where}/{i}")


def old(loaders: dict[str, Any], today: date) -> list[str]:
    """A line for each look at a loader, or source of one, that is more than six months past.

    A title that names a version or date is marked, and "one ..." is no program that goes on.
    """

    def past(text: str) -> bool:
        then = date.fromisoformat(text)
        return (today.year - then.year) * 12 + today.month - then.month >= MONTHS

    problems = [
        f"{where}: last looked up on {text}, look again"
        for where, text in _dates(loaders, "loaders.json") if past(text)
    ]  # fmt: skip
    for each in loaders["profiles"]:
        if past(each["date"]) and not re.match(r"one |.*\d", each["title"]):
            problems.append(
                f"loaders.json/{each['name']}: its source is of {each['date']}: look again, or put "
                "the date into its title"
            )
    return problems


def main() -> int:
    """Say what is no longer as cited."""
    found, loaders = texts(), json.loads(LOADERS.read_text(encoding="utf-8"))
    problems = gone(links(found)) + old(loaders, date.today())
    for check in (lambda: wrong_titles(found), lambda: moved_on(loaders)):
        try:
            problems += check()
        except (OSError, ElementTree.ParseError) as error:
            problems.append(f"could not ask: {error}")
    print("\n".join(problems) or "everything is as cited")
    return int(bool(problems))


if __name__ == "__main__":
    sys.exit(main())
