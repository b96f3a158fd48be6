"""A real JupyterHub on 127.0.0.1 under load: learners who open, run, move and solve.

    python -m tools.teach.load 30 [--cull 20] [--table FILE]

Starts the hub of teaching/hub/jupyterhub_config.py in a temporary folder and lets so many learners
log in at once. Each speaks what a browser speaks: the login form, the server's interface, and the
kernel's WebSocket, over which cells run and sliders move. What a browser itself needs is on
learners' laptops and is not counted. Run it with the dependency group `hub`, as `make bench-hub`
and `make test-hub` do.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import nbformat
import psutil
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import websocket_connect

ROOT = Path(__file__).resolve().parents[2]
CONFIG = ROOT / "teaching" / "hub" / "jupyterhub_config.py"
NOTEBOOK = "04_scaling_collapse.ipynb"
#: What a learner types for the exercise that is tried, and what it says then.
EXERCISE, ANSWER, RIGHT = "04-2", "(1 / 2, 1 / 2**0.5)", "Correct."
MOVES = 40
#: Seconds between two moves of a slider: a hand that looks.
LOOKS = 0.5


@dataclass
class Report:
    """What one learner saw; times in seconds, memory in MB."""

    name: str
    first_figure: float = 0.0
    cells: int = 0
    moves: list[float] = field(default_factory=list)
    solved: bool = False
    memory: float = 0.0
    failures: list[str] = field(default_factory=list)


class Learner:
    """Speaks with the hub as one browser would."""

    def __init__(self, address: str, name: str, password: str) -> None:
        self.address, self.name, self.password = address, name, password
        self.cookies: dict[tuple[str, str], str] = {}  # by path and name
        self.report = Report(name)
        self.client = AsyncHTTPClient()
        self.models: dict[str, dict[str, Any]] = {}
        self.kernel = ""
        self.socket: Any = None

    async def ask(
        self, path: str, method: str = "GET", body: Any = None, form: bool = False
    ) -> HTTPResponse:
        """A request with this learner's cookies; a redirect is followed by hand, to keep them."""
        data = None if body is None else urlencode(body) if form else json.dumps(body)
        for _ in range(10):
            cookies = self.sent(path)
            headers = {"Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items())}
            headers["X-XSRFToken"] = cookies.get("_xsrf", "")  # asked for with GET, too
            answer = await self.client.fetch(
                HTTPRequest(
                    self.address + path, method, headers, data, follow_redirects=False,
                    request_timeout=180, connect_timeout=60, allow_nonstandard_methods=True,
                ),
                raise_error=False,
            )  # fmt: skip
            for each in answer.headers.get_list("Set-Cookie"):
                for key, morsel in SimpleCookie(each).items():
                    self.cookies[morsel["path"] or "/", key] = morsel.value
            if answer.code not in (301, 302, 303):
                return answer
            path = answer.headers["Location"].removeprefix(self.address)
            method, data = "GET", None
        raise RuntimeError(f"{self.name} was sent around in circles at {path}")

    def sent(self, path: str) -> dict[str, str]:
        """The cookies for a path; the one of the longest path where two have one name."""
        fitting = sorted((at, key) for at, key in self.cookies if path.startswith(at))
        return {key: self.cookies[at, key] for at, key in fitting}

    async def log_in(self) -> None:
        """The login form; the hub starts a server, and the learner waits for it."""
        await self.ask("/hub/login")
        form = {
            "username": self.name,
            "password": self.password,
            "_xsrf": self.sent("/hub/login")["_xsrf"],
        }
        await self.ask("/hub/login", "POST", form, form=True)
        await self.ask("/hub/spawn")
        end = time.monotonic() + 240
        while time.monotonic() < end:
            await self.ask(f"/user/{self.name}/lab")  # the hub vouches for the learner, on the way
            answer = await self.ask(f"/user/{self.name}/api/status")
            if answer.code == 200 and b"started" in (answer.body or b""):
                return
            await asyncio.sleep(0.5)
        raise RuntimeError(f"no server for {self.name}: {answer.code}")

    async def open(self) -> list[str]:
        """The notebook, and a kernel for it; the sources of its code cells."""
        base = f"/user/{self.name}/api"
        content = await self.ask(f"{base}/contents/notebooks/{NOTEBOOK}")
        cells = json.loads(content.body)["content"]["cells"]
        session = {"path": f"notebooks/{NOTEBOOK}", "name": NOTEBOOK, "type": "notebook",
                   "kernel": {"name": "python3"}}  # fmt: skip
        answer = await self.ask(f"{base}/sessions", "POST", session)
        self.kernel = json.loads(answer.body)["kernel"]["id"]
        await self.connect()
        return ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]

    async def connect(self) -> None:
        """The WebSocket to the kernel."""
        at = f"/user/{self.name}/api/kernels/{self.kernel}/channels"
        url = f"{self.address.replace('http', 'ws')}{at}?session_id={uuid.uuid4().hex}"
        url += f"&_xsrf={self.sent(at).get('_xsrf', '')}"
        cookie = "; ".join(f"{key}={value}" for key, value in self.sent(at).items())
        request = HTTPRequest(url, headers={"Cookie": cookie}, connect_timeout=60)
        self.socket = await websocket_connect(request)

    async def tell(
        self, kind: str, content: dict[str, Any], seen: Callable[[Any], bool] = lambda _: False
    ) -> list[dict[str, Any]]:
        """Send a message; all that the kernel answers until it is idle, or `seen` is true."""
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": kind, "username": self.name, "session": number,
                  "version": "5.3", "date": ""}  # fmt: skip
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content,
                   "buffers": [], "channel": "shell"}  # fmt: skip
        await self.socket.write_message(json.dumps(message))
        found: list[dict[str, Any]] = []
        while True:
            raw = await asyncio.wait_for(self.socket.read_message(), 180)
            if raw is None:
                raise RuntimeError(f"the kernel of {self.name} hung up")
            answer = json.loads(raw)
            if answer["header"]["msg_type"] == "comm_open":
                data = answer["content"]["data"]
                self.models[answer["content"]["comm_id"]] = data.get("state", {})
            if answer["parent_header"].get("msg_id") != number:
                continue
            found.append(answer)
            idle = answer["content"].get("execution_state") == "idle"
            if idle or seen(answer):
                return found

    async def run(self, source: str) -> list[dict[str, Any]]:
        """A cell; raises RuntimeError where it fails."""
        answers = await self.tell("execute_request", {"code": source, "silent": False})
        for answer in answers:
            if answer["header"]["msg_type"] == "error":
                raise RuntimeError(f"{self.name}: {answer['content']['evalue']}")
        return answers

    def comm(self, comm: str, data: dict[str, Any]) -> Any:
        """What a widget of the page tells its twin in the kernel; waits for all that changes."""
        return self.tell("comm_msg", {"comm_id": comm, "data": data})

    async def work(self, begun: float) -> None:
        """Run all cells, press Show me everywhere, move a slider, solve an exercise."""
        for source in await self.open():
            answers = await self.run(source)
            self.report.cells += 1
            if not self.report.first_figure and any(
                "image/png" in str(answer["content"]) or "comm_id" in str(answer["content"])
                for answer in answers
            ):
                self.report.first_figure = time.monotonic() - begun
        for comm, state in list(self.models.items()):
            if state.get("description") == "Show me":
                await self.comm(comm, {"method": "custom", "content": {"event": "click"}})
        solved = await self.run(
            f'from helpers import exercises\nexercises.check("{EXERCISE}", {ANSWER})'
        )
        self.report.solved = RIGHT in str(solved)

    async def move(self) -> None:
        """Drag the first slider over the rank to and fro, and time each picture."""
        sliders = {
            comm: state for comm, state in self.models.items()
            if str(state.get("_model_name")).endswith("SliderModel")
            and state.get("description") == "rank r"
        }  # fmt: skip
        if not sliders:
            raise RuntimeError(f"{self.name} sees no slider")
        comm, state = next(iter(sliders.items()))
        whole = "index" not in state
        for step in range(MOVES):
            value = 1 + step % 10
            data = {"method": "update", "buffer_paths": [],
                    "state": {"value" if whole else "index": value}}  # fmt: skip
            begun = time.monotonic()
            answers = await self.comm(comm, data)
            taken = time.monotonic() - begun
            if not any("rank-lab" in str(answer["content"]) for answer in answers):
                raise RuntimeError(f"{self.name}: no picture came after a move to {value}")
            self.report.moves.append(taken)
            await asyncio.sleep(LOOKS)


def memory(name: str) -> float:
    """MB of a learner's server and kernels, shared pages divided among those who share them."""
    found = 0.0
    for process in psutil.process_iter(["cmdline"]):
        try:
            if "jupyterhub-singleuser" not in " ".join(process.info["cmdline"] or ()):
                continue
            if process.environ().get("JUPYTERHUB_USER") != name:
                continue
            for each in (process, *process.children(recursive=True)):
                found += each.memory_full_info().pss / 1e6
        except psutil.Error:
            continue
    return found


class Hub:
    """The hub in a temporary folder, which goes with it."""

    def __init__(self, cull_after: int = 600) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="rank-lab-hub-"))
        self.password = secrets.token_hex(16)
        self.port = _free()
        self.address = f"http://127.0.0.1:{self.port}"
        self.cull_after = cull_after
        self.log = self.folder / "log"

    def home(self, name: str) -> Path:
        """A learner's folder, with the series in it."""
        home = self.folder / "homes" / name
        shutil.copytree(ROOT / "notebooks", home / "notebooks")
        (home / "helpers").symlink_to(ROOT / "helpers")
        return home

    def __enter__(self) -> Hub:
        wanted = {"HUB_FOLDER": str(self.folder), "HUB_PORT": str(self.port),
                  "HUB_PASSWORD": self.password, "CULL_AFTER": str(self.cull_after)}  # fmt: skip
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "jupyterhub", "-f", str(CONFIG)],
                env={**os.environ, **wanted}, stdout=log, stderr=subprocess.STDOUT,
                cwd=self.folder, start_new_session=True,
            )  # fmt: skip
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            try:
                with urllib.request.urlopen(f"{self.address}/hub/health", timeout=10):
                    return self
            except OSError:
                time.sleep(0.3)
        said = self.log.read_text()
        self.__exit__()
        raise RuntimeError(f"the hub does not answer:\n{said}")

    def __exit__(self, *_: Any) -> None:
        family = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        for each in psutil.wait_procs(family, timeout=5)[1]:
            each.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


def _free() -> int:
    """A port with two free ones after it."""
    while True:
        with socket.socket() as tried:
            tried.bind(("127.0.0.1", 0))
            port = int(tried.getsockname()[1])
        if port < 60000:
            return port


async def _tried(learner: Learner, what: Awaitable[None]) -> None:
    """One part of a learner's work; what goes wrong stands in the report."""
    try:
        await what
    except Exception as error:
        learner.report.failures.append(f"{type(error).__name__}: {error}")


async def _begin(learner: Learner) -> None:
    begun = time.monotonic()
    await learner.log_in()
    await learner.work(begun)


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
    await learner.open()
    await learner.run("1 + 1")


async def load(hub: Hub, count: int) -> tuple[list[Report], list[Learner]]:
    """So many learners at once; what each saw."""
    AsyncHTTPClient.configure(None, max_clients=4 * count + 10)
    learners = [Learner(hub.address, f"learner{i:03}", hub.password) for i in range(count)]
    for learner in learners:
        hub.home(learner.name)
    await asyncio.gather(*(_tried(each, _begin(each)) for each in learners))
    working = [each for each in learners if not each.report.failures]
    await asyncio.gather(*(_tried(each, each.move()) for each in working))  # all at once
    for learner in learners:
        learner.report.memory = memory(learner.name)
    return [each.report for each in learners], learners


def table(reports: list[Report]) -> str:
    """The measurement as a row of teaching/hub's table."""
    moves = sorted(time for report in reports for time in report.moves) or [float("nan")]
    first = [report.first_figure for report in reports if report.first_figure] or [float("nan")]
    tail = moves[min(len(moves) - 1, int(0.95 * len(moves)))]
    failed = sum(bool(report.failures) for report in reports)
    solved = sum(report.solved for report in reports)
    pss = statistics.fmean(report.memory for report in reports)
    return (
        f"| {len(reports)} | {os.cpu_count()} | {pss:.0f} MB | {statistics.median(first):.1f} s "
        f"({max(first):.1f}) | {1000 * statistics.median(moves):.0f} ms | {1000 * tail:.0f} ms "
        f"| {solved} of {len(reports)} | {failed} |"
    )


HEAD = (
    "| learners | cores | memory a learner (PSS) | login to first figure, median (longest) "
    "| press to picture, median | 95th percentile | exercise solved | with a failure |\n"
    "|---|---|---|---|---|---|---|---|"
)


async def _main(count: int, cull: int) -> int:
    with Hub(cull or 600) as hub:
        reports, learners = await load(hub, count)
        print(HEAD, table(reports), sep="\n")
        for report in reports:
            for failure in report.failures:
                print(f"{report.name}: {failure}")
        if cull:
            await killed(hub, learners[0])
            print("A killed kernel came back, and what was saved is there.")
            await culled(hub, learners[0])
            print("An idle kernel was ended, and the notebook runs again.")
    return any(report.failures or not report.solved for report in reports)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.teach.load", description=__doc__)
    parser.add_argument("learners", type=int)
    parser.add_argument("--cull", type=int, default=0, help="try killing and culling, after this")
    given = parser.parse_args()
    return asyncio.run(_main(given.learners, given.cull))


if __name__ == "__main__":
    sys.exit(main())
