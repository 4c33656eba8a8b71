"""Checks and their reports, and servers that mean no good."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal
from xml.etree import ElementTree as ET

import pytest

from rootstream.boot import network
from rootstream.boot.checks.runner import STARTS, Result, forwards, name_of
from rootstream.boot.console import Console
from rootstream.boot.junit import Suite, junit
from rootstream.boot.machine import Guest
from rootstream.boot.monitor import Monitor
from rootstream.boot.qemu import Forward
from rootstream.boot.verify import up_after
from rootstream.description.checks import Check
from rootstream.description.checks.command import CommandCheck
from rootstream.description.checks.console import ConsoleCheck
from rootstream.description.checks.http import Http, HttpCheck
from rootstream.description.checks.login import Login, LoginCheck
from rootstream.description.checks.port import PortCheck
from rootstream.description.checks.poweroff import PoweroffCheck
from rootstream.description.machine import Machine, patience
from rootstream.description.system import Model


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
    assert first.findtext("system-out", "").startswith("<&\"'>]]>\\x00\\x1b\ufffd\\ud800")


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
    assert answer.detail.startswith("no HTTP response on port 80: ")


LOGIN = Result(name="login: root", passed=True, elapsed=3.0, detail="", logs_in=True)
SHUT_OUT = Result(name="login: root", passed=False, elapsed=60.0, detail="no login prompt appeared", logs_in=True)
ANSWER = Result(name="port: 80", passed=True, elapsed=4.0, detail="")
SILENT = Result(name="port: 81", passed=False, elapsed=9.0, detail="")
STARTED = Result(name=STARTS, passed=True, elapsed=7.0, detail="")


@pytest.mark.parametrize(
    ("login", "init", "results", "up"),
    [
        (5.0, 2.0, (LOGIN, ANSWER), 5.0),
        (5.0, 2.0, (), 5.0),
        (5.0, None, (SILENT,), 5.0),
        (None, 2.0, (SHUT_OUT, ANSWER), None),  # a login that failed to come
        (5.0, 2.0, (SHUT_OUT,), None),
        (None, 2.0, (SILENT, ANSWER), 14.0),  # one second, nine, four
        (None, 2.0, (STARTED,), 2.0),
        (None, None, (STARTED,), 8.0),
        (None, 2.0, (SILENT,), None),
        (None, 2.0, (), None),
    ],
)
def test_when_a_system_is_up(
    login: float | None, init: float | None, results: tuple[Result, ...], up: float | None
) -> None:
    assert up_after(login=login, init=init, begun=1.0, results=results) == up


@pytest.mark.parametrize(
    ("part", "written", "with_kvm", "without"),
    [
        (ConsoleCheck(console="a"), "within", 60, 300),
        (ConsoleCheck(console="a", within=60), "within", 60, 60),
        (CommandCheck(command="a"), "within", 30, 150),
        (Machine(), "timeout", 120, 600),
        (Machine(timeout=90), "timeout", 90, 90),
    ],
)
def test_what_nobody_gave_a_time_has_longer_without_kvm(
    part: Model, written: Literal["timeout", "within"], with_kvm: float, without: float
) -> None:
    assert (patience(part, written, kvm=True), patience(part, written, kvm=False)) == (with_kvm, without)
