"""The built site on 127.0.0.1, and a browser that can reach nothing else.

A proxy stands in for the rest of the world: it answers nothing and keeps a list of what was
asked for, by pages, workers and service workers alike.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))
from .. import lab

ROOT = lab.ROOT
SITE = ROOT / "build" / "site"
#: Why the browser edition cannot be tested, for the workers, which inherit it; "" if it can.
WHY_NOT = "SITE_WITHOUT_PYODIDE"
#: What Chromium asks for by itself, whatever it shows.
BROWSERS_OWN = (
    "accounts.google.com", "clients2.google.com", "content-autofill.googleapis.com",
    "optimizationguide-pa.googleapis.com", "update.googleapis.com",
)  # fmt: skip
#: Both are refused by browsers under any other type, and not every system knows them.
TYPES = {".mjs": "text/javascript", ".wasm": "application/wasm"}


class Files(SimpleHTTPRequestHandler):
    """The site's files, uncompressed; counts the bytes, and keeps what was asked for."""

    protocol_version = "HTTP/1.1"
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, **TYPES}
    sent = 0
    asked: ClassVar[list[str]] = []

    def parse_request(self) -> bool:
        understood = super().parse_request()
        if understood:
            Files.asked.append(f"{self.command} {self.path}")
        return understood

    def log_message(self, *_: Any) -> None:
        """Say nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        content = source.read()
        Files.sent += len(content)
        outputfile.write(content)


def could_carry(asked: str) -> bool:
    """Whether a request that was kept has room for more than the name of a file."""
    method, _, path = asked.partition(" ")
    return method not in ("GET", "HEAD") or len(path) > 300


@contextmanager
def serving(handler: Any) -> Iterator[str]:
    """A server in a thread; its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def files(folder: Path) -> Any:
    """What serves a folder."""
    return partial(Files, directory=str(folder))


def site() -> Any:
    """The site, served."""
    return serving(files(SITE))


@contextmanager
def isolated(playwright: Any) -> Iterator[tuple[Any, list[str]]]:
    """The browser, and the list of what it asked of other machines than this one."""
    asked: list[str] = []

    class Refuse(BaseHTTPRequestHandler):
        def answer(self) -> None:
            if not any(host in self.path for host in BROWSERS_OWN):
                asked.append(f"{self.command} {self.path}")
            self.send_error(403)

        do_GET = do_POST = do_HEAD = do_CONNECT = answer

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with serving(Refuse) as proxy:
        browser = playwright.chromium.launch(
            executable_path=lab.chromium(),
            args=lab.FLAGS,
            proxy={"server": proxy, "bypass": "127.0.0.1"},
        )
        try:
            yield browser, asked
        finally:
            browser.close()
