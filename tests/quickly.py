"""A plugin of pytest, for what happens before a test or a notebook runs.

jsonschema prepares a grammar of international addresses wherever it finds one, which takes three
seconds of each process. No notebook names such an address.

nbval's kernels find free ports, and use them a moment later. Where another process has taken one in
between, the kernel never answers; then a second one is started.
"""

import sys
import warnings
from typing import Any

sys.modules.setdefault("rfc3987_syntax", None)  # type: ignore[arg-type]


def started_again(start: Any) -> Any:
    """`start`, with a second try where the first raises RuntimeError."""

    def begin(*given: Any, **named: Any) -> Any:
        try:
            return start(*given, **named)
        except RuntimeError as error:
            warnings.warn(f"a kernel is started again: {error}", stacklevel=2)
            return start(*given, **named)

    return begin


def pytest_configure(config: Any) -> None:
    if config.getoption("nbval", False):
        import nbval.kernel

        nbval.kernel.start_new_kernel = started_again(nbval.kernel.start_new_kernel)
