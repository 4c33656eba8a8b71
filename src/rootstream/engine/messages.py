"""What `bst` prints, line by line, as events.

A mark of the run's own begins every message, so that no text of a build can be taken for one. All that
follows a message without a mark belongs to it (details, multi-line texts) or is BuildStream's frame.
"""

from __future__ import annotations

import re
from collections.abc import Container, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from rootstream.engine.elements import ElementLines, ElementState, plan_of
from rootstream.engine.forecast import planned
from rootstream.events import ElementFinished, ElementStarted, Event, Notice, Plan, Transfer

CORE = "core activity"
JOBS = frozenset({"fetch", "build", "pull", "push", "track", "src-push"})
DISCARDED = "Discarded failed build"  # as it must be to try it again
# What transfers of artifacts say of each server, with keys of 64 digits; jobs and their failures tell the same.
TRANSFERRED = ("Remote (", "Pulled artifact ", "Pushed data from artifact ", "Pushed artifact ", "Could not pull ")
CASD_DIED = "buildbox-casd died"
KEPT_LINES = 400  # of text outside messages, and of one message's detail

_TIME = r"(?:-+|\d+):(?:--|\d\d):(?:--|\d\d)(?:\.(?:-{6}|\d{6}))?"
_TRANSFER = re.compile(
    r"transfer files=(\d{1,9})/(\d{1,9}) bytes=(\d{1,18})/(\d{1,18}) rate=(\d{1,15}(?:\.\d{1,6})?)"
)
_RETRY = re.compile(r"Try #\d+ failed, retrying")


def message_format(mark: str) -> str:
    """Return the `logging: message-format` that `Reader` reads; `mark` is a word that begins no other line."""
    return f"{mark}%{{elapsed-us}}|%{{key}}|%{{element}}|%{{action}}|%{{message}}"


@dataclass(slots=True, kw_only=True)
class Message:
    """One message of BuildStream; `element` is None for those of its core, `elapsed` in seconds."""

    kind: str
    action: str
    element: str | None
    key: str
    elapsed: float
    text: str
    detail: list[str] = field(default_factory=list)

    def whole(self) -> str:
        """Return the text with its detail, without BuildStream's indent."""
        lines = [line.removeprefix("    ").rstrip() for line in self.detail]
        return "\n".join([self.text, *lines]).strip("\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A job that failed for good: its last message and its whole log."""

    element: str
    action: str
    key: str
    text: str
    log: Path | None


@dataclass(slots=True)
class _Job:
    log: Path | None
    log_text: str
    open: list[str] = field(default_factory=list)


class Reader:
    """Turns the lines of one run of `bst` into events, and keeps what explains its failure."""

    def __init__(
        self,
        *,
        mark: str,
        logs: Path,
        targets: Sequence[str],
        counts: Literal["build", "fetch", ""],
        builders: int = 1,
    ) -> None:
        self._pattern = re.compile(
            re.escape(mark)
            + rf"(?P<elapsed>{_TIME})\|(?P<key>[0-9a-f?]*) *\| *(?P<action>[^:|]+):(?P<element>.*?) *"
            r"\|(?P<kind>[A-Z]+) *\|(?P<text>.*)",
            re.DOTALL,
        )
        self._logs = logs
        self._targets = tuple(targets)
        self._counts = counts
        self._builders = builders
        self._elements = ElementLines(mark)
        self._planned = False
        self._jobs: dict[tuple[str, str], _Job] = {}
        self._held: Message | None = None
        self.failures: list[Failure] = []
        self.frame: list[str] = []
        self.core_errors: list[str] = []
        self.casd_died = False

    @property
    def elements(self) -> tuple[ElementState, ...]:
        """The pipeline as BuildStream listed it at the start."""
        return self._elements.elements()

    @property
    def running(self) -> tuple[tuple[str, str], ...]:
        """Element and action of the jobs that were started and have not ended."""
        return tuple(self._jobs)

    def line(self, text: str) -> list[Event]:
        """Read one line, without its line end, and return the events that it completes."""
        match = self._pattern.fullmatch(text)
        if match is None:
            return self._frame(text)
        events = [*self.flush(), *self._plan()]
        message = Message(
            kind=match["kind"].lower(),
            action=match["action"].strip(),
            element=None if match["element"] == CORE else match["element"],
            key=match["key"].strip(),
            elapsed=seconds(match["elapsed"]),
            text=match["text"],
        )
        self.frame.clear()
        return events + self._message(message)

    def flush(self) -> list[Event]:
        """Return the event of a message that was held back because more lines of it could follow."""
        held, self._held = self._held, None
        return [] if held is None else self._notice(held)

    def _frame(self, text: str) -> list[Event]:
        if not self._planned and self._elements.take(text):
            return []
        if self._held is not None and len(self._held.detail) < KEPT_LINES:
            self._held.detail.append(text)
        if len(self.frame) < KEPT_LINES:
            self.frame.append(text)
        return []

    def _plan(self) -> list[Event]:
        if self._planned or not self._elements.elements():
            return []
        self._planned = True
        if not self._counts:
            return []
        return [self.plan() if self._counts == "build" else plan_of(self.elements, self._targets, build=False)]

    def plan(self, remote: Container[str] = ()) -> Plan:
        """Return what a build does, and how long it will take; `remote` are elements that servers have."""
        return planned(self.elements, self._targets, self._logs, self._builders, remote)

    def _message(self, message: Message) -> list[Event]:
        if message.element is not None and message.action in JOBS:
            events = self._job(message, message.element)
            if events is not None:
                return events
        if message.kind in {"info", "warning", "error", "bug", "failure"} or (
            message.kind == "status" and message.text.startswith("transfer ")
        ):
            transfer = _TRANSFER.fullmatch(message.text)
            if transfer and message.element is not None:
                files, of_files, size, of_size = map(int, transfer.groups()[:4])
                return [
                    Transfer(
                        element=message.element,
                        files_done=files,
                        files_total=of_files,
                        bytes_done=size,
                        bytes_total=of_size,
                        rate=float(transfer[5]),
                    )
                ]
            self._held = message
        return []

    def _job(self, message: Message, element: str) -> list[Event] | None:
        """Follow a job from its first START to the end of the same; None if the message is none of these."""
        at = (element, message.action)
        job = self._jobs.get(at)
        if message.kind == "start":
            if job is not None and message.text != job.log_text:
                job.open.append(message.text)
                return []
            log = self._logs / message.text if message.text.endswith(".log") else None
            self._jobs[at] = _Job(log, message.text)
            return [ElementStarted(element=element, action=message.action, key=message.key, log=log)]
        if job is None or message.kind not in {"success", "failure", "skipped", "bug"}:
            return None
        if message.text in job.open and message.text != job.log_text:
            job.open.remove(message.text)
            return []
        if message.kind == "failure" and _RETRY.fullmatch(message.text):
            # the job starts again with a START of its own; what failed stands in the log only
            del self._jobs[at]
            level: Literal["info", "warning"] = "info" if message.action in ("pull", "push") else "warning"
            return [
                Notice(level=level, text=f"{message.action}: {message.text.lower()}", element=element),
            ]
        del self._jobs[at]
        result: Literal["success", "failure", "skipped"] = "success"
        if message.kind in {"failure", "bug"}:
            result = "failure"
            self._held = message
            self._failed(message, element, job.log)
        elif message.kind == "skipped":
            result = "skipped"
        return [
            ElementFinished(
                element=element,
                action=message.action,
                key=message.key,
                result=result,
                elapsed=message.elapsed,
                log=job.log,
            )
        ]

    def _failed(self, message: Message, element: str, log: Path | None) -> None:
        self.failures.append(
            Failure(element=element, action=message.action, key=message.key, text=message.text, log=log)
        )

    def _notice(self, message: Message) -> list[Event]:
        text = message.whole()
        if CASD_DIED in message.text:
            self.casd_died = True
        last = self.failures[-1] if self.failures else None
        if message.kind in {"failure", "bug"} and last is not None and last.text == message.text:
            # the detail of a job's failure came after its first line
            self.failures[-1] = Failure(
                element=last.element, action=last.action, key=last.key, text=text, log=last.log
            )
            return []
        if message.element is None and message.kind in {"failure", "error", "bug"}:
            self.core_errors.append(message.text if message.kind == "failure" else text)
            return []
        if message.element is not None and message.text.startswith(TRANSFERRED):
            return []
        if message.kind == "failure" or message.text.endswith((" Terminated", DISCARDED)):
            # an activity inside a job or outside all jobs: what it was about is told by the job or at the end
            return []
        level: Literal["info", "warning", "error"] = "error"
        if message.kind == "info":
            level = "info"
        elif message.kind == "warning":
            level = "warning"
        return [Notice(level=level, text=text, element=message.element)]

    def closing(self) -> str:
        """Return BuildStream's last words: the text after its last message without its summaries."""
        lines = list(self.frame)
        starts = [at for at, line in enumerate(lines) if line == "Pipeline Summary"]
        if starts:
            after = starts[-1] + 1
            while after < len(lines) and lines[after].startswith("    "):
                after += 1
            lines = lines[after:]
        elif "Failure Summary" in lines:
            lines = lines[: lines.index("Failure Summary")]
        return "\n".join(line.rstrip() for line in lines).strip("\n")


def seconds(text: str) -> float:
    """Return BuildStream's elapsed time, hours:minutes:seconds.microseconds, as seconds; 0 for dashes."""
    if "-" in text:
        return 0.0
    hours, minutes, rest = text.split(":")
    return int(hours) * 3600 + int(minutes) * 60 + float(rest)
