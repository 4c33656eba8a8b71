"""A line to a machine that a command opens: its standard input and output."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from rootstream import events
from rootstream.boot.console import Console
from rootstream.boot.machine import Guest
from rootstream.host import process


@contextlib.contextmanager
def opened(
    argv: Sequence[str],
    *,
    name: str,
    address: str | None,
    log: Path,
    report: events.Reporter,
    env: Mapping[str, str],
) -> Iterator[Guest]:
    """Start the command and give what it leads to; it ends with the block. Raises `UserError` program-missing."""
    ours, its = socket.socketpair()
    with contextlib.ExitStack() as stack:
        with its:
            end = its.fileno()
            child = process.start(process.die_with_parent(argv), env=env, stdin=end, stdout=end)
        stack.callback(process.end, child)
        console = stack.enter_context(
            Console(ours, machine=name, started=time.monotonic(), log=log, report=report)
        )
        yield Guest(
            name=name,
            console=console,
            monitor=None,
            ports={},
            pid=child.pid,
            paste=process.paste(argv),
            status=lambda: None,
            kill=child.kill,
            address=address,
        )
