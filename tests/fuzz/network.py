"""Readers of what comes over a network: a boot server that gets requests, a BMC that answers.

Each process that runs inputs has one server of its own, on loopback.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import re
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

from aiohttp.http_exceptions import HttpProcessingError

from rootstream.description.power.redfish import Redfish
from rootstream.description.power.tasmota import Tasmota
from rootstream.errors import UserError
from rootstream.netboot.http.senders import Loop
from rootstream.netboot.power import redfish, tasmota
from tests.netsite import MACHINES, SYSTEM, Site
from tests.powered import switched

QUIET = 0.05  # seconds without a byte after which an answer is taken as whole
MOST = 1 << 20  # bytes of an answer
HOME = b"boot=1&up=2.5&sum=ab"


def _request(first: str, *head: str, body: bytes = b"", host: str = "127.0.0.1:8080") -> bytes:
    lines = (f"{first} HTTP/1.1", f"Host: {host}", "Connection: close", *head, "", "")
    return "\r\n".join(lines).encode() + body


CHOICE = b'{"system": "good"}'
REQUESTS = (
    _request("GET /boot.ipxe"),
    _request(
        "GET /machines/52-54-00-00-00-01.ipxe",
        *("Range: bytes=0-10", 'If-None-Match: "a", W/"b"', "If-Modified-Since: Mon, 01 Jan 2024 00:00:00 GMT"),
    ),
    _request("GET /api/v1/events?after=1&mark=x&wait=0"),
    _request("GET /api/v1/boots?machine=box&limit=5&before=9", host="localhost"),
    _request("GET /api/v1/machines/box/console?offset=0") + _request("GET /"),
    _request(
        "POST /api/v1/boots/1/home",
        *(f"Content-Length: {len(HOME)}", "Content-Type: application/x-www-form-urlencoded; charset=utf-8"),
        body=HOME,
    ),
    _request(
        "POST /api/v1/boots/1/home",
        "Transfer-Encoding: chunked",
        body=b"%x\r\n%b\r\n0\r\n\r\n" % (len(HOME), HOME),
    ),
    _request(
        "POST /api/v1/machines/box/choose",
        *(f"Content-Length: {len(CHOICE)}", "Content-Type: application/json"),
        *("Expect: 100-continue", "Authorization: Bearer SECRET"),
        body=CHOICE,
    ),
)
SYSTEM_ANSWER = (
    b'{"PowerState": "On", "Actions": {"#ComputerSystem.Reset": {"target": "/redfish/v1/Systems/1/R",'
    b' "ResetType@Redfish.AllowableValues": ["On", "ForceOff", "ForceRestart"]}},'
    b' "Members": [{"@odata.id": "/redfish/v1/Systems/1"}]}'
)
ANSWERS = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
    % (len(SYSTEM_ANSWER), SYSTEM_ANSWER),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json; charset=utf-8\r\n\r\n"
    b"%x\r\n%b\r\n0\r\n\r\n" % (len(SYSTEM_ANSWER), SYSTEM_ANSWER),
    b'HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nETag: W/"1"\r\nConnection: close\r\n\r\n' + SYSTEM_ANSWER,
    b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 2\r\n\r\nno",
    b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n",
)

PLUGS = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 14\r\n\r\n{"POWER":"ON"}',
    b'HTTP/1.1 200 OK\r\nServer: Tasmota\r\nConnection: close\r\n\r\n{"POWER1":"OFF","POWER2":"OFF"}',
    b'HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n{"WARNING":"Need user=<username>"}',
)


class _Complaints(logging.Handler):
    """What the server could not answer; a request that is no HTTP is no fault of it."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError):
            self.seen.append(self.format(record))


class _Server:
    """The boot server, in a thread of its own."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="fuzz-site-")
        self.complaints = _Complaints()
        for name in ("aiohttp.server", "aiohttp.web", "aiohttp.internal", "asyncio"):
            logging.getLogger(name).addHandler(self.complaints)
            logging.getLogger(name).propagate = False
        self.site = Site(Path(self._folder.name), SYSTEM + MACHINES)
        self.site.export()
        ready = threading.Event()
        threading.Thread(target=self._serve, args=(ready,), daemon=True).start()
        assert ready.wait(30)

    def _serve(self, ready: threading.Event) -> None:
        async def main() -> None:
            async with self.site.served():
                ready.set()
                await asyncio.Event().wait()

        with asyncio.Runner(loop_factory=Loop) as runner:
            runner.run(main())


@functools.cache
def _server(_process: int) -> _Server:
    return _Server()


def http(path: Path) -> None:
    """Send what a file holds to the boot server. Raises `UserError` where it is refused."""
    server = _server(os.getpid())
    answer = b""
    with socket.create_connection(("127.0.0.1", server.site.port), timeout=10) as line:
        with contextlib.suppress(OSError):
            line.sendall(path.read_bytes())
        line.settimeout(QUIET)
        with contextlib.suppress(OSError):
            while len(answer) < MOST and (piece := line.recv(1 << 16)):
                answer += piece
    seen = [*server.complaints.seen]
    server.complaints.seen.clear()
    assert not seen, "\n".join(seen)
    status = re.match(rb"HTTP/1\.[01] (\d{3}) ", answer)
    if status is None or not status[1].startswith(b"2"):
        assert status is None or not status[1].startswith(b"5"), answer[:500]
        raise UserError("refused", answer[:40].decode("latin-1"))


@contextlib.contextmanager
def _answering(data: bytes) -> Iterator[int]:
    """Answer every connection with some bytes; yield the port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with contextlib.suppress(OSError):
                while True:
                    line, _ = listener.accept()
                    with line, contextlib.suppress(OSError):
                        line.settimeout(5)
                        line.recv(1 << 16)
                        line.sendall(data)

        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def bmc(path: Path) -> None:
    """Ask and switch a machine whose BMC answers what a file holds."""
    refusal: UserError | None = None
    with _answering(path.read_bytes()) as port:
        for system in ("1", None):
            words = Redfish(url=f"http://127.0.0.1:{port}", system=system, timeout=1.0)
            try:
                context = switched(path.parent, words)
                assert redfish.state(words, context) in ("on", "off", "unknown")
                redfish.switch(words, context, "cycle")
            except UserError as error:
                refusal = error
    _refuse(refusal)


def plug(path: Path) -> None:
    """Ask and switch a plug that answers what a file holds; it cannot be on and off, so switching fails."""
    refusal: UserError | None = None
    with _answering(path.read_bytes()) as port:
        for outlet in (None, 2):
            words = Tasmota(url=f"http://127.0.0.1:{port}", outlet=outlet, timeout=1.0, pause=0.01)
            context = switched(path.parent, words)
            try:
                assert tasmota.state(words, context) in ("on", "off")
            except UserError as error:
                refusal = error
            try:
                tasmota.switch(words, context, "cycle")
            except UserError as error:
                _require_printable(error)
            else:
                raise AssertionError("on and off at once")
    _refuse(refusal)


def _refuse(refusal: UserError | None) -> None:
    if refusal is not None:
        _require_printable(refusal)
        raise refusal


def _require_printable(error: UserError) -> None:
    assert all(char.isprintable() or char == "\n" for char in str(error)), repr(error)
