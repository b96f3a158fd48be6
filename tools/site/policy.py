"""What pages may load and run: the site's own files, and the scripts that were built into them.

Written into each page as its content security policy. Browsers then refuse everything else, also
what a stored output, or a name in a reader's file, might try.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterable
from pathlib import Path

#: Scripts that stand in a page; data for scripts run nothing.
_INLINE = re.compile(r"<script(?![^>]*(?:\bsrc=|application/json))[^>]*>(.*?)</script>", flags=re.S)
#: What it stands behind: how a page is written must be said in its first kilobyte.
_FIRST = (r'<meta charset="utf-8"\s*/?>', "<head>")


def _hashes(scripts: Iterable[str]) -> str:
    found = {base64.b64encode(hashlib.sha256(script.encode()).digest()) for script in scripts}
    return "".join(f" 'sha256-{each.decode()}'" for each in sorted(found))


def of_page(text: str) -> str:
    """For a page without a kernel.

    Styles in elements stay allowed: cells of tables and sentences under figures bring theirs with
    a notebook's stored outputs, the theme has a style sheet and small pictures in each page, and
    a cell of somebody else's cannot be known beforehand. What a style names is held to the site's
    own files all the same. An explorer's own page, which others put into theirs, allows none.
    """
    return (
        f"default-src 'none'; script-src 'self'{_hashes(_INLINE.findall(text))}; "
        "style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'"
    )


def of_edition(text: str, handlers: Iterable[str]) -> str:
    """For the browser edition: Python is compiled in the page, and runs in workers of its own.

    handlers: the scripts of ours that elements in outputs run when they load.
    """
    scripts = _hashes([*_INLINE.findall(text), *handlers])
    return (
        "default-src 'self'; "
        f"script-src 'self' blob: 'unsafe-eval' 'unsafe-hashes'{scripts}; "
        # JupyterLab names the pictures attached to a text so, before it puts them there.
        "img-src 'self' data: blob: attachment:; "
        "style-src 'self' 'unsafe-inline'; font-src 'self' data:; "
        "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )


def write(page: Path, policy: str) -> None:
    """Put a policy into a page, before all that it is for. Raises ValueError if it has no place."""
    text = page.read_text("utf-8")
    meta = (
        f'<meta http-equiv="Content-Security-Policy" content="{html.escape(policy, quote=False)}">'
    )
    for first in _FIRST:
        text, found = re.subn(first, lambda at: at[0] + meta, text, count=1, flags=re.I)
        if found:
            page.write_text(text, "utf-8")
            return
    raise ValueError(f"{page} must have a head")
