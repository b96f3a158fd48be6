"""The repository's public address: kept in pyproject.toml, written everywhere else.

    python -m tools.address owner/name
    python -m tools.address --check

Until an address is set, the README has no badges and the citation no link.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from .project import ROOT, read_address, read_version

_OWNER_AND_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}/[A-Za-z0-9._-]{1,100}")


def badges() -> str:
    """The README's badge lines."""
    address, tag = read_address(), f"v{read_version()}"
    if not address:
        return ""
    first = "notebooks/01_setup.ipynb"
    return "\n".join(
        (
            f"[![Binder](https://mybinder.org/badge_logo.svg)]"
            f"(https://mybinder.org/v2/gh/{address}/{tag}?urlpath=lab/tree/{first})",
            f"[![Open in Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
            f"(https://colab.research.google.com/github/{address}/blob/{tag}/{first})",
            f"[![Checks](https://github.com/{address}/actions/workflows/checks.yml/badge.svg)]"
            f"(https://github.com/{address}/actions/workflows/checks.yml)",
        )
    )


def clone() -> str:
    """How the README says to get the series."""
    address = read_address()
    if not address:
        return "Get this folder (clone it or unpack its archive), open a terminal in it, and:"
    name = address.split("/")[1]
    return f"```bash\ngit clone https://github.com/{address}.git\ncd {name}\n```"


def install() -> str:
    """How the README says to install the command without the folder."""
    address = read_address()
    if not address:
        return "There is no package to install by name yet, and no public address to install from."
    place = f"git+https://github.com/{address}@v{read_version()}"
    return f"From anywhere, with `{place}` in place of the dot."


def _between(text: str, mark: str, content: str) -> str:
    """Replace what stands between <!-- mark --> and <!-- /mark -->."""
    pattern = rf"(<!-- {mark} -->\n).*?(<!-- /{mark} -->)"
    if not re.search(pattern, text, flags=re.S):
        raise ValueError(f"README.md must have the marks <!-- {mark} --> and <!-- /{mark} -->")
    body = f"{content}\n" if content else ""
    return re.sub(pattern, lambda found: found.group(1) + body + found.group(2), text, flags=re.S)


def written() -> dict[Path, str]:
    """Each file that quotes the address, as it should read now."""
    readme, citation = ROOT / "README.md", ROOT / "CITATION.cff"
    text = readme.read_text(encoding="utf-8")
    for mark, content in (("badges", badges), ("clone", clone), ("install", install)):
        text = _between(text, mark, content())
    cited = re.sub(r"^repository-code:.*\n", "", citation.read_text(encoding="utf-8"), flags=re.M)
    cited = re.sub(r"^version:.*$", f"version: {read_version()}", cited, flags=re.M)
    if read_address():
        cited += f"repository-code: https://github.com/{read_address()}\n"
    return {readme: text, citation: cited}


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.address", description=__doc__)
    parser.add_argument("address", nargs="?", help="owner/name on GitHub")
    parser.add_argument("--check", action="store_true", help="change nothing, say what is stale")
    options = parser.parse_args(arguments)
    if options.check:
        stale = [path.name for path, text in written().items() if path.read_text("utf-8") != text]
        if stale:
            print(f"not in step with pyproject.toml: {', '.join(stale)}", file=sys.stderr)
        return 1 if stale else 0
    if not options.address or not _OWNER_AND_NAME.fullmatch(options.address):
        print(f"address must be owner/name on GitHub, got {options.address!r}", file=sys.stderr)
        return 2
    project = ROOT / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(
        re.sub(r'^address = ".*?"', f'address = "{options.address}"', text, flags=re.M), "utf-8"
    )
    for path, content in written().items():
        path.write_text(content, encoding="utf-8")
    from . import notebooks

    notebooks.sync()
    print(f"The address is now {options.address}: commit the changed files.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
