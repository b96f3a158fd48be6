"""Does this environment have what the notebooks need?"""

from __future__ import annotations

import csv
import sys
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from .tables import Table

#: Lowest versions that the tests run with; requirements.txt says the same.
NEEDED = {"numpy": "1.26", "matplotlib": "3.8", "ipywidgets": "7.7.1", "pillow": "10.0"}


def _numbers(text: str) -> tuple[int, ...]:
    """Leading whole numbers of a version: "3.10.0rc1" gives (3, 10, 0)."""
    parts = []
    for part in text.split("."):
        digits = part[: len(part) - len(part.lstrip("0123456789"))]
        if not digits:
            break
        parts.append(int(digits))
    return tuple(parts)


def _front_end() -> str:
    """What is wrong with the widgets' scripts for JupyterLab, or nothing.

    Where their package is not installed, as in the browser, something else shows the widgets.
    """
    try:
        package = distribution("jupyterlab_widgets")
    except PackageNotFoundError:
        return ""
    # From Python 3.12 on, `package.files` passes over what is missing.
    names = [row[0] for row in csv.reader((package.read_text("RECORD") or "").splitlines()) if row]
    places = [Path(str(package.locate_file(name))) for name in names if "/labextensions/" in name]
    usual = Path(sys.prefix, "share/jupyter/labextensions/@jupyter-widgets/jupyterlab-manager")
    missing = [place for place in places or [usual / "package.json"] if not place.is_file()]
    remedy = "pip install --force-reinstall jupyterlab_widgets"
    return f"no sliders without its scripts: {remedy}" if missing else ""


def problems() -> list[str]:
    """What has to be installed, a line each.

    Examples
    --------
    >>> problems()
    []
    """
    return [f"{name}: {verdict}" for name, _, verdict in check().rows if verdict != "ok"]


def check() -> Table:
    """One row per package: what is needed, and whether it is here.

    ipywidgets is here only together with the scripts that show sliders in JupyterLab. The table
    names no version that is installed, so that it is the same on every machine that will do.

    Examples
    --------
    >>> check().headings
    ('package', 'needed', 'here')
    """
    rows = []
    for name, lowest in NEEDED.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            verdict = f"missing: pip install {name}"
        else:
            enough = _numbers(found) >= _numbers(lowest)
            verdict = "ok" if enough else f"too old ({found}): pip install --upgrade {name}"
            if name == "ipywidgets" and enough:
                verdict = _front_end() or verdict
        rows.append((name, f"{lowest} or newer", verdict))
    return Table(("package", "needed", "here"), rows)
