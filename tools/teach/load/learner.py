"""What a learner's browser says to the hub, to the learner's server and to the kernel."""

from __future__ import annotations

import asyncio
import json
import sys
import time
import uuid
from collections.abc import Callable
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.websocket import websocket_connect

from .report import Report

#: Seconds after which a learner gives up, and after which a request does.
PATIENCE, REQUEST = 600, 180
#: Bytes of JupyterLab's files that Chromium fetched for the notebook (measured with 4.6).
INTERFACE = 10_000_000
#: What JupyterLab asks its server meanwhile.
ASKED = (
    *(f"api/{each}" for each in ("kernelspecs", "kernels", "terminals", "sessions")),
    *("api/contents?content=1", "api/contents/notebooks?content=1", "lsp/status"),
    *(f"lab/api/{each}" for each in ("settings", "translations", "workspaces/default", "build")),
)


def interface() -> list[str]:
    """As many of JupyterLab's files as a browser fetches; which ones makes no difference here."""
    found, size = [], 0
    for file in sorted((Path(sys.prefix) / "share" / "jupyter" / "lab" / "static").glob("*.js")):
        if size < INTERFACE:
            found.append(f"static/lab/{file.name}")
            size += file.stat().st_size
    return found


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
        self, path: str, method: str = "GET", body: Any = None, form: bool = False, **more: Any
    ) -> HTTPResponse:
        """A request with this learner's cookies; a redirect is followed by hand, to keep them."""
        data = None if body is None else urlencode(body) if form else json.dumps(body)
        more.setdefault("request_timeout", REQUEST)
        for _ in range(10):
            cookies = self.sent(path)
            headers = {"Cookie": "; ".join(f"{key}={value}" for key, value in cookies.items())}
            headers["X-XSRFToken"] = cookies.get("_xsrf", "")  # asked for with GET, too
            answer = await self.client.fetch(
                HTTPRequest(
                    self.address + path, method, headers, data, follow_redirects=False,
                    connect_timeout=60, allow_nonstandard_methods=True, **more,
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
        """The login form, and the page on which one waits for a server, which the hub starts."""
        await self.ask("/hub/login")
        xsrf = self.sent("/hub/login")["_xsrf"]
        form = {"username": self.name, "password": self.password, "_xsrf": xsrf}
        answer = await self.ask("/hub/login", "POST", form, form=True)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if answer.code == 429:  # "Too many users trying to log in right now. Try again in ..."
                self.report.turned_away += 1
                await asyncio.sleep(float(answer.headers.get("Retry-After", 30)))
            elif await self.started():
                answer = await self.ask(f"/user/{self.name}/lab")  # the hub vouches, on the way
                if answer.code == 200:
                    return
            else:
                await asyncio.sleep(1)
            answer = await self.ask("/hub/spawn")
        raise RuntimeError(f"no server for {self.name}: {answer.code}")

    async def started(self) -> bool:
        """What the page of a server that starts waits for: that it is ready, or has failed."""
        said = bytearray()
        at = f"/hub/api/users/{self.name}/server/progress"
        await self.ask(at, streaming_callback=said.extend, request_timeout=PATIENCE)
        return b'"ready": true' in said

    async def load(self) -> None:
        """JupyterLab's files, six at a time as a browser does, and what it asks its server."""
        base = f"/user/{self.name}"
        waiting = [f"{base}/{path}" for path in (*interface(), *ASKED)]

        async def one_after_the_other() -> None:
            while waiting:
                path = waiting.pop(0)
                answer = await self.ask(path)
                if answer.code != 200:
                    raise RuntimeError(f"{self.name}: {answer.code} for {path}")

        await asyncio.gather(*(one_after_the_other() for _ in range(6)))

    async def open(self, notebook: str) -> list[str]:
        """The notebook, and a kernel for it; the sources of its code cells."""
        base = f"/user/{self.name}/api"
        content = await self.ask(f"{base}/contents/notebooks/{notebook}")
        cells = json.loads(content.body)["content"]["cells"]
        session = {"path": f"notebooks/{notebook}", "name": notebook, "type": "notebook",
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
            raw = await asyncio.wait_for(self.socket.read_message(), REQUEST)
            if raw is None:
                raise RuntimeError(f"the kernel of {self.name} hung up")
            answer = json.loads(raw)
            if answer["header"]["msg_type"] == "comm_open":
                data = answer["content"]["data"]
                self.models[answer["content"]["comm_id"]] = data.get("state", {})
            if answer["content"].get("execution_state") in ("restarting", "dead"):
                raise RuntimeError(f"the kernel of {self.name} died")
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
