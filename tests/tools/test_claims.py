"""Every claim of README and recaps is listed, stands where it is said to, and is true."""

import dataclasses

import pytest

from tools.claims import findings as claims


@pytest.fixture(scope="module")
def listed():
    return claims.read()


def test_every_claim_is_listed_shown_and_true(listed):
    found = claims.problems(listed)
    if found:
        pytest.fail(
            "mend notebooks/appendix/claims/, or the sentence:\n" + "\n".join(found),
            pytrace=False,
        )


def test_the_table_is_in_step(listed):
    stored = claims.TABLE.read_text(encoding="utf-8")
    assert stored == claims.render(listed), "run python -m tools.claims write"
    assert "/work/" not in stored


def test_most_claims_are_computed_again(listed):
    assert sum(bool(claim.check) for claim in listed) > len(listed) / 2


def test_no_claim_is_listed_twice(listed):
    keys = [(claim.where, claim.words) for claim in listed]
    assert len(set(keys)) == len(keys)


def test_a_sentence_that_is_not_listed_is_found(listed):
    stated = claims.said()
    stated["07"].append("Rank 1 forgets as much as full fine-tuning.")
    assert claims.problems(listed, stated) == [
        "07 says, and no claim lists: Rank 1 forgets as much as full fine-tuning."
    ]


@pytest.mark.parametrize(
    "change, problem",
    [
        ({"words": "Something else."}, "does not say: Something else."),
        ({"shows": "07 nothing"}, "'07 nothing' names no cell"),
        ({"shows": "99 c03-05"}, "'99 c03-05' names no notebook"),
        ({"shows": "03 c03-06"}, "'03 c03-06' is no code cell"),
        ({"check": ["results.needed_rank('100').max() < 3"]}, "not true, results.needed_rank"),
        ({"spread": " "}, "spread is empty"),
        ({"where": "01"}, "01 does not say"),
    ],
)
def test_a_planted_fault_is_found(listed, change, problem):
    planted = [dataclasses.replace(listed[0], **change), *listed[1:]]
    assert any(problem in line for line in claims.problems(planted))


def test_an_odd_key_is_named(tmp_path):
    path = tmp_path / "01.toml"
    path.write_text('[[claim]]\nwords = "A."\nshown = "01 c01-05"\n')
    with pytest.raises(ValueError, match=r"odd: .*'shown'.*01.toml: 'A\.'"):
        claims.read(tmp_path)


@pytest.mark.parametrize(
    "text, expected",
    [
        ("One is 0.5 of two. *Two* is 3.", ["One is 0.5 of two.", "Two is 3."]),
        ("- **A list.** With a [link](there).\n- More\n  of it.",
         ["A list.", "With a link.", "More of it."]),
        ("## Heading\n\nSee $x$. $y$ is next.\n\n```bash\nrun it. Now.\n```",
         ["See $x$.", "$y$ is next."]),
        ("One is 1.\n\nWhat to set: [The cheat sheet](cheatsheet.md).", ["One is 1."]),
    ],
)  # fmt: skip
def test_sentences(text, expected):
    assert claims.sentences(text) == expected


def test_a_recap_that_is_gone_is_named():
    with pytest.raises(ValueError, match="there is no heading 'Recap'"):
        claims._section("# Title\n\ntext", "Recap")


def test_rows_of_the_cheat_sheet_count_where_they_say_that_they_are_shown(listed):
    table = "| a | do | how |\n|---|---|---|\n| x | *y* [z](z). | *shown* [09](09.ipynb) |\n"
    assert claims.rows_shown(table + "| p | q | *guess* |\n| r | s | *published* |") == ["x: y z."]
    stated = claims.said()
    assert len(stated["cheatsheet"]) >= 12
    stated["cheatsheet"].append("Rank: 1024 is best.")
    assert claims.problems(listed, stated) == [
        "cheatsheet says, and no claim lists: Rank: 1024 is best."
    ]


def test_every_row_of_the_cheat_sheet_says_how_it_is_known():
    sheet = (claims.ROOT / "notebooks" / "cheatsheet.md").read_text(encoding="utf-8")
    rows = [row for row in sheet.splitlines() if row.startswith("| ")]
    known = ("*shown*", "*published*", "*guess*", "how we know")
    assert [row for row in rows if not any(word in row.split(" | ")[-1] for word in known)] == []
