"""A real JupyterLab on a copy of the repository, and the explorers on its pages.

Nothing of the reader's is touched: settings, kernels' files, history and the
notebooks themselves live in a temporary folder that goes with the server.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # so that tests can be collected, and skipped, without Playwright
    from playwright.sync_api import Browser, BrowserContext, Page, Playwright

ROOT = Path(__file__).resolve().parents[1]
PROBE = Path(__file__).with_name("probe.js")
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
VIEWPORT: Any = {"width": 1366, "height": 768}

#: Every cell in the page, no saving, no question about news, no look for updates.
SETTINGS = {
    "notebook-extension/tracker": '{"windowingMode": "none"}',
    "docmanager-extension/plugin": '{"autosave": false}',
    "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
}
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip


def chromium() -> str | None:
    """Path of the browser, from CHROMIUM or the usual names; None where there is none."""
    names = (os.environ.get("CHROMIUM"), "chromium", "chromium-browser", "google-chrome")
    return next((found for name in names if name and (found := shutil.which(name))), None)


def launch(playwright: Playwright) -> Browser:
    """The browser, without a window."""
    return playwright.chromium.launch(executable_path=chromium(), args=FLAGS)


def notebooks() -> list[str]:
    """Names of the repository's notebooks, in order."""
    return sorted(path.name for path in (ROOT / "notebooks").glob("*.ipynb"))


def until(
    condition: Callable[[], Any],
    what: str | Callable[[], str],
    seconds: float = 20,
    every: float = 0.02,
) -> Any:
    """Wait for `condition`, asked `every` so many seconds, to return something true; return it."""
    end = time.monotonic() + seconds
    while not (result := condition()):
        if time.monotonic() > end:
            raise AssertionError(what if isinstance(what, str) else what())
        time.sleep(every)
    return result


class Server:
    """``jupyter lab`` (or ``jupyter notebook``) over a copy of notebooks/ and helpers/.

    Used in a ``with`` statement; leaving it ends the kernels, the server and the copy.
    `python` runs the server and `kernel` the notebooks: each may be another environment's.
    """

    def __init__(
        self, app: str = "lab", python: str | Path = sys.executable, kernel: str | Path = ""
    ) -> None:
        self.app = app
        self.python = str(python)
        self.kernel = str(kernel or python)
        self.token = secrets.token_hex(16)
        self.home = Path(tempfile.mkdtemp(prefix="rank-lab-"))
        self.root = self.home / "repository"
        self.log = self.home / "log"

    def __enter__(self) -> Server:
        unwanted = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        for folder in ("notebooks", "helpers"):
            shutil.copytree(ROOT / folder, self.root / folder, ignore=unwanted)
        self._write_kernelspec()
        settings = self.home / "settings" / "@jupyterlab"
        for name, text in SETTINGS.items():
            path = settings / f"{name}.jupyterlab-settings"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        places = {
            "JUPYTER_CONFIG_DIR": "config", "JUPYTER_DATA_DIR": "data", "JUPYTER_PATH": "path",
            "JUPYTER_RUNTIME_DIR": "runtime", "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces", "IPYTHONDIR": "ipython",
        }  # fmt: skip
        module = {"lab": "jupyterlab", "notebook": "notebook"}[self.app]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    self.python, "-m", module, "--no-browser", "--expose-app-in-browser",
                    "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={port}",
                    "--ServerApp.port_retries=0", f"--ServerApp.root_dir={self.root}",
                    f"--IdentityProvider.token={self.token}",
                ],
                env={**os.environ, **{key: str(self.home / at) for key, at in places.items()}},
                stdout=log, stderr=subprocess.STDOUT, cwd=self.home,
            )  # fmt: skip
        try:
            until(self._answers, lambda: f"no answer from Jupyter:\n{self.log.read_text()}", 90)
        except BaseException:
            self.__exit__()
            raise
        return self

    def _write_kernelspec(self) -> None:
        """Let python3, which every notebook asks for, be the kernel that was chosen."""
        folder = self.home / "path" / "kernels" / "python3"
        folder.mkdir(parents=True)
        command = [self.kernel, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        spec = {"argv": command, "display_name": "Python 3", "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec))

    def __exit__(self, *_: Any) -> None:
        try:
            self.ask("/api/shutdown", "POST")
            self.process.wait(20)
        except (OSError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        shutil.rmtree(self.home, ignore_errors=True)

    def ask(self, path: str, method: str = "GET") -> bytes:
        """A request to the server's own interface."""
        headers = {"Authorization": f"token {self.token}"}
        request = urllib.request.Request(self.url + path, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()

    def _answers(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"Jupyter ended at once:\n{self.log.read_text()}")
        try:
            return bool(self.ask("/api/status"))
        except urllib.error.URLError:
            return False

    def context(self, browser: Browser) -> BrowserContext:
        """A fresh browser profile that knows `probe`."""
        context = browser.new_context(viewport=VIEWPORT)
        context.add_init_script(path=PROBE)
        return context

    def open(self, context: BrowserContext, name: str) -> Page:
        """The page of notebooks/`name`, ready to be run."""
        page = context.new_page()
        place = {"lab": "doc/tree", "notebook": "notebooks"}[self.app]
        page.goto(f"{self.url}/{place}/notebooks/{name}?token={self.token}")
        page.wait_for_function("probe.opened()", timeout=60_000)
        return page

    def close(self, page: Page) -> None:
        """Close the page and end its kernel."""
        kernel = page.evaluate("probe.panel().sessionContext.session?.kernel?.id")
        page.close()
        if kernel:
            self.ask(f"/api/kernels/{kernel}", "DELETE")


def another(page: Page, name: str, seconds: float = 60) -> None:
    """Open notebooks/`name` in the place of what JupyterLab shows on a page, ready to be run.

    The front end is there already: to load it takes longer than to open a notebook.
    """
    page.evaluate(f"path => probe.within({seconds}, probe.another(path))", f"notebooks/{name}")
    page.wait_for_function("probe.opened()", timeout=1000 * seconds)


def run(page: Page, seconds: float = 120, shown: bool = True) -> list[dict[str, Any]]:
    """Run every cell, wait for the last one and for its widgets; the code cells.

    `shown` presses "Show me" at every prediction: explorers may wait for it.
    """
    page.evaluate(f"probe.within({seconds}, probe.run())")

    def done() -> list[dict[str, Any]] | None:
        if not page.evaluate("probe.ended()"):  # all outputs are asked for once
            return None
        cells = page.evaluate("probe.cells()")
        ran = all(cell["count"] and not cell["pending"] for cell in cells if cell["source"])
        return cells if ran or failed(cells) else None

    cells = until(done, "the notebook has not run to its end", seconds, every=0.1)
    outputs = [str(output) for cell in cells for output in cell["outputs"]]
    asked, explorers = (
        sum(what in each for each in outputs) for what in ("[Prediction ", "[Explo")
    )
    if not shown:
        return cells
    until(lambda: page.evaluate("probe.skipping().length") == asked, "predictions are missing")
    page.evaluate("probe.skipping().forEach((button) => button.click())")
    until(
        lambda: page.evaluate("probe.explorers().length") == explorers,
        lambda: f"{page.evaluate('probe.explorers().length')} of {explorers} explorers are shown",
    )
    return cells


def failed(cells: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Errors and warnings among the outputs, but for cells tagged raises-exception."""
    return [
        output
        for cell in cells
        if "raises-exception" not in cell["tags"]
        for output in cell["outputs"]
        if output["output_type"] == "error" or output.get("name") == "stderr"
    ]


class Explorer:
    """One explorer on a page, operated by keyboard."""

    def __init__(self, page: Page, index: int) -> None:
        self.page = page
        self.index = index

    @staticmethod
    def all(page: Page) -> list[Explorer]:
        """The explorers of a page, once their pictures are there."""
        found = [Explorer(page, i) for i in range(page.evaluate("probe.explorers().length"))]
        for explorer in found:
            explorer.until(lambda now: now["picture"], "no picture")
        return found

    def state(self) -> dict[str, Any]:
        """What the explorer shows now: controls, words, alert, picture (as a hash) and size."""
        return self.page.evaluate("index => probe.state(index)", self.index)

    def until(self, condition: Callable[[dict[str, Any]], Any], what: str) -> dict[str, Any]:
        """Wait for a state that meets `condition` and return it."""
        now: dict[str, Any] = {}

        def met() -> bool:
            now.update(self.state())
            return bool(condition(now))

        until(met, lambda: f"explorer {self.index + 1}: {what}, it shows {now}", 10)
        return now

    def focus(self, control: int, by_tab: bool = False) -> None:
        """Put the keyboard on a control; by Tab from where it is now, or directly."""
        if not by_tab:
            self.page.evaluate(
                "([i, c]) => probe.controls(i)[c].part.focus()", [self.index, control]
            )
        self._tab_until("([i, c]) => probe.controls(i)[c].part", control)

    def reset(self) -> None:
        """Reach Reset by Tab from the last control and press it."""
        last = len(self.state()["controls"]) - 1
        self.focus(last)
        self._tab_until("([i]) => probe.reset(i)", last)
        self.page.keyboard.press("Enter")

    def _tab_until(self, target: str, control: int) -> None:
        """Press Tab until the target has the focus. A slider's value takes one, too."""
        for _ in range(12):  # a row of buttons takes one for each
            script = f"where => ({target})(where) === document.activeElement"
            if self.page.evaluate(script, [self.index, control]):
                return
            self.page.keyboard.press("Tab")
        raise AssertionError(f"explorer {self.index + 1}: Tab does not reach {target}, {control}")
