"""What a machine has printed so far, when it reached what, and whether its kernel failed. Pure; bounded."""

from __future__ import annotations

import bisect
import re
from dataclasses import dataclass
from typing import Literal

LIMIT = 16 << 20  # characters; a console that prints more is broken or hostile
_OPEN_LINE = 512
_PIECE = 4096

Fault = Literal["kernel-panic", "kernel-oops", "no-bootable-device", "emergency-mode", "console-flood"]
Mark = Literal["kernel", "init", "login"]

# Printed by Linux: kernel/panic.c, arch/*/mm/fault.c, arch/*/kernel/traps.c, init/main.c; by SeaBIOS and OVMF;
# by systemd's emergency.service.
_STAMP = r"(?:^|\[ *\d+\.\d{6}\](?:\[[^\]\n]*\])? )"
_FAULTS: tuple[tuple[Fault, re.Pattern[str]], ...] = (
    ("kernel-panic", re.compile(r"Kernel panic - not syncing|Attempted to kill init")),
    (
        "kernel-oops",
        re.compile(
            _STAMP + r"(?:BUG: |Oops|kernel BUG at |Internal error: |general protection fault"
            r"|Unable to handle kernel|invalid opcode: )",
            re.MULTILINE,
        ),
    ),
    ("no-bootable-device", re.compile(r"^No bootable device|^BdsDxe: No bootable option or device", re.MULTILINE)),
    ("emergency-mode", re.compile(r"^You are in emergency mode\.", re.MULTILINE)),
)
LOGIN_PROMPT = re.compile(r"^(?![^\n]*Last login)[^\n]*\blogin: ", re.MULTILINE | re.IGNORECASE)
_MARKS: tuple[tuple[Mark, re.Pattern[str]], ...] = (
    ("kernel", re.compile(r"^\[ *0\.0{6}\]|Linux version \d", re.MULTILINE)),
    ("init", re.compile(r"(?:\[ *(?P<stamp>\d+\.\d{6})\](?:\[[^\]\n]*\])? )?Run /\S+ as init process")),
    ("login", LOGIN_PROMPT),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A place in the text: what matched, the last named group that took part, where, in characters."""

    text: str
    name: str | None
    start: int
    end: int


class Transcript:
    """The text of a console from its beginning."""

    def __init__(self, *, limit: int = LIMIT) -> None:
        self.marks: dict[Mark, float] = {}
        self.init_stamp: float | None = None
        self.fault: Fault | None = None
        self.length = 0
        self._limit = limit
        self._pieces: list[str] = []
        self._starts: list[int] = []
        self._open = ""

    def append(self, text: str, *, elapsed: float) -> str:
        """Take the next text, seen `elapsed` seconds after the start; return what of it was kept."""
        text = text[: self._limit - self.length]
        if not text:
            return ""
        if self._pieces and len(self._pieces[-1]) < _PIECE:
            self._pieces[-1] += text  # a serial port may give single characters
        else:
            self._starts.append(self.length)
            self._pieces.append(text)
        self.length += len(text)
        fresh = self._open + text
        self._look(fresh, elapsed)
        self._open = fresh[fresh.rfind("\n") + 1 :][-_OPEN_LINE:]
        if self.length >= self._limit:
            self.fault = self.fault or "console-flood"
        return text

    def since(self, position: int) -> str:
        """Return the text from a position on."""
        if position >= self.length:
            return ""
        first = max(0, bisect.bisect_right(self._starts, position) - 1)
        return "".join(self._pieces[first:])[position - self._starts[first] :]

    def find(self, pattern: re.Pattern[str], *, start: int) -> Found | None:
        """Return the first match that begins at or after a position."""
        before = min(start, 1)  # so that ^ knows whether a line begins at `start`
        match = pattern.search(self.since(start - before), before)
        if match is None:
            return None
        base = start - before
        return Found(text=match[0], name=match.lastgroup, start=base + match.start(), end=base + match.end())

    def last_lines(self, count: int) -> str:
        """Return the last lines, of at most 512 characters each."""
        lines = self.since(max(0, self.length - count * _OPEN_LINE)).rstrip("\n").split("\n")
        return "\n".join(line[-_OPEN_LINE:] for line in lines[-count:])

    def _look(self, text: str, elapsed: float) -> None:
        for mark, pattern in _MARKS:
            match = None if mark in self.marks else pattern.search(text)
            if match is None:
                continue
            self.marks[mark] = elapsed
            if mark == "init" and match["stamp"]:
                self.init_stamp = float(match["stamp"])
        for fault, pattern in _FAULTS:
            if (self.fault is None or fault == "kernel-panic") and pattern.search(text):
                self.fault = fault
                return
