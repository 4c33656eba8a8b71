"""Checks on a console, against programs on a terminal of this host that print and read as a machine does."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from rootstream.boot.checks import runner, starts
from rootstream.boot.machine import Guest
from rootstream.description.checks import Check
from rootstream.description.checks.command import CommandCheck
from rootstream.description.checks.console import ConsoleCheck
from rootstream.description.checks.login import Login, LoginCheck
from rootstream.description.checks.port import PortCheck
from rootstream.description.checks.poweroff import PoweroffCheck
from rootstream.netboot.line import opened

TERMINAL = "import pty, sys; pty.spawn(sys.argv[1:])"
MACHINE = """
echo 'Run /sbin/init as init process'
echo 'two (2) lines'
while :; do
    printf '\\nbox login: '
    read -r user || exit 0
    printf 'Password: '
    read -r word || exit 0
    if [ "$word" = right ]; then sh -i; else echo 'Login incorrect'; fi
done
"""
WITHIN = 60.0


@contextmanager
def running(folder: Path, program: str) -> Iterator[Guest]:
    env = {**os.environ, "PS1": "# ", "ENV": "", "LC_ALL": "C.UTF-8"}
    argv = (sys.executable, "-c", TERMINAL, "sh", "-c", program)
    with opened(argv, name="box", address=None, log=folder / "log", report=lambda _: None, env=env) as guest:
        yield guest


def results(guest: Guest, *checks: Check) -> list[tuple[bool, str]]:
    found = runner.run(checks, guest, deadline=time.monotonic() + 10 * WITHIN)
    return [(each.passed, each.detail) for each in found]


def login(user: str, password: str | None, *, refused: bool = False) -> LoginCheck:
    return LoginCheck(login=Login(user=user, password=password, refused=refused), within=WITHIN)


def test_commands(tmp_path: Path) -> None:
    with running(tmp_path, "exec sh -i") as guest:
        found = results(
            guest,
            CommandCheck(command="echo one; echo two", within=WITHIN),
            CommandCheck(command="echo one; (exit 3)", exit=3, within=WITHIN),
            CommandCheck(command="echo one; (exit 3)", within=WITHIN),
            CommandCheck(command="echo one", exit=3, within=WITHIN),
            CommandCheck(command="echo one; echo two", output="^two$", within=WITHIN),
            CommandCheck(command="echo one", output="^two$", within=WITHIN),
        )
    assert found == [
        (True, "one\ntwo"),
        (True, "one"),
        (False, "exit status 3, not 0: one"),
        (False, "exit status 0, not 3: one"),
        (True, "one\ntwo"),
        (False, "the output doesn't match '^two$': one"),
    ]


def test_logins(tmp_path: Path) -> None:
    with running(tmp_path, MACHINE) as guest:
        found = results(
            guest,
            login("eve", "wrong", refused=True),
            login("eve", "wrong"),
            login("admin", "right"),
            CommandCheck(command="echo in", within=WITHIN),
            login("admin", "right", refused=True),
        )
    assert [good for good, _ in found] == [True, False, True, True, False]
    assert "Login incorrect" in found[0][1]
    assert "Login incorrect" in found[1][1]
    assert [detail for _, detail in found[2:]] == [
        "admin logged in",
        "in",
        "admin logged in, but should have been refused",
    ]


def test_texts_on_the_console(tmp_path: Path) -> None:
    with running(tmp_path, MACHINE) as guest:
        found = results(
            guest,
            ConsoleCheck(console="two (2)", within=WITHIN),
            ConsoleCheck(console="^two .2. l[a-z]+$", regex=True, within=WITHIN),
            ConsoleCheck(console="two .2.", within=0.1),
            ConsoleCheck(console="two (2)", regex=True, within=0.1),
        )
    assert found == [
        (True, "two (2)"),
        (True, "two (2) lines"),
        (False, "the console did not show 'two .2.'"),
        (False, "the console did not show 'two (2)'"),
    ]


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("echo 'Run /sbin/init as init process'; sleep 600", "reached: Run /sbin/init as init process"),
        ("printf 'Welcome\\nbox login: '; sleep 600", "reached: box login:"),
    ],
)
def test_a_system_without_checks_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, expected: str
) -> None:
    monkeypatch.setattr(starts, "_SETTLED", 0.1)
    with running(tmp_path, program) as guest:
        assert results(guest) == [(True, expected)]


def test_a_system_that_does_not_start(tmp_path: Path) -> None:
    with running(tmp_path, "echo 'nothing known'; sleep 600") as guest:
        (result,) = runner.run((), guest, deadline=time.monotonic() + 0.3)
    assert not result.passed
    assert result.detail.startswith("neither init nor a login prompt was reached")


def test_an_init_that_dies_at_once_has_not_started(tmp_path: Path) -> None:
    program = "echo 'Run /init as init process'; sleep 0.3; echo 'Kernel panic - not syncing: no init'; sleep 600"
    with running(tmp_path, program) as guest:
        ((good, detail),) = results(guest)
    assert not good
    assert "panic" in detail


@pytest.mark.parametrize(("status", "expected"), [(0, True), (1, False)])
def test_a_machine_that_ends_by_itself(tmp_path: Path, status: int, *, expected: bool) -> None:
    with running(tmp_path, "exec sh -i") as guest:
        ending = replace(guest, status=lambda: status)
        checks = [
            PoweroffCheck(poweroff="exit", within=WITHIN),
            CommandCheck(command="true", within=WITHIN),
            ConsoleCheck(console="# ", within=WITHIN),
        ]
        found = results(ending, *checks)
    assert [good for good, _ in found] == [expected, False, True]
    assert found[1][1].startswith("not possible: ")


def test_a_machine_that_stays_on(tmp_path: Path) -> None:
    with running(tmp_path, "exec sh -i") as guest:
        first = CommandCheck(command="true", within=WITHIN)  # the shell is there
        found = results(guest, first, PoweroffCheck(poweroff=":", within=0.2))[1:]
    assert [(good, detail.partition(";")[0]) for good, detail in found] == [(False, "the machine is still on")]


def test_a_port_of_a_machine_without_a_network(tmp_path: Path) -> None:
    with running(tmp_path, "exec sh -i") as guest:
        assert results(guest, PortCheck(port=80, within=WITHIN)) == [
            (False, "port 80 can't be reached: the machine has no network card")
        ]
