"""Takes the connections of the HTTP server: not more than it can bear, and not all of them of one client.

A process has only so many descriptors. Who comes when all places are taken waits in the kernel's queue; meanwhile
connections that ask for nothing are cut sooner. Limits are those of docs/how-to/netboot.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from dataclasses import dataclass

from aiohttp import web

MOST = 1000
MOST_OF_ONE = 64  # a machine has one or two, a browser six to each of its pages
IDLE = 20.0  # seconds that a connection may take to ask for something
IDLE_WHEN_FULL = 3.0
_CLOSING = 10.0  # seconds that the last bytes of an answer may take
_PAUSE = 0.1  # seconds, when the kernel has no more to give
_QUEUE = 60.0  # seconds that a file may wait for its turn
_EACH = 3  # descriptors of a file that is sent, beside that of its connection
_RESERVED = 80  # for the database, dnsmasq, power controls and what a request opens for a moment
_FILES = (1 + _EACH) * MOST + _RESERVED + 20
_LEAST = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """How many connections there may be, how many files are sent at once, and how many of both to one address."""

    connections: int
    of_one: int
    files: int
    files_of_one: int


def room(descriptors: int) -> Room:
    """Return what a process that may open so many descriptors has room for."""
    free = max(0, descriptors - _RESERVED)
    connections = max(_LEAST, min(MOST, free // 2))
    files = max(_LEAST // 2, min(MOST, (free - connections) // _EACH))
    return Room(
        connections=connections,
        of_one=min(MOST_OF_ONE, max(4, connections // 4)),
        files=files,
        files_of_one=min(MOST_OF_ONE, max(2, files // 4)),
    )


def allow_files() -> Room:
    """Have this process open as many files as `MOST` connections need, as far as it may; return its room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return room(_FILES if soft == resource.RLIM_INFINITY else soft)


def require_descriptors() -> None:
    """See that a file can be sent: what is missed later would cut an answer that has begun. Raises `OSError`."""
    taken: list[int] = []
    try:
        for _ in range(_EACH + 1):
            taken.append(os.open("/", os.O_PATH | os.O_CLOEXEC))  # noqa: PERF401  (closed below if one fails)
    finally:
        for each in taken:
            os.close(each)


@dataclass(slots=True)
class _Connection:
    address: str
    since: float  # when it began to do nothing
    busy: bool = False
    closing: float | None = None


class Connections:
    """The connections that there are, and the files that are sent over them; for one thread."""

    def __init__(self, limits: Room) -> None:
        self.limits = limits
        self._all: dict[asyncio.BaseTransport, _Connection] = {}
        self._files: Counter[str] = Counter()
        self._changed = asyncio.Condition()

    def add(self, transport: asyncio.BaseTransport, address: str) -> None:
        """Take note of a connection."""
        self._all[transport] = _Connection(address, time.monotonic())

    def full(self) -> bool:
        """Say whether there is no place for another one."""
        if len(self._all) >= self.limits.connections:
            self._forget()
        return len(self._all) >= self.limits.connections

    def welcome(self, address: str) -> bool:
        """Say whether an address may have another one."""
        if self._of(address) >= self.limits.of_one:
            self._forget()
        return self._of(address) < self.limits.of_one

    def _of(self, address: str) -> int:
        return sum(1 for each in self._all.values() if each.address == address)

    def _forget(self) -> None:
        for transport in [each for each in self._all if each.get_extra_info("socket").fileno() < 0]:
            del self._all[transport]

    def cut(self, idle: float) -> None:
        """Cut off who has asked for nothing for so many seconds, or does not take the end of an answer."""
        self._forget()
        now = time.monotonic()
        for transport, each in self._all.items():
            if not isinstance(transport, asyncio.Transport):
                continue
            if transport.is_closing():
                each.closing = each.closing or now
                if now - each.closing > _CLOSING:
                    transport.abort()
            elif not each.busy and now - each.since > idle:
                transport.abort()

    @contextlib.contextmanager
    def busy(self, transport: asyncio.BaseTransport | None) -> Iterator[None]:
        """Answer over a connection, which is not idle meanwhile."""
        found = self._all.get(transport) if transport is not None else None
        if found is not None:
            found.busy = True
        try:
            yield
        finally:
            if found is not None:
                found.busy, found.since = False, time.monotonic()

    @contextlib.asynccontextmanager
    async def sending(self, address: str) -> AsyncIterator[None]:
        """Send a file, when it is its turn. Raises TimeoutError if that does not come."""

        def turn() -> bool:
            mine = self._files[address] < self.limits.files_of_one
            return mine and self._files.total() < self.limits.files

        async with asyncio.timeout(_QUEUE), self._changed:
            await self._changed.wait_for(turn)
            self._files[address] += 1
        try:
            yield
        finally:
            self._files[address] -= 1
            if not self._files[address]:
                del self._files[address]
            task = asyncio.create_task(self._tell())  # not here: who is cancelled may not wait
            task.add_done_callback(lambda done: done.cancelled() or done.exception())

    async def _tell(self) -> None:
        async with self._changed:
            self._changed.notify_all()


class Door:
    """Takes the connections that come to some sockets, which are closed with it; `told` hears that it is full."""

    def __init__(
        self,
        server: web.Server,
        listeners: Iterable[socket.socket],
        connections: Connections | None = None,
        told: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._server = server
        self._connections = connections or Connections(room(_FILES))
        self._told = told
        self._tasks = [asyncio.create_task(self._open(each)) for each in listeners]
        self._tasks.append(asyncio.create_task(self._watch()))

    async def close(self) -> None:
        """Take no more; those that are there go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(1)
            self._connections.cut(IDLE)

    async def _open(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                await self._place()
                try:
                    taken, peer = await loop.sock_accept(listener)
                except OSError as error:  # out of descriptors or memory, or gone before it was taken
                    if not isinstance(error, ConnectionError):
                        self._told(f"connections cannot be accepted: {error.strerror}; new ones have to wait")
                    await asyncio.sleep(_PAUSE)
                    continue
                if not self._connections.welcome(peer[0]):
                    taken.close()
                    continue
                try:
                    transport, _ = await loop.connect_accepted_socket(self._server, taken)
                except OSError:
                    taken.close()
                else:
                    self._connections.add(transport, peer[0])

    async def _place(self) -> None:
        """Wait for a place."""
        while self._connections.full():
            count = self._connections.limits.connections
            self._told(f"all {count} connections are in use: new ones have to wait")
            self._connections.cut(IDLE_WHEN_FULL)
            await asyncio.sleep(_PAUSE)
