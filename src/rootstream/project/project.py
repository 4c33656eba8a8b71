"""A project on the disk: where its description, lock, plan, state and results are, and who may work in it."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from rootstream import events
from rootstream.errors import UserError, Where
from rootstream.host import nofollow, temporary
from rootstream.host.content import Content, Program, chunks
from rootstream.project import committed

if TYPE_CHECKING:
    from rootstream.description.model import Description

DESCRIPTION = "system.yaml"
WORK = ".rootstream"
PLAIN = "project.conf"
LONGEST_HOLDER = 300
SCRATCH = ("checkout-", "collect-", "update-")  # folders below .rootstream for the time of one command
NOTES = ("state", "builds")  # folders below .rootstream with files that commands replace who hold the project
_DRAFT = re.compile(r"\..+\.[a-z0-9_]{8}")  # what is about to take the place of another
_LOOKS, _PAUSE = 20, 0.05  # seconds
_WORD = re.compile(r"[a-z]+")
# What is entered while only a held system is worked in and other commands may have the project.
Alone = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A folder with a system.yaml, or with a BuildStream project.conf and no system.yaml (`plain`).

    `scratch` is where a command that only reads puts what it derives, `elsewhere` the folder that holds results
    instead of the project's own; `memory` is what `read` has read, for copies, too.
    """

    folder: Path
    kind: Literal["described", "plain"]
    scratch: Path | None = None
    elsewhere: Path | None = None
    memory: list[Description] = field(default_factory=list, compare=False, repr=False)

    def read(self) -> Description:
        """Return what its system.yaml says, which is read once in a command. Raises as `load` does."""
        if not self.memory:
            from rootstream.description.load import load  # noqa: PLC0415  (the models: not all commands need them)

            self.memory.append(load(self.description))
        return self.memory[0]

    def forget(self) -> None:
        """Have system.yaml read again, for who changed it."""
        self.memory.clear()

    @property
    def description(self) -> Path:
        """Return the path of system.yaml."""
        return self.folder / DESCRIPTION

    @property
    def lock(self) -> Path:
        """Return the path of system.lock."""
        return self.folder / "system.lock"

    @property
    def work(self) -> Path:
        """Return the folder of derived files; it can be deleted at any time."""
        return self.folder / WORK

    @property
    def plan(self) -> Path:
        """Return the folder of the BuildStream project that the engine works in."""
        return (self.scratch or self.work) / "plan" if self.kind == "described" else self.folder

    @property
    def results(self) -> Path:
        """Return the folder of all results."""
        return self.elsewhere or self.folder / "out"

    def out(self, target: str) -> Path:
        """Return the folder of a target's results."""
        return self.results / target

    def shown(self, target: str) -> str:
        """Return the folder of a target's results for people: from the project's folder where it is in that."""
        place = self.out(target)
        return str(place.relative_to(self.folder)) if place.is_relative_to(self.folder) else str(place)


def find(start: Path, elsewhere: Path | None = None) -> Project:
    """Return the project of a folder or of the nearest one above it; what a clone may have brought is looked at.

    `elsewhere` is a folder for its results. Raises `UserError` no-folder, no-project, foreign-project,
    outside-project, link-in-project, special-file, foreign-owner.
    """
    try:
        start = start.resolve()
    except FileNotFoundError as error:
        hint = "Change to a folder that exists, or name the project's with -C."
        raise UserError("no-folder", "the current folder does not exist any more", hint=hint) from error
    for folder in (start, *start.parents):
        if (folder / DESCRIPTION).is_file():
            return _looked_at(folder / DESCRIPTION, "described", start, elsewhere)
        if (folder / PLAIN).is_file() and folder.name != "plan":
            return _looked_at(folder / PLAIN, "plain", start, elsewhere)
    raise UserError(
        "no-project",
        f"no {DESCRIPTION} and no BuildStream {PLAIN} in {start} or above it",
        hint="Run `rootstream init debian-server box` to create a project in the folder box.",
    )


def _looked_at(file: Path, kind: Literal["described", "plain"], start: Path, elsewhere: Path | None) -> Project:
    committed.require_own(file, start)
    committed.require_inside(file)
    place = elsewhere.resolve() if elsewhere else None
    found = Project(folder=file.parent, kind=kind, elsewhere=place)
    committed.look(found.folder, plain=kind == "plain", lock=found.lock, work=found.work, results=place)
    return found


@contextmanager
def reading(project: Project) -> Iterator[Project]:
    """Give a project to a command that only reads it: what it derives goes to a temporary folder."""
    with temporary.folder("rootstream-plan-") as scratch:
        yield replace(project, scratch=scratch.resolve())


@dataclass(slots=True, kw_only=True)
class Hold:
    """A project that one command works in."""

    lock: int
    report: events.Reporter
    held: bool = False

    def take(self) -> None:
        """Wait for the project and hold it."""
        _take(self.lock, self.report)
        self.held = True

    def leave(self) -> None:
        """Let others have the project, if it is held."""
        if self.held:
            self.held = False
            _leave(self.lock)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Let other commands into the project meanwhile, but not into the systems that are held.

        Who is interrupted meanwhile, or fails, ends without waiting for them.
        """
        self.leave()
        yield
        self.take()


@contextmanager
def locked(project: Project, report: events.Reporter, systems: tuple[str, ...] = ()) -> Iterator[Hold]:
    """Hold the project for one command at a time; says which other one it has to wait for.

    `systems` are those of Buildroot whose workspace it works in: they are held all the time, the project itself
    may be left while make or a menu runs. Who has the project waits for no system, so no two wait for each other.
    The kernel lets go of a lock when its holder dies, however it dies.
    """
    with ExitStack() as stack:
        for name in sorted(systems):
            handle = stack.enter_context(lock_file(project.work / "locks" / name, project.folder))
            _take(handle, report)
            stack.callback(_leave, handle)
        hold = Hold(lock=stack.enter_context(lock_file(project.work / "lock", project.folder)), report=report)
        hold.take()
        stack.callback(hold.leave)
        _sweep(project)
        yield hold


def _sweep(project: Project) -> None:
    """Remove what killed commands left: their folders, and files that were about to replace others."""
    temporary.sweep(project.work, temporary.left_in(*SCRATCH))
    temporary.sweep(project.results, _DRAFT)
    temporary.sweep(Path(tempfile.gettempdir()))
    for name in NOTES:
        temporary.sweep_files(project.work / name, _DRAFT)
    temporary.sweep_files(project.folder, re.compile(rf"\.{re.escape(project.lock.name)}\.[a-z0-9_]{{8}}"))


@contextmanager
def lock_file(path: Path, base: Path | None = None) -> Iterator[int]:
    """Open a file below a base (its folder) to be locked, and give its descriptor.

    Raises `UserError` cannot-write, link-in-project, special-file, foreign-owner.
    """
    if base is None:
        base = path.parent
        try:
            base.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _cannot_write(path, error) from error
    handle = nofollow.open_file(base, path, os.O_RDWR | os.O_CREAT)
    try:
        yield handle
    finally:
        os.close(handle)


def _cannot_write(path: Path, error: OSError) -> UserError:
    return UserError(
        "cannot-write",
        f"cannot be written: {error.strerror}",
        where=Where(path=path),
        hint="The project's folder must be writable.",
    )


def _take(handle: int, report: events.Reporter) -> None:
    """Lock an open file and write into it who has it."""
    if not _taken_at_once(handle, report):
        fcntl.flock(handle, fcntl.LOCK_EX)
    os.ftruncate(handle, 0)
    os.pwrite(handle, f"process {os.getpid()}, {_command()}".encode("utf-8", "replace")[:LONGEST_HOLDER], 0)


def _taken_at_once(handle: int, report: events.Reporter) -> bool:
    """Lock an open file, or say who has it: who took it this moment has not yet written that."""
    for _ in range(_LOOKS):
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(handle, LONGEST_HOLDER, 0).decode("utf-8", "replace").strip()
        else:
            return True
        if holder:
            break
        time.sleep(_PAUSE)
    told = "waiting for another command in this project"
    report(events.Notice(level="info", text=f"{told}: {holder}" if holder else told))
    return False


def _leave(handle: int) -> None:
    """Unlock an open file, which names nobody from then on."""
    os.ftruncate(handle, 0)
    fcntl.flock(handle, fcntl.LOCK_UN)


def _command() -> str:
    """Return the verb of the command line alone: what follows may be a password (`config set SYMBOL=VALUE`)."""
    verb = itertools.takewhile(_WORD.fullmatch, sys.argv[1:])
    return " ".join(("rootstream", *verb))


def sync(folder: Path, files: Mapping[str, Content], keep: tuple[str, ...] = ()) -> None:
    """Make a folder hold these files and no others (but for the names in `keep` at its top).

    Files that are already right are not touched, so their times stay.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {folder / path for path in files}
    for present in sorted(folder.rglob("*"), reverse=True):
        if present.relative_to(folder).parts[0] in keep:
            continue
        if present.is_dir() and not present.is_symlink():
            if not any(present.iterdir()):
                present.rmdir()
        elif present not in wanted:
            present.unlink()
    for path, content in files.items():
        _put(folder / path, content)


def _put(place: Path, content: Content) -> None:
    is_program = isinstance(content, Program)
    if place.is_file() and not place.is_symlink() and _holds(place, content):
        if bool(place.stat().st_mode & 0o111) != is_program:
            place.chmod(0o755 if is_program else 0o644)
        return
    if place.is_dir():
        place.rmdir()
    place.parent.mkdir(parents=True, exist_ok=True)
    new = place.with_name(f".{place.name}.new")
    with new.open("wb") as file:
        file.writelines(chunks(content))
    if is_program:
        new.chmod(0o755)
    new.replace(place)


def _holds(place: Path, content: Content) -> bool:
    if place.stat().st_size != len(content):
        return False
    with place.open("rb") as file:
        return all(file.read(len(piece)) == piece for piece in chunks(content))


def read_state(project: Project, target: str) -> Mapping[str, Any]:
    """Return what the last export of a target noted, or nothing."""
    try:
        state = json.loads(nofollow.read_bytes(project.folder, project.work / "state" / f"{target}.json"))
    except (OSError, ValueError, RecursionError):
        return {}
    return state if isinstance(state, dict) else {}
