"""A BMC that answers anything: odd types, too much, too deep, in drops, no HTTP. It is an error, and soon."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rootstream.description.machines import Redfish
from rootstream.errors import UserError
from rootstream.netboot.power import redfish

Answer = Callable[[socket.socket], None]
Serve = Callable[[Answer], Redfish]
DEEP = 200_000


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Return what starts a BMC that answers each connection so, and gives what is written of it."""
    with contextlib.ExitStack() as stack:

        def start(answer: Answer) -> Redfish:
            listener = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
            thread = threading.Thread(target=accept, args=(listener, answer))
            thread.start()
            stack.callback(thread.join, 10)
            stack.callback(listener.shutdown, socket.SHUT_RDWR)
            port = listener.getsockname()[1]
            return Redfish(url=f"http://127.0.0.1:{port}", system="1", timeout=2.0)

        yield start


def accept(listener: socket.socket, answer: Answer) -> None:
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
    lines = (f"HTTP/1.1 {status}", f"Content-Length: {len(text)}", "Connection: close", *head, "", "")
    return lambda line: line.sendall("\r\n".join(lines).encode() + text)


def of(value: object) -> Answer:
    return body(json.dumps(value).encode())


@pytest.mark.parametrize(
    "value",
    [
        *([], None, 1, "x", {}, {"PowerState": ["On"]}, {"PowerState": {"On": 1}}, {"PowerState": None}),
        {"PowerState": "\x1b[2J"},
    ],
)
def test_a_state_of_an_odd_type_is_unknown(serve: Serve, tmp_path: Path, value: object) -> None:
    assert redfish.state("box", serve(of(value)), tmp_path) == "unknown"


@pytest.mark.parametrize(
    "actions",
    [
        *(None, [], "x", 1, {"#ComputerSystem.Reset": []}, {"#ComputerSystem.Reset": {}}),
        *(
            {"#ComputerSystem.Reset": {"target": "/ok", "ResetType@Redfish.AllowableValues": allowed}}
            for allowed in (None, 1, "On", [], [1, [], {}], {"On": 1})
        ),
    ],
)
def test_actions_of_odd_types_are_left_out(serve: Serve, tmp_path: Path, actions: object) -> None:
    redfish.switch("box", serve(of({"PowerState": "Off", "Actions": actions})), tmp_path, "on")


@pytest.mark.parametrize(
    "target", [1, None, [], "", "x", "//evil/x", "/a b", "/a\r\nX: y", "/\x1b[2J", "http://evil/"]
)
def test_a_target_that_is_no_path(serve: Serve, tmp_path: Path, target: object) -> None:
    data = {"PowerState": "Off", "Actions": {"#ComputerSystem.Reset": {"target": target}}}
    assert fault(lambda: redfish.switch("box", serve(of(data)), tmp_path, "on")).reason == "power-failed"


@pytest.mark.parametrize(
    "members", [None, 1, "x", [], [1], [{}], [{"@odata.id": 1}], [{"@odata.id": "//evil"}], {"a": 1}]
)
def test_members_of_odd_types(serve: Serve, tmp_path: Path, members: object) -> None:
    words = serve(of({"Members": members})).model_copy(update={"system": None})
    assert fault(lambda: redfish.state("box", words, tmp_path)).reason == "power-failed"


def drops(text: bytes) -> Answer:
    def answer(line: socket.socket) -> None:
        for each in text * 1000:
            line.sendall(bytes([each]))
            time.sleep(0.1)

    return answer


def endless(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n")
    while True:
        line.sendall(b" " * 65536)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(drops(b"HTTP/1.1 200 OK\r\nX: y\r\n"), id="a head in drops"),
        pytest.param(drops(b"X"), id="a status in drops"),
        pytest.param(endless, id="an endless body"),
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
    ],
)
def test_it_is_an_error_and_soon(serve: Serve, tmp_path: Path, answer: Answer) -> None:
    began = time.monotonic()
    words = serve(answer)
    found = fault(lambda: redfish.state("box", words, tmp_path))
    assert time.monotonic() - began < 30
    assert found.reason == "power-failed"
    assert found.message.isprintable()
    assert len(str(found)) < 1000
    assert found.detail is None or found.detail.isprintable()


def fault(work: Callable[[], object]) -> UserError:
    with pytest.raises(UserError) as caught:
        work()
    return caught.value
