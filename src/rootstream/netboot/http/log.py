"""What the HTTP library and the event loop log, as a line for people: what a client sent is never part of it.

A request that is no HTTP would else be logged with a traceback and all of its bytes, a token among them.
"""

from __future__ import annotations

import asyncio
import logging
import traceback
from collections.abc import Callable
from typing import Any

from aiohttp.http_exceptions import HttpProcessingError

_NAMES = ("aiohttp.server", "aiohttp.web", "aiohttp.internal", "asyncio")


class _Handler(logging.Handler):
    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__(logging.WARNING)
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """Tell a record: who, and what kind of fault."""
        error = record.exc_info[1] if record.exc_info else None
        remote = record.args[0] if isinstance(record.args, tuple) and record.args else None
        who = remote if isinstance(remote, str) else "a client"
        if isinstance(error, HttpProcessingError):
            self._tell(f"{who} sent something that is not an HTTP request ({type(error).__name__})")
        elif error is not None:
            self._tell(f"{who} could not be served: {described(error)}")
        elif record.name == "asyncio":
            self._tell("the event loop failed on a connection")
        else:
            self._tell(f"{who} could not be served")


def described(error: BaseException) -> str:
    """Return the kind of an error and the line of code that it came from; its text may be a client's."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def tell_to(tell: Callable[[str], None], loop: asyncio.AbstractEventLoop) -> Callable[[], None]:
    """Send what is logged, and what the loop complains of, to `tell`; return what ends that."""
    handler = _Handler(tell)
    loggers = [logging.getLogger(name) for name in _NAMES]
    before = [each.propagate for each in loggers]
    for each in loggers:
        each.addHandler(handler)
        each.propagate = False

    def complain(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        tell(f"a connection ended in an error: {described(error) if error else 'unknown'}")

    loop.set_exception_handler(complain)

    def end() -> None:
        loop.set_exception_handler(None)
        for each, propagate in zip(loggers, before, strict=True):
            each.removeHandler(handler)
            each.propagate = propagate

    return end
