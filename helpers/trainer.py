"""The trainer: fine-tune the small model from a notebook, and watch it learn and forget.

Training runs between the messages of the notebook: after each step the kernel's own event
loop has its turn, so Stop is heard and other cells can be run. That works in Jupyter, on
Colab and in the browser edition, which has no threads.
"""

from __future__ import annotations

import asyncio
import time
import traceback
from dataclasses import dataclass
from typing import Any

import ipywidgets as widgets

from .controls import NAMING, TRAINING, WORDS_CLASS, alert
from .explorer import close_earlier, widgets_of
from .figures.fine_tuning import FineTuningRun
from .figures.look import OPTIMISERS
from .figures.picture import caption
from .model.fine_tuning import FineTuning, Progress
from .model.recipe import Recipe
from .stage import Stage
from .tables import Table

#: Seconds between two pictures while it trains: more would cost more than the training.
REDRAW = 0.5
#: How often facts are asked for in a run.
ASKED_TIMES = 8
#: What a reader finds set: as in our own runs of notebook 09, and done in seconds.
START = {"learning_rate": 0.0032}

_HEADINGS = ("run", "what was trained", "matrices", "optimiser", "people", "old data",
             "batch", "seed", "steps", "numbers trained", "new facts", "known facts")  # fmt: skip


@dataclass(frozen=True)
class Run:
    """A run that has ended: after how many steps, and the shares of facts that are right then."""

    recipe: Recipe
    parameters: int
    steps: int
    new: float
    known: float

    def row(self) -> tuple[str, ...]:
        """Of the table of runs, but for its number."""
        recipe = self.recipe
        what = "all weights"
        if recipe.method == "lora":
            what = f"LoRA, rank {recipe.rank}, {recipe.rule}, alpha {recipe.alpha:g}"
        return (
            what, recipe.placement, f"{OPTIMISERS[recipe.optimiser]} at {recipe.learning_rate:g}",
            f"{recipe.people}", f"{100 * recipe.replayed:.0f} %", f"{recipe.batch}",
            f"{recipe.seed}", f"{self.steps} of {recipe.steps}", f"{self.parameters:,}",
            f"{self.new:.2f}", f"{self.known:.2f}",
        )  # fmt: skip


class Trainer:
    """Controls for a recipe, Start and Stop, a picture of the run, and a table of all runs.

    A notebook shows it by ending a cell with it.

    Parameters
    ----------
    **settings
        Where controls start: any setting of `fine_tuning.Recipe`.

    Attributes
    ----------
    controls : dict of str to widget
    runs : list of Run
        Those that have ended, or were stopped.
    error : str
        Traceback of a run that failed, or "".

    Raises ValueError if a setting has no control, or no control has its value.

    Examples
    --------
    >>> trainer = Trainer(people=5, steps=25)
    >>> trainer.recipe.people, trainer.recipe.rank
    (5, 8)
    """

    def __init__(self, **settings: Any) -> None:
        unknown = [name for name in settings if name not in TRAINING]
        if unknown:
            raise ValueError(
                f"settings must be among {', '.join(TRAINING)}, got {', '.join(unknown)}"
            )
        start = Recipe(**{**START, **settings})
        self.controls = {}
        for name, control in TRAINING.items():
            try:
                self.controls[name] = control(getattr(start, name))
            except Exception as error:  # ipywidgets has several kinds for it
                raise ValueError(f"{name} must be a value of its control ({error})") from None
        self.runs: list[Run] = []
        self.error = ""
        self._stopping = False
        self._task: Any = None
        self._start = widgets.Button(description="Start training", button_style="primary")
        self._stop = widgets.Button(description="Stop", disabled=True)
        self._start.on_click(lambda _: self.start())
        self._stop.on_click(lambda _: self.stop())
        for control in self.controls.values():
            if control.has_trait("tooltip"):  # ipywidgets 8, which would show "null" otherwise
                control.tooltip = control.description
        self._bar = widgets.IntProgress(layout=widgets.Layout(width="360px"))
        self._count = widgets.Label()
        self._stage = Stage()
        self._words = widgets.HTML()
        self._words.add_class(WORDS_CLASS)
        self._alert = widgets.HTML()
        self._table = widgets.HTML()
        row = widgets.Layout(display="flex", flex_flow="row wrap", align_items="center")
        self.widget = widgets.VBox(
            [
                widgets.Box(list(self.controls.values()), layout=row),
                widgets.Box([self._start, self._stop, self._bar, self._count], layout=row),
                self._alert,
                widgets.Box([self._stage.widget]),
                self._words,
                self._table,
                widgets.HTML(NAMING, layout=widgets.Layout(display="none")),
            ]
        )
        self._picture = FineTuningRun(start.steps)
        self._show(start, [])

    @property
    def recipe(self) -> Recipe:
        """What the controls say now."""
        return Recipe(**{name: control.value for name, control in self.controls.items()})

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._start.disabled

    def start(self) -> None:
        """Begin a run with what the controls say; nothing while one is under way.

        In a notebook it goes on while other cells run; without an event loop, as in a
        script, it is done when this returns.
        """
        if self.running:
            return
        try:
            recipe = self.recipe
        except ValueError as error:  # no hand of a reader's sets it: a front end did
            self._failed("<b>Training cannot begin.</b>", str(error))
            return
        self._stopping = False
        self._set_running(True)
        run = self._run(recipe)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(run)
        else:
            self._task = loop.create_task(run)  # a task that nobody holds may vanish

    def stop(self) -> None:
        """End the run after the step that is under way."""
        self._stopping = True

    async def _run(self, recipe: Recipe) -> None:
        try:
            self.error = self._alert.value = ""
            await self._train(recipe)
        except Exception:
            what = "<b>Training ended with an error.</b> Below is what it came to."
            self._failed(what, traceback.format_exc())
        finally:
            self._set_running(False)

    def _failed(self, what: str, why: str) -> None:
        self.error = why
        self._alert.value = alert(what, why)

    async def _train(self, recipe: Recipe) -> None:
        began = drawn = time.monotonic()
        self._bar.max, self._bar.value = recipe.steps, 0
        self._count.value = "getting ready"
        await asyncio.sleep(0)
        run = FineTuning(recipe)
        if self._picture.steps != recipe.steps:
            self._picture = FineTuningRun(recipe.steps)
        so_far: list[Progress] = []
        for progress in run.train(max(1, recipe.steps // ASKED_TIMES)):
            so_far.append(progress)
            now = time.monotonic()
            self._bar.value = progress.step
            self._count.value = f"step {progress.step} of {recipe.steps}, {now - began:.0f} s"
            if progress.new is not None or now - drawn > REDRAW:
                self._show(recipe, so_far)
                drawn = time.monotonic()
            # Longer than 0: the loop then goes round often enough to read a message whole.
            await asyncio.sleep(0.001)
            if self._stopping:
                break
        self._count.value += ", asking for all facts"
        await asyncio.sleep(0.001)
        result = run.recall()
        self._count.value = f"step {run.step} of {recipe.steps}, {time.monotonic() - began:.0f} s"
        self._show(recipe, so_far, result)
        self.runs.append(Run(recipe, run.parameters, run.step, *result))
        self._table.value = self.table()._repr_html_()

    def close(self) -> None:
        """Stop, and end it on the page; shown again, it comes back."""
        self.stop()
        for widget in widgets_of(self.widget):
            widget.close()

    def table(self) -> Table:
        """Every run so far, the newest first."""
        rows = [(f"{i}", *run.row()) for i, run in reversed([*enumerate(self.runs, 1)])]
        return Table(_HEADINGS, rows)

    def _show(
        self,
        recipe: Recipe,
        so_far: list[Progress],
        result: tuple[float, float] | None = None,
    ) -> None:
        """The picture; the words under it, which a screen reader says, only with new facts."""
        picture = self._picture.draw(recipe=recipe, progress=so_far, result=result)
        self._stage.show(self._stage.drawn(picture))
        if not so_far or so_far[-1].new is not None or result is not None:
            self._words.value = caption(picture.description)

    def _set_running(self, running: bool) -> None:
        self._start.disabled = running
        self._stop.disabled = not running
        for control in self.controls.values():
            control.disabled = running

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        """The live widget, and a line for readers who have no kernel."""
        close_earlier(self)
        if self.widget.comm is None:
            for widget in widgets_of(self.widget):
                widget.open()
        return {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2,
                "version_minor": 0,
                "model_id": self.widget.model_id,
            },
            "text/plain": f"[Trainer with {', '.join(self.controls)}: run the notebook to use it. "
            "The figure above is such a run.]",
        }
