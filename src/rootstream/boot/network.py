"""Checks over the network: an open TCP port, an HTTP answer. Both go over ports forwarded from this host.

QEMU's user network accepts on this host before it has connected to the guest, so that a connection is accepted
proves nothing: whether the guest took it is asked of QEMU. A machine with an address of its own is asked there.
"""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from rootstream.boot.machine import Guest
from rootstream.description.checks.http import Http

_HOST = "127.0.0.1"
_PAUSE = 0.2
_ATTEMPT = 5.0  # seconds that one connection or answer may take
_BODY = 1 << 20
_BRIEF = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Whether what was asked for came, and what did."""

    good: bool
    detail: str


def port(guest: Guest, number: int, *, deadline: float) -> Answer:
    """Wait until the guest accepts a TCP connection. Raises the console's faults."""
    return _until(lambda limit: _connect(guest, number, deadline=limit), guest, deadline)


def http_answer(guest: Guest, wanted: Http, *, deadline: float) -> Answer:
    """Ask until the answer is the one that is wanted. Raises the console's faults."""
    return _until(lambda limit: _ask(guest, wanted, deadline=limit), guest, deadline)


def _until(attempt: Callable[[float], Answer], guest: Guest, deadline: float) -> Answer:
    patience = _ATTEMPT
    while True:
        guest.console.check()
        answer = attempt(min(deadline, time.monotonic() + patience))
        if answer.good or time.monotonic() + _PAUSE >= deadline:
            return answer
        time.sleep(_PAUSE)
        patience *= 2  # a slow answer gets its time, after the guest had several chances to be there at all


def _connect(guest: Guest, number: int, *, deadline: float) -> Answer:
    try:
        with socket.create_connection(_place(guest, number), timeout=_PAUSE) as line:
            if guest.address is not None:
                return Answer(good=True, detail=f"port {number} is open")
            while time.monotonic() < deadline:
                guest.console.check()
                with contextlib.suppress(TimeoutError):
                    if line.recv(1, socket.MSG_PEEK):
                        return Answer(good=True, detail=f"port {number} is open and sends data")
                    return Answer(good=False, detail=f"port {number} is closed")
                if _established(guest, number):
                    return Answer(good=True, detail=f"port {number} is open")
    except OSError as error:
        return Answer(good=False, detail=f"port {number} is closed ({error})")
    return Answer(good=False, detail=f"port {number} does not respond")


def reachable(guest: Guest, number: int) -> bool:
    """Say whether there is a way to a port of the guest."""
    return guest.address is not None or number in guest.ports


def _place(guest: Guest, number: int) -> tuple[str, int]:
    return (_HOST, guest.ports[number]) if guest.address is None else (guest.address, number)


def _established(guest: Guest, number: int) -> bool:
    return guest.monitor is not None and any(
        state == "ESTABLISHED" and place.guest == number and place.host == guest.ports[number]
        for state, place in guest.monitor.connections()
    )


def _ask(guest: Guest, wanted: Http, *, deadline: float) -> Answer:
    host, number = _place(guest, wanted.port)
    connection = http.client.HTTPConnection(host, number, timeout=_ATTEMPT)
    try:
        connection.connect()
        with _limited(connection.sock, deadline):
            connection.request("GET", wanted.path, headers={"Connection": "close"})
            response = connection.getresponse()
            body = response.read(_BODY).decode(errors="replace")
    except (OSError, http.client.HTTPException, ValueError) as error:
        why = str(error) or type(error).__name__
        return Answer(good=False, detail=f"no HTTP response on port {wanted.port}: {why}")
    finally:
        connection.close()
    if response.status != wanted.status:
        return Answer(good=False, detail=f"{wanted.path} returns {response.status}, not {wanted.status}")
    if wanted.body is not None and not re.search(wanted.body, body):
        return Answer(good=False, detail=f"the body doesn't match {wanted.body!r}: {body[:_BRIEF]!r}")
    return Answer(good=True, detail=f"{wanted.path} answers {response.status}, {len(body)} characters")


@contextlib.contextmanager
def _limited(line: socket.socket, deadline: float) -> Iterator[None]:
    """Cut the connection at the deadline: a timeout alone begins anew with each byte that drips in."""
    line.settimeout(None)
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), _cut, (line,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _cut(line: socket.socket) -> None:
    with contextlib.suppress(OSError):
        line.shutdown(socket.SHUT_RDWR)
