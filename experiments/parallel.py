"""joblib's Dask backend, with killed workers reported."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import joblib

#: The name of the backend for ``joblib.parallel_config``.
DASK = "dask-reporting"


def register() -> None:
    """Make the backend known to joblib. Needs dask.distributed."""
    from joblib._dask import DaskDistributedBackend

    class Reporting(DaskDistributedBackend):  # type: ignore[misc]
        """Where Dask gives a run up, because each worker that took it was killed, so do we.

        joblib is told of a run by a callback, and its own backend calls it only for runs
        that came back: joblib would wait for the others for ever.
        """

        def submit(self, func: Any, callback: Callable[..., Any] | None = None) -> Future[Any]:
            future = super().submit(func, callback)

            def tell(done: Future[Any]) -> None:
                error = done.exception()
                if error is not None and callback is not None:
                    callback(_Failed(error))

            future.add_done_callback(tell)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, _Failed):
                raise RuntimeError(
                    "A run was given up because every worker that took it was killed: for want of "
                    "memory, say. What had finished is saved; start again with larger or fewer "
                    "workers."
                ) from out.error
            return super().retrieve_result_callback(out)

    joblib.register_parallel_backend(DASK, Reporting)


class _Failed:
    """What the callback is given for a run that never came back."""

    def __init__(self, error: BaseException) -> None:
        self.error = error
