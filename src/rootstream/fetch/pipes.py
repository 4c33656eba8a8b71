"""Collect what a child process writes until it has ended.

`Popen.communicate` waits for the end of both pipes, which a process that the child left behind may hold open, and
when it is called again after a timeout it may not send the rest of the input. Here the input is a file in memory,
so there is nothing to send, and the wait ends when the child does.
"""

from __future__ import annotations

import os
import selectors
import subprocess
import time
from collections.abc import Iterator
from typing import IO

POLL = 0.2  # seconds: how long an interruption of the thread, or a child that ended, may wait
CHUNK = 1 << 16


def memory_file(content: bytes) -> IO[bytes]:
    """Return a file in memory, at its beginning: as standard input it is whole before the child starts."""
    file = os.fdopen(os.memfd_create("stdin", os.MFD_CLOEXEC), "w+b")
    file.write(content)
    file.seek(0)
    return file


def text_of(content: bytes) -> str:
    """Return what a program wrote as text, whose lines end with a line feed alone."""
    return content.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n")


def has_ended(child: subprocess.Popen[bytes]) -> bool:
    """Tell whether a child has ended, and leave it a zombie: its process group cannot be another's yet."""
    if child.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # somebody else has waited for it
        return True


def collect(child: subprocess.Popen[bytes], *, deadline: float) -> tuple[bytes, bytes] | None:
    """Return what a child with two pipes wrote until it ended, which is not waited for; None past the deadline.

    `deadline` is a monotonic time in seconds.
    """
    read: dict[int, bytearray] = {}
    with selectors.DefaultSelector() as selector:
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                selector.register(pipe, selectors.EVENT_READ)
                read[pipe.fileno()] = bytearray()
        ended = False
        while not ended:
            ended = has_ended(child)
            if not ended and time.monotonic() > deadline:
                return None
            _read(selector, read, wait=not ended)
    stdout, stderr = (bytes(content) for content in read.values())
    return stdout, stderr


def lines(pipe: IO[bytes], child: subprocess.Popen[bytes], longest: int = 1 << 20) -> Iterator[bytes]:
    """Yield the lines that a child writes to a pipe until it has ended.

    Lines longer than `longest` bytes come in pieces. What a process that it left behind holds open or still writes
    is not waited for.
    """
    os.set_blocking(pipe.fileno(), False)
    kept, left = bytearray(), 1 << 5
    with selectors.DefaultSelector() as selector:
        selector.register(pipe, selectors.EVENT_READ)
        while True:
            ended = has_ended(child)
            selector.select(0 if ended else POLL)
            try:
                chunk = os.read(pipe.fileno(), CHUNK)
            except BlockingIOError:
                if ended:
                    break
                continue
            kept += chunk
            *whole, rest = bytes(kept).split(b"\n")
            kept = bytearray(rest)
            yield from (line + b"\n" for line in whole)
            if len(kept) >= longest:
                yield bytes(kept)
                kept.clear()
            left -= ended  # a pipe holds so much at most: what comes after that is not the child's
            if not chunk or not left:
                break
    if kept:
        yield bytes(kept)


def _read(selector: selectors.BaseSelector, read: dict[int, bytearray], *, wait: bool) -> None:
    """Read what is there; with `wait`, until something comes or the child must be looked at again."""
    if not selector.get_map():
        if wait:
            time.sleep(POLL / 10)
        return
    for key, _ in selector.select(POLL if wait else 0):
        # After the end of the child its pipe holds at most its size: what others still write is not waited for.
        for _ in range(1 if wait else 1 << 5):
            try:
                chunk = os.read(key.fd, CHUNK)
            except BlockingIOError:
                break
            read[key.fd] += chunk
            if not chunk:
                selector.unregister(key.fileobj)
                break
