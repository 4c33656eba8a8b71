"""What went wrong in a run of `bst`, as one error that a user can act on."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream.engine.messages import Failure
from rootstream.errors import UserError, Where

TAIL_LINES = 20
TAIL_BYTES = 1 << 16

_PROVENANCE = re.compile(
    r"(?P<path>[^\s:\[\]]+) \[line (?P<line>\d+) column (?P<column>\d+)\]:? ?(?P<rest>.*)", re.DOTALL
)
_OWN_LINE = re.compile(
    r"\[(?:--:--:--|\d+:\d\d:\d\d)\] (?:START|SUCCESS|FAILURE|STATUS|INFO|LOG|WARNING|BUG|ERROR) "
)
_CASD_LINE = re.compile(r"\d{4}-\d\d-\d\dT[0-9:.]+\+\d{4} \[\d+:\d+\] \[")

# the words of BuildStream, buildbox and the system, and what they mean here
_KNOWN: tuple[tuple[tuple[str, ...], str, str], ...] = (
    (
        ("No project.conf or active workspace", "Error loading project: "),
        "project-missing",
        "Name a folder with a project.conf or a system.yaml.",
    ),
    (
        ("No artifacts have been cached yet", "No artifacts to stage", "Artifact not cached"),
        "artifact-missing",
        "Build it first.",
    ),
    (
        ("Exact versions are missing", "Inconsistent pipeline"),
        "reference-missing",
        "Find the versions of its sources first: rootstream update",
    ),
    (
        ("Unable to find 'bwrap'", "Did not find bwrap", "bwrap: command not found"),
        "sandbox-missing",
        "Install bubblewrap; `rootstream doctor` shows how.",
    ),
    (
        (
            "No permissions to create new namespace",
            "bwrap: setting up uid map",
            "bwrap: Creating new namespace failed",
        ),
        "sandbox-forbidden",
        "This system does not let you make user namespaces; `rootstream doctor` shows how to allow it.",
    ),
    (
        (
            "No space left on device",
            "RESOURCE_EXHAUSTED",
            "Insufficient storage quota",
            "Cleanup operation failed",
        ),
        "cache-full",
        "Free disk space, or set a larger ROOTSTREAM_CACHE_QUOTA, or another disk in ROOTSTREAM_CACHE.",
    ),
    (
        ("fusermount", "/dev/fuse", "fuse: "),
        "fuse-missing",
        "Building needs FUSE; `rootstream doctor` shows what is missing.",
    ),
    (
        (
            "Could not find element",
            "No element plugin registered",
            "No source plugin registered",
            "Unexpected key",
            "Unresolved",
            "Circular dependency",
            "invalid characters",
            "while parsing",
            "while scanning",
            "Dictionary did not contain",
            "Value of",
        ),
        "project-invalid",
        "",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What is known of a run that failed: its failed jobs, the errors of the core, its last words."""

    failures: Sequence[Failure]
    core: Sequence[str]
    closing: str
    status: int
    casd_died: bool
    project: Path | None
    command: str


def fault(outcome: Outcome, *, log_tail: Sequence[str]) -> UserError:
    """Return the error for a failed run; `log_tail` is the end of the first failed job's log."""
    if outcome.casd_died:
        return UserError(
            "engine-died",
            "buildbox-casd, the process that keeps BuildStream's cache, ended in the middle of the work",
            hint="Run the same command again: what was finished is kept. If it happens again, look for a\n"
            "  lack of memory or disk space (`rootstream doctor`).",
        )
    if outcome.status < 0:
        return UserError(
            "engine-died",
            f"BuildStream was killed (signal {-outcome.status})",
            hint="Run the same command again: what was finished is kept. Perhaps memory ran out (see `dmesg`).",
        )
    if outcome.failures:
        return _job(outcome, log_tail)
    text = outcome.closing or "\n".join(outcome.core)
    known = _known(text)
    first, _, rest = text.partition("\n")
    where, message = _place(first, outcome.project)
    if known is not None:
        reason, hint = known
    else:
        reason, hint = "engine-failed", f"To try it by hand: {outcome.command}"
    return UserError(
        reason,
        message or f"BuildStream ended with exit status {outcome.status} and did not say why",
        where=where,
        hint=hint or None,
        detail=rest.strip("\n") or None,
    )


def _job(outcome: Outcome, log_tail: Sequence[str]) -> UserError:
    # a failure of the surroundings shows in every job: name it instead of the element
    failure = outcome.failures[0]
    whole = "\n".join([failure.text, *log_tail])
    surroundings = _known(whole) if failure.action != "build" or "failed with exitcode" not in whole else None
    others = len({other.element for other in outcome.failures}) - 1
    more = f" (and {others} more)" if others > 0 else ""
    first, _, rest = failure.text.partition("\n")
    where, message = _place(first, outcome.project)
    log = f"The whole log: {failure.log}" if failure.log else ""
    if surroundings is not None and surroundings[0] != "project-invalid":
        reason, hint = surroundings
        return UserError(
            reason, f"{failure.action} of {failure.element}{more}: {message}", detail=rest or None, hint=hint
        )
    if failure.action == "build":
        hint = f"To look into it: rootstream shell {failure.element}"
        return UserError(
            "element-failed",
            f"build of {failure.element} failed{more}"
            + ("" if message == "Command failed" else f": {message}"),
            detail="\n".join(log_tail) or rest or None,
            hint=f"{log}\n  {hint}" if log else hint,
            where=where,
        )
    reason = {"fetch": "fetch-failed", "track": "track-failed", "pull": "pull-failed"}.get(
        failure.action, "push-failed"
    )
    advice = (
        "Check the network and run the same command again; what arrived is kept."
        if reason == "fetch-failed"
        else ""
    )
    return UserError(
        reason,
        f"{failure.action} of {failure.element} failed{more}: {message}",
        detail=rest.strip("\n") or None,
        hint="\n  ".join(part for part in (log, advice) if part) or None,
        where=where,
    )


def _known(text: str) -> tuple[str, str] | None:
    for phrases, reason, hint in _KNOWN:
        if any(phrase in text for phrase in phrases):
            return reason, hint
    return None


def _place(text: str, project: Path | None) -> tuple[Where | None, str]:
    """Split BuildStream's `name.bst [line 2 column 10]: text` into place and text; its columns count from 0."""
    match = _PROVENANCE.search(text)
    if match is None:
        return None, text
    path = Path(match["path"])
    if project is not None:
        path = next((found for found in (project / path, project / "elements" / path) if found.is_file()), path)
    before = text[: match.start()].removesuffix(" at ").strip()
    message = f"{before}: {match['rest']}" if before else match["rest"]
    return Where(path=path, line=int(match["line"]), column=int(match["column"]) + 1), message


def log_end(text: str, lines: int = TAIL_LINES) -> tuple[str, ...]:
    """Return the last lines that a build itself printed: without BuildStream's own messages around them."""
    kept = text.rstrip("\n").split("\n")
    while kept and (_OWN_LINE.match(kept[-1]) or _CASD_LINE.match(kept[-1]) or not kept[-1].strip()):
        kept.pop()
    kept = [line for line in kept[-lines:] if not _CASD_LINE.match(line)]
    return tuple(kept)


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
