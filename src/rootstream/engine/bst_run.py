"""One run of `bst`: started, listened to, ended without leaving anything behind."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream.engine import leftovers, programs, sharing
from rootstream.engine.connect_relay import Relay, needs_proxy
from rootstream.engine.execution_relay import ExecutionRelay
from rootstream.engine.messages import Reader
from rootstream.engine.remotes import Remote, Workers
from rootstream.engine.settings import Settings, configuration, quota_of, servers_in, unverified_in
from rootstream.engine.transfer_watch import Traffic, Watch
from rootstream.engine.trust import Trust, guarded
from rootstream.errors import Interrupted, UserError
from rootstream.events import ElementFinished, ElementRunning, Event, Notice, Reporter
from rootstream.host import process

TICK = 0.25  # seconds
MINUTE = 60.0  # seconds between two events on an action that goes on
POLITE = 30.0  # seconds for bst to end its jobs after SIGINT
FIRM = 10.0  # seconds after SIGTERM, or after its casd died
BRIEF = 1.0  # seconds for each signal, once it waits for a server that has gone
KEPT_LINES = 5000  # of the messages of a run, for when it fails without good words
UMASK = 0o022  # for all commands in sandboxes, which would have the user's: it is no part of any key
DRAIN = 2.0  # seconds to read what is left once bst has ended


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The surroundings of one run of `bst`: its mark, configuration file and environment.

    `alone`: no other run used the cache when this one began. `watch` knows when servers that it uses are gone,
    `waits` which actions wait for workers, `traffic` counts what it transfers.
    """

    alone: bool
    mark: str
    configuration: Path
    env: Mapping[str, str]
    watch: Watch
    waits: ExecutionRelay | None
    traffic: Traffic

    def argv(self, words: Sequence[str], *, interactive: bool = False, colors: bool = False) -> tuple[str, ...]:
        """Return the command line for some words after `bst`."""
        frame = ["--config", str(self.configuration)]
        frame += [] if interactive else ["--no-interactive"]
        frame += [] if colors else ["--no-colors"]
        return (sys.executable, "-m", "buildstream", *frame, *words)


@contextlib.contextmanager
def opened(
    settings: Settings,
    env: Mapping[str, str],
    *,
    report: Reporter | None = None,
    for_people: bool = False,
    remotes: Sequence[Remote] = (),
    push: bool = False,
    workers: Workers | None = None,
    build: bool = False,
    trust: Trust | None = None,
) -> Iterator[Run]:
    """Make the surroundings of a run and remove them, with every process that it left, at the end.

    With `report` the run may wait for others if the cache is full, and says so. `for_people` leaves BuildStream's
    messages as they are. Of all servers it uses `remotes`, with `push` to push, and `workers` if it is to `build`,
    or for its files; what it pulls, and what of the cache it uses, is what `trust` allows. Raises `UserError`
    cache-unwritable, cache-noexec, engine-settings-invalid.
    """

    def say() -> None:
        if report is not None:
            text = "the cache is full: waiting for another build that uses it"
            report(Notice(level="info", text=text))

    wait = None if report is None else say
    relay = Relay(remotes) if remotes and not needs_proxy(env, remotes) else None
    with (
        _writable(settings.cache),
        relay or contextlib.nullcontext(),
        sharing.leased(settings.cache, quota=quota_of(settings), wait=wait) as lease,
        contextlib.ExitStack() as held,
        guarded(trust, remotes, unverified_in(settings), report, push=push, lease=lease) as index,
    ):
        mark = f"@{lease.token}:"
        file = lease.temporary / "buildstream.conf"
        waits = ExecutionRelay(workers.remote, lease.temporary) if workers and build else None
        execution = held.enter_context(waits) if waits else None
        told = None if for_people else mark
        text = configuration(
            settings,
            mark=told,
            expires=lease.alone,
            remotes=remotes,
            push=push,
            workers=workers,
            build=build,
            execution=execution,
            index=index,
        )
        file.write_text(text, encoding="utf-8")
        if relay:
            relay.allow(servers_in(text))
        path = programs.guarded_path(settings.cache, env.get("PATH", os.defpath))
        marked = {**env, "PATH": path, leftovers.VARIABLE: lease.token, "TMPDIR": str(lease.temporary)}
        marked |= relay.environment if relay else {}
        yield Run(
            alone=lease.alone,
            mark=mark,
            configuration=file,
            env=marked,
            watch=Watch(remotes, relay, workers.remote if workers and build else None),
            waits=waits,
            traffic=Traffic(remotes, relay, "push" if push else "pull"),
        )


@contextlib.contextmanager
def _writable(cache: Path) -> Iterator[None]:
    """Turn a cache that is not ours into a clear error."""
    try:
        (cache / sharing.FOLDER).mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=cache / sharing.FOLDER):
            pass
    except OSError as error:
        raise UserError(
            "cache-unwritable",
            f"cannot write in the cache folder {cache}: {error.strerror or error}",
            hint="Change its owner, or set another folder in ROOTSTREAM_CACHE.",
        ) from error
    yield


@contextlib.contextmanager
def ended(child: subprocess.Popen[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """End a process if it has not ended by itself."""
    try:
        yield child
    finally:
        if child.poll() is None:
            process.end(child)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Turn Ctrl-C into the error that says so; by then bst has been stopped."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted("stopped; finished work is kept") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run of `bst` ended: status as `subprocess` gives it, standard output, the end of its messages.

    `gave_up`: it was ended because its casd had died, `lost`: because it waited for a server that had gone.
    """

    status: int
    stdout: bytes
    messages: str
    gave_up: bool
    lost: bool = False


def drive(run: Run, words: Sequence[str], *, cwd: Path | None, reader: Reader, report: Reporter) -> Ended:
    """Run `bst` to its end and report what it says.

    Once its casd has died it cannot succeed; it is ended if it does not end by itself, and at once when it waits
    for a server that has gone. On KeyboardInterrupt and every other exception bst is stopped before the exception
    goes on.
    """
    pipe = subprocess.PIPE
    child = process.start(run.argv(words), env=run.env, cwd=cwd, stdout=pipe, stderr=pipe, umask=UMASK)
    listener = _Listener(child, reader, report)
    clock = Clock()
    gave_up = lost = False
    lost_at: float | None = None
    try:
        while not listener.ended():
            listener.wait(TICK)
            now = time.monotonic()
            due: list[Event] = [*clock.due(reader.running, now), *run.traffic.due(reader.running, now)]
            due += run.waits.due(now) if run.waits else []
            for event in due:
                report(event)
            if run.watch.lost(reader.running, time.monotonic()):
                lost = True
                _stop(child, listener, polite=BRIEF, firm=BRIEF)
                leftovers.kill(run.env[leftovers.VARIABLE])
            if reader.casd_died:
                lost_at = lost_at or time.monotonic()
                if time.monotonic() - lost_at > FIRM:
                    gave_up = True
                    _stop(child, listener)
        listener.drain()
    except BaseException:
        _stop(child, listener)
        raise
    finally:
        listener.close()
    messages = "\n".join(listener.lines)
    return Ended(status=child.wait(), stdout=bytes(listener.stdout), messages=messages, gave_up=gave_up, lost=lost)


class Clock:
    """Knows how long actions have been going on, and when to say so again."""

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}
        self._said: dict[tuple[str, str], float] = {}

    def due(self, running: Sequence[tuple[str, str]], now: float) -> list[ElementRunning]:
        """Return an event for each running (element, action) of which nothing was said for a minute."""
        self._since = {at: self._since.get(at, now) for at in running}
        self._said = {at: self._said.get(at, now) for at in running}
        late = [at for at, said in self._said.items() if now - said >= MINUTE]
        self._said |= dict.fromkeys(late, now)
        return [ElementRunning(element=at[0], action=at[1], elapsed=now - self._since[at]) for at in late]


class _Listener:
    """Reads both pipes of a child: messages of the one to the reader, the other as bytes."""

    def __init__(self, child: subprocess.Popen[bytes], reader: Reader, report: Reporter) -> None:
        self._child = child
        self._reader = reader
        self._report = report
        self._rest = b""
        self.stdout = bytearray()
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.stopping = False
        self._selector = selectors.DefaultSelector()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self._selector.register(pipe, selectors.EVENT_READ)

    def ended(self) -> bool:
        """Whether bst has ended; a process that it left could hold the pipes open much longer."""
        return self._child.poll() is not None

    def wait(self, timeout: float) -> bool:
        """Read what comes within the time; say whether anything came."""
        if not self._selector.get_map():
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._child.wait(timeout)
            return False
        ready = self._selector.select(timeout)
        for key, _ in ready:
            chunk = os.read(key.fd, 1 << 16)
            if not chunk:
                self._selector.unregister(key.fileobj)
            elif key.fileobj is self._child.stdout:
                self.stdout += chunk
            else:
                self._feed(chunk)
        if not ready:
            self._tell(self._reader.flush())
        return bool(ready)

    def drain(self) -> None:
        """Read what a bst that has ended left in the pipes."""
        deadline = time.monotonic() + DRAIN
        while self._selector.get_map() and time.monotonic() < deadline and self.wait(0.05):
            pass
        if self._rest:
            self._feed(b"\n")
        self._tell(self._reader.flush())

    def close(self) -> None:
        """Close both pipes."""
        self._selector.close()
        for pipe in (self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()

    def _feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            text = line.decode("utf-8", "replace")
            self.lines.append(text)
            self._tell(self._reader.line(text))

    def _tell(self, events: Sequence[Event]) -> None:
        # once we stop bst, its jobs and their commands "fail": that is no news
        for event in events:
            broken = isinstance(event, ElementFinished) and event.result == "failure"
            if not (self.stopping and (broken or isinstance(event, Notice))):
                self._report(event)


def _stop(
    child: subprocess.Popen[bytes], listener: _Listener, *, polite: float = POLITE, firm: float = FIRM
) -> None:
    """End bst: SIGINT lets it end its jobs and its casd in order; a second Ctrl-C goes on to the next."""
    listener.stopping = True
    for number, patience in ((signal.SIGINT, polite), (signal.SIGTERM, firm), (signal.SIGKILL, FIRM)):
        if child.poll() is not None:
            return
        child.send_signal(number)
        deadline = time.monotonic() + patience
        with contextlib.suppress(KeyboardInterrupt):
            while child.poll() is None and time.monotonic() < deadline:
                listener.wait(TICK)  # a full pipe would keep it from ending
