"""Tables in text and in HTML, and the environment's table."""

import pytest

from helpers import environment
from helpers.tables import Table

EXAMPLE = Table(("name", "error", "note"), [("style", 0.333, "<b> & co"), ("facts", "-", "")])


def test_text_is_aligned_and_ends_without_blanks():
    assert repr(EXAMPLE).splitlines() == [
        "name   error  note",
        "style  0.333  <b> & co",
        "facts  -",
    ]


def test_html_is_escaped_and_names_its_rows_and_columns():
    shown = EXAMPLE._repr_html_()
    assert "&lt;b&gt; &amp; co" in shown
    assert shown.count('<th scope="col"') == 3
    assert shown.count('<th scope="row"') == 2
    # Words to the left, numbers to the right.
    assert '<td style="text-align: right">0.333</td>' in shown
    assert '<th scope="row" style="text-align: left">style</th>' in shown


def test_an_empty_corner_is_no_heading():
    shown = Table(("", "error"), [("style", 0.333)])._repr_html_()
    assert '<tr><td style="text-align: left"></td><th scope="col"' in shown


def test_a_row_that_is_too_short():
    with pytest.raises(ValueError, match=r"rows must have 2 cells, got \['a'\]"):
        Table(("one", "two"), [("a",)])


def test_environment_has_what_is_needed():
    rows = environment.check().rows
    assert {row[0] for row in rows} == set(environment.NEEDED)
    assert all(row[2] == "ok" for row in rows)


def test_environment_says_what_is_missing_or_too_old(monkeypatch):
    installed = {"numpy": "1.9.3", "matplotlib": "3.10.0rc1", "ipywidgets": "7.7.1"}

    def version(name):
        if name not in installed:
            raise environment.PackageNotFoundError(name)
        return installed[name]

    monkeypatch.setattr(environment, "version", version)
    said = {row[0]: row[2] for row in environment.check().rows}
    assert said == {
        "numpy": "too old (1.9.3): pip install --upgrade numpy",
        "matplotlib": "ok",
        "ipywidgets": "ok",
        "pillow": "missing: pip install pillow",
        "safetensors": "not here: NumPy reads the files instead",
    }
