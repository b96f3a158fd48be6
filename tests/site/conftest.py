"""The site is built once, with Pyodide's files from here; each worker serves and opens it."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import pytest

from tools.site import build as site_build
from tools.site import served

PYTHON = served.ROOT / ".venv-site" / "bin" / "python"


def pytest_sessionstart(session: pytest.Session) -> None:
    """Build the site before any worker starts."""
    if hasattr(session.config, "workerinput"):
        return
    os.environ.setdefault(served.WHY_NOT, "")
    if os.environ.get("SITE_IS_BUILT"):
        return

    def build(pyodide: str) -> subprocess.CompletedProcess[str]:
        command = [str(PYTHON), "-m", "tools.site.build", "--pyodide", pyodide]
        return subprocess.run(command, cwd=served.ROOT, stderr=subprocess.PIPE, text=True)

    done = build("pypi")
    if done.returncode == site_build.NO_PYODIDE:
        os.environ[served.WHY_NOT] = done.stderr.splitlines()[0]
        done = build("none")
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def browser() -> Iterator[tuple[Any, list[str]]]:
    """Chromium that reaches this machine only, and what else it asked for."""
    missing = [
        what
        for what, there in (
            ("Playwright", find_spec("playwright")),
            ("Chromium", served.lab.chromium()),
        )
        if not there
    ]
    if missing:
        required = os.environ.get("CI") or os.environ.get("REQUIRE_BROWSER")
        (pytest.fail if required else pytest.skip)(f"{' and '.join(missing)} not found")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright, served.isolated(playwright) as opened:
        yield opened


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the site is served."""
    with served.site() as address:
        yield address


@pytest.fixture
def nothing_outside(browser: tuple[Any, list[str]]) -> Iterator[None]:
    """Fails a test by whose end another machine was asked for anything, by its fixtures too."""
    _, asked = browser
    yield
    said = list(asked)
    asked.clear()
    assert said == [], "asked of other machines"


@pytest.fixture(scope="module")
def page(browser: Any, request: pytest.FixtureRequest) -> Iterator[Any]:
    """One page for all tests of a module, as large as its `VIEWPORT`, and what it complains of."""
    context = browser[0].new_context(viewport=request.module.VIEWPORT)
    opened = context.new_page()
    opened.complaints = []
    opened.on("console", lambda said: opened.complaints.append(said.text))
    opened.on("pageerror", lambda error: opened.complaints.append(str(error)))
    yield opened
    context.close()
