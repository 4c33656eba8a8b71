"""A build of a system from nothing but its sources, as another user elsewhere would make it: for `prove`.

It is a process of its own, because user, umask, time zone and locale belong to a process. What can be another one
depends on the host; what could not is said.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rootstream import events
from rootstream.buildroot.workspace import Caches
from rootstream.engine import Engine
from rootstream.errors import Interrupted, UserError, Where
from rootstream.host import process, temporary
from rootstream.plan.inputs import VCS
from rootstream.project.project import WORK, Project
from rootstream.verbs.second_clock import SecondClock, second_clock

LEFT_OUT = ("out", WORK, ".bst", ".bst2")
OTHER = 1000  # the number of another user, in a user namespace: whom files belong to does not change
USUAL, STRICT = 0o022, 0o077  # umasks
ZONE = "<+1345>-13:45"  # needs no time zone database (POSIX, 8.3)
PATIENCE = 60.0  # seconds for the second build to stop what it runs
COPYING = 3600.0  # seconds
PROBE = 120.0  # seconds
MOST_SAID = 1 << 16  # bytes
# `bwrap` refuses capabilities that mounting takes, so it is started without them.
_UNCAPPED = ("setpriv", "--ambient-caps=-all", "--inh-caps=-all", "--")
# Whether a process can build at all: the engine, FUSE and the sandbox.
_TRYOUT = """
import os, sys
from rootstream.engine import tryout
from rootstream.engine.settings import environment_for, settings_from
sys.exit(tryout.fault(settings_from(os.environ), environment_for(os.environ)) is not None)
"""
_EVENTS: Mapping[str, Callable[..., events.Event]] = {
    "step": events.Step,
    "plan": events.Plan,
    "element-started": events.ElementStarted,
    "element-running": events.ElementRunning,
    "phase": events.Phase,
    "element-finished": events.ElementFinished,
    "notice": events.Notice,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """The folders of a second build, all temporary."""

    folder: Path

    @property
    def project(self) -> Path:
        """Return the copy of the project."""
        return self.folder / "project"

    @property
    def fetched(self) -> Path:
        """Return the folder of sources by hash."""
        return self.folder / "fetched"

    @property
    def home(self) -> Path:
        """Return the home of its user, which holds the cache, too."""
        return self.folder / "home"

    @property
    def cache(self) -> Path:
        """Return BuildStream's cache."""
        return self.home / "cache"


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """How a second build runs: the words before its command, its environment, what is another one and what not."""

    prefix: tuple[str, ...]
    env: Mapping[str, str]
    umask: int
    varied: Mapping[str, str]
    not_varied: Mapping[str, str]
    clock: SecondClock


@contextlib.contextmanager
def place() -> Iterator[Place]:
    """Give the folders; they go with the block, with all that was built in them."""
    with temporary.folder("rootstream-prove-") as folder:
        found = Place(folder=folder.resolve())
        for each in (found.project, found.fetched, found.home):
            each.mkdir()
        try:
            yield found
        finally:
            if found.cache.is_dir():
                Engine.of({**os.environ, "ROOTSTREAM_CACHE": str(found.cache)}).clear()


def copy(project: Project, target: Place) -> None:
    """Copy a project without its results, with other times of files; links stay links.

    Pipes, sockets and devices are left out: no build reads them. Raises `UserError` cannot-copy.
    """

    def ignored(folder: str, names: list[str]) -> set[str]:
        top = Path(folder) == project.folder
        return {
            name
            for name in names
            if name in VCS or (top and name in LEFT_OUT) or _is_special(Path(folder, name).lstat().st_mode)
        }

    def take(source: str, destination: str) -> None:
        shutil.copyfile(source, destination)
        shutil.copymode(source, destination)

    try:
        shutil.copytree(
            project.folder, target.project, symlinks=True, ignore=ignored, copy_function=take, dirs_exist_ok=True
        )
    except (OSError, shutil.Error) as error:
        where = Where(path=project.folder)
        raise UserError("cannot-copy", f"the project cannot be copied: {_first(error)}", where=where) from error


def _is_special(mode: int) -> bool:
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_ISLNK(mode))


def _first(error: OSError) -> str:
    """Return the first of the mistakes that copying a folder collects."""
    if isinstance(error, shutil.Error) and error.args and error.args[0]:
        source, _, why = error.args[0][0]
        return f"{source}: {why}"
    return error.strerror or str(error)


def copy_sources(there: Place, engine: Engine, kinds: Mapping[str, tuple[str, ...]] | None) -> None:
    """Copy downloads of BuildStream: of kinds of sources, each from some URLs, or all of them."""
    mirrors = engine.settings.cache / "sources"
    target = there.cache / "sources"
    target.mkdir(parents=True)
    for folder in sorted(mirrors.iterdir()) if mirrors.is_dir() else ():
        urls = None if kinds is None else kinds.get(folder.name, ())
        for each in sorted(folder.iterdir()) if folder.is_dir() else ():
            if urls is None or each.name in {_mirror_name(url) for url in urls}:
                (target / folder.name).mkdir(exist_ok=True)
                _copy_tree(each, target / folder.name / each.name)


def _mirror_name(url: str) -> str:
    """Return the folder that BuildStream keeps what is of a URL in (`utils.url_directory_name`)."""
    return re.sub(r"[^0-9A-Za-z%_]", "_", url)


def copy_buildroot_trees(there: Place) -> None:
    """Copy the pinned trees of Buildroot; its downloads are found by hash like other sources."""
    trees = Caches.of(os.environ).trees
    if trees.is_dir():
        _copy_tree(trees, there.home / "xdg" / "rootstream" / "buildroot" / "trees")


def _copy_tree(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    words = ("cp", "--archive", "--reflink=auto", "--no-target-directory", "--", str(source), str(target))
    process.run(words, env=os.environ, timeout=COPYING)


def surroundings(there: Place, engine: Engine) -> Surroundings:
    """Decide how a second build runs here. Raises `UserError` cannot-build-again."""
    jobs, builders = engine.settings.max_jobs + 1, 1 if engine.settings.builders > 1 else 2
    umask = USUAL if _umask() == STRICT else STRICT
    locale = "C.UTF-8" if os.environ.get("LC_ALL", os.environ.get("LANG", "C")) in ("C", "POSIX", "") else "C"
    env = {
        "PATH": os.environ.get("PATH", os.defpath),
        "HOME": str(there.home),
        "XDG_CONFIG_HOME": str(there.home / "config"),
        "XDG_CACHE_HOME": str(there.home / "xdg"),
        "XDG_STATE_HOME": str(there.home / "state"),
        "TMPDIR": str(there.folder / "tmp"),
        "LC_ALL": locale,
        "TZ": ZONE,
        "ROOTSTREAM_CACHE": str(there.cache),
        "ROOTSTREAM_CACHE_QUOTA": "infinity",
        "ROOTSTREAM_FETCHED": str(there.fetched),
        "ROOTSTREAM_JOBS": str(jobs),
        "ROOTSTREAM_BUILDERS": str(builders),
    }
    (there.folder / "tmp").mkdir()
    varied = {
        "folder": str(there.project),
        "umask": f"{umask:04o}",
        "time zone": "UTC+13:45",
        "locale": locale,
        "jobs": f"{jobs} for each element, elements at once: {builders}",
        "times of files": "those of the copy",
    }
    number = OTHER if os.geteuid() != OTHER else OTHER + 1
    identity = ("--user", f"--map-user={number}", f"--map-group={number}", "--mount", "--keep-caps")
    rootless = () if os.geteuid() == 0 else ("--user", "--map-current-user")
    tried: tuple[tuple[tuple[str, ...], dict[str, str], dict[str, str]], ...] = (
        ((*identity, "--net"), {"USER": f"user{number}", "LOGNAME": f"user{number}"}, {}),
        ((*rootless, "--net"), {}, {"user": "another one cannot mount or run sandboxes here"}),
        ((), {}, {"user": "there are no user namespaces here", "network": "it cannot be taken away here"}),
    )
    for attempt, (options, more, not_varied) in enumerate(tried):
        prefix = ("unshare", *options, "--") if options else ()
        clock = second_clock(there.folder / f"bin{attempt}", prefix, _UNCAPPED if more else (), env)
        more["PATH"] = f"{clock.programs}{os.pathsep}{env['PATH']}"
        if _can_build(prefix, there, {**env, **more}):
            clock.begin()
            varied |= {"network": "none"} if options else {}
            varied |= {"user": f"number {number}"} if "USER" in more else {}
            return Surroundings(
                prefix=prefix, env={**env, **more}, umask=umask, varied=varied, not_varied=not_varied, clock=clock
            )
    raise UserError(
        "cannot-build-again",
        "a second build does not work here: a small test of it failed",
        where=Where(path=there.folder.parent),
        hint="It runs in the folder for temporary files (TMPDIR). `rootstream doctor` checks the rest.",
    )


def _umask() -> int:
    now = os.umask(STRICT)
    os.umask(now)
    return now


def _can_build(prefix: Sequence[str], there: Place, env: Mapping[str, str]) -> bool:
    try:
        command = (*prefix, sys.executable, "-c", _TRYOUT)
        done = process.run(command, env=env, timeout=PROBE, cwd=there.home, check=False)
    except UserError:
        return False
    return done.status == 0


def build(there: Place, target: str, how: Surroundings, report: events.Reporter) -> float:
    """Build a system in its copy and return when that began, in seconds since 1970.

    Raises `UserError` second-build-failed, Interrupted.
    """
    words = (sys.executable, "-m", "rootstream", "build", "--project", str(there.project))
    command = (*how.prefix, *words, "--locked", "--json", "--", target)
    began = time.time()
    with tempfile.TemporaryFile() as messages:
        child = process.start(
            process.die_with_parent(command, below=True),
            env=how.env,
            cwd=there.home,
            stdout=subprocess.PIPE,
            stderr=messages,
            umask=how.umask,
        )
        try:
            failure = _follow(child, report)
            status = child.wait()
        except BaseException as error:
            _stop(child)
            if isinstance(error, KeyboardInterrupt):
                raise Interrupted("stopped; what was built for the comparison is removed") from error
            raise
        messages.seek(max(0, messages.seek(0, os.SEEK_END) - MOST_SAID))
        said = messages.read().decode("utf-8", "replace")
    if status != 0:
        raise UserError(
            "second-build-failed",
            f"{target} cannot be built again from its sources alone: {process.ending(status)}",
            detail=failure or process.tail(said),
            hint="The first build needed something that the lock does not name, or this host has changed.",
        )
    return began


def _follow(child: subprocess.Popen[bytes], report: events.Reporter) -> str:
    """Report what the second build says, line by line; return the error that it ends with, if any."""
    failure = ""
    for line in child.stdout or ():
        try:
            data = json.loads(line)
        except ValueError:
            continue
        if data.get("type") == "error":
            failure = "\n".join(str(data[word]) for word in ("message", "detail", "hint") if data.get(word))
        else:
            event = _event(data)
            if event is not None:
                report(event)
    return failure


def _event(data: Mapping[str, Any]) -> events.Event | None:
    kind = _EVENTS.get(data.get("type", ""))
    if kind is None:
        return None
    given = {name: value for name, value in data.items() if name not in ("type", "time")}
    if given.get("log"):
        given["log"] = Path(given["log"])
    return kind(**given)


def _stop(child: subprocess.Popen[bytes]) -> None:
    """Have the second build end what it runs, and end it if it does not."""
    with contextlib.suppress(ProcessLookupError):
        child.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired, KeyboardInterrupt):
        child.wait(PATIENCE)
    process.end(child)
