"""Cited pages, papers and issues: what is no longer so is named. The network is a stand-in."""

import io
import json
import urllib.error
from datetime import date

import pytest

from tools import links

TEXTS = {
    "a.md": "See [it](https://one.org/page#part), and *LoRA: Low-Rank Adaptation*, "
    "[arXiv:2106.09685](https://arxiv.org/abs/2106.09685).",
    "b.ipynb": "Again https://one.org/page. Run http://127.0.0.1:8000/ here.",
}
FEED = """<feed xmlns="http://www.w3.org/2005/Atom"><entry>
<id>http://arxiv.org/abs/2106.09685v2</id>
<title>LoRA: Low-Rank
  Adaptation of Large Language Models</title></entry></feed>"""


def test_a_page_is_asked_for_once_and_an_example_never():
    assert links.links(TEXTS) == {
        "https://one.org/page": ["a.md", "b.ipynb"],
        "https://arxiv.org/abs/2106.09685": ["a.md"],
    }


@pytest.mark.parametrize("code, said", [(404, True), (500, True), (403, False), (429, False)])
def test_a_page_that_is_gone_is_named_with_its_files(code, said):
    def ask(address):
        raise urllib.error.HTTPError(address, code, "so", {}, io.BytesIO())

    found = links.gone({"https://one.org/page": ["a.md", "b.ipynb"]}, ask)
    expected = f"https://one.org/page: HTTP Error {code}: so, cited in a.md, b.ipynb"
    assert found == ([expected] if said else [])


def test_a_paper_has_the_title_that_is_quoted():
    assert links.wrong_titles(TEXTS, lambda address: FEED.encode()) == []
    other = {"a.md": TEXTS["a.md"].replace("Low-Rank", "High-Rank")}
    (problem,) = links.wrong_titles(other, lambda address: FEED.encode())
    assert "a.md calls it 'LoRA: High-Rank Adaptation'" in problem


def test_a_number_without_a_paper_is_named():
    texts = {"a.md": "[one](https://arxiv.org/abs/9999.99999)"}
    assert links.wrong_titles(texts, lambda address: FEED.encode()) == [
        "arXiv 9999.99999: no such paper"
    ]


@pytest.mark.parametrize(
    "stated, state, wrong",
    [("open; so does 0.5", "open", 0), ("open", "closed", 1), ("fixed by 6909", "closed", 0),
     ("fixed by 6909", "open", 1)],
)  # fmt: skip
def test_an_issue_is_in_the_state_that_is_stated(stated, state, wrong):
    report = {"source": "https://github.com/o/n/issues/7", "state": stated}
    asked = []

    def ask(address):
        asked.append(address)
        return json.dumps({"state": state}).encode()

    assert len(links.moved_on({"reports": [report]}, ask)) == wrong
    assert asked == ["https://api.github.com/repos/o/n/issues/7"]


def test_a_look_that_is_half_a_year_past_is_old():
    loaders = {"looked_up": "2026-05-31", "profiles": [], "loaders": [{"read": "2026-07-01"}]}
    (problem,) = links.old(loaders, date(2026, 11, 26))
    assert problem == "loaders.json/looked_up: last looked up on 2026-05-31, look again"


@pytest.mark.parametrize("title, on, wrong", [
    ("ours", "2026-05-31", True), ("ours", "2026-06-01", False), ("ours 0.31", "2024-01-01", False),
    ("ours (February 2026)", "2026-02-01", False), ("one without rsLoRA", "2024-01-01", False),
])  # fmt: skip
def test_a_loader_described_from_old_source_is_marked(title, on, wrong):
    profile = {"name": "x", "title": title, "date": on}
    found = links.old({"profiles": [profile]}, date(2026, 11, 26))
    said = f"loaders.json/x: its source is of {on}: look again, or put the date into its title"
    assert found == [said] * wrong


def test_no_loader_was_old_and_unmarked_when_it_was_looked_up():
    loaders = json.loads(links.LOADERS.read_text(encoding="utf-8"))
    assert links.old(loaders, date.fromisoformat(loaders["looked_up"])) == []


def test_our_own_citations_are_found():
    found = links.texts()
    cited = links.links(found)
    assert "README.md" in found
    assert len(cited) > 40
    titled = [each for text in found.values() for each in links.TITLED.findall(text)]
    assert len(titled) > 8
