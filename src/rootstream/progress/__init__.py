"""Reporters: what happens during work, for a terminal, as plain lines, or as JSON lines.

All of them write to one stream, usually standard error: standard output is for results.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, TextIO

from rootstream.events import Reporter
from rootstream.progress.lines import Json, Plain, as_json, error_as_json

__all__ = ["Json", "Mode", "Plain", "as_json", "error_as_json", "reporting", "suits_terminal"]

Mode = Literal["auto", "terminal", "plain", "json", "quiet"]


def suits_terminal(stream: TextIO, env: Mapping[str, str]) -> bool:
    """Whether a live view can be shown: one that moves its cursor, for a user who did not ask for less."""
    return stream.isatty() and env.get("TERM", "dumb") != "dumb" and not env.get("NO_COLOR")


@contextlib.contextmanager
def reporting(
    mode: Mode, *, stream: TextIO, env: Mapping[str, str], clock: Callable[[], float] = time.monotonic
) -> Iterator[Reporter]:
    """Open the reporter for a mode; `auto` is the terminal's where it suits and plain lines elsewhere.

    `quiet` reports nothing but warnings and errors. `clock` counts seconds.
    """
    if mode == "auto":
        mode = "terminal" if suits_terminal(stream, env) else "plain"
    if mode == "json":
        yield Json(stream)
    elif mode == "terminal":
        from rootstream.progress.terminal import Terminal  # noqa: PLC0415  (rich: only who sees it waits for it)

        with Terminal(stream, clock=clock) as terminal:
            yield terminal
    elif mode == "quiet":
        yield Plain(stream, clock=clock, quiet=True)
    else:
        yield Plain(stream, clock=clock)
