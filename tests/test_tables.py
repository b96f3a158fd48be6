"""Tables in text and in HTML."""

import pytest

from helpers.tables import Table, short_names, shorten

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


def test_short_names_differ_even_where_nothing_tells_them_apart():
    names = [f"abcdefghijklmnopqrstuvwxyz{i}" for i in range(30)] * 2
    found = short_names(names, 9)
    assert len(set(found)) == 60
    assert max(map(len, found)) <= 9
    assert short_names(["a.b", "a.c"], 9) == ["a.b", "a.c"]
    assert short_names([], 9) == []


@pytest.mark.parametrize("width", range(8, 70))
def test_a_shortened_name_fits_and_keeps_numbers_as_long_as_it_can(width):
    name = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn1_to_out_0"
    short = shorten(name, width)
    assert len(short) <= width
    if width > 36:
        assert short.endswith("_0_attn1_to_out_0")
        assert "_4_1_" in short
