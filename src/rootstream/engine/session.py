"""One run of `bst`: started, listened to, ended without leaving anything behind.

Every process of a run carries the run's mark in its environment, so what a killed run left (its casd lives in a
process group of its own) is found and ended by the next one.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rootstream import process
from rootstream.engine import leftovers
from rootstream.engine.settings import Settings, configuration
from rootstream.errors import UserError

TICK = 0.25  # seconds
POLITE = 30.0  # seconds for bst to end its jobs after SIGINT
FIRM = 10.0  # seconds after SIGTERM
DRAIN = 2.0  # seconds to read what is left once bst has ended
MARK_VARIABLE = "ROOTSTREAM_ENGINE_RUN"


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The surroundings of one run of `bst`: its mark, configuration file and environment."""

    mark: str
    configuration: Path
    env: Mapping[str, str]

    def argv(self, words: Sequence[str], *, interactive: bool = False) -> tuple[str, ...]:
        """Return the command line for some words after `bst`."""
        frame = () if interactive else ("--no-interactive", "--no-colors")
        return (sys.executable, "-m", "buildstream", "--config", str(self.configuration), *frame, *words)


@contextlib.contextmanager
def opened(settings: Settings, env: Mapping[str, str]) -> Iterator[Run]:
    """Make the surroundings of a run and remove them, with every process that it left, at the end.

    Raises `UserError` cache-unwritable.
    """
    runs = settings.cache / "rootstream-runs"
    try:
        runs.mkdir(parents=True, exist_ok=True)
        leftovers.clear(runs, settings.cache)
        token = secrets.token_hex(6)
        temporary = Path(tempfile.mkdtemp(prefix=f"rootstream-{token}-"))
        record = runs / token
        descriptor = os.open(record, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UserError(
            "cache-unwritable",
            f"cannot write in the cache folder {settings.cache}: {error.strerror or error}",
            hint="Make it yours, or name another one in ROOTSTREAM_CACHE.",
        ) from error
    try:
        # held as long as this process lives: the next run sees by it that this one is over
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        os.write(descriptor, str(temporary).encode())
        mark = f"@{token}:"
        file = temporary / "buildstream.conf"
        file.write_text(configuration(settings, mark=mark), encoding="utf-8")
        yield Run(mark=mark, configuration=file, env={**env, MARK_VARIABLE: token, "TMPDIR": str(temporary)})
    finally:
        leftovers.end(token, settings.cache)
        shutil.rmtree(temporary, ignore_errors=True)
        record.unlink(missing_ok=True)
        os.close(descriptor)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run of `bst` ended: its status as `subprocess` gives it, and its standard output."""

    status: int
    stdout: bytes
    gave_up: bool


Lines = Callable[[str], None]


def drive(
    run: Run,
    words: Sequence[str],
    *,
    cwd: Path | None,
    on_line: Lines,
    on_quiet: Callable[[], None],
    lost: Callable[[], float | None],
) -> Ended:
    """Run `bst` to its end; `on_line` gets each line of its standard error, `on_quiet` is called between.

    `lost` says since how many seconds the run cannot succeed any more (None: it can); after a while it is then
    ended. On KeyboardInterrupt and every other exception bst is stopped before the exception goes on.
    """
    child = process.start(run.argv(words), env=run.env, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    listener = _Listener(child, on_line)
    gave_up = False
    try:
        while not listener.ended():
            if not listener.wait(TICK):
                on_quiet()
            since = lost()
            if since is not None and since > FIRM:
                gave_up = True
                _stop(child, listener)
                break
        listener.drain()
    except BaseException:
        _stop(child, listener)
        raise
    finally:
        listener.close()
    on_quiet()
    return Ended(status=child.wait(), stdout=bytes(listener.stdout), gave_up=gave_up)


class _Listener:
    """Reads both pipes of a child: whole lines of the one to a function, the other as bytes."""

    def __init__(self, child: subprocess.Popen[bytes], on_line: Lines) -> None:
        self._child = child
        self._on_line = on_line
        self._rest = b""
        self.stdout = bytearray()
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
        return bool(ready)

    def drain(self) -> None:
        """Read what a bst that has ended left in the pipes."""
        deadline = time.monotonic() + DRAIN
        while self._selector.get_map() and time.monotonic() < deadline and self.wait(0.05):
            pass
        if self._rest:
            self._feed(b"\n")

    def _feed(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._on_line(line.decode("utf-8", "replace"))

    def close(self) -> None:
        self._selector.close()
        for pipe in (self._child.stdout, self._child.stderr):
            if pipe is not None:
                pipe.close()


def _stop(child: subprocess.Popen[bytes], listener: _Listener) -> None:
    """End bst: SIGINT lets it end its jobs and its casd in order; a second Ctrl-C goes on to the next."""
    for number, patience in ((signal.SIGINT, POLITE), (signal.SIGTERM, FIRM), (signal.SIGKILL, FIRM)):
        if child.poll() is not None:
            return
        child.send_signal(number)
        deadline = time.monotonic() + patience
        with contextlib.suppress(KeyboardInterrupt):
            while child.poll() is None and time.monotonic() < deadline:
                listener.wait(TICK)  # a full pipe would keep it from ending
