"""An explorer's page in Firefox and in WebKit: a slider is moved, words and picture change.

Driven over the protocols that the browsers speak themselves, WebDriver BiDi and WebDriver: a
smoke test is not worth a driver more.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FIREFOX = shutil.which("firefox-esr") or shutil.which("firefox")
WEBKIT, SCREEN = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
MINI_BROWSER = next(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"), None)
SECONDS = 60
#: The code of the key Home in both protocols.
HOME = "\ue011"
#: What is seen: is the slider usable, the words, the picture, and how wide the moving part is.
SEEN = """JSON.stringify([
  document.querySelector("[type=range]:enabled") !== null,
  document.querySelector(".rank-lab-words").textContent,
  document.querySelector(".rank-lab-moving").innerHTML,
  document.querySelector(".rank-lab-moving [data-part='2']").getBoundingClientRect().width,
  getComputedStyle(document.querySelector(".rank-lab-moving")).position,
])"""
FOCUS = "document.querySelector('[type=range]').focus()"


def needed(**programs: object) -> None:
    """Skip where a program is missing, or fail where it must be there."""
    missing = [name for name, there in programs.items() if not there]
    if missing:
        required = os.environ.get("CI") or os.environ.get("REQUIRE_BROWSER")
        (pytest.fail if required else pytest.skip)(f"{' and '.join(missing)} not found")


@contextlib.contextmanager
def started(command: list[str], **options: Any) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        command, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options
    )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(10)
        process.kill()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def is_moved(see: Callable[[], str], press_home: Callable[[], None]) -> None:
    """From rank 16 to rank 1, by a key."""

    def until(wanted: Callable[[list[Any]], bool]) -> list[Any]:
        end = time.monotonic() + SECONDS
        while not wanted(seen := json.loads(see())):
            assert time.monotonic() < end, seen[:2]
            time.sleep(0.1)
        return seen

    _, words, picture, width, position = until(lambda seen: seen[0])
    assert "With 16 of its 16 components" in words
    assert width > 5
    assert position == "absolute"
    press_home()
    moved = until(lambda seen: seen[1] != words)
    assert "With 1 of its 16 components" in moved[1]
    assert moved[2] != picture


def test_firefox(address: str, tmp_path: Path) -> None:
    needed(Firefox=FIREFOX)
    import websocket

    command = [str(FIREFOX), "--headless", "--no-remote", "--remote-debugging-port=0"]
    with started(
        [*command, "--profile", str(tmp_path)], env={**os.environ, "HOME": str(tmp_path)}
    ) as firefox:
        assert firefox.stdout
        listening = next(line for line in firefox.stdout if "BiDi listening" in line)
        socket = websocket.create_connection(
            re.search(r"ws://\S+", listening)[0] + "/session",  # type: ignore[index]
            timeout=SECONDS, suppress_origin=True,
        )  # fmt: skip
        numbers = iter(range(1, 10_000))

        def call(method: str, **params: Any) -> Any:
            number = next(numbers)
            socket.send(json.dumps({"id": number, "method": method, "params": params}))
            while (answer := json.loads(socket.recv())).get("id") != number:
                pass
            assert answer["type"] == "success", answer
            return answer["result"]

        def evaluate(script: str) -> Any:
            result = call("script.evaluate", expression=script, target={"context": tab},
                          awaitPromise=False)  # fmt: skip
            return result["result"].get("value")

        def press_home() -> None:
            evaluate(FOCUS)
            keys = [{"type": kind, "value": HOME} for kind in ("keyDown", "keyUp")]
            call("input.performActions", context=tab,
                 actions=[{"type": "key", "id": "keyboard", "actions": keys}])  # fmt: skip

        call("session.new", capabilities={})
        tab = call("browsingContext.getTree")["contexts"][0]["context"]
        url = f"{address}/explorers/hook.html"
        call("browsingContext.navigate", context=tab, url=url, wait="complete")
        is_moved(lambda: evaluate(SEEN), press_home)
        socket.close()


def test_webkit(address: str, tmp_path: Path) -> None:
    needed(WebKitWebDriver=WEBKIT, MiniBrowser=MINI_BROWSER, Xvfb=SCREEN)
    port = free_port()

    def call(method: str, path: str, **body: Any) -> Any:
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", json.dumps(body).encode(), method=method
        )
        with urllib.request.urlopen(request, timeout=SECONDS) as answer:
            return json.load(answer)["value"]

    with contextlib.ExitStack() as stack:
        # It says which display it took, once that is there.
        said, says = os.pipe()
        stack.enter_context(
            started([str(SCREEN), "-displayfd", str(says), "-nolisten", "tcp"], pass_fds=[says])
        )
        os.close(says)
        with os.fdopen(said) as line:
            display = f":{line.readline().strip()}"
        environment = {**os.environ, "DISPLAY": display, "HOME": str(tmp_path)}
        environment |= {"WEBKIT_DISABLE_COMPOSITING_MODE": "1", "NO_AT_BRIDGE": "1"}
        stack.enter_context(started([str(WEBKIT), f"--port={port}"], env=environment))
        end = time.monotonic() + SECONDS
        while True:
            with contextlib.suppress(OSError):
                call("GET", "/status")
                break
            assert time.monotonic() < end, "WebKitWebDriver does not answer"
            time.sleep(0.1)
        options = {"binary": str(MINI_BROWSER), "args": ["--automation"]}
        wanted = {"alwaysMatch": {"webkitgtk:browserOptions": options}}
        session = f"/session/{call('POST', '/session', capabilities=wanted)['sessionId']}"

        def evaluate(script: str) -> Any:
            return call("POST", f"{session}/execute/sync", script=f"return {script}", args=[])

        def press_home() -> None:
            found = call("POST", f"{session}/element", using="css selector", value="[type=range]")
            (element,) = found.values()
            call("POST", f"{session}/element/{element}/value", text=HOME)

        try:
            call("POST", f"{session}/url", url=f"{address}/explorers/hook.html")
            is_moved(lambda: evaluate(SEEN), press_home)
        finally:
            call("DELETE", session)
