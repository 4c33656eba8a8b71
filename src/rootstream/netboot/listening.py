"""Takes the connections of the HTTP server: not more than it can bear, and not all of them of one client."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Iterable

from aiohttp import web

MOST = 1000
MOST_OF_ONE = 64  # a machine has one or two, a browser six to each of its pages
_PAUSE = 0.1  # seconds, when the kernel has no more to give
_FILES = 4 * MOST + 100  # a connection and the file that it sends, each twice


class Door:
    """Takes the connections that come to some sockets, which are closed with it."""

    def __init__(self, server: web.Server, listeners: Iterable[socket.socket]) -> None:
        self._server = server
        self._tasks = [asyncio.create_task(self._open(each)) for each in listeners]

    async def close(self) -> None:
        """Take no more; those that are there go on."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _open(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        with listener:
            while True:
                try:
                    taken, peer = await loop.sock_accept(listener)
                except OSError:  # out of file descriptors or memory, or gone before it was taken
                    await asyncio.sleep(_PAUSE)
                    continue
                if not self._welcome(peer[0]):
                    taken.close()
                    continue
                try:
                    await loop.connect_accepted_socket(self._server, taken)
                except OSError:
                    taken.close()

    def _welcome(self, address: str) -> bool:
        there = self._server.connections
        if len(there) >= MOST:
            return False
        names = (each.transport.get_extra_info("peername") for each in there if each.transport is not None)
        return sum(1 for name in names if name and name[0] == address) < MOST_OF_ONE


def allow_files() -> None:
    """Have this process open as many files as `MOST` connections need, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _FILES if hard == resource.RLIM_INFINITY else min(_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
