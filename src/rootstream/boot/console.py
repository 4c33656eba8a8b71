"""The serial console of a running machine: a thread reads it, the caller waits for text with a deadline.

A guest whose console nobody reads stands still in its kernel's printk, hence the thread. Only the caller's
thread emits events. Not pexpect: it keeps and searches all text since the last match, so a guest that floods
its console could take memory and time without end.
"""

from __future__ import annotations

import contextlib
import re
import select
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from rootstream import events
from rootstream.boot.terminal import Cleaner
from rootstream.boot.transcript import Fault, Found, Transcript
from rootstream.errors import UserError

_PIECE = 1 << 16
_OVERLAP = 1 << 14  # how far back a match may begin in text that was searched before
_SETTLE = 0.5  # seconds that a failing kernel has to print the rest of its report
_COALESCE = 0.01
_GATHER = 0.001  # seconds between two reads: a serial port gives single characters
_SEND_TIMEOUT = 5.0
LAST_LINES = 30

_MESSAGES: dict[Fault, str] = {
    "kernel-panic": "the kernel panicked",
    "kernel-oops": "the kernel reported a bug (BUG or Oops)",
    "no-bootable-device": "the firmware found no bootable disk",
    "emergency-mode": "systemd is in emergency mode: something that it needs is missing, such as a disk",
    "console-flood": "the machine floods its console",
}


class Console:
    """A console on a connected socket, which it closes at the end. Times are seconds of `time.monotonic`."""

    def __init__(
        self,
        line: socket.socket,
        *,
        machine: str,
        started: float,
        log: Path | None = None,
        report: events.Reporter = events.ignore,
        ending: Callable[[], str] = lambda: "the machine ended",
    ) -> None:
        self.transcript = Transcript()
        self.started = started
        self._line = line
        self._machine = machine
        self._report = report
        self._reported = 0
        self._ending = ending
        self._log = log.open("w", encoding="utf-8", newline="\n") if log else None
        self._changed = threading.Condition()
        self._ended = False
        self._fault_at: float | None = None
        self._thread = threading.Thread(target=self._read, name=f"console of {machine}", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._line.close()
        self.emit()

    @property
    def position(self) -> int:
        """Where the text ends now: a place to search from."""
        return self.transcript.length

    @property
    def ended(self) -> bool:
        """Whether the machine is gone."""
        return self._ended

    def emit(self) -> None:
        """Emit what was printed since the last time as an event."""
        with self._changed:
            text = self.transcript.since(self._reported)
            self._reported = self.transcript.length
        if text:
            self._report(events.Console(machine=self._machine, text=text))

    def fault(self) -> UserError | None:
        """Return why nothing more can be expected of the machine, or None while it runs.

        Reasons: kernel-panic, kernel-oops, no-bootable-device, emergency-mode, console-flood, machine-exited.
        """
        with self._changed:
            known, since, ended = self.transcript.fault, self._fault_at, self._ended
            detail = self.transcript.last_lines(LAST_LINES)
        if known is not None and (ended or since is None or time.monotonic() - since >= _SETTLE):
            return UserError(known, _MESSAGES[known], detail=detail)
        if ended:
            return UserError("machine-exited", self._ending(), detail=detail)
        return None

    def check(self) -> None:
        """Emit what is new and raise the fault, if there is one."""
        self.emit()
        fault = self.fault()
        if fault is not None:
            raise fault

    def text(self, start: int, end: int) -> str:
        """Return the text between two places."""
        with self._changed:
            return self.transcript.since(start)[: max(0, end - start)]

    def wait(self, pattern: re.Pattern[str], *, start: int, deadline: float) -> Found | None:
        """Return the first match at or after `start`, or None when the deadline passes without.

        Raises the fault (see `fault`) as soon as there is one and the text doesn't match.
        """
        position = start
        while True:
            with self._changed:
                seen = self.transcript.length
                found = self.transcript.find(pattern, start=position)
            self.emit()
            if found is not None:
                return found
            fault = self.fault()
            if fault is not None:
                raise fault
            position = max(position, seen - _OVERLAP)
            if not self._wait_for_more(seen, deadline):
                return None

    def wait_quiet(self, *, quiet: float, deadline: float) -> None:
        """Wait until nothing was printed for `quiet` seconds, or the deadline. Raises the fault."""
        while time.monotonic() < deadline:
            self.check()
            if not self._wait_for_more(self.position, min(deadline, time.monotonic() + quiet)):
                return

    def wait_end(self, deadline: float) -> bool:
        """Wait until the machine ends; whether it did before the deadline. Raises the fault of a kernel."""
        while not self._ended:
            self.emit()
            if self.transcript.fault is not None:
                self.check()
            if time.monotonic() >= deadline:
                return False
            self._wait_for_more(self.position, min(deadline, time.monotonic() + _SETTLE))
        self.emit()
        return True

    def send(self, text: str) -> None:
        """Type text. Raises `UserError` console-stuck if the machine takes no input, or the fault."""
        data = text.encode()
        deadline = time.monotonic() + _SEND_TIMEOUT
        while data:
            _, ready, _ = select.select((), (self._line,), (), max(0.0, deadline - time.monotonic()))
            if not ready:
                raise UserError("console-stuck", "the machine does not accept input on its console")
            try:
                data = data[self._line.send(data, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                continue
            except OSError:
                self._wait_for_more(self.position, time.monotonic() + _SETTLE)
                self.check()
                raise

    def _wait_for_more(self, seen: int, deadline: float) -> bool:
        """Wait for text, the end or a fault to settle; whether the deadline is still ahead."""
        time.sleep(_COALESCE)
        with self._changed:
            while self.transcript.length == seen and not self._ended:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                if self._fault_at is not None:
                    left = min(left, _SETTLE)
                self._changed.wait(left)
                if self._fault_at is not None:
                    return True
        return time.monotonic() < deadline or self._ended

    def _read(self) -> None:
        cleaner = Cleaner()
        with self._log or contextlib.nullcontext():
            while True:
                try:
                    data = self._line.recv(_PIECE)
                except OSError:
                    data = b""
                self._take(cleaner.feed(data, final=not data), ended=not data)
                if not data or self.transcript.fault == "console-flood":
                    return
                time.sleep(_GATHER)

    def _take(self, text: str, *, ended: bool) -> None:
        now = time.monotonic()
        with self._changed:
            kept = self.transcript.append(text, elapsed=now - self.started)
            if self.transcript.fault is not None and self._fault_at is None:
                self._fault_at = now
            self._ended = self._ended or ended
            self._changed.notify_all()
        if self._log and kept:
            self._log.write(kept)
            self._log.flush()
