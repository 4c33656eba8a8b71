"""Packages of Debian that could not be configured, as dpkg and their scripts say it in a build's log.

A script that calls a program of a package that its own does not depend on works on an ordinary system and fails in
a small one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

# Programs that scripts take for granted, by the package that has them.
HOLDERS = {
    "adduser": ("adduser", "addgroup", "deluser", "delgroup"),
    "ucf": ("ucf", "ucfr", "ucfq"),
    "openssl": ("openssl",),
    "gpg": ("gpg",),
    "procps": ("sysctl", "ps", "pkill", "pgrep"),
    "systemd": ("systemctl", "systemd-sysusers", "systemd-tmpfiles", "systemd-hwdb"),
    "python3-minimal": ("python3", "py3compile", "py3clean"),
    "perl": ("perl",),
}
LONGEST = 12  # lines of a script's output that are shown
# As dpkg and debian_configure.sh say it.
_FAILED = re.compile(r"dpkg: error processing package (?P<name>[a-z0-9][a-z0-9+.-]*)(:\S+)? \(--[a-z]+\):")
_SCRIPT = re.compile(r" .*?(?P<script>pre|post)-installation script subprocess ")
_BEFORE = re.compile(r"debian: (?P<name>[a-z0-9][a-z0-9+.-]*): its preinst script failed")
_BEGUN = re.compile(r"(Setting up|debian: preparing) (?P<name>[a-z0-9][a-z0-9+.-]*)\b")
# As dash, bash and perl say it.
_ABSENT = (
    re.compile(r"\S+: (line )?\d+: (?P<program>[^\s:]+): (command )?not found"),
    re.compile(r"Can't exec \"(?P<program>[^\s\"]+)\": No such file or directory"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Unconfigured:
    """A package whose script failed; `absent` is a program that it called and that is not there."""

    package: str
    script: str
    absent: str | None
    output: tuple[str, ...]

    @property
    def text(self) -> str:
        """Return what is wrong, and what to do if that is known."""
        if self.absent is None:
            return f"its {self.script} script failed"
        program = self.absent.rpartition("/")[2]
        holder = next((name for name, programs in HOLDERS.items() if program in programs), None)
        what = f"its {self.script} script calls {self.absent}, which is not in this root"
        return f"{what}: add {holder} to the packages" if holder else f"{what}: add the package that contains it"


def unconfigured(lines: Sequence[str]) -> tuple[Unconfigured, ...]:
    """Return the packages whose scripts failed, in a log; not those that only wait for one of them."""
    return tuple(_found(lines))


def _found(lines: Sequence[str]) -> Iterator[Unconfigured]:
    begun = 0
    for number, line in enumerate(lines):
        if _BEGUN.match(line):
            begun = number
        before = _BEFORE.match(line)
        failed = _FAILED.match(line)
        if before:
            yield _of(before["name"], "preinst", lines[begun + 1 : number])
        elif failed and number + 1 < len(lines) and (script := _SCRIPT.match(lines[number + 1])):
            yield _of(failed["name"], f"{script['script']}inst", lines[begun + 1 : number])


def _of(package: str, script: str, output: Sequence[str]) -> Unconfigured:
    said = [line for line in output if line.strip()]
    absent = next((match["program"] for line in said for each in _ABSENT if (match := each.search(line))), None)
    return Unconfigured(package=package, script=script, absent=absent, output=tuple(said[-LONGEST:]))
