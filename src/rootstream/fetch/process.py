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

from rootstream.fetch import pipes
from rootstream.formats.faults import Fault

TAIL_LINES = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class CompletedTool:
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
) -> CompletedTool:
    """Run a program to its end, whatever its exit status.

    `timeout` is in seconds. Raises `Fault` program-missing, program-unusable or process-timeout.
    """
    with pipes.memory_file((stdin or "").encode("utf-8", "surrogateescape")) as given:
        try:
            child = subprocess.Popen(
                list(argv),
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL if stdin is None else given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise Fault("program-missing", f"{argv[0]} is not installed or not on PATH") from error
        except OSError as error:
            raise Fault("program-unusable", f"{argv[0]} cannot be started: {error.strerror}") from error
    try:
        said = pipes.collect(child, deadline=time.monotonic() + timeout)
    finally:
        with suppress(ProcessLookupError):  # also what an ended child left behind
            os.killpg(child.pid, signal.SIGKILL)
        status = child.wait()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
    if said is None:
        raise Fault("process-timeout", f"{argv[0]} did not finish within {timeout:g} seconds")
    stdout, stderr = map(pipes.text_of, said)
    return CompletedTool(status=status, stdout=stdout, stderr=stderr)
