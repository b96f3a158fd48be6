"""Keep the notebooks in step and refresh their stored outputs.

    python -m tools.notebooks sync      first cells, navigation, the path, CONTRIBUTING's table
    python -m tools.notebooks refresh   sync, then restart and run each notebook, and store it

`refresh` takes notebook paths; without any it does them all, the appendices too.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path
from typing import Any

import nbformat

from . import map
from .minutes import stated
from .project import ROOT, read_address, read_version

FOLDER = ROOT / "notebooks"
#: The series in its order, and what it leaves to an appendix.
NOTEBOOKS = sorted(FOLDER.glob("[0-9][0-9]_*.ipynb"))
APPENDICES = sorted(FOLDER.glob("appendix/*.ipynb"))
EVERY = [*NOTEBOOKS, *APPENDICES]
#: What stands beside them to be read: the cheat sheet.
DOCUMENTS = sorted(FOLDER.glob("*.md"))
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
#: Where a reading shows the picture of the prediction above it.
ATTACHED = re.compile(r"^!\[(.*)\]\(attachment:result\.png\)$", flags=re.M)


def bootstrap() -> str:
    """The first cell. What Colab needs is in it once there is an address to fetch from."""
    source = (Path(__file__).parent / "bootstrap.py").read_text(encoding="utf-8").rstrip("\n")
    if not read_address():
        return re.sub(r"^# <Colab\n.*?^# Colab>\n", "", source, flags=re.M | re.S)
    source = re.sub(r"^# (<Colab|Colab>)\n", "", source, flags=re.M)
    source = re.sub(r'^ADDRESS = ".*?"', f'ADDRESS = "{read_address()}"', source, flags=re.M)
    return re.sub(r'^REVISION = ".*?"', f'REVISION = "v{read_version()}"', source, flags=re.M)


def title(notebook: Any) -> str:
    """The notebook's question, without its number."""
    heading = notebook.cells[0].source.splitlines()[0]
    return re.sub(r"^#\s*(\d+\s*·\s*)?", "", heading)


def in_folder(path: Path) -> str:
    """A notebook's place in the folder of notebooks, such as "appendix/name.ipynb"."""
    return path.relative_to(FOLDER).as_posix()


def leads_to(notebook: Any, name: str) -> bool:
    """Whether a link of a notebook's prose leads to a file."""
    return any(f"]({name}" in cell.source for cell in notebook.cells)


def navigation(path: Path, loaded: dict[Path, Any]) -> str:
    """The line that leads to the previous and the next notebook, or from an appendix back.

    Raises ValueError for an appendix to which no notebook of the series leads.
    """
    titles = {each: title(notebook) for each, notebook in loaded.items()}
    parts = []
    if path in APPENDICES:
        back = [each for each in NOTEBOOKS if leads_to(loaded[each], in_folder(path))]
        if not back:
            raise ValueError(f"no notebook of the series leads to {in_folder(path)}")
        parts += [f"[← {each.name[:2]} {titles[each]}](../{each.name})" for each in back]
        parts.append("**Appendix**")
    else:
        parts += _neighbours(path, titles)
    address = read_address()
    if address:
        place = f"{address}/blob/v{read_version()}/notebooks/{in_folder(path)}"
        parts.append(f"[Open in Colab](https://colab.research.google.com/github/{place})")
    return " | ".join(parts)


def _neighbours(path: Path, titles: dict[Path, str]) -> list[str]:
    at, parts = NOTEBOOKS.index(path), []
    if at > 0:
        previous = NOTEBOOKS[at - 1]
        parts.append(f"[← {previous.name[:2]} {titles[previous]}]({previous.name})")
    parts.append(f"**{path.name[:2]} of {len(NOTEBOOKS):02d}**")
    if at + 1 < len(NOTEBOOKS):
        following = NOTEBOOKS[at + 1]
        parts.append(f"[{following.name[:2]} {titles[following]} →]({following.name})")
    return parts


def path_through(loaded: dict[Path, Any]) -> str:
    """The series as a table: which question each notebook asks, and how long it takes."""
    lines = ["| notebook | question | minutes |", "|---|---|---|"]
    for path in NOTEBOOKS:
        notebook = loaded[path]
        link = f"[{path.name[:2]}]({path.name})"
        lines.append(f"| {link} | {title(notebook)} | {stated(notebook)} |")
    return "\n".join(lines)


def sync() -> list[Path]:
    """Write the first cell, the navigation and the path; return what changed."""
    loaded = {path: nbformat.read(path, 4) for path in EVERY}
    shared, changed = {"bootstrap": bootstrap(), "path": path_through(loaded)}, []
    for path, notebook in loaded.items():
        wanted = {**shared, "navigation": navigation(path, loaded)}
        touched = False
        for cell in notebook.cells:
            for tag in set(cell.metadata.get("tags", [])) & set(wanted):
                touched |= cell.source != wanted[tag]
                cell.source = wanted[tag]
        if touched:
            nbformat.write(notebook, path)
            changed.append(path)
    return changed


def fold_pictures(notebook: Any) -> None:
    """Leave of each prediction what is shown without a kernel, its picture in the fold below.

    A picture that is an output cannot be folded, so it becomes an attachment of the next cell,
    which reads it. Raises ValueError if that is not a cell tagged "reading", or has no line for
    the picture.
    """
    for cell, after in zip(notebook.cells, [*notebook.cells[1:], None]):
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if WIDGET_VIEW not in data or "text/html" not in data:
                continue
            del data[WIDGET_VIEW]
            picture = data.pop("image/png", None)
            about = output.metadata.pop("image/png", None)
            if picture is None:
                continue
            if after is None or "reading" not in after.metadata.get("tags", []):
                raise ValueError(f'a cell tagged "reading" must follow {cell.source!r}')
            line = f"![{re.sub(r'[][]', '', about['alt'])}](attachment:result.png)"
            after.source, found = ATTACHED.subn(lambda _: line, after.source)  # noqa: B023
            if found != 1:
                raise ValueError(f"one line must be for the picture, got {found}: {after.source!r}")
            after.attachments = {"result.png": {"image/png": picture}}


def clean(notebook: Any) -> None:
    """Remove what differs between two runs of the same notebook, and widget state."""
    fold_pictures(notebook)
    notebook.metadata = nbformat.NotebookNode(
        kernelspec={"display_name": "Python 3", "language": "python", "name": "python3"},
        language_info={"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
    )
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.NotebookNode({"tags": tags} if tags else {})
        if "bootstrap" in (tags or []):
            # Boilerplate stays folded, in JupyterLab and on Colab; its output stays visible.
            cell.metadata.update({"jupyter": {"source_hidden": True}, "cellView": "form"})
        for output in cell.get("outputs", []):
            view = output.get("data", {}).get(WIDGET_VIEW)
            if view:
                # An id that is gone shows an error in JupyterLab; an empty one shows nothing.
                view["model_id"] = ""


def refresh(path: Path) -> None:
    """Restart, run all and store, in the notebook's own folder."""
    from nbclient import NotebookClient

    notebook = nbformat.read(path, 4)
    NotebookClient(
        notebook, timeout=120, kernel_name="python3", resources={"metadata": {"path": path.parent}}
    ).execute()
    clean(notebook)
    nbformat.write(notebook, path)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.notebooks", description=__doc__)
    parser.add_argument("verb", choices=("sync", "refresh"))
    parser.add_argument("paths", nargs="*", type=Path)
    options = parser.parse_args(arguments)
    for path in [*sync(), *map.write()]:
        print(f"synced {path.name}")
    if options.verb == "refresh":
        for path in [each.resolve() for each in options.paths] or EVERY:
            refresh(path)
            print(f"refreshed {path.name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
