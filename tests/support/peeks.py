"""Whether an answer can be seen below its prompt before anything is committed."""

import html
import re

from tests.support.notebooks import code_cells

#: How far down one sees, below the prompt.
SCREEN = 768
NUMBER = re.compile(r"(?<![\w.])\d+(?:\.\d+)?(?![\w]|\.\d)")
#: None and all: too common in tables to tell anything, unless they are what was measured.
NONE_OR_ALL = {"0.00", "1.00"}
QUESTION = re.compile(r'<div class="prediction" data-prediction="[^"]*">.*?</details></div>', re.S)


def plain(source):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", source)).split())


def telling(text):
    """Numbers that stand for themselves: with decimals, or of three digits and more."""
    return {number for number in NUMBER.findall(text) if "." in number or len(number) > 2}


def folds(notebook):
    """What each question of a notebook folds, as plain text."""
    return [
        plain(re.search(r"</summary>(.*)</details>", found, flags=re.S)[1])
        for cell in code_cells(notebook)
        for output in cell.outputs
        for found in QUESTION.findall(output.get("data", {}).get("text/html", ""))
    ]


def given_away(notebook, peeks):
    """(prompt, what of its answer is in sight) for each prompt that has any.

    Numbers count that its fold holds and neither the prompt nor any code does, the
    sentence of what was measured, and a picture that the fold describes.
    """
    folded = folds(notebook)
    assert len(folded) == len(peeks), [peek["prompt"] for peek in peeks]
    code = telling("\n".join(cell.source for cell in code_cells(notebook)))
    problems = []
    for fold, peek in zip(folded, peeks):
        sentence = re.match(r"Measured:? .*?\.(?=\s|$)", fold)[0]
        seen = peek["words"] + " ".join(peek["pictures"])
        common = NONE_OR_ALL - telling(sentence)
        found = (telling(fold) - common - code - telling(peek["prompt"])) & telling(seen)
        found |= {alt for alt in peek["pictures"] if alt and alt in fold}
        found |= {sentence} if sentence in seen else set()
        if found:
            problems.append((peek["prompt"][:60], sorted(found)))
    return problems
