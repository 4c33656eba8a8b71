"""Program: become a command that is killed when the process that started it is gone.

Started by `process` as `python parent_death.py PARENT-PID COMMAND...`. A program of its own because setting this
between fork and exec is not safe in a Python process that has threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>; it survives an exec
STATUS_NOT_STARTED = 127


def below(parent: int, argv: list[str]) -> int:
    """Run `argv` in a process of its own and return its exit status; it is ended with this one, or the parent."""
    child = os.fork()
    if child == 0:
        return main(os.getppid(), argv)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: os.kill(child, signal.SIGTERM))
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(child, signal.SIGTERM)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def main(parent: int, argv: list[str]) -> int:
    """Turn this process into `argv`; return an exit status if that is not possible."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
        sys.stderr.write(f"cannot tie {argv[0]} to its parent: {os.strerror(ctypes.get_errno())}\n")
        return STATUS_NOT_STARTED
    if os.getppid() != parent:  # it died before the line above
        return STATUS_NOT_STARTED
    try:
        os.execvp(argv[0], argv)  # noqa: S606  (no shell is wanted)
    except OSError as error:
        sys.stderr.write(f"{argv[0]}: {error.strerror}\n")
    return STATUS_NOT_STARTED


if __name__ == "__main__":
    if sys.argv[1] == "--below":
        ended = below(int(sys.argv[2]), sys.argv[3:])
        sys.exit(ended if ended >= 0 else 128 - ended)
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
