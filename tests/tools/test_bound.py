"""Sentences stand, and what they state is true; what states something is bound, or excepted."""

import pytest

from tools.claims import bound, detect, judged, text

FILES = bound.read()
#: Texts in which sentences are left to bind. Who binds the last one of a text strikes it off.
NOT_YET: set[str] = set()


@pytest.mark.parametrize("name", FILES)
def test_what_is_bound_stands_there_and_is_true(name):
    found = judged.problems(FILES[name])
    if found:
        pytest.fail(
            f"mend notebooks/appendix/claims/{name}.toml, or the sentence:\n" + "\n".join(found),
            pytrace=False,
        )


@pytest.mark.parametrize("name", text.texts())
def test_what_states_something_is_bound(name):
    found = [
        f"{each.cell} [{' '.join(each.signs)}] {each.words}"
        for each in detect.unbound(name, detect.covering(name))
    ]
    if name in NOT_YET:
        assert found, f"everything in {name} is bound: strike it off NOT_YET"
        pytest.skip(f"{len(found)} sentences are not bound yet")
    if found:
        pytest.fail(f"bind these in {name}, or except them:\n" + "\n".join(found), pytrace=False)


def test_every_file_is_of_a_text():
    assert set(FILES) | NOT_YET <= set(text.texts())


# How it works, on a file of its own

FILE = """
[names]
half = "1 / 2"
quarter = "half / 2"

[[bound]]
words = "Half of it is 0.25, or 25 %, at rank 2,000"
gives = ["quarter", "quarter", "2000"]
holds = ["quarter < half", "np.sqrt(quarter) == half"]

[[formula]]
words = '''$1 - (1 - x)^2$'''
reads = "1 - (1 - x)**2"
is = "scaling.scale(x, 1, 'alpha/r') * (2 - x)"
over = { x = [0.5, 1, 3] }

[[excepted]]
words = "Three things stand out"
because = "counts the list under it"
"""
SAID = [
    text.Passage("Half of it is 0.25, or 25 %, at rank 2,000."),
    text.Passage("It is $1 - (1 - x)^2$, always the larger."),
    text.Passage("Three things stand out."),
]


def filed(folder, content):
    (folder / "03.toml").write_text(content, encoding="utf-8")
    return bound.read(folder)["03"]


def test_the_example_holds(tmp_path):
    file = filed(tmp_path, FILE)
    assert judged.problems(file, SAID) == []
    (found,) = detect.unbound("03", [entry.words for entry in file.entries], SAID)
    assert found.signs == ("always", "larger")


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ("0.25, or", "0.26, or", "does not say: Half of it is 0.26"),
        ("1 / 2", "1 / 3", "says 0.25, quarter is 0.1666"),
        ("quarter < half", "quarter > half", "not true, quarter > half has 0.25 and 0.5: Half"),
        ('"quarter", "quarter", ', '"quarter", ', "gives 2 numbers for ['0.25', '25', '2000']"),
        ("quarter < half", "quarters < half", "NameError, name 'quarters' is not defined: Half"),
        ("(2 - x)", "(2 + x)", "is 0.75 and scaling"),
        ("counts the list under it", " ", "because is empty: Three"),
        (
            'gives = ["quarter", "quarter", "2000"]\nholds =',
            'gives = [0.25, "0.25", 2000]\n#',
            "gives only numbers, and computes none: Half",
        ),
    ],
)
def test_a_planted_fault_is_named(tmp_path, old, new, problem):
    assert old in FILE
    found = judged.problems(filed(tmp_path, FILE.replace(old, new)), SAID)
    assert any(problem in each for each in found), found


AS = """[[bound]]
words = "At rank 2 it is 6.608, and at rank 8 1.000"
as = "03 At rank 2 the error of style"
"""


@pytest.mark.parametrize(
    "old, new, problems",
    [
        (", and at rank 8 1.000", "", []),
        ("6.608, and", "6.609, and", ["03 says ['6.609', '8', '1.000'], '03 At rank 2 the e"]),
        ("03 At rank 2", "03 At rank 3", ["03: 03 binds nothing that begins 'At rank 3 the err"]),
    ],
)
def test_a_sentence_may_say_what_another_text_binds(tmp_path, old, new, problems):
    file = filed(tmp_path, AS.replace(old, new))
    found = judged.problems(file, [text.Passage(file.entries[0].words)])
    assert [each[: len(start)] for each, start in zip(found, problems, strict=True)] == problems


@pytest.mark.parametrize(
    "old, new, problem",
    [
        ("because", "reason", r"odd: \['because', 'reason'\], in 'Three"),
        ("excepted", "exempt", r"03.toml has \['exempt'\]"),
        ('holds = ["quarter < half", "np.sqrt(quarter) == half"]', "", None),
        ("words = \"Half", "word = \"Half", "odd: .*'words'"),
    ],
)  # fmt: skip
def test_an_odd_block_is_named(tmp_path, old, new, problem):
    changed = FILE.replace(old, new)
    if problem is None:
        assert judged.problems(filed(tmp_path, changed), SAID) == []
        return
    with pytest.raises(ValueError, match=problem):
        filed(tmp_path, changed)


def test_tables_and_texts_of_stored_outputs_can_be_used():
    """As notebook 03 shows them."""
    scope = FILES["03"].known
    assert scope.value("at('c03-05', 'style, alpha/r', 'r = 2')") == 6.608
    assert scope.value("'by the matrices 2.988677' in shown('c03-07')")
    with pytest.raises(KeyError, match="'style' and 'r = 2'"):
        scope.value("at('c03-05', 'style', 'r = 2')")
    with pytest.raises(KeyError, match="no cell nothing"):
        scope.value("shown('nothing')")
    with pytest.raises(KeyError, match="03 has no cell nothing"):
        scope.value("code('nothing')")
    assert scope.value(r"in_file('Makefile', r'OVER \?= (\d+)')") == 60
    with pytest.raises(KeyError, match=r"Makefile has \[\] for 'NEVER', not one thing"):
        scope.value("in_file('Makefile', 'NEVER')")
    with pytest.raises(KeyError, match=r"Makefile has \['\d+', '\d+'\] for .* not one thing"):
        scope.value(r"in_file('Makefile', r'(?:N|OVER) \?= (\d+)')")


@pytest.mark.parametrize(
    "words, expected",
    [
        ("Rank 16 kept 0.67, or -1.5 % of 2,000.", ["16", "0.67", "-1.5", "2000"]),
        ("Ranks 1 to 64, 8-16, $s_2$, $r^2$, v1.2, c03, ipywidgets8", ["1", "64", "8", "16"]),
        ("Between steps 0.05 and 7.", ["0.05", "7"]),
        ("At 3e-05 (notebook 11) and notebooks 03 to 05.", ["3e-05"]),
        ("$\\alpha = 16$ and $1/r$ in $\\sqrt{2}$.", ["16", "1", "2"]),
    ],
)
def test_numbers_of_a_sentence(words, expected):
    assert [number for number, _ in bound.stated(words)] == expected


@pytest.mark.parametrize(
    "words, signs",
    [
        ("The larger one in every column.", ["larger", "every"]),
        ("Rank 16 kept 0.67.", ["16", "kept", "0.67"]),
        ("See notebooks 03 and 04, `r=16`, and figure above.", []),
        ("Which is larger at rank 4?", []),
        ("Drag the rank to 16.", []),
        ("Drag the rank to 16: style is lost.", ["16", "lost"]),
        ("Read. 0.25.", ["0.25"]),
        ("Draggable things are 16.", ["16"]),
        ("The same $x_1^{2}$ below.", ["same", "below"]),
    ],
)
def test_signs_of_a_statement(words, signs):
    assert [match.group() for match in detect.signs(words)] == signs
