"""A program on a terminal of its own, between which and ours everything typed and printed is relayed.

On our own it could type into it for the shell that comes after (TIOCSTI, ioctl_tty(2)).
"""

from __future__ import annotations

import fcntl
import os
import selectors
import signal
import subprocess
import sys
import termios
import tty
from collections.abc import Callable

from rootstream.fetch import pipes

CHUNK = 1 << 16
WAIT = 0.2  # seconds: how long a program that ended may go unnoticed


def possible() -> bool:
    """Say whether our input and output are a terminal."""
    return os.isatty(sys.stdin.fileno()) and os.isatty(sys.stdout.fileno())


def run(start: Callable[[int], subprocess.Popen[bytes]]) -> int:
    """Have a program started on a terminal of the size of ours; return its exit status (negative: the signal).

    `start` gets the descriptor of the terminal, which the program has to make its controlling one itself.
    """
    ours, before = sys.stdin.fileno(), termios.tcgetattr(sys.stdin)
    primary, secondary = os.openpty()
    _resize(primary)
    handler = signal.signal(signal.SIGWINCH, lambda *_: _resize(primary))
    try:
        try:
            child = start(secondary)
        finally:
            os.close(secondary)
        tty.setraw(ours, termios.TCSADRAIN)  # what was typed ahead stays
        try:
            _copy(ours, primary, child)
        finally:
            if not pipes.has_ended(child):
                child.kill()
        return child.wait()
    finally:
        termios.tcsetattr(ours, termios.TCSADRAIN, before)
        signal.signal(signal.SIGWINCH, handler)
        os.close(primary)


def _resize(terminal: int) -> None:
    size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)


def _copy(ours: int, primary: int, child: subprocess.Popen[bytes]) -> None:
    """Relay until the program has ended and what it printed has come."""
    out = sys.stdout.fileno()
    with selectors.DefaultSelector() as selector:
        selector.register(ours, selectors.EVENT_READ, primary)
        selector.register(primary, selectors.EVENT_READ, out)
        while selector.get_map():
            ended = pipes.has_ended(child)
            ready = selector.select(0 if ended else WAIT)
            if ended and not any(key.fd == primary for key, _ in ready):
                return
            for key, _ in ready:
                try:
                    chunk = os.read(key.fd, CHUNK)
                except OSError:  # nobody has the program's end open any more
                    chunk = b""
                if not chunk:
                    selector.unregister(key.fd)
                    if key.fd == primary:
                        return
                while chunk:
                    chunk = chunk[os.write(key.data, chunk) :]
