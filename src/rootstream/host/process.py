"""The one place that starts processes: list argv, explicit environment, closed stdin, a timeout.

A process that fails becomes a `UserError` that shows a command to paste and the end of what it printed.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rootstream.errors import UserError
from rootstream.fetch import pipes
from rootstream.host import parent_death, relay

TAIL_LINES = 20
GRACE = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A process that ended: its exit status (negative: the signal) and its output as text."""

    argv: tuple[str, ...]
    status: int
    stdout: str
    stderr: str


def paste(argv: Sequence[str], *, cwd: Path | None = None) -> str:
    """Return the command as a line for a shell."""
    line = shlex.join(argv)
    return f"cd {shlex.quote(str(cwd))} && {line}" if cwd else line


def tail(text: str, lines: int = TAIL_LINES) -> str:
    """Return the last lines of a text."""
    return "\n".join(text.rstrip("\n").split("\n")[-lines:])


def ending(status: int) -> str:
    """Say how a process ended, from its status as `subprocess` gives it."""
    if status >= 0:
        return f"exit status {status}"
    try:
        return f"killed by {signal.Signals(-status).name}"
    except ValueError:
        return f"killed by signal {-status}"


def require(program: str, *, hint: str) -> str:
    """Return the path of a program of the host; `UserError` program-missing with the hint if there is none."""
    path = shutil.which(program)
    if path is None:
        raise UserError("program-missing", f"{program} is not installed or not on PATH", hint=hint)
    return path


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    timeout: float,
    cwd: Path | None = None,
    check: bool = True,
    stdin: str | None = None,
    shown: Sequence[str] | None = None,
) -> Completed:
    """Run a program to its end and return its output.

    `timeout` is in seconds. `shown` is what errors call the command, where another one is wrapped around it.
    Raises `UserError` program-missing, process-timeout, or (with `check`) process-failed.
    """
    command = tuple(str(word) for word in argv)
    told = tuple(shown or command)
    with pipes.memory_file((stdin or "").encode("utf-8", "surrogateescape")) as given:
        try:
            child = subprocess.Popen(
                command,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL if stdin is None else given,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
            )
        except FileNotFoundError as error:
            raise _missing(command[0]) from error
    with child:
        try:
            said = pipes.collect(child, deadline=time.monotonic() + timeout)
        finally:
            if not pipes.has_ended(child):
                child.kill()
    if said is None:
        raise UserError(
            "process-timeout",
            f"{told[0]} did not finish within {timeout:g} seconds",
            hint=f"To run it by hand: {paste(told, cwd=cwd)}",
        )
    stdout, stderr = map(pipes.text_of, said)
    result = Completed(argv=command, status=child.returncode, stdout=stdout, stderr=stderr)
    if check and result.status != 0:
        raise UserError(
            "process-failed",
            f"{told[0]}: {ending(result.status)}",
            detail=tail(result.stderr or result.stdout),
            hint=f"To run it by hand: {paste(told, cwd=cwd)}",
        )
    return result


def start(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: IO[bytes] | int = subprocess.DEVNULL,
    stdout: IO[bytes] | int = subprocess.DEVNULL,
    stderr: IO[bytes] | int = subprocess.DEVNULL,
    pass_fds: Sequence[int] = (),
    umask: int = -1,
) -> subprocess.Popen[bytes]:
    """Start a long-running program in a session of its own and return it; the caller owns it and ends it.

    Its own session keeps the terminal's Ctrl-C from reaching it before its owner decides. A negative `umask` is
    ours. Raises `UserError` program-missing.
    """
    command = tuple(str(word) for word in argv)
    try:
        return subprocess.Popen(
            command,
            env=dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            pass_fds=tuple(pass_fds),
            start_new_session=True,
            umask=umask,
        )
    except FileNotFoundError as error:
        raise _missing(command[0]) from error


def die_with_parent(argv: Sequence[str], *, below: bool = False) -> tuple[str, ...]:
    """Return a command that runs `argv` and is killed when this process, or the thread that starts it, is gone.

    It is started directly below this process, as by `start` and `hand_over`. With `below`, another process runs it
    and ends it: for programs that change their user, which undoes what is asked of the kernel.
    """
    options = ("--below",) if below else ()
    return (sys.executable, "-I", "-S", parent_death.__file__, *options, str(os.getpid()), *argv)


def end(child: subprocess.Popen[bytes]) -> None:
    """End a program that `start` started, with everything in its process group: politely, then not."""
    try:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def hand_over(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    umask: int = -1,
    stderr: IO[bytes] | None = None,
    apart: bool = False,
) -> int:
    """Run a program on our own terminal until it ends and return its exit status (negative: the signal).

    Ctrl-C is for the program alone meanwhile. A negative `umask` is ours. `stderr` takes what it says there. With
    `apart` it gets a terminal of its own (relay.py).
    Raises `UserError` program-missing.
    """
    command = tuple(str(word) for word in argv)
    before = signal.signal(signal.SIGINT, _leave_to_child)
    try:
        if apart:
            return relay.run(lambda to: start(command, env=env, cwd=cwd, stdin=to, stdout=to, stderr=to))
        return subprocess.run(command, env=dict(env), cwd=cwd, check=False, umask=umask, stderr=stderr).returncode
    except FileNotFoundError as error:
        raise _missing(command[0]) from error
    finally:
        signal.signal(signal.SIGINT, before)


def _leave_to_child(_number: int, _frame: object) -> None:
    """Do nothing: unlike SIG_IGN, a handler is not inherited by the program that is started."""


def _missing(program: str) -> UserError:
    return UserError(
        "program-missing",
        f"{program} is not installed or not on PATH",
        hint="Run `rootstream doctor` to see what is needed and how to install it.",
    )
