"""A browser and a server for all tests here; a page for each notebook."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

playwright = pytest.importorskip("playwright.sync_api") if not os.environ.get("CI") else None
