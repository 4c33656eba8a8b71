"""Start a program of the host and wait for it in a thread that BuildStream may interrupt at any time.

BuildStream ends a job by raising an exception in its thread; the child and all its children then go too.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from rootstream_bst.faults import Fault

POLL = 0.2  # seconds: how long an interruption of the thread may wait
TAIL_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A process that ended: its exit status (negative: the signal) and its output."""

    status: int
    stdout: str
    stderr: str


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a text."""
    return "\n".join(text.rstrip("\n").split("\n")[-lines:])


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    stdin: str | None = None,
    cwd: str | None = None,
) -> Completed:
    """Run a program to its end, whatever its exit status.

    `timeout` is in seconds. Raises `Fault` program-missing, program-unusable or process-timeout.
    """
    try:
        child = subprocess.Popen(
            list(argv),
            env=dict(env),
            cwd=cwd,
            stdin=subprocess.DEVNULL if stdin is None else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise Fault("program-missing", f"{argv[0]} is not installed or not on PATH") from error
    except OSError as error:
        raise Fault("program-unusable", f"{argv[0]} cannot be started: {error.strerror}") from error
    deadline = time.monotonic() + timeout
    text = stdin
    try:
        while True:
            try:
                stdout, stderr = child.communicate(text, timeout=POLL)
                return Completed(status=child.returncode, stdout=stdout, stderr=stderr)
            except subprocess.TimeoutExpired:
                text = None
            if time.monotonic() > deadline:
                raise Fault("process-timeout", f"{argv[0]} did not end within {timeout:g} seconds")
    finally:
        if child.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
