"""Program: become a command that is killed when the process that started it is gone.

Started by `process` as `python leash.py PARENT-PID COMMAND...`. A program of its own because setting this between
fork and exec is not safe in a Python process that has threads.
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from <linux/prctl.h>; it survives an exec
STATUS_NOT_STARTED = 127


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
    sys.exit(main(int(sys.argv[1]), sys.argv[2:]))
