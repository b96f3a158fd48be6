"""The quiz: its answers are computed again, its forms say the same."""

import re

import pytest

from tests.support.notebooks import PATHS
from tools.teach import quiz

QUESTIONS = quiz.read()


def test_twelve_questions_each_with_four_options_and_a_check():
    assert len(QUESTIONS) == 12
    assert len({question.key for question in QUESTIONS}) == 12
    for question in QUESTIONS:
        assert len({option.text for option in question.options}) == 4
        assert question.check
        assert any(path.name.startswith(question.notebook) for path in PATHS)


def test_every_answer_is_what_is_computed():
    assert quiz.wrong(QUESTIONS) == []


def test_a_misconception_stands_behind_one_option_only():
    beliefs = [option.believes for q in QUESTIONS for option in q.options if option.believes]
    assert len(beliefs) == 36
    assert len(set(beliefs)) == 36


def test_no_letter_is_right_too_often():
    letters = [question.answer for question in QUESTIONS]
    assert max(letters.count(i) for i in range(4)) <= 5


@pytest.mark.parametrize(
    "options, said",
    [('[{text = "a", right = true}, {text = "b"}]', "a wrong option has `believes`"),
     ('[{text = "a", believes = "x"}]', "one right option, got 0"),
     ('[{text = "a", right = true}, {text = "b", right = true}]', "got 2"),
     ('[{text = "a", right = true, believes = "x"}]', "a right one none")],
)  # fmt: skip
def test_a_faulty_question_is_named(tmp_path, options, said):
    path = tmp_path / "quiz.toml"
    path.write_text(
        f'[[question]]\nkey = "k"\nnotebook = "01"\ntext = "?"\ncheck = []\noptions = {options}\n'
    )
    with pytest.raises(ValueError, match=f"k.*{said}"):
        quiz.read(path)


def test_a_false_check_is_named():
    false = "scaling.scale(16, 64, 'alpha/r') == 1"
    planted = quiz.Question("k", "01", "?", QUESTIONS[0].options, (false,))
    assert quiz.wrong([planted]) == [f"k: not true, {false}"]


def unescaped(text):
    return re.sub(r"\\([~=#{}:\\])", r"\1", text)


def test_gift_reads_back_as_what_was_asked():
    """By GIFT's grammar: ::name:: text { =right ~wrong #feedback }, signs after a backslash."""
    blocks = quiz.gift(QUESTIONS).strip().split("\n\n")
    assert len(blocks) == 12
    for block, question in zip(blocks, QUESTIONS):
        head, *lines, end = block.split("\n")
        assert end == "}"
        assert unescaped(head) == f"::{question.key}:: {question.text} {{"
        for line, option in zip(lines, question.options, strict=True):
            parts = re.split(r"(?<!\\)#", line.strip())
            assert parts[0][0] == ("=" if option.right else "~")
            assert unescaped(parts[0][1:].strip()) == option.text
            assert len(parts) == (1 if option.right else 2)
            if not option.right:
                assert unescaped(parts[1]) == f"Believes: {option.believes}"


def test_paper_asks_and_only_its_key_answers():
    sheet, key = quiz.paper(QUESTIONS, key=False), quiz.paper(QUESTIONS, key=True)
    for question in QUESTIONS:
        assert question.text in sheet
        for option in question.options:
            assert option.text in sheet
            assert not option.believes or option.believes not in sheet
            assert not option.believes or option.believes in key
    assert key.count("Right; notebook") == 12


def test_the_page_marks_the_right_option():
    page = quiz.page(QUESTIONS)
    answers = [int(each) for each in re.findall(r'data-answer="(\d)"', page)]
    assert answers == [question.answer for question in QUESTIONS]
    assert page.count("Right: notebook") == 12
    assert page.count("<label>") == 48
