"""Predictions that count: the reader commits an answer, and only then the result shows.

A cell ends with a question and the result that it is about::

    predictions.number("02-c", "style's fifth singular value", values[4]).into(table, where)

With a kernel that is a form. Without one (a stored notebook, GitHub, paper, a static page) it
is the same question over a folded result. What the reader answers stays in this kernel.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from typing import Any

import ipywidgets as widgets

from . import explorer, guesses, marks
from .controls import NAMING, WORDS_CLASS
from .figures.picture import Picture, caption
from .forms import Form
from .tables import Table

VIEW = "application/vnd.jupyter.widget-view+json"
#: What was committed in this kernel: by key, the answer, or None where it was skipped.
_answers: dict[str, Any] = {}
#: What this kernel has asked, by key and in order; and the card of each notebook.
_asked: dict[str, Prediction] = {}
_cards: dict[str, Card] = {}

#: Runs where the result comes into the page: unfolds the text in the next cell that reads it,
#: without the picture that is folded there for pages without a kernel.
UNFOLD = '<style onload="{}"></style>'.format(
    html.escape(
        "const next = this.closest('.jp-Cell')?.nextElementSibling;"
        " const reading = next?.querySelector('details.reading');"
        " for (const picture of reading?.querySelectorAll('img') ?? [])"
        " picture.style.display = 'none';"
        " if (reading) reading.open = true;"
    )
)


def _view(widget: Any) -> dict[str, Any]:
    return {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}


def _image(picture: Picture) -> str:
    return base64.b64encode(picture.still()).decode("ascii")


def _words_above(picture: Picture) -> str:
    return picture.text_html() if picture.has_text else ""


def _as_html(result: Any) -> str:
    """A result as it stands under the comparison."""
    if isinstance(result, Table):
        return result._repr_html_()
    width = round(result.size[0] * result.DPI)
    return (
        f"{_words_above(result)}"
        f'<img class="described" src="data:image/png;base64,{_image(result)}" '
        f'alt="{html.escape(result.alt)}" '
        f'style="width: {width}px; max-width: 100%">{result.words_html()}'
    )


class Prediction:
    """A question, its form, and what shows once it is answered.

    Raises ValueError if the key is not that of a notebook, such as "02-c".
    """

    def __init__(self, key: str, label: str, question: guesses.Question) -> None:
        if not isinstance(key, str) or not re.fullmatch(r"\d\d-[a-z]", key):
            raise ValueError(f'key must be a notebook\'s number and a letter: "02-c", got {key!r}')
        self.key, self.label, self.question = key, label, question
        self._results: list[tuple[Any, Any]] = []
        self._held: set[type[Picture]] = set()
        self.widget: Any = None
        _asked[key] = self

    def into(self, result: Table | Picture, where: Any = None) -> Prediction:
        """Add a result, which shows after the answer, and where the answer is drawn into it.

        Explorers of the same kind of picture wait for the answer too, see `holding`. For `where`
        see `marks.marked`. Raises ValueError for what is no result, and for a place that it does
        not have.
        """
        marks.check(result, self.question, where)
        self._results.append((result, where))
        if isinstance(result, Picture):
            self.holding(type(result))
        return self

    def holding(self, *kinds: type[Picture]) -> Prediction:
        """Let explorers of these kinds of pictures wait for the answer: they would tell it.

        Those of the pictures that are results wait anyway. They are explorers of cells that run
        after the question's; with the answer, or Show me, they come.

        >>> from helpers.figures import SpectrumUnderNoise
        >>> number("01-w", "how many", 3).holding(SpectrumUnderNoise).key
        '01-w'
        """
        self._held.update(kinds)
        return self

    @property
    def outcome(self) -> guesses.Outcome | None:
        """How the answer compares; None before it is committed."""
        return self.question.judge(_answers[self.key]) if self.key in _answers else None

    def commit(self, answer: Any) -> None:
        """Take what the form says, and show the result, or say what is wrong with it."""
        if self.key in _answers:
            return
        try:
            _answers[self.key] = self.question.read(answer)
        except ValueError as error:
            self._words.value = f"<p><b>Not yet:</b> {html.escape(str(error))}.</p>"
            return
        self._reveal()

    def skip(self) -> None:
        """Show the result without an answer."""
        if self.key not in _answers:
            _answers[self.key] = None
            self._reveal()

    def _build(self) -> None:
        self._form = Form(self.question, self.label, self.commit, self.skip)
        self._words, self._shown = widgets.HTML(), widgets.HTML()
        self._words.add_class(WORDS_CLASS)
        # A number's label stands at its field; the others' stands above all controls.
        named = isinstance(self.question, guesses.Number)
        asked = "<b>Your prediction.</b>" + ("" if named else f" {html.escape(self.label)}")
        self.widget = widgets.VBox(
            [
                widgets.HTML(f"<p>{asked}</p>"),
                self._form.widget,
                self._words,
                widgets.Box([self._shown]),
                widgets.HTML(NAMING, layout={"display": "none"}),
            ]
        )
        if self.key in _answers:
            self._reveal()

    def _reveal(self) -> None:
        """Compare, draw the answer into the results, and bring the card up to date."""
        you = _answers[self.key]
        outcome = self.question.judge(you)
        self._form.close(outcome)
        drawn = (
            marks.marked(result, self.question, you, where)
            if you is not None and where is not None
            else result
            for result, where in self._results
        )
        # JupyterLab's own look of tables, which it does not give to what a widget shows.
        shown = f'<div class="jp-RenderedHTMLCommon">{"".join(map(_as_html, drawn))}</div>'
        self._shown.value = shown + UNFOLD
        self._words.value = f"<p><b>{html.escape(outcome.words)}</b></p>"
        explorer.release(self.key)
        if card := _cards.get(self.key[:2]):
            card.update()

    def close(self) -> None:
        """End its form; shown again, it has another."""
        for widget in explorer.widgets_of(self.widget) if self.widget else ():
            widget.close()
        self.widget = None

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The live form; and for those without a kernel the question over a folded result.

        A picture is stored beside the fold, not in it: no two versions of Matplotlib encode it
        alike, and a fold is compared.
        """
        explorer.close_earlier(self)
        if self.widget is None:
            self._build()
        if self.key not in _answers:
            explorer.hold(self.key, self._held)
        pictures = [result for result, _ in self._results if isinstance(result, Picture)]
        folded = "".join(
            _words_above(result) + caption(result.alt)
            if isinstance(result, Picture)
            else _as_html(result)
            for result, _ in self._results
        )
        data = {
            VIEW: _view(self.widget),
            "text/html": (
                f'<div class="prediction" data-prediction="'
                f'{html.escape(guesses.as_json(self.question, key=self.key, label=self.label))}">'
                f"<p><b>Your prediction.</b> {html.escape(self.label)}: run the notebook to commit "
                f"it, or open the result.</p>\n<details><summary>Show me</summary>\n"
                f"<p>{html.escape(self.question.judge(None).words)}</p>\n{folded}\n</details></div>"
            ),
            "text/plain": f"[Prediction {self.key}: {self.label}. The result is folded.]",
        }
        metadata: dict[str, Any] = {}
        for picture in pictures:
            data["image/png"] = _image(picture)
            metadata["image/png"] = {"alt": picture.alt}
        return data, metadata


def number(
    key: str,
    label: str,
    measured: float,
    unit: str = "",
    limits: tuple[float, float] = (0, 1_000_000),
    within: float = 0.1,
) -> Prediction:
    """Ask for a number: see `guesses.Number`.

    >>> asked = number("01-z", "how many", 3)
    >>> asked.outcome is None
    True
    >>> asked.question.judge(12).words
    'You 12, measured 3: 4 times too high.'
    """
    return Prediction(key, label, guesses.Number(float(measured), unit, limits, within))


def choice(key: str, label: str, measured: str, options: Sequence[str]) -> Prediction:
    """Ask for one of a few options: see `guesses.Choice`.

    >>> asked = choice("01-y", "which", "style", ("style", "facts"))
    >>> asked.question.judge("facts").words
    'You: facts. Measured: style. Not so.'
    """
    return Prediction(key, label, guesses.Choice(measured, tuple(options)))


def curve(
    key: str,
    label: str,
    measured: Sequence[float],
    at: Sequence[float],
    axis: str = "rank",
    limits: tuple[float, float] = (0, 1),
    within: float = 0.05,
) -> Prediction:
    """Ask for a curve, drawn by a slider for each point: see `guesses.Curve`.

    >>> asked = curve("01-x", "error", [0.9, 0.4], at=(2, 4))
    >>> asked.question.judge((0.9, 0.1)).verdict
    'right at 1 of 2 points'
    """
    points = tuple(float(value) for value in measured)
    return Prediction(key, label, guesses.Curve(points, tuple(at), axis, limits, within))


class Card:
    """Where the reader's intuition was off, of one notebook, kept up to date."""

    def __init__(self, notebook: str) -> None:
        self.notebook = notebook
        self.widget = widgets.HTML()
        _cards[notebook] = self
        self.update()

    def update(self) -> None:
        """Read what was committed."""
        asked = [each for key, each in _asked.items() if key.startswith(self.notebook)]
        rows = [
            (each.label, outcome.you, outcome.measured, outcome.verdict)
            for each in asked
            if (outcome := each.outcome)
        ]
        states = [each.outcome.state for each in asked if each.outcome]
        said = f"{len(rows)} of {len(asked)} predictions committed"
        if rows:
            counted = ((state, states.count(state)) for state in ("right", "off", "skipped"))
            said += ": " + ", ".join(f"{count} {state}" for state, count in counted)
        table = Table(("prediction", "you", "measured", "how far off"), rows)._repr_html_()
        self.widget.value = (
            f'<div class="jp-RenderedHTMLCommon"><p><b>{said}.</b></p>{table if rows else ""}</div>'
        )

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        words = "Your predictions of this notebook, and where intuition was off"
        return {
            VIEW: _view(self.widget),
            "text/html": f'<div class="prediction-card"><p>{words}: run the notebook, and they '
            "come here. Nothing of it leaves your machine.</p></div>",
            "text/plain": f"[{words}.]",
        }


def card(notebook: str) -> Card:
    """The reader's card for a notebook, such as "02": at its end, after the predictions.

    >>> "0 of 0 predictions committed" in card("99").widget.value
    True
    """
    return Card(notebook)
