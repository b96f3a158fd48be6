"""One browser and one JupyterLab for all tests here, one page a notebook."""

from __future__ import annotations

import os
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any

import lab
import pytest


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
def server(browser: Any) -> Iterator[lab.Server]:
    """JupyterLab. It asks for the browser first: without one it need not start."""
    with lab.Server() as server:
        yield server


@pytest.fixture(scope="session")
def context(browser: Any, server: lab.Server) -> Iterator[Any]:
    """One profile for all pages, so that the front end is downloaded once."""
    context = server.context(browser)
    yield context
    context.close()
