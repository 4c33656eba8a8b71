"""What an element's log says at its end: what the command that failed printed, and faults of the sandbox."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from rootstream.engine import said

TAIL_LINES = 20
TAIL_BYTES = 1 << 16

_OWN_LINE = re.compile(
    r"\[(?:--:--:--|\d+:\d\d:\d\d)\] (?:START|SUCCESS|FAILURE|STATUS|INFO|LOG|WARNING|BUG|ERROR) "
)
_BUILDBOX_LINE = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+[+-]\d{4} \[\d+:\d+\] \[")
_EXITED = re.compile(r"failed with exitcode (\d+)$")
_INNERMOST = re.compile(r'errMsg = "([^"]+)"+$')


def log_end(text: str, lines: int = TAIL_LINES) -> tuple[int | None, tuple[str, ...]]:
    """Return the exit status of the command that failed, if one did, and the last lines that it printed.

    BuildStream's own messages and its repetition of the whole command are left out.
    """
    lines_of_commands = (line for line in text.split("\n") if not _BUILDBOX_LINE.match(line))
    kept = [line for line in lines_of_commands if not said.is_note(line)]
    while kept and (_OWN_LINE.match(kept[-1]) or not kept[-1].strip()):
        kept.pop()
    status = None
    exited = _EXITED.search(kept[-1]) if kept else None
    starts = [at for at, line in enumerate(kept) if line.startswith("Command '")]
    if exited and starts:
        status = int(exited[1])
        kept = kept[: starts[-1]]
    while kept and not kept[-1].strip():
        kept.pop()
    kept = kept[-lines:]
    frame = [at for at, line in enumerate(kept) if _OWN_LINE.match(line)]
    if frame:
        # a short output: BuildStream's last message before it, with its indented detail, ends here
        kept = list(itertools.dropwhile(lambda line: not line or line.startswith("    "), kept[frame[-1] + 1 :]))
    return status, tuple(kept)


def sandbox_errors(text: str) -> tuple[str, ...]:
    """Return what buildbox and bubblewrap say in an element's log about a sandbox that did not work."""
    found = []
    for line in text.split("\n"):
        if line.startswith("bwrap: "):
            found.append(line)
        elif _BUILDBOX_LINE.match(line) and "[ERROR]" in line:
            cause = _INNERMOST.search(line)
            # the innermost of the nested messages names the cause; OutOfSpaceException stands before it
            kind = "OutOfSpaceException: " if "OutOfSpaceException" in line else ""
            found.append(kind + (cause[1] if cause else line.partition("[ERROR] ")[2]))
    return tuple(dict.fromkeys(found))


def read_end(path: Path | None) -> str:
    """Return the end of a log file as text, empty if it cannot be read."""
    if path is None:
        return ""
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - TAIL_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
