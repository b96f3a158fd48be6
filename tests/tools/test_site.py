"""What the site's parts promise, without building it: folds, the first cells, what may leave."""

import re
import urllib.error
import urllib.request

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from tests.support.explorers import FACTORIES, SHOWN
from tests.support.notebooks import EVERY, PATHS
from tools.site import build, edition, policy, served
from tools.site.blocks import Block

#: Explorers of which no prediction asks what they show.
OPEN = {"adapter_cut", "error_plane", "what_to_set"}
LIVE = {
    name: Block(name, name, picture, f'<div class="rank-lab" id="{name}"></div>', {})
    for name, picture in zip(FACTORIES, SHOWN)
}


class Figures(dict):
    """A figure of every name, so that none is drawn."""

    def __contains__(self, name):
        return True

    def __missing__(self, name):
        return ""


def test_explorers_that_would_answer_a_prediction_are_folded():
    outputs = (
        out.get("data", {}).get("text/html", "")
        for path in EVERY
        for cell in build.page(path, Figures(), LIVE).cells
        for out in cell.get("outputs", [])
    )
    html = "\n".join(outputs)
    explorer = r'<div class="rank-lab" id="(\w+)"'
    folded = re.findall(rf'<details class="asked"><summary>[^<]+</summary>{explorer}', html)
    assert sorted(re.findall(explorer, html)) == sorted(FACTORIES)
    assert set(FACTORIES) - set(folded) == OPEN


def test_cells_that_answer_are_those_from_the_prompt_to_the_question():
    question = new_output("display_data", {"text/html": '<div class="prediction"></div>'})
    cells = [
        new_code_cell("a"), new_markdown_cell("**Predict.** b"), new_code_cell("c"),
        new_markdown_cell("d"), new_code_cell("e", outputs=[question]), new_code_cell("f"),
    ]  # fmt: skip
    assert [cell.source for cell in build.answering(cells)] == ["c", "e"]


def test_each_page_opens_its_own_notebook_and_the_first_runs_by_itself():
    asked = [build.lite_link(path.name).partition("?path=notebooks/")[2] for path in PATHS]
    assert asked == [f"{PATHS[0].name}&run=first", *(path.name for path in PATHS[1:])]


def test_the_edition_has_the_script_for_it(tmp_path):
    start = tmp_path / "index.html"
    start.write_text("<head><title>a</title></head><body></body>")
    edition.runs_first(tmp_path)
    (script,) = re.findall(r'<script src="([^"]+)" defer></script></head>', start.read_text())
    assert "notebook:run-all-above" in (tmp_path / script).read_text()


@pytest.mark.parametrize(
    "said", [policy.of_page("<script>a</script>"), policy.of_edition("<script>a</script>", ["b"])]
)
def test_a_policy_lets_nothing_out(said):
    """No address but the page's own: neither to load from nor to send to."""
    rules = {name: rest for name, *rest in map(str.split, said.split(";"))}
    assert rules["connect-src"][0] == "'self'"
    assert rules["form-action"] in (["'self'"], ["'none'"])
    assert rules["default-src"] in (["'self'"], ["'none'"])
    for name, allowed in rules.items():
        local = ("'", "data:", "blob:", "attachment:")
        assert allowed and all(each.startswith(local) for each in allowed), name


def test_a_request_that_could_carry_a_file_is_kept_and_told(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    before = len(served.Files.asked)
    requests = [("GET", "a.json"), ("POST", "a.json"), ("PUT", "b"), ("GET", f"a.json?{'x' * 300}")]
    with served.serving(served.files(tmp_path)) as address:
        for method, path in requests:
            body = None if method == "GET" else b"weights"
            asked = urllib.request.Request(f"{address}/{path}", body, method=method)
            try:
                urllib.request.urlopen(asked, timeout=10).close()
            except urllib.error.HTTPError as refused:
                refused.close()
    kept = served.Files.asked[before:]
    assert kept == [f"{method} /{path}" for method, path in requests]
    assert [served.could_carry(each) for each in kept] == [False, True, True, True]
