"""Links of pages that are no notebook, words of the glossary, marks of the landing page."""

import re

import pytest

from tests.support.notebooks import EVERY, links, load, markdown_cells
from tools import project

ROOT = project.ROOT
PAGES = [file for file in project.files() if file.suffix == ".md"]
#: Words that lead to an entry under another name.
OTHER_NAMES = {("SGD, Adam", "sgd"), ("energies", "energy")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_of_a_page_lead_somewhere(page):
    for target in links(page.read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target) or target.startswith("@"):
            continue
        place = target.partition("#")[0]
        if page.is_relative_to(ROOT / "tools" / "site") and place.endswith(".html"):
            continue
        assert (page.parent / place).exists(), target


def test_a_word_of_the_glossary_leads_to_its_own_entry():
    """The link's words are those of the entry, in the singular or the plural."""
    found = []
    for path in EVERY:
        for cell in markdown_cells(load(path)):
            for words, entry in re.findall(
                r"\[([^\]]+)\]\((?:(?:\.\./)?01_setup\.ipynb)?#([a-z-]+)\)", cell.source
            ):
                plain = words.strip("*`").lower().replace(" ", "-")
                if entry not in (plain, plain.removesuffix("s")):
                    found.append((words, entry))
    assert set(found) <= OTHER_NAMES


def test_the_landing_page_has_what_the_build_fills_in():
    text = (ROOT / "tools" / "site" / "index.md").read_text(encoding="utf-8")
    build = (ROOT / "tools" / "site" / "build.py").read_text(encoding="utf-8")
    marks = set(re.findall(r"@([A-Z]+)@", text))
    assert marks == {"HOOK", "LITE", "FIRST", "ARCHIVE", "NOTEBOOKS", "STEMS"}
    assert {mark for mark in marks if f'"{mark}": ' not in build} == set()
    start = dict(re.findall(r'<a(?: class="run")? href="([^"]+)">([^<]+)</a>', text))
    assert start == {
        "@LITE@": "Run it in your browser", "@FIRST@": "Read notebook 01",
        "cheatsheet.html": "The cheat sheet", "@ARCHIVE@": "Download the series",
        "teach.html": "Teach this",
    }  # fmt: skip
