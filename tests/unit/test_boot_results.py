"""Checks and their reports, and servers that mean no good."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from xml.etree import ElementTree as ET

import pytest

from rootstream.boot import network
from rootstream.boot.checks import Result, forwards, name_of
from rootstream.boot.console import Console
from rootstream.boot.junit import Suite, junit
from rootstream.boot.machine import Guest
from rootstream.boot.monitor import Monitor
from rootstream.boot.qemu import Forward
from rootstream.machine import Check, CommandCheck, Http, HttpCheck, Login, LoginCheck, PortCheck, PoweroffCheck


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (CommandCheck(command="true"), "command: true"),
        (CommandCheck(command="true", name="the truth"), "the truth"),
        (LoginCheck(login=Login(user="eve", refused=True)), "login: eve is refused"),
        (PortCheck(port=22), "port: 22"),
        (HttpCheck(http=Http(path="/v1", port=9999)), "http: /v1 on 9999"),
        (PoweroffCheck(poweroff="poweroff"), "poweroff: poweroff"),
    ],
)
def test_names_of_checks(check: Check, name: str) -> None:
    assert name_of(check) == name


def test_checks_ask_for_the_ports_that_they_need() -> None:
    wanted: list[Check] = [
        HttpCheck(http=Http()),
        PortCheck(port=22),
        HttpCheck(http=Http(path="/b")),
        CommandCheck(command="x"),
    ]
    assert forwards(wanted) == (Forward(host=0, guest=22), Forward(host=0, guest=80))


def test_junit_is_xml_whatever_the_guest_printed() -> None:
    hostile = "<&\"'>]]>\x00\x1b\ufffe\ud800\U0001f600"
    results = (
        Result(name="good", passed=True, elapsed=1.0, detail="x"),
        Result(name=hostile, passed=False, elapsed=0.5, detail=f"first line\n{hostile}"),
    )
    suite = Suite(
        name="hello.disk",
        elapsed=2.0,
        timestamp="2026-01-02T03:04:05",
        properties={"time.init": "1.500"},
        results=results,
        console=hostile,
    )
    root = ET.fromstring(junit([suite, suite]))
    assert root.attrib == {"tests": "4", "failures": "2", "errors": "0", "time": "4.000"}
    first = root[0]
    assert [child.tag for child in first] == ["properties", "testcase", "testcase", "system-out", "system-err"]
    good, bad = first.iter("testcase")
    assert good.attrib == {"name": "good", "classname": "hello.disk", "time": "1.000"}
    assert list(good) == []
    assert bad[0].get("message") == "first line"
    assert first.findtext("system-out", "").startswith("<&\"'>]]>\ufffd\ufffd")


@contextmanager
def guest_with(serve: Callable[[socket.socket], None]) -> Iterator[Guest]:
    """A guest whose port 80 is a server of ours, which answers each connection in its own way."""
    line, other = socket.socketpair()
    monitor_line, monitor_other = socket.socketpair()
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        other,
        monitor_other,
        Monitor(monitor_line) as monitor,
        Console(line, machine="box", started=time.monotonic()) as console,
    ):
        thread = threading.Thread(target=_serve, args=(server, serve))
        thread.start()
        yield Guest(
            name="box",
            console=console,
            monitor=monitor,
            ports={80: server.getsockname()[1]},
            pid=0,
            paste="",
            status=lambda: None,
            kill=lambda: None,
        )
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _serve(server: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        with connection:
            try:
                connection.recv(1000)
                serve(connection)
            except OSError:
                continue


def drip(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.01)


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x" * 100_000)


def long_line(connection: socket.socket) -> None:
    while True:
        connection.sendall(b"x" * 100_000)


def test_an_answer_without_end_is_cut() -> None:
    with guest_with(endless) as guest:
        answer = network.http_answer(guest, Http(), deadline=time.monotonic() + 60)
    assert answer.good
    assert "1048576 characters" in answer.detail


@pytest.mark.parametrize("serve", [drip, long_line, lambda _: None])
def test_a_server_that_never_answers_is_left_at_the_deadline(serve: Callable[[socket.socket], None]) -> None:
    with guest_with(serve) as guest:
        answer = network.http_answer(guest, Http(), deadline=time.monotonic() + 0.5)
    assert not answer.good
    assert answer.detail.startswith("no HTTP answer on port 80: ")
