"""Controls by which a reader answers a question: native, named, and reached by Tab alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from . import marks
from .guesses import Choice, Curve, Number, Outcome, Question

ROW = {"display": "flex", "flex_flow": "row wrap", "align_items": "center"}
Commit = Callable[[Any], None]


class Form:
    """A question's controls. `commit` gets what they say; `skip` is called by "Show me".

    Attributes
    ----------
    widget : ipywidgets.Box
    """

    def __init__(
        self, question: Question, label: str, commit: Commit, skip: Callable[[], None]
    ) -> None:
        self.options: dict[str, Any] = {}
        show = widgets.Button(description="Show me")
        show.on_click(lambda _: skip())
        if isinstance(question, Choice):
            answers = self._choice(question, commit)
        elif isinstance(question, Curve):
            answers = self._curve(question, commit)
        else:
            answers = self._number(question, label, commit)
        self._parts = [*answers, show]
        self.widget = widgets.Box(self._parts, layout=ROW)

    def _choice(self, question: Choice, commit: Commit) -> Sequence[Any]:
        """One button for each option: pressing it commits."""
        for option in question.options:
            button = widgets.Button(description=option, layout={"width": "auto"})
            button.on_click(lambda _, option=option: commit(option))
            self.options[option] = button
        return list(self.options.values())

    @staticmethod
    def _number(question: Number, label: str, commit: Commit) -> Sequence[Any]:
        """A line to write in; Enter commits, as the button does."""
        text = widgets.Text(
            description=label,
            placeholder=question.unit.strip() or "a number",
            continuous_update=False,
            style={"description_width": "initial"},
            layout={"width": "auto", "max_width": "100%"},
        )
        waiting: list[asyncio.TimerHandle] = []
        judged: list[str] = []

        def stop() -> None:
            while waiting:
                waiting.pop().cancel()

        def take(_: Any = None) -> None:
            if waiting:
                stop()
                judged[:] = [text.value]
                commit(text.value)

        def entered(_: Any, content: dict[str, Any], __: Any) -> None:
            """Enter is told at once, and what was written, if it is new, after it.

            Right after it, or, where the page waits for an answer to the last text, seconds later:
            so the last text is not taken again.
            """
            if content.get("event") == "submit":
                stop()
                seconds, then = (5.0, stop) if text.value in judged else (0.3, take)
                try:
                    waiting.append(asyncio.get_running_loop().call_later(seconds, then))
                except RuntimeError:  # no kernel runs
                    commit(text.value)

        # Not `on_submit`: ipywidgets 8 warns of it, and 7 has nothing in its place.
        text.on_msg(entered)
        text.observe(take, names="value")
        button = widgets.Button(description="Commit", button_style="primary")
        button.on_click(lambda _: commit(text.value))
        return [text, button]

    @staticmethod
    def _curve(question: Curve, commit: Commit) -> Sequence[Any]:
        """A slider for each point, and the curve that they draw beside them."""
        low, high = question.limits
        points = [
            widgets.FloatSlider(
                (low + high) / 2,
                min=low,
                max=high,
                step=question.step,
                description=name,
                style={"description_width": "92px"},
                layout={"width": "360px"},
            )
            for name in question.names()
        ]

        def values() -> list[float]:
            return [point.value for point in points]

        drawn = widgets.HTML(marks.sketch(question, values()))

        def draw(_: Any) -> None:
            drawn.value = marks.sketch(question, values())

        for point in points:
            point.observe(draw, names="value")
        button = widgets.Button(description="Commit", button_style="primary")
        button.on_click(lambda _: commit(values()))
        column = widgets.Box(points, layout={"display": "flex", "flex_flow": "column"})
        return [column, drawn, button]

    def close(self, outcome: Outcome) -> None:
        """Leave what was answered in sight, and take no further answer."""
        for part in self._parts:
            for control in (part, *getattr(part, "children", ())):
                if control.has_trait("disabled"):
                    control.disabled = True
        for option, button in self.options.items():
            said = [who for who in ("you", "measured") if getattr(outcome, who) == option]
            button.description = f"{option} ({', '.join(said)})" if said else option
