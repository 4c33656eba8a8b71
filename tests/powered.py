"""A machine with a power control, as its driver is given it, and devices that answer anything over HTTP."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest

from rootstream.description.machines import NetMachine
from rootstream.description.power import Power
from rootstream.errors import UserError
from rootstream.netboot.power.base import PowerContext
from rootstream.project.project import Project

Answer = Callable[[socket.socket], None]
DEEP = 200_000


def switched(folder: Path, power: Power, *, firmware: Literal["bios", "uefi"] = "bios") -> PowerContext:
    """Return a machine `box` of a project whose password files are in a folder."""
    machine = NetMachine(macs=("52:54:00:00:00:01",), system="it", power=power, firmware=firmware)
    return PowerContext(name="box", machine=machine, project=Project(folder=folder, kind="described"))


@contextlib.contextmanager
def answering(answer: Answer) -> Iterator[str]:
    """Answer each connection so; yield the address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_accept, args=(listener, answer))
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)


def _accept(listener: socket.socket, answer: Answer) -> None:
    while True:
        try:
            line, _ = listener.accept()
        except OSError:
            return
        with line, contextlib.suppress(OSError):
            line.settimeout(10)
            line.recv(65536)
            answer(line)


def body(text: bytes, *head: str, status: str = "200 OK") -> Answer:
    """Answer with a body."""
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(text)}", "Connection: close", *head, "", "")
    return lambda line: line.sendall("\r\n".join(lines).encode() + text)


def of(value: object) -> Answer:
    """Answer with JSON."""
    return body(json.dumps(value).encode())


def _drops(text: bytes) -> Answer:
    def answer(line: socket.socket) -> None:
        for each in text * 1000:
            line.sendall(bytes([each]))
            time.sleep(0.1)

    return answer


def _endless(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        line.sendall(b" " * 65536)


HOSTILE = (
    pytest.param(_drops(b"HTTP/1.1 200 OK\r\nX: y\r\n"), id="a head in drops"),
    pytest.param(_drops(b"X"), id="a status in drops"),
    pytest.param(_endless, id="an endless body"),
    pytest.param(lambda line: line.sendall(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 500_000), id="many headers"),
    pytest.param(lambda line: line.sendall(b"HTTP/1.1 200 OK\r\nX: " + b"y" * 5_000_000), id="a long header"),
    pytest.param(lambda line: line.sendall(b"\xff\x00 no HTTP\r\n\r\n"), id="no HTTP"),
    pytest.param(lambda line: line.sendall(b""), id="nothing"),
    pytest.param(body(b"{" * 100), id="no JSON"),
    pytest.param(body(b"[" * DEEP + b"]" * DEEP), id="a deep list"),
    pytest.param(body(b'{"a":' * DEEP), id="a deep object"),
    pytest.param(body(b'{"a": ' + b"9" * 10_000 + b"}"), id="a long number"),
    pytest.param(body(b"{}" + b" " * (2 << 20)), id="2 MiB"),
    pytest.param(body(b"\x1f\x8b\x08", "Content-Encoding: gzip"), id="gzip"),
    pytest.param(body(b"\x1b[2J\x1b]0;x\x07", status="500 \x1b[2J"), id="escapes"),
    pytest.param(body(b"", "Location: http://127.0.0.1:1/", status="302 Found"), id="a redirection"),
    pytest.param(body(b"\xff" * 5000, status="401 No"), id="a refusal"),
)


SECRET = "letmein"  # in no message


def refused(ask: Callable[[], object]) -> UserError:
    """Return the error of a device that did not answer as it should: soon, short, of printable characters."""
    began = time.monotonic()
    with pytest.raises(UserError) as caught:
        ask()
    assert time.monotonic() - began < 30
    found = caught.value
    assert found.reason == "power-failed"
    assert found.message.isprintable()
    assert len(str(found)) < 1000
    assert found.detail is None or found.detail.isprintable()
    assert SECRET not in str(found)
    return found
