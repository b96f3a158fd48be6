"""A lesson: a class arrives, runs a notebook, moves sliders at once, and two mishaps."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import Awaitable
from typing import Any

import nbformat
from tornado.httpclient import AsyncHTTPClient

from .hub import Hub
from .learner import Learner

NOTEBOOK = "04_scaling_collapse.ipynb"
#: What a learner types for the exercise that is tried, and what it says then.
EXERCISE, ANSWER, RIGHT = "04-2", "1 / 2", "Correct."
MOVES = 40
#: Seconds between two moves of a slider: a hand that looks.
LOOKS = 0.5


async def begin(learner: Learner, after: float) -> None:
    """Arrive, log in, run all cells, press Show me everywhere, and solve an exercise."""
    await asyncio.sleep(after)
    begun = time.monotonic()
    report = learner.report
    await learner.log_in()
    await learner.load()
    for source in await learner.open(NOTEBOOK):
        answers = await learner.run(source)
        report.cells += 1
        shown = any(
            "image/png" in str(answer["content"]) or "comm_id" in str(answer["content"])
            for answer in answers
        )
        if shown and not report.first_figure:
            report.first_figure = time.monotonic() - begun
    for comm, state in list(learner.models.items()):
        if state.get("description") == "Show me":
            await learner.comm(comm, {"method": "custom", "content": {"event": "click"}})
    solved = await learner.run(
        f'from helpers import exercises\nexercises.check("{EXERCISE}", {ANSWER})'
    )
    report.solved = RIGHT in str(solved)


async def move(learner: Learner) -> None:
    """Drag the first slider over the rank to and fro, and time each picture."""
    sliders = {
        comm: state for comm, state in learner.models.items()
        if str(state.get("_model_name")).endswith("SliderModel")
        and state.get("description") == "rank r"
    }  # fmt: skip
    if not sliders:
        raise RuntimeError(f"{learner.name} sees no slider")
    comm, state = next(iter(sliders.items()))
    whole = "index" not in state
    for step in range(MOVES):
        value = 1 + step % 10
        data = {"method": "update", "buffer_paths": [],
                "state": {"value" if whole else "index": value}}  # fmt: skip
        begun = time.monotonic()
        answers = await learner.comm(comm, data)
        taken = time.monotonic() - begun
        if not any("rank-lab" in str(answer["content"]) for answer in answers):
            raise RuntimeError(f"{learner.name}: no picture came after a move to {value}")
        learner.report.moves.append(taken)
        await asyncio.sleep(LOOKS)


async def _tried(learner: Learner, what: Awaitable[None]) -> None:
    """One part of a learner's work; what goes wrong stands in the report."""
    try:
        await what
    except Exception as error:
        learner.report.failures.append(f"{type(error).__name__}: {error}")


async def lesson(hub: Hub, count: int, over: float) -> tuple[list[Learner], float]:
    """So many learners, who arrive within `over` seconds; cores a learner while all move."""
    AsyncHTTPClient.configure(None, max_clients=10 * count + 10)
    learners = [Learner(hub.address, f"learner{i:03}", hub.password) for i in range(count)]
    for learner in learners:
        hub.home(learner.name)
    arrivals = (_tried(each, begin(each, over * i / count)) for i, each in enumerate(learners))
    await asyncio.gather(*arrivals)
    working = [each for each in learners if not each.report.failures]
    begun, before = time.monotonic(), hub.seconds()
    await asyncio.gather(*(_tried(each, move(each)) for each in working))  # all at once
    busy = (hub.seconds() - before) / (time.monotonic() - begun) / max(1, len(working))
    memory = hub.memory()
    for learner in learners:
        learner.report.server = memory.get((learner.name, "server"), 0.0)
        learner.report.kernel = memory.get((learner.name, "kernel"), 0.0)
    return learners, busy


async def killed(hub: Hub, learner: Learner) -> None:
    """A kernel that dies comes back, and the notebook has what was saved; raises otherwise."""
    path = hub.folder / "homes" / learner.name / "notebooks" / NOTEBOOK
    notebook = nbformat.read(path, 4)
    notebook.cells[3].source += "\n\nMy own line."
    saved = {"type": "notebook", "format": "json", "content": notebook}
    at = f"/user/{learner.name}/api/contents/notebooks/{NOTEBOOK}"
    answer = await learner.ask(at, "PUT", saved)
    assert answer.code == 200, f"not saved: {answer.code}"
    (answered,) = [
        each for each in await learner.run("import os; print(os.getpid())")
        if each["header"]["msg_type"] == "stream"
    ]  # fmt: skip
    os.kill(int(answered["content"]["text"]), signal.SIGKILL)
    why, end = "", time.monotonic() + 60
    while time.monotonic() < end:
        await asyncio.sleep(2)
        try:
            await learner.connect()
            await asyncio.wait_for(learner.run("1 + 1"), 20)
            break
        except (RuntimeError, asyncio.TimeoutError, OSError) as error:
            why = repr(error)
    else:
        raise AssertionError(f"no kernel came back: {why}")
    assert "My own line." in path.read_text(encoding="utf-8")


async def culled(hub: Hub, learner: Learner) -> None:
    """After a while without work the kernel is gone, the server and the notebook are not."""
    end = time.monotonic() + 10 * hub.cull_after + 30
    kernels: list[Any] = [None]
    while kernels and time.monotonic() < end:
        await asyncio.sleep(1)
        answer = await learner.ask(f"/user/{learner.name}/api/kernels")
        kernels = json.loads(answer.body)
    assert not kernels, "an idle kernel was not ended"
    await learner.open(NOTEBOOK)
    await learner.run("1 + 1")
