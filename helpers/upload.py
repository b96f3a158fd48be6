"""A reader's own adapter in a notebook: dropped or named, read, and taken home mended.

Files that are dropped go into the kernel's memory and into a folder of its own, which ends
with it; in the browser edition both are in the browser. They are read by `helpers.adapters`:
nothing in them is executed, and nothing of the reader's is overwritten.
"""

from __future__ import annotations

import base64
import html
import io
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path, PureWindowsPath
from typing import Any

import ipywidgets as widgets

from . import adapters
from .adapters import Adapter
from .tensorfile import FileError, shown

#: What a PEFT folder consists of, and what a file of kohya's or Diffusers' ends in.
FOLDER = ("adapter_config.json", "adapter_model.safetensors")
ENDINGS = (".safetensors", ".json")
#: Above so many bytes a copy is not put into the page: one names the path of such an adapter.
LARGEST = 200_000_000

_scratch: list[tempfile.TemporaryDirectory[str]] = []


def received(value: Any) -> dict[str, bytes]:
    """What a `FileUpload` holds, as {name: content}, of ipywidgets 7 and 8.

    Version 8 has a tuple with a mapping for each file, version 7 a mapping from names. Names
    lose the folders that a front end may send with them.

    Examples
    --------
    >>> received(({"name": "a.json", "content": memoryview(b"{}")},))
    {'a.json': b'{}'}
    >>> received({"a.json": {"metadata": {"name": "a.json"}, "content": b"{}"}})
    {'a.json': b'{}'}
    """
    if isinstance(value, Mapping):
        files = [(name, each["content"]) for name, each in value.items()]
    else:
        files = [(each["name"], each["content"]) for each in value]
    return {PureWindowsPath(name).name: bytes(content) for name, content in files}


def written(files: Mapping[str, bytes]) -> Path:
    """Write uploaded files into a fresh folder; what `adapters.read` is to be given.

    Parameters
    ----------
    files : mapping from names to contents
        The two files of a PEFT folder, or one safetensors file.

    Returns the folder, or the file where it stands alone. Raises FileError for other files, of
    which none is written.

    Examples
    --------
    >>> written({"model.ckpt": b""})
    Traceback (most recent call last):
    ...
    helpers.tensorfile.header.FileError: model.ckpt: an adapter is a .safetensors file, and of \
PEFT's two files also adapter_config.json
    """
    for name in files:
        if not name.endswith(ENDINGS) or name.startswith("."):
            raise FileError(
                f"{name}: an adapter is a .safetensors file, and of PEFT's two files also "
                f"{FOLDER[0]}"
            )
    weights = [name for name in files if name.endswith(".safetensors")]
    if len(weights) != 1:
        raise FileError(f"one .safetensors file is asked for, got {len(weights)}")
    if weights[0] == FOLDER[1] and FOLDER[0] not in files:
        raise FileError(f"{FOLDER[1]}: drop {FOLDER[0]} together with it: it has the scale")
    folder = fresh()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder if FOLDER[0] in files else folder / weights[0]


def fresh() -> Path:
    """A new folder that goes with the kernel.

    >>> list(fresh().iterdir())
    []
    """
    _scratch.append(tempfile.TemporaryDirectory(prefix="rank-lab-", ignore_cleanup_errors=True))
    return Path(_scratch[-1].name)


def packed(path: Path) -> bytes:
    """A file or a folder's files as a zip archive."""
    files = sorted(path.iterdir()) if path.is_dir() else [path]
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for file in files:
            archive.write(file, file.name)
    return buffer.getvalue()


def mended(adapter: Adapter) -> str:
    """A baked copy of an adapter as HTML: a link that saves it, or why there is none.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> mended(shipped.adapter("people"))[:56]
    '<p><a download="mended-adapter.zip" href="data:applicati'
    """
    at = fresh() / ("mended" if adapter.path.is_dir() else "mended.safetensors")
    try:
        copy = adapters.bake(adapter, at)
    except FileError as error:
        return f"<p>No copy: {html.escape(_short(error))}.</p>"
    content = packed(copy.path)
    if len(content) > LARGEST:
        return (
            "<p>The mended copy is too large for a link. In a terminal: "
            "<code>python -m helpers.adapters bake PATH NEW</code></p>"
        )
    encoded = base64.b64encode(content).decode("ascii")
    others = [each.title for each in adapters.checks(copy) if not each.fits]
    said = "so that all of these loaders apply what was trained."
    if others:
        names = html.escape(" and ".join(others))
        said = f"and still {names} will not apply it as trained; the table has the reason."
    return (
        f'<p><a download="mended-adapter.zip" href="data:application/zip;base64,{encoded}">'
        f"Save the mended copy</a>: its scale is in its weights, {said}</p>"
    )


def verdict(adapter: Adapter) -> str:
    """What an adapter holds and what each loader applies of it, as HTML.

    Examples
    --------
    >>> from helpers.model import shipped
    >>> verdict(shipped.adapter("people"))[:46]
    '<p><b>The rank it uses.</b> In 21 modules of r'
    """
    found = adapters.answer(adapters.spectra(adapter), adapter)
    said = {"The rank it uses.": found.rank, "Its strength.": found.strength,
            "What next.": " ".join(found.steps), "Mind.": found.caution}  # fmt: skip
    parts = [f"<p><b>{title}</b> {html.escape(text)}</p>" for title, text in said.items() if text]
    return "".join(parts) + adapters.check_table(found.checks)._repr_html_()


def _short(error: Exception) -> str:
    """An error without the folder that only this kernel knows."""
    text = str(error)
    for folder in _scratch:
        text = text.replace(f"{folder.name}/", "").replace(folder.name, "the dropped files")
    return text


class Drop:
    """A place to drop an adapter, and what there is to say of it.

    Attributes
    ----------
    adapter : Adapter or None
        The last one that was dropped or named and could be read.
    said : str
        What is shown of it, as HTML; of a file that cannot be read, one line.
    """

    def __init__(self) -> None:
        self.adapter: Adapter | None = None
        self._button = widgets.FileUpload(
            accept=",".join(ENDINGS), multiple=True, description="Choose files",
            layout=widgets.Layout(width="200px"),
        )  # fmt: skip
        self._button.observe(self._dropped, names="value")
        self._words = widgets.HTML()
        self.widget = widgets.VBox([self._button, self._words])

    @property
    def said(self) -> str:
        """What stands under the button."""
        return str(self._words.value)

    def _dropped(self, change: Any) -> None:
        if change["new"]:
            self._take(lambda: adapters.read(written(received(change["new"]))))

    def named(self, path: str | Path | None) -> Adapter | None:
        """Take the adapter at a path, if there is one; return the last that could be read.

        Examples
        --------
        >>> drop = Drop()
        >>> drop.named(None) is None, drop.named("no/such/adapter") is None
        (True, True)
        >>> drop.said
        '<p><b>Not read:</b> no/such/adapter does not exist</p>'
        """
        if path is not None:
            self._take(lambda: adapters.read(path))
        return self.adapter

    def _take(self, read: Any) -> None:
        try:
            found = read()
            said = f'<div class="jp-RenderedHTMLCommon">{verdict(found)}{mended(found)}</div>'
        except Exception as error:  # ipywidgets would write it to a log that nobody reads
            kind = "" if isinstance(error, FileError) else f"{type(error).__name__}, "
            said = html.escape(shown(kind + _short(error), 300))
            self._words.value = f"<p><b>Not read:</b> {said}</p>"
            return
        self.adapter, self._words.value = found, said

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {
            "application/vnd.jupyter.widget-view+json": {
                "version_major": 2, "version_minor": 0, "model_id": self.widget.model_id,
            },
            "text/plain": "[A place to drop an adapter: run the notebook to use it. Files stay on "
            "your machine.]",
        }  # fmt: skip
