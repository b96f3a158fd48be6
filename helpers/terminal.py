"""What a command prints: text as wide as the terminal, colour and a progress bar only on one."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn, TextIO

#: Columns where the output is no terminal.
WIDTH = 100
BOLD, RED, YELLOW = "1", "31", "33"


def width() -> int:
    """Columns of the terminal, between 60 and 160; COLUMNS, where it is set, has precedence."""
    return max(60, min(shutil.get_terminal_size((WIDTH, 24)).columns, 160))


def styled(text: str, code: str) -> str:
    """Text in a colour, or bold; plain if NO_COLOR is set or the output is no terminal.

    NO_COLOR: no-color.org.
    """
    coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    return f"\033[{code}m{text}\033[0m" if coloured and os.environ.get("TERM") != "dumb" else text


def wrapped(text: str, title: str = "") -> str:
    """Text in lines that fit, beside a title in bold if there is one."""
    if not title:
        return textwrap.fill(text, width())
    indent = " " * 10
    body = textwrap.fill(text, width(), initial_indent=indent, subsequent_indent=indent)
    return f"{styled(f'{title:<9}', BOLD)} {body[10:]}"


class Stopped(BaseException):
    """A signal asks the command to stop; its number is the argument."""


@contextmanager
def stoppable() -> Iterator[None]:
    """Let a stop, a hang-up and a polite kill be raised as `Stopped`, so that drafts go."""

    def stop(number: int, _: object) -> NoReturn:
        raise Stopped(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    known = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]
    before = {each: signal.signal(each, stop) for each in known if each is not None}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler if handler is not None else signal.SIG_DFL)


class Bar:
    """A progress bar, drawn only where it can be redrawn, and wiped at the end."""

    LENGTH = 40

    def __init__(self, stream: TextIO, what: str) -> None:
        self._stream = stream if stream.isatty() else None
        self._what = what

    def __enter__(self) -> Callable[[int, int], None]:
        return self._draw

    def _draw(self, done: int, total: int) -> None:
        if self._stream is not None:
            bar = "#" * (self.LENGTH * done // total)
            self._stream.write(f"\r[{bar:<{self.LENGTH}}] {done}/{total} {self._what}")
            self._stream.flush()

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.write("\r\033[K")
            self._stream.flush()
