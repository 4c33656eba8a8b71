"""One file from one mirror after the other, in a worker thread: resumed, bounded, verified, tried again.

Threads only transfer and report; what they report is handled by the thread that fetches.
"""

from __future__ import annotations

import errno
import hashlib
import os
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from rootstream.fetch import mirrors as mirrors_
from rootstream.fetch.mirrors import Mirror
from rootstream.fetch.store import Store
from rootstream.fetch.transport import Reply, Transport, TransportError, shown
from rootstream.formats.faults import Fault
from rootstream.formats.records import Item

CHUNK = 1 << 18
TICK = 0.2  # seconds between looks at an order to stop


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds, bytes per second, and attempts at a file from one mirror: without a gain, and in total."""

    connections: int = 8
    stall: float = 30.0
    window: float = 60.0
    rate: int = 1024
    attempts: int = 4
    total_attempts: int = 20
    backoff: float = 0.5
    report: float = 1.0


def path_by_hash(sha256: str) -> str:
    """Return where a file is in a folder that holds files by their SHA-256."""
    return f"sha256/{sha256[:2]}/{sha256}"


class Stopped(Exception):  # noqa: N818  (an order, not an error)
    """The fetch is over for this worker."""


class _WrongFileError(Exception):
    """A mirror sent something that is not the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answer:
    """Why a mirror did not give a file at an address; `gone` when it says that it has none."""

    url: str
    address: str
    text: str
    gone: bool


@dataclass(slots=True, kw_only=True)
class Job:
    """What the threads of one fetch share."""

    store: Store
    mirrors: tuple[Mirror, ...]
    folders: tuple[str, ...] = ()
    snapshots: tuple[str, ...] = ()
    limits: Limits
    proxies: Mapping[str, str] = field(default_factory=dict)
    todo: queue.SimpleQueue[Item] = field(default_factory=queue.SimpleQueue)
    events: queue.SimpleQueue[str | Fault | None] = field(default_factory=queue.SimpleQueue)
    stop: threading.Event = field(default_factory=threading.Event)
    files: int = 0
    bytes: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failed: set[str] = field(default_factory=set)
    _lacking: set[tuple[str, bool]] = field(default_factory=set)

    def wait(self, seconds: float = TICK) -> None:
        """Sleep unless the fetch is over; raises `Stopped`."""
        if self.stop.wait(seconds):
            raise Stopped

    def count(self, amount: int, *, files: int = 0) -> None:
        """Add to what is done."""
        with self._lock:
            self.bytes += amount
            self.files += files

    def order(self, path: str) -> list[str]:
        """Return the mirrors to try for a file, those that failed or lacked others of its kind at the end."""
        security = path.startswith(mirrors_.SECURITY_POOL)
        with self._lock:
            return sorted(
                mirrors_.for_path(path, self.mirrors),
                key=lambda url: (url in self._failed, (url, security) in self._lacking),
            )

    def places(self, item: Item) -> list[tuple[str, str]]:
        """Return base and address of each place to try for a file: folders by its hash, mirrors, snapshots."""
        found = [(base, f"{base}/{path_by_hash(item.sha256)}") for base in self.folders]
        if item.base is not None:
            return [*found, (item.base, mirrors_.address(item.base, item.path))]
        found += [(url, mirrors_.address(url, item.path)) for url in self.order(item.path)]
        return found + [(url, mirrors_.address(url, item.path)) for url in self.snapshots]

    def pass_over(self, path: str, answer: _Answer) -> None:
        """Try a mirror last from now on, and say so once."""
        security = path.startswith(mirrors_.SECURITY_POOL)
        with self._lock:
            known = answer.url in self._failed or (answer.gone and (answer.url, security) in self._lacking)
            if answer.gone:
                self._lacking.add((answer.url, security))
            else:
                self._failed.add(answer.url)
        if answer.gone and answer.url in (*self.folders, *self.snapshots):
            return  # they need not have everything
        if not known and not (answer.gone and security):  # security updates live on mirrors of their own
            self.events.put(f"mirror {shown(answer.url)} is skipped: {path}: {answer.text}")


class Worker(threading.Thread):
    """Takes files from the queue until it is empty; ends with None in the events."""

    def __init__(self, job: Job) -> None:
        super().__init__(daemon=True, name="rootstream-download")
        self._job = job
        self._transport = Transport(stall=job.limits.stall, proxies=job.proxies)
        self._since: float | None = None  # when the current rate window began; None when not transferring
        self._got = 0
        self._slow = False

    def run(self) -> None:
        """Work; whatever goes wrong becomes an event."""
        try:
            while not self._job.stop.is_set():
                self._fetch(self._job.todo.get_nowait())
        except (queue.Empty, Stopped):
            pass
        except Fault as fault:
            self._job.events.put(fault)
        except OSError as error:
            self._job.events.put(disk_fault(error, self._job.store))
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
            if handle is None:
                self._job.count(item.size)
            else:
                self._from_mirrors(item, handle)
                self._job.store.complete(item)
        self._job.count(0, files=1)

    def _from_mirrors(self, item: Item, handle: int) -> None:
        answers: list[_Answer] = []
        places = self._job.places(item)
        for base, url in places:
            try:
                self._from_mirror(item, handle, url)
            except (TransportError, _WrongFileError) as error:
                gone = isinstance(error, TransportError) and error.gone
                answers.append(_Answer(url=base, address=url, text=str(error), gone=gone))
                if url != places[-1][1]:
                    self._job.pass_over(item.path, answers[-1])
            else:
                return
        raise _all_failed(item, answers)

    def _from_mirror(self, item: Item, handle: int, url: str) -> None:
        """Get a file from one address, trying again after faults that may pass."""
        limits, failed, attempt = self._job.limits, 0, 0
        while True:
            attempt += 1
            before = os.fstat(handle).st_size
            try:
                self._attempt(item, handle, url)
            except _WrongFileError:
                os.ftruncate(handle, 0)
                if before == 0:
                    raise
                # What was there before may be what was wrong; once more from the start.
            except TransportError as error:
                if error.beyond:
                    os.ftruncate(handle, 0)
                gained = os.fstat(handle).st_size > before
                failed = 1 if gained else failed + 1
                if error.gone or failed >= limits.attempts or attempt >= limits.total_attempts:
                    raise
                self._job.wait(limits.backoff * 2 ** (failed - 1))
            else:
                return

    def _attempt(self, item: Item, handle: int, url: str) -> None:
        """Go on with the file from where it is and verify it; raises `_WrongFileError` or `TransportError`."""
        if os.fstat(handle).st_size > item.size:
            os.ftruncate(handle, 0)
        digest, size = hashlib.sha256(), 0
        os.lseek(handle, 0, os.SEEK_SET)
        while block := os.read(handle, CHUNK):
            digest.update(block)
            size += len(block)
        counted = size
        self._job.count(counted)
        try:
            if size < item.size or item.size == 0:
                reply = self._ask(item, url, size)
                if reply.start != size:
                    os.ftruncate(handle, 0)
                    os.lseek(handle, 0, os.SEEK_SET)
                    digest = hashlib.sha256()
                    self._job.count(-counted)
                    counted = 0
                for block in self._body(reply, item.size - counted):
                    _write(handle, block)
                    digest.update(block)
                    counted += len(block)
                    self._job.count(len(block))
            _verify(digest.hexdigest(), item)
        except BaseException as error:
            self._job.count(-counted)
            if isinstance(error, TransportError) and self._slow:
                raise TransportError(f"sent less than {self._job.limits.rate} bytes/s") from error
            raise
        finally:
            self._since = None

    def _ask(self, item: Item, url: str, offset: int) -> Reply:
        self._since, self._got, self._slow = time.monotonic(), 0, False
        reply = self._transport.get(url, offset)
        if reply.total is not None and reply.total != item.size:
            self._transport.close()
            raise _WrongFileError(f"has {reply.total} bytes under this name, not {item.size}")
        return reply

    def _body(self, reply: Reply, expected: int) -> Iterator[bytes]:
        left = expected
        while block := reply.read(CHUNK):
            if self._job.stop.is_set():
                raise Stopped
            left -= len(block)
            if left < 0:
                self._transport.close()
                raise _WrongFileError(f"sends more than the expected {expected} bytes")
            self._got += len(block)
            yield block
        if left:
            raise TransportError(f"ended {left} bytes early")


def _verify(sha256: str, item: Item) -> None:
    if sha256 != item.sha256:
        raise _WrongFileError(f"has other content: SHA-256 {sha256}, not {item.sha256}")


def _write(handle: int, block: bytes) -> None:
    view = memoryview(block)
    while view:
        view = view[os.write(handle, view) :]


def disk_fault(error: OSError, store: Store) -> Fault:
    """Return the fault for an error of the store's file system."""
    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        return Fault(
            "disk-full", f"no space left in {store.root}", detail="Free disk space and run the same command again."
        )
    return Fault("store-unusable", f"{error.filename or store.root}: {error.strerror}")


def _all_failed(item: Item, answers: Sequence[_Answer]) -> Fault:
    detail = "\n".join(f"{shown(answer.address)}: {answer.text}" for answer in answers)
    if all(answer.gone for answer in answers):
        message = f"{item.path} is on no mirror"
        asked = {item.name.partition("_")[0]: message}
        return Fault("not-on-mirror", message, detail=f"{detail}\n{mirrors_.DROPPED}", asked=asked)
    return Fault("download-failed", f"{item.path} could not be downloaded", detail=detail, temporary=True)
