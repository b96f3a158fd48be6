"""One browser and one JupyterLab for all tests here, one page a notebook."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tools import lab

#: Where the notebooks are shown: with the newest of everything, or by a front end that speaks
#: ipywidgets 7 as Colab's does, over a kernel with Colab's versions.
FRONT_ENDS: dict[str, dict[str, Path]] = {
    "newest": {},
    "ipywidgets7": {
        "python": lab.ROOT / ".nox" / "ipywidgets7" / "bin" / "python",
        "kernel": lab.ROOT / ".nox" / "colab" / "bin" / "python",
    },
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--front-end", choices=FRONT_ENDS, default="newest")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """One worker has all tests of a notebook, or of a file, so that it is opened once."""
    from xdist.scheduler import LoadScopeScheduling

    class ByNotebook(LoadScopeScheduling):
        def _split_scope(self, nodeid: str) -> str:
            found = re.search(r"\[(\w+\.ipynb)", nodeid)
            return found.group(1) if found else nodeid.split("::")[0]

    return ByNotebook(config, log)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Callable[[], Any]]:
    """Chromium, started anew where it has crashed: the next test has nothing to do with that.

    Where it is missing: a skip, or a failure where it must be there.
    """
    missing = [
        what
        for what, there in (("Playwright", find_spec("playwright")), ("Chromium", lab.chromium()))
        if not there
    ]
    if missing:
        required = os.environ.get("CI") or os.environ.get("REQUIRE_BROWSER")
        (pytest.fail if required else pytest.skip)(f"{' and '.join(missing)} not found")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started: list[Any] = []

        def running() -> Any:
            if not started or not started[-1].is_connected():
                started.append(lab.launch(playwright))
            return started[-1]

        yield running
        for browser in started:
            browser.close()


@pytest.fixture
def browser(chromium: Callable[[], Any]) -> Any:
    """Chromium, which runs."""
    return chromium()


@pytest.fixture(scope="session")
def server(chromium: Callable[[], Any], pytestconfig: pytest.Config) -> Iterator[lab.Server]:
    """JupyterLab. It asks for the browser first: without one it need not start."""
    environments = FRONT_ENDS[pytestconfig.getoption("front_end")]
    missing = [path.parts[-3] for path in environments.values() if not path.exists()]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found; `make test-colab` makes them")
    with lab.Server(**environments) as server:
        yield server


@pytest.fixture(scope="session")
def open_notebook(
    server: lab.Server, chromium: Callable[[], Any]
) -> Iterator[Callable[[str], Any]]:
    """Opens a notebook by its name in JupyterLab, in the page of the one before it.

    Loading the front end anew for each would take as long as all tests of some notebooks. Only
    where the page or its browser has crashed there is a new one.
    """
    pages: list[Any] = []

    def opened(name: str) -> Any:
        try:
            if pages:
                lab.another(pages[0], name)
                return pages[0]
        except Exception:
            if pages:  # else it has crashed
                raise
        browser = chromium()
        page = server.open(server.context(browser), name)
        for crashes, what in ((page, "crash"), (browser, "disconnected")):
            crashes.on(what, lambda _: pages.clear())
        pages.append(page)
        return page

    yield opened
    for page in pages:
        server.close(page)
