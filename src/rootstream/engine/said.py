"""What a program of the sandbox tells the user: lines of a build's log that begin with `rootstream: `.

    rootstream: error symbol-unknown: linux.config:3: CONFIG_X=y was requested, but ...
    rootstream:     there is no such symbol ...

The first line has the severity (error, warning, note), a reason for `UserError` and a text, which may begin with
file and line; lines with two more spaces go on with it. One `Asked for NAME` names what of the description it is
about.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rootstream.errors import UserError, Where

LONGEST = 1 << 16  # characters of a line
_FIRST = re.compile(r"rootstream: (?P<severity>error|warning|note) (?P<reason>[a-z]+(?:-[a-z]+)*): (?P<text>.*)")
_MORE = re.compile(r"rootstream:   (?P<text>.*)")
_ABOUT = "Asked for "
_PLACE = re.compile(r"(?P<path>[^\n]+?):(?P<line>\d{1,9}): (?P<text>.*)", re.DOTALL)


@dataclass(slots=True, kw_only=True)
class Said:
    """One message: its severity and reason, and its lines."""

    severity: str
    reason: str
    lines: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        """Return the whole message."""
        return "\n".join(self.lines)

    @property
    def about(self) -> str:
        """Return the name of what was asked for, or an empty text."""
        return next((line[len(_ABOUT) :] for line in self.lines[1:] if line.startswith(_ABOUT)), "")

    def error(self) -> UserError:
        """Return the message as an error with its place."""
        more = (line for line in self.lines[1:] if not line.startswith(_ABOUT))
        first, rest = self.lines[0], textwrap.dedent("\n".join(more))
        place = _PLACE.fullmatch(first)
        where = Where(path=Path(place["path"]), line=int(place["line"])) if place else None
        return UserError(
            self.reason,
            place["text"] if place else first,
            where=where,
            detail=rest or None,
        )


def messages(lines: Iterable[str]) -> Iterator[Said]:
    """Yield the messages in the lines of a log."""
    current: Said | None = None
    for line in lines:
        text = line[:LONGEST].rstrip("\r\n")
        first = _FIRST.fullmatch(text)
        more = None if first else _MORE.fullmatch(text)
        if current is not None and more:
            current.lines.append(more["text"])
            continue
        if current is not None:
            yield current
        current = (
            Said(severity=first["severity"], reason=first["reason"], lines=[first["text"]]) if first else None
        )
    if current is not None:
        yield current


def is_note(line: str) -> bool:
    """Say whether a line of a log is a note: for Rootstream, not for people."""
    first = _FIRST.fullmatch(line)
    return first is not None and first["severity"] == "note"


def in_log(log: Path | None, severity: str = "warning") -> tuple[Said, ...]:
    """Return the messages of a severity in a log file; none if it cannot be read."""
    if log is None:
        return ()
    try:
        with log.open(encoding="utf-8", errors="replace") as file:
            return tuple(each for each in messages(file) if each.severity == severity)
    except OSError:
        return ()
