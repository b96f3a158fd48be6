"""Pyodide's files, from a server on this machine in place of its CDN."""

import hashlib
import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tools.site import pyodide

#: A package that the roots need, one that they do not, and one that is compiled.
MORE = {"six": [], "pandas": ["numpy"], "kiwisolver": []}


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        """Say nothing."""


@pytest.fixture
def files(tmp_path):
    """A folder as the CDN has it, and its lock file's packages to change."""
    folder = tmp_path / "cdn"
    folder.mkdir()
    packages = {}
    for name in (*pyodide.ROOTS, *MORE):
        compiled = name in ("numpy", "matplotlib", "kiwisolver")
        file = f"{name}-1.0-{'cp314-cp314-wasm32' if compiled else 'py3-none-any'}.whl"
        (folder / file).write_bytes(name.encode())
        packages[name] = {
            "file_name": file, "version": "1.0", "depends": MORE.get(name, []),
            "sha256": hashlib.sha256(name.encode()).hexdigest(),
        }  # fmt: skip
    packages["matplotlib"]["depends"] = ["Six", "kiwisolver", "numpy"]
    for name in pyodide.CORE:
        (folder / name).write_text(name)
    (folder / pyodide.LOCK).write_text(
        json.dumps({"info": {"python": "3.14.0"}, "packages": packages})
    )
    return folder


@pytest.fixture
def cdn(files):
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Silent, directory=str(files)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def fetch(cdn, tmp_path, monkeypatch):
    """Fetches into one folder, which it returns."""
    monkeypatch.setitem(pyodide.SOURCES, "cdn", partial(pyodide.from_cdn, address=cdn))
    return lambda: pyodide.fetch("cdn", tmp_path / "build" / "pyodide")


def test_core_packages_and_what_they_need(fetch, files):
    folder = fetch()
    wheels = {file.name.split("-")[0] for file in folder.glob("*.whl")}
    assert wheels == {*pyodide.ROOTS, "six", "kiwisolver"}
    for name in pyodide.CORE:
        assert (folder / name).read_text() == name
    lock = json.loads((folder / pyodide.LOCK).read_text())
    assert lock == {"info": {"python": "3.14.0"}, "packages": {}}


def test_once(fetch, files):
    folder = fetch()
    (files / pyodide.LOCK).unlink()
    assert fetch() == folder


@pytest.mark.parametrize("gone", [pyodide.LOCK, "pyodide.asm.wasm", "six-1.0-py3-none-any.whl"])
def test_a_file_is_not_there(fetch, files, gone):
    (files / gone).unlink()
    with pytest.raises(pyodide.CannotBeHad, match=f"{gone} could not be fetched"):
        fetch()
    # Nothing half-done stays to be taken for the whole.
    assert not list((files.parent / "build").iterdir())


def test_nobody_answers(tmp_path, monkeypatch):
    closed = partial(pyodide.from_cdn, address="http://127.0.0.1:9")
    monkeypatch.setitem(pyodide.SOURCES, "cdn", closed)
    with pytest.raises(pyodide.CannotBeHad, match="could not be fetched"):
        pyodide.fetch("cdn", tmp_path / "pyodide")


def test_another_file_than_the_lock_means(fetch, files):
    (files / "six-1.0-py3-none-any.whl").write_bytes(b"seven")
    with pytest.raises(pyodide.CannotBeHad, match=r"six-1\.0-py3-none-any\.whl is not the file"):
        fetch()


def test_what_a_source_has_not_compiled_is_left_out(files):
    packages = json.loads((files / pyodide.LOCK).read_text())["packages"]
    there = {entry["file_name"] for name, entry in packages.items() if name != "kiwisolver"}
    found = pyodide.closure(packages, there.__contains__)
    assert set(found) == {*pyodide.ROOTS, "six"}
