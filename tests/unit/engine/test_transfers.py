"""The relay to servers, whether they are still there, and what their errors mean."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from rootstream.engine import transfer_watch
from rootstream.engine.connect_relay import Relay, needs_proxy
from rootstream.engine.remote_api import Api, probe
from rootstream.engine.remotes import Remote


@pytest.fixture
def echo() -> Iterator[int]:
    """Serve one connection on loopback: what comes is sent back; return the port."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with contextlib.suppress(OSError):
            client, _ = server.accept()
            with client:
                while data := client.recv(1 << 16):
                    client.sendall(data)

    thread = threading.Thread(target=serve)
    thread.start()
    yield server.getsockname()[1]
    server.shutdown(socket.SHUT_RDWR)
    server.close()
    thread.join(10)


def nobody() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def ask(relay: Relay, request: bytes) -> tuple[socket.socket, bytes]:
    host, _, port = relay.environment["grpc_proxy"].removeprefix("http://").rpartition(":")
    client = socket.create_connection((host, int(port)), 10)
    client.sendall(request)
    return client, client.recv(1 << 16)


def test_the_relay_passes_everything_and_counts(echo: int) -> None:
    with Relay([Remote(url=f"http://127.0.0.1:{echo}")]) as relay:
        client, said = ask(relay, f"CONNECT 127.0.0.1:{echo} HTTP/1.1\r\n\r\n".encode())
        assert said == b"HTTP/1.1 200 OK\r\n\r\n"
        sent = bytes(range(256)) * 4000
        threading.Thread(target=client.sendall, args=(sent,)).start()
        received = b""
        while len(received) < len(sent):
            received += client.recv(1 << 16)
        client.close()
        assert received == sent
        counts = relay.counts["127.0.0.1", echo]
        assert (counts.sent, counts.received, counts.failures) == (len(sent), len(sent), 0)


def test_the_relay_reaches_only_its_servers(echo: int) -> None:
    with Relay([Remote(url="http://127.0.0.1:9")]) as relay:
        for request in (f"CONNECT 127.0.0.1:{echo} HTTP/1.1\r\n\r\n".encode(), b"GET / HTTP/1.1\r\n\r\n"):
            client, said = ask(relay, request)
            client.close()
            assert said.startswith(b"HTTP/1.1 403")


def test_other_servers_of_buildstream_are_reached_and_not_counted(echo: int) -> None:
    with Relay([Remote(url="http://127.0.0.1:9")]) as relay:
        relay.allow([f"http://127.0.0.1:{echo}"])
        client, said = ask(relay, f"CONNECT 127.0.0.1:{echo} HTTP/1.1\r\n\r\n".encode())
        client.close()
        assert said.startswith(b"HTTP/1.1 200")
        assert relay.counts.keys() == {("127.0.0.1", 9)}


def test_a_server_that_is_not_reached_is_counted() -> None:
    port = nobody()
    with Relay([Remote(url=f"http://127.0.0.1:{port}")]) as relay:
        client, said = ask(relay, f"CONNECT 127.0.0.1:{port} HTTP/1.1\r\n\r\n".encode())
        client.close()
        assert said.startswith(b"HTTP/1.1 502")
        assert relay.counts["127.0.0.1", port].failures == 1


def test_a_proxy_of_the_user_is_left_alone() -> None:
    remote = (Remote(url="https://c.example"),)
    assert not needs_proxy({}, remote)
    assert needs_proxy({"https_proxy": "http://p:3128"}, remote)
    assert not needs_proxy({"https_proxy": "http://p:3128", "no_proxy": "localhost, .example"}, remote)


def test_a_server_is_asked_for_while_nothing_comes() -> None:
    remotes = (Remote(url=f"http://127.0.0.1:{nobody()}"),)
    watch = transfer_watch.Watch(remotes, None)
    pulling = (("a.bst", "pull"),)
    assert not watch.lost((("a.bst", "build"),), 100.0)
    assert not watch.lost(pulling, 100.0)
    assert not watch.lost(pulling, 100.0 + transfer_watch.QUIET / 2)
    assert watch.lost(pulling, 100.0 + transfer_watch.QUIET)
    assert watch.gone == {remotes[0].url: "refuses connections"}


def test_a_server_that_was_not_reached_is_asked_for_at_once() -> None:
    remotes = (Remote(url=f"http://127.0.0.1:{nobody()}"),)
    with Relay(remotes) as relay:
        watch = transfer_watch.Watch(remotes, relay)
        assert not watch.lost((("a.bst", "pull"),), 100.0)
        relay.counts[remotes[0].address].failures += 1
        assert watch.lost((("a.bst", "pull"),), 100.1)


@pytest.mark.parametrize(
    ("code", "details", "state"),
    [
        ("UNAUTHENTICATED", "token missing or wrong", "token"),
        ("PERMISSION_DENIED", "this token may only read", "forbidden"),
        ("DEADLINE_EXCEEDED", "Deadline Exceeded", "silent"),
        ("UNAVAILABLE", "failed to connect to all addresses; ... Connection refused (111)", "refused"),
        ("UNAVAILABLE", "DNS resolution failed for c.example:443", "refused"),
        ("UNAVAILABLE", "Ssl handshake failed: ... CERTIFICATE_VERIFY_FAILED: self signed", "tls"),
        ("UNAVAILABLE", "Peer name c.example is not in peer certificate", "tls"),
        ("UNAVAILABLE", "Socket closed", "refused"),
        ("UNIMPLEMENTED", "", "unusable"),
    ],
)
def test_what_errors_mean(code: str, details: str, state: str) -> None:
    with Api(Remote(url="http://127.0.0.1:9")) as api:
        answer = api.explained(code, details)
    assert answer.state == state
    assert answer.text


def test_servers_are_asked_at_once() -> None:
    remotes = [Remote(url=f"http://127.0.0.1:{nobody()}") for _ in range(3)]
    assert [each.state for each in probe(remotes)] == ["refused"] * 3


def test_workers_are_asked_for_while_something_is_built() -> None:
    workers = Remote(url=f"http://127.0.0.1:{nobody()}")
    watch = transfer_watch.Watch((), None, workers)
    assert not watch.lost((("a.bst", "fetch"),), 100.0)
    building = (("a.bst", "build"),)
    assert not watch.lost(building, 200.0)
    assert not watch.lost(building, 200.0 + transfer_watch.QUIET / 2)
    assert watch.lost(building, 200.0 + transfer_watch.QUIET)
    assert watch.gone == {workers.url: "refuses connections"}
