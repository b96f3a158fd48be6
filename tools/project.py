"""What the tools know of the project: where it is, its version, its address and its files."""

from __future__ import annotations

import re
import subprocess
import zipfile
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _setting(file: str, name: str) -> str:
    """The text in quotes after `name = ` in a file of the project."""
    text = (ROOT / file).read_text(encoding="utf-8")
    found = re.search(rf'^{name} = "(.*?)"', text, flags=re.M)
    if found is None:
        raise ValueError(f'{file} must have a line {name} = "..."')
    return found.group(1)


def read_address() -> str:
    """owner/name on GitHub, or "" while it is not known."""
    return _setting("pyproject.toml", "address")


def read_version() -> str:
    """The series' version; the tag v<version> is what Colab and Binder open."""
    return _setting("helpers/__init__.py", "__version__")


def files(root: Path = ROOT) -> list[Path]:
    """The files that belong to the project, in order.

    They are those that git knows. Without git, as in an unpacked archive, they are all files
    but those that .gitignore names.
    """
    command = ["git", "-C", str(root), "ls-files", "-z", "--cached"]
    # In an archive that was unpacked inside another repository, git knows none of them.
    if (root / ".git").exists():
        try:
            done = subprocess.run(command, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            pass
        else:
            names = sorted(set(done.stdout.decode().split("\0")) - {""})
            return [root / name for name in names if (root / name).is_file()]
    text = (root / ".gitignore").read_text(encoding="utf-8")
    ignored = [line.rstrip("/") for line in text.splitlines()]
    return sorted(
        file
        for file in root.rglob("*")
        if file.is_file() and not _is_ignored(file.relative_to(root), ignored)
    )


def _is_ignored(file: Path, patterns: list[str]) -> bool:
    """Whether a line of .gitignore names the file, or a folder that it is in."""
    names = {*file.parts, *(place.as_posix() for place in (file, *file.parents))}
    return file.parts[0] == ".git" or any(
        fnmatch(name, pattern) for pattern in patterns if pattern for name in names
    )


def archive(target: Path) -> None:
    """Write the project as one zip file; the same bytes for the same content."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as made:
        for file in files():
            name = Path(target.stem) / file.relative_to(ROOT)
            info = zipfile.ZipInfo(name.as_posix())
            info.external_attr = (file.stat().st_mode & 0o777) << 16
            made.writestr(info, file.read_bytes(), zipfile.ZIP_DEFLATED)
