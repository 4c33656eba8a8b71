"""Download files by hash from several mirrors: in parallel, resumed, verified, with deadlines and bounds.

Worker threads only transfer; the thread that calls `fetch` reports progress and warnings, and may be
interrupted at any time.
"""

from __future__ import annotations

import errno
import hashlib
import os
import queue
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from rootstream_bst import mirrors as mirrors_
from rootstream_bst.faults import Fault
from rootstream_bst.mirrors import Mirror
from rootstream_bst.records import Item
from rootstream_bst.store import Store
from rootstream_bst.transport import Reply, Transport, TransportError, shown

CHUNK = 1 << 18
TICK = 0.2  # seconds between looks at the workers
RATE_WINDOW = 5.0  # seconds that the shown rate is an average of
LINGER = 2.0  # seconds that a worker gets to notice the end


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Times in seconds, rate in bytes per second; `attempts` for each mirror of a file."""

    connections: int = 8
    stall: float = 30.0
    window: float = 60.0
    rate: int = 1024
    attempts: int = 4
    total_attempts: int = 20
    backoff: float = 0.5
    report: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a fetch is: files and bytes done and wanted, and the rate in bytes per second."""

    files: int
    all_files: int
    bytes: int
    all_bytes: int
    rate: int

    def __str__(self) -> str:
        return (
            f"transfer files={self.files}/{self.all_files} bytes={self.bytes}/{self.all_bytes} rate={self.rate}"
        )


class _Stopped(Exception):  # noqa: N818  (an order, not an error)
    """The fetch is over for this worker."""


class _Wrong(Exception):  # noqa: N818  (one mirror's answer)
    """A mirror sent something that is not the file."""


@dataclass(slots=True, kw_only=True)
class _Job:
    """What the threads of one fetch share."""

    store: Store
    mirrors: tuple[Mirror, ...]
    limits: Limits
    todo: queue.SimpleQueue[Item] = field(default_factory=queue.SimpleQueue)
    events: queue.SimpleQueue[str | Fault | None] = field(default_factory=queue.SimpleQueue)
    stop: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)
    files: int = 0
    bytes: int = 0
    skipped: set[str] = field(default_factory=set)

    def wait(self, seconds: float = TICK) -> None:
        if self.stop.wait(seconds):
            raise _Stopped

    def count(self, amount: int) -> None:
        with self.lock:
            self.bytes += amount

    def order(self, path: str) -> list[str]:
        """Return the mirrors for a file, those that were passed over before at the end."""
        urls = mirrors_.for_path(path, self.mirrors)
        with self.lock:
            return sorted(urls, key=lambda url: url in self.skipped)

    def pass_over(self, url: str, why: str) -> None:
        """Try a mirror last from now on, and say so once."""
        with self.lock:
            new = url not in self.skipped
            self.skipped.add(url)
        if new and len(self.mirrors) > 1:
            self.events.put(f"mirror {shown(url)} is passed over: {why}")


class _Worker(threading.Thread):
    """Takes files from the queue until it is empty; ends with None in the events."""

    def __init__(self, job: _Job) -> None:
        super().__init__(daemon=True, name="rootstream-download")
        self._job = job
        self._transport = Transport(stall=job.limits.stall)
        self._since: float | None = None  # when the current rate window began; None when not transferring
        self._got = 0
        self._slow = False

    def run(self) -> None:
        try:
            while not self._job.stop.is_set():
                item = self._job.todo.get_nowait()
                self._fetch(item)
        except (queue.Empty, _Stopped):
            pass
        except Fault as fault:
            self._job.events.put(fault)
        except OSError as error:
            self._job.events.put(_disk_fault(error, self._job.store))
        except Exception as error:  # noqa: BLE001  (a defect must not end as a fetch that waits for ever)
            self._job.events.put(Fault("download-defect", f"{type(error).__name__}: {error}"))
        finally:
            self._transport.close()
            self._job.events.put(None)

    def watch(self, now: float) -> None:
        """Break off a transfer that is slower than the limit; called by the fetching thread."""
        since, limits = self._since, self._job.limits
        if since is not None and now - since >= limits.window:
            if self._got < limits.rate * (now - since):
                self._slow = True
                self._transport.abort()
            self._since, self._got = now, 0

    def abort(self) -> None:
        """Break off whatever is being transferred."""
        self._transport.abort()

    def _fetch(self, item: Item) -> None:
        with self._job.store.partial(item, self._job.wait) as handle:
            if handle is not None:
                self._from_mirrors(item, handle)
                self._job.store.complete(item)
            else:
                self._job.count(item.size)
        with self._job.lock:
            self._job.files += 1

    def _from_mirrors(self, item: Item, handle: int) -> None:
        answers: list[tuple[str, str, bool]] = []
        for url in self._job.order(item.path):
            try:
                self._from_mirror(item, handle, url)
            except TransportError as error:
                answers.append((url, str(error), error.gone))
                if not error.gone:
                    self._job.pass_over(url, f"{item.name}: {error}")
                continue
            except _Wrong as error:
                answers.append((url, str(error), False))
                self._job.pass_over(url, f"{item.name}: {error}")
                continue
            return
        raise _all_failed(item, answers)

    def _from_mirror(self, item: Item, handle: int, url: str) -> None:
        """Get a file from one mirror, trying again after faults that may pass."""
        limits, failed = self._job.limits, 0
        for attempt in range(limits.total_attempts):
            before = os.fstat(handle).st_size
            try:
                self._attempt(item, handle, f"{url}/{item.path}")
            except TransportError as error:
                if error.gone:
                    raise
                if error.beyond:
                    os.ftruncate(handle, 0)
                gained = os.fstat(handle).st_size > before
                failed = 1 if gained else failed + 1
                if failed >= limits.attempts or attempt + 1 == limits.total_attempts:
                    raise
                self._job.wait(limits.backoff * 2 ** (failed - 1))
            except _Wrong:
                os.ftruncate(handle, 0)
                if before == 0:
                    raise
                # What was there before may be what was wrong; once more from the start.
            else:
                return
        raise TransportError("too many attempts")

    def _attempt(self, item: Item, handle: int, url: str) -> None:
        size = os.fstat(handle).st_size
        if size > item.size:
            os.ftruncate(handle, 0)
            size = 0
        digest = hashlib.sha256()
        os.lseek(handle, 0, os.SEEK_SET)
        for block in _blocks(handle):
            digest.update(block)
        counted = size
        self._job.count(counted)
        try:
            if size < item.size or item.size == 0:
                self._since, self._got, self._slow = time.monotonic(), 0, False
                reply = self._transport.get(url, size)
                if reply.total is not None and reply.total != item.size:
                    self._transport.close()
                    raise _Wrong(f"has {reply.total} bytes under this name, not {item.size}")
                if reply.start != size:
                    os.ftruncate(handle, reply.start)
                    os.lseek(handle, reply.start, os.SEEK_SET)
                    digest = hashlib.sha256()
                    self._job.count(-counted)
                    counted = 0
                for block in self._body(reply, item.size - reply.start):
                    _write(handle, block)
                    digest.update(block)
                    counted += len(block)
                    self._job.count(len(block))
            if digest.hexdigest() != item.sha256:
                raise _Wrong(f"has other content: SHA-256 {digest.hexdigest()}, not {item.sha256}")
        except BaseException as error:
            self._job.count(-counted)
            if isinstance(error, TransportError) and self._slow:
                raise TransportError(f"sent less than {self._job.limits.rate} bytes/s") from error
            raise
        finally:
            self._since = None

    def _body(self, reply: Reply, expected: int) -> Iterator[bytes]:
        left = expected
        while True:
            if self._job.stop.is_set():
                raise _Stopped
            block = reply.read(CHUNK)
            if not block:
                break
            left -= len(block)
            if left < 0:
                self._transport.close()
                raise _Wrong(f"sends more than the expected {expected} bytes")
            self._got += len(block)
            yield block
        if left:
            raise TransportError(f"ended {left} bytes early")


def _blocks(handle: int) -> Iterator[bytes]:
    while block := os.read(handle, CHUNK):
        yield block


def _write(handle: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(handle, view) :]


def _disk_fault(error: OSError, store: Store) -> Fault:
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Fault(
            "disk-full", f"no space left in {store.root}", detail="Make room and run the same command again."
        )
    return Fault("store-unusable", f"{error.strerror}: {error.filename or store.root}")


def _all_failed(item: Item, answers: Sequence[tuple[str, str, bool]]) -> Fault:
    detail = "\n".join(f"{shown(url)}/{item.path}: {text}" for url, text, _ in answers)
    if all(gone for *_, gone in answers):
        return Fault(
            "not-on-mirror",
            f"{item.path} is on no mirror",
            detail=f"{detail}\nThe locked version has probably left the archive for a newer one. "
            "Track the refs again: `rootstream update`, or `bst source track`.",
        )
    return Fault("download-failed", f"{item.path} could not be downloaded", detail=detail, temporary=True)


def _room(store: Store, items: Sequence[Item]) -> None:
    """Refuse a fetch that cannot fit; raises `Fault` disk-full."""
    store.root.mkdir(parents=True, exist_ok=True)
    needed, free = sum(item.size for item in items), shutil.disk_usage(store.root).free
    if needed > free:
        raise Fault(
            "disk-full",
            f"{needed} bytes are to be downloaded and {free} are free in {store.root}",
            detail="Make room and run the same command again.",
        )


class _Rate:
    """The transfer rate over the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()

    def add(self, now: float, amount: int) -> int:
        self._samples.append((now, amount))
        while len(self._samples) > 2 and now - self._samples[0][0] > RATE_WINDOW:  # noqa: PLR2004
            self._samples.popleft()
        then, before = self._samples[0]
        return max(0, round((amount - before) / (now - then))) if now > then else 0


def fetch(
    items: Sequence[Item],
    mirrors: Sequence[Mirror],
    store: Store,
    *,
    progress: Callable[[Progress], None],
    warn: Callable[[str], None],
    limits: Limits | None = None,
) -> int:
    """Get what is not in the store yet and return the number of bytes that were missing.

    `progress` and `warn` are called in the calling thread. Raises `Fault` not-on-mirror, download-failed,
    disk-full or store-unusable.
    """
    limits = limits or Limits()
    wanted = {item.sha256: item for item in items}.values()
    missing = sorted((item for item in wanted if not store.has(item)), key=lambda item: (-item.size, item.path))
    try:
        _room(store, missing)
    except OSError as error:
        raise _disk_fault(error, store) from error
    job = _Job(store=store, mirrors=tuple(mirrors), limits=limits)
    job.files = len(wanted) - len(missing)
    job.bytes = sum(item.size for item in wanted) - sum(item.size for item in missing)
    for item in missing:
        job.todo.put(item)
    workers = [_Worker(job) for _ in range(min(limits.connections, len(missing)))]
    try:
        for worker in workers:
            worker.start()
        _attend(job, workers, len(wanted), sum(item.size for item in wanted), progress, warn)
    finally:
        job.stop.set()
        for worker in workers:
            worker.abort()
        for worker in workers:
            with suppress(RuntimeError):  # one that was never started
                worker.join(LINGER)
    return sum(item.size for item in missing)


def _attend(
    job: _Job,
    workers: Sequence[_Worker],
    files: int,
    size: int,
    progress: Callable[[Progress], None],
    warn: Callable[[str], None],
) -> None:
    """Wait for the workers, pass on what they have to say, and raise the first fault."""
    running, rate, reported = len(workers), _Rate(), time.monotonic()
    rate.add(reported, job.bytes)
    while running:
        now = time.monotonic()
        if now - reported >= job.limits.report:
            reported = now
            progress(
                Progress(
                    files=job.files,
                    all_files=files,
                    bytes=job.bytes,
                    all_bytes=size,
                    rate=rate.add(now, job.bytes),
                )
            )
        for worker in workers:
            worker.watch(now)
        try:
            event = job.events.get(timeout=TICK)
        except queue.Empty:
            continue
        if event is None:
            running -= 1
        elif isinstance(event, Fault):
            raise event
        else:
            warn(event)
