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
def browser() -> Iterator[Any]:
    """Chromium. Where it is missing: a skip, or a failure where it must be there."""
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
        browser = lab.launch(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(browser: Any, pytestconfig: pytest.Config) -> Iterator[lab.Server]:
    """JupyterLab. It asks for the browser first: without one it need not start."""
    environments = FRONT_ENDS[pytestconfig.getoption("front_end")]
    missing = [path.parts[-3] for path in environments.values() if not path.exists()]
    if missing:
        pytest.skip(f"{' and '.join(missing)} not found; `make test-colab` makes them")
    with lab.Server(**environments) as server:
        yield server


@pytest.fixture(scope="session")
def context(browser: Any, server: lab.Server) -> Iterator[Any]:
    """One profile for all pages, so that the front end is downloaded once."""
    context = server.context(browser)
    yield context
    context.close()


@pytest.fixture(scope="session")
def open_notebook(server: lab.Server, context: Any) -> Iterator[Callable[[str], Any]]:
    """Opens a notebook by its name in JupyterLab, in the page of the one before it.

    Loading the front end anew for each would take as long as all tests of some notebooks.
    """
    pages: list[Any] = []

    def opened(name: str) -> Any:
        if pages:
            lab.another(pages[0], name)
        else:
            pages.append(server.open(context, name))
        return pages[0]

    yield opened
    for page in pages:
        server.close(page)
