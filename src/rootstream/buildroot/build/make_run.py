"""Buildroot's make as a process: its output split into one log a package, its messages turned into events."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Self

from rootstream.buildroot import confined, info
from rootstream.buildroot.build import failure
from rootstream.buildroot.build.failure import WHOLE
from rootstream.buildroot.workspace import Workspace
from rootstream.errors import Interrupted
from rootstream.events import ElementFinished, ElementStarted, Phase, Reporter, Step
from rootstream.fetch import pipes
from rootstream.host import process

# What Buildroot prints when a step begins: `>>> NAME VERSION Step`; without a package, two spaces stand for both.
_MESSAGE = re.compile(rb"(?:\x1b\[[0-9;]*m|\x1b\(B|\x0f)*>>> (?:([A-Za-z0-9][\w.+-]*) (\S*) |\s+)([^\x1b]*)")
# After these, what a package depends on may come first; after all others a package goes on to its end.
_BEGINNING = ("Downloading", "Extracting", "Patching", "Syncing", "Updating", "Configuring")
CONFIGURING = "Configuring"
KEPT_LOGS = 10


def _nothing(name: str, phase: str) -> None:
    """Do nothing when a step of a package has ended."""


@dataclass(slots=True)
class _Package:
    """A package at work; `spent` is the time of its steps, others may come between them."""

    action: str
    phase: str = ""
    since: float = 0.0
    spent: float = 0.0


@dataclass(slots=True, kw_only=True)
class Follower:
    """Reads make's output line by line: reports packages and their steps, and knows which one is at work.

    `after` is told of each step that ended well, as package and step; what it raises ends the run.
    """

    report: Reporter
    clock: Callable[[], float]
    logs: Path
    after: Callable[[str, str], None] = _nothing
    action: str = "build"
    open: dict[str, _Package] = field(default_factory=dict)
    current: str | None = None
    finished: list[str] = field(default_factory=list)

    def take(self, line: bytes) -> str | None:
        """Take a line of output; return the name of the log that it belongs to."""
        match = _MESSAGE.match(line)
        if match:
            name = match[1].decode("ascii") if match[1] else None
            self._step(name, match[3].decode("utf-8", "replace").strip())
        return self.current

    def _step(self, name: str | None, phase: str) -> None:
        now = self.clock()
        if self.current is not None:
            before = self.open[self.current]
            before.spent += now - before.since
            self.after(self.current, before.phase)
            if name != self.current and not before.phase.startswith(_BEGINNING):
                self._end(self.current, "success")
        self.current = name
        if name is None:
            self.report(Step(name="finalize", text=phase.lower() if phase[:1].isupper() else phase))
            return
        if name not in self.open:
            # what is built already and only installs again begins with that
            action = "install" if phase.startswith("Installing") else self.action
            self.open[name] = _Package(action=action)
            self.report(ElementStarted(element=name, action=action, key="", log=self.logs / f"{name}.log"))
        package = self.open[name]
        package.phase, package.since = phase, now
        self.report(Phase(element=name, text=phase))

    def _end(self, name: str, result: str) -> None:
        package = self.open.pop(name)
        self.finished.append(name)
        self.report(
            ElementFinished(
                element=name,
                action=package.action,
                key="",
                result="success" if result == "success" else "failure",
                elapsed=package.spent,
                log=self.logs / f"{name}.log",
            )
        )

    def close(self, *, failed: bool) -> str | None:
        """End all that is open; return the package that failed, if one did."""
        now = self.clock()
        culprit = self.current if failed else None
        if self.current is not None:
            self.open[self.current].spent += now - self.open[self.current].since
        for name in list(self.open):
            if name == culprit:
                self._end(name, "failure")
            elif not failed:
                self._end(name, "success")
        return culprit


class Logs:
    """The logs of one run: all of it in build.log, each package's share in a file of its own."""

    def __init__(self, folder: Path, *, header: str) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._all = (folder / WHOLE).open("wb")
        self._all.write(header.encode())
        self._name: str | None = None
        self._own: IO[bytes] | None = None

    def write(self, line: bytes, name: str | None) -> None:
        """Write a line to the whole log and to that of its package."""
        self._all.write(line)
        self._all.flush()
        if name != self._name:
            self._switch(name)
        if self._own is not None:
            self._own.write(line)
            self._own.flush()

    def _switch(self, name: str | None) -> None:
        if self._own is not None:
            self._own.close()
        self._own = (self.folder / f"{name}.log").open("ab") if name is not None else None
        self._name = name

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._switch(None)
        self._all.close()


def header(argv: Sequence[str], env: dict[str, str], began: datetime) -> str:
    """Return the first lines of a log: when, with which environment and command."""
    lines = [f"# {began.isoformat(timespec='seconds')}", "# environment:"]
    lines += [f"#   {name}={env[name]}" for name in sorted(env)]
    return "\n".join([*lines, f"# {process.paste(argv)}", "", ""])


def run(
    workspace: Workspace,
    targets: Sequence[str],
    report: Reporter,
    *,
    what: str,
    after: Callable[[str, str], None] = _nothing,
    answered: Callable[[str], bool] | None = None,
    action: str = "build",
    output: Path | None = None,
    network: bool = False,
    visible: Sequence[Path] = (),
) -> bool:
    """Run make with these targets; `after` is told of each step that ended.

    `action` is what is told to happen to a package, `output` another output folder than the system's. `network`:
    it downloads. `visible` are further paths that its rules read. With `answered` make is first asked for its
    packages (info.py), and builds when that has taken the answer and said so; else it is ended: False is returned.
    Raises `UserError` what `failure.of` gives, Interrupted.
    """
    env = {**workspace.environment(), "TERM": "dumb"}
    place = output or workspace.output
    shown = argv = confined.make(workspace, *targets, output=output)
    if answered:  # with no target at all, Buildroot's make builds everything
        argv = confined.make(workspace, info.GATE, *(targets or ("all",)))
    online = network or workspace.root.network == "build"

    def start(end: IO[bytes]) -> subprocess.Popen[bytes]:
        return confined.start(workspace, argv, env=env, output=end, network=online, place=place, visible=visible)

    began = datetime.now(UTC)
    folder = workspace.logs / began.strftime("%Y%m%dT%H%M%S.%fZ")
    _tidy(workspace.logs)
    follower = Follower(report=report, clock=time.monotonic, logs=folder, after=after, action=action)
    with Logs(folder, header=header(shown, env, began)) as logs:
        _link(workspace.logs / "latest", folder.name)
        with _opened_gate(workspace) if answered else nullcontext() as gate:
            status = _follow(start, follower, logs, _Asked(gate, answered) if gate and answered else None)
    confined.require_inside(workspace)
    if status is None:
        return False
    culprit = follower.close(failed=status != 0)
    if status != 0:
        command = process.paste(shown)
        raise failure.of(workspace, folder, culprit, status, command, what, network=online, visible=visible)
    return True


@contextmanager
def _opened_gate(workspace: Workspace) -> Iterator[IO[bytes]]:
    """Make the pipe that a make waits at; it is open on both ends here, so that writing to it never waits."""
    path = workspace.state / info.PIPE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    try:
        with os.fdopen(os.open(path, os.O_RDWR | os.O_CLOEXEC), "wb", buffering=0) as gate:
            yield gate
    finally:
        path.unlink(missing_ok=True)


@dataclass(slots=True)
class _Asked:
    """A make that is asked first: collects its answer and opens the gate when that has been taken."""

    gate: IO[bytes]
    answered: Callable[[str], bool]
    lines: list[bytes] = field(default_factory=list)
    goes_on: bool = True

    def take(self, line: bytes) -> bool:
        """Take a line of the answer; return whether it was the last one, and the build goes on."""
        if line.strip() != info.AT_THE_GATE.encode():
            self.lines.append(line)
            return False
        self.goes_on = self.answered(b"".join(self.lines).decode("utf-8", "replace"))
        if self.goes_on:
            self.gate.write(b"\n")
        return True


def _follow(
    start: Callable[[IO[bytes]], subprocess.Popen[bytes]], follower: Follower, logs: Logs, asked: _Asked | None
) -> int | None:
    """Return the exit status of make, None where its answer says that it is not to build."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb", buffering=0) as output:
        with os.fdopen(writing, "wb") as end:
            child = start(end)
        try:
            for line in pipes.lines(output, child):
                if asked is None:
                    logs.write(line, follower.take(line))
                elif asked.take(line):
                    if not asked.goes_on:
                        return None
                    asked = None
            for line in asked.lines if asked else ():  # it failed before it could answer
                logs.write(line, None)
            return child.wait()
        except KeyboardInterrupt as error:
            raise Interrupted("stopped; finished packages are kept") from error
        finally:
            process.end(child)


def _link(link: Path, name: str) -> None:
    new = link.with_name(".latest.new")
    new.unlink(missing_ok=True)
    new.symlink_to(name)
    new.replace(link)


def _tidy(logs: Path) -> None:
    """Delete all but the last logs."""
    if not logs.is_dir():
        return
    old = sorted(path for path in logs.iterdir() if path.is_dir() and not path.is_symlink())
    for path in old[: -KEPT_LOGS + 1]:
        shutil.rmtree(path, ignore_errors=True)
