"""An event loop whose files are sent by threads: the kernel's part of that runs on all processors at once.

Python holds no lock while it is in sendfile(2): a few threads send as fast as a web server of several processes.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import os
import selectors
import socket
import threading
from collections.abc import Callable
from typing import IO

PIECE = 1 << 20  # bytes of one connection before it is another's turn
STRETCH = 20.0  # seconds in which something has to be taken
LEAST = 64 << 10  # bytes a second


class _Job:
    """A file on its way; the descriptors are its own. Whoever is told has the number of bytes, or the error."""

    def __init__(
        self, out: int, file: int, offset: int, left: int, told: Callable[[int, OSError | None], None]
    ) -> None:
        self.out, self.file, self.offset, self.left = out, file, offset, left
        self.sent = 0
        self.told = told
        self.dropped = False


class _Sender(threading.Thread):
    """A thread that sends files to connections that take them at their own pace."""

    def __init__(self) -> None:
        super().__init__(name="sender", daemon=True)
        self._select = selectors.DefaultSelector()
        self._new: collections.deque[_Job | None] = collections.deque()
        self._wake, self._bell = socket.socketpair()
        for each in (self._wake, self._bell):
            each.setblocking(False)
        self._select.register(self._wake, selectors.EVENT_READ)
        self.load = 0

    def add(self, job: _Job | None) -> None:
        """Take a job, look at it again because it was dropped, or (None) end."""
        self._new.append(job)
        with contextlib.suppress(BlockingIOError):  # it is awake anyway
            self._bell.send(b"\0")

    def run(self) -> None:
        """Send until told to end."""
        jobs: set[_Job] = set()
        going = True
        while going:
            for key, _ in self._select.select():
                if key.data is not None:
                    self._step(key.data, jobs)
                    continue
                with contextlib.suppress(BlockingIOError):
                    self._wake.recv(4096)
                while self._new:
                    job = self._new.popleft()
                    if job is None:
                        going = False
                    elif job.dropped:
                        self._end(job, jobs, None)
                    else:
                        jobs.add(job)
                        self._select.register(job.out, selectors.EVENT_WRITE, job)
        for job in list(jobs):
            self._end(job, jobs, ConnectionAbortedError("the server is stopping"))
        for each in (self._wake, self._bell):
            each.close()
        self._select.close()

    def _step(self, job: _Job, jobs: set[_Job]) -> None:
        try:
            count = os.sendfile(job.out, job.file, job.offset, min(job.left, PIECE))
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self._end(job, jobs, error)
            return
        job.offset += count
        job.left -= count
        job.sent += count
        if not count or not job.left or job.dropped:
            self._end(job, jobs, None)

    def _end(self, job: _Job, jobs: set[_Job], error: OSError | None) -> None:
        if job not in jobs:
            return
        jobs.remove(job)
        self._select.unregister(job.out)
        os.close(job.out)
        os.close(job.file)
        job.told(job.sent, error)


class Loop(asyncio.SelectorEventLoop):
    """The event loop; its threads end with it."""

    def __init__(self) -> None:
        super().__init__()
        self._senders: list[_Sender] = []

    async def sock_sendfile(
        self,
        sock: socket.socket,
        file: IO[bytes],
        offset: int = 0,
        count: int | None = None,
        *,
        fallback: bool | None = None,
    ) -> int:
        """Do what the loop's own method does, in a thread.

        Raises `OSError`, and TimeoutError for who takes less than `LEAST` bytes a second in a stretch of time.
        """
        del fallback  # regular files can be sent in any case
        left = os.fstat(file.fileno()).st_size - offset if count is None else count
        if left <= 0:
            return 0
        ended: asyncio.Future[int] = self.create_future()

        def tell(sent: int, error: OSError | None) -> None:
            def settle() -> None:
                sender.load -= 1
                if ended.done():
                    return
                if error is None:
                    ended.set_result(sent)
                else:
                    ended.set_exception(error)

            with contextlib.suppress(RuntimeError):  # the loop has ended
                self.call_soon_threadsafe(settle)

        out = os.dup(sock.fileno())
        try:
            job = _Job(out, os.dup(file.fileno()), offset, left, tell)
        except OSError:
            os.close(out)
            raise
        sender = self._sender()
        sender.add(job)
        try:
            await _taken(ended, job)
        finally:
            if not ended.done():  # it was too slow, or who asked for it is gone
                job.dropped = True
                sender.add(job)
        return ended.result()

    def close(self) -> None:
        """End the threads, too."""
        for sender in self._senders:
            sender.add(None)
        for sender in self._senders:
            sender.join()
        self._senders.clear()
        super().close()

    def _sender(self) -> _Sender:
        """Return the thread that has the least to do; threads are started when they are needed."""
        if not self._senders:
            self._senders = [_Sender() for _ in range(max(2, min(4, os.cpu_count() or 1)))]
            for each in self._senders:
                each.start()
        found = min(self._senders, key=lambda each: each.load)
        found.load += 1
        return found


async def _taken(ended: asyncio.Future[int], job: _Job) -> None:
    """Wait for a job's end. Raises TimeoutError if nobody takes it."""
    before = -LEAST * STRETCH
    while not ended.done():
        if job.sent - before < LEAST * STRETCH:
            raise TimeoutError("too slow")
        before = job.sent
        await asyncio.wait((ended,), timeout=STRETCH)
