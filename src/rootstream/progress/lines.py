"""Reporters that write lines: plain ones for logs and simple terminals, JSON ones for programs."""

from __future__ import annotations

import dataclasses
import json
import re
import time
from collections.abc import Callable
from pathlib import PurePath
from typing import TextIO

from rootstream.errors import Problems, UserError
from rootstream.events import CacheTransfer, Console, Event, Notice, Transfer
from rootstream.host.escape import console
from rootstream.progress.words import sentence

TRANSFER_PAUSE = 10.0  # seconds between two lines on one download


class Plain:
    """One line for each happening."""

    def __init__(
        self, stream: TextIO, *, clock: Callable[[], float] = time.monotonic, quiet: bool = False
    ) -> None:
        self._stream = stream
        self._clock = clock
        self._quiet = quiet
        self._said: dict[str, float] = {}
        self._midline = False

    def __call__(self, event: Event) -> None:
        """Write the line of an event, if it has one."""
        if self._quiet and not (isinstance(event, Notice) and event.level != "info"):
            return
        if isinstance(event, Console):
            self._stream.write(console(event.text))
            self._midline = not event.text.endswith("\n") if event.text else self._midline
            self._stream.flush()
            return
        soon = isinstance(event, Transfer | CacheTransfer) and self._too_soon(event)
        text = None if soon else sentence(event)
        if text is not None:
            self._stream.write(("\n" if self._midline else "") + text + "\n")
            self._midline = False
            self._stream.flush()

    def _too_soon(self, event: Transfer | CacheTransfer) -> bool:
        now = self._clock()
        if isinstance(event, Transfer):
            about, ended = event.element, event.bytes_done >= event.bytes_total
        else:
            about, ended = f"{event.direction} {event.server}", False
        last = self._said.get(about)
        if last is not None and now - last < TRANSFER_PAUSE and not ended:
            return True
        self._said[about] = now
        return False


class Json:
    """One JSON object a line: `type`, `time` (seconds since 1970, UTC), and the fields of the event."""

    def __init__(self, stream: TextIO, *, now: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._now = now

    def __call__(self, event: Event) -> None:
        """Write the object of an event."""
        self._stream.write(as_json(event, now=self._now()) + "\n")
        self._stream.flush()


def as_json(event: Event, *, now: float) -> str:
    """Return an event as one line of JSON: `type` is the event's name in kebab case, paths are strings."""
    kind = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", type(event).__name__).lower()
    return _dump({"type": kind, "time": round(now, 3), **dataclasses.asdict(event)})


def error_as_json(error: UserError, *, now: float) -> str:
    """Return an error as one line of JSON; several mistakes are in `problems`."""
    return _dump({"type": "error", "time": round(now, 3), **_fields(error)})


def _fields(error: UserError) -> dict[str, object]:
    where = error.where
    fields: dict[str, object] = {
        "reason": error.reason,
        "message": error.message,
        "path": str(where.path) if where else None,
        "line": where.line if where else None,
        "column": where.column if where else None,
        "hint": error.hint,
        "detail": error.detail,
    }
    if isinstance(error, Problems):
        fields["problems"] = [_fields(problem) for problem in error.problems]
    return fields


def _dump(fields: dict[str, object]) -> str:
    # the one control character that JSON lets stand (RFC 8259, 7)
    return json.dumps(fields, ensure_ascii=True, default=_plain).replace("\x7f", "\\u007f")


def _plain(value: object) -> str:
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"no JSON for {type(value).__name__}")
