"""Boots that run checks: what each kind finds, and what it says when it doesn't."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from boxes import LOGIN, NETWORK

from rootstream import events
from rootstream.boot.verify import Verdict, verify
from rootstream.description.checks import Check
from rootstream.description.checks.command import CommandCheck
from rootstream.description.checks.console import ConsoleCheck
from rootstream.description.checks.file import FileCheck
from rootstream.description.checks.http import Http, HttpCheck
from rootstream.description.checks.login import Login, LoginCheck
from rootstream.description.checks.port import PortCheck
from rootstream.description.checks.poweroff import PoweroffCheck
from rootstream.description.machine import BootImage, ExtraDisk, Machine, Nic

pytestmark = pytest.mark.boot

MakeImage = Callable[..., BootImage]
MACHINE = Machine(timeout=300.0)
ODD = "printf 'a\\tb\\n'; echo 'it'\"'\"'s 100% $HOME ! é'; echo '" + "x" * 1500 + "'\necho last"


def check(image: BootImage, *wanted: Check, folder: Path, machine: Machine = MACHINE) -> Verdict:
    return verify("box", arch="x86_64", machine=machine, images=[image], wanted=wanted, folder=folder)


def test_every_kind_of_check_passes(image: MakeImage, tmp_path: Path) -> None:
    seen: list[events.Event] = []
    box = image(NETWORK, LOGIN)
    before = Path(box.file).read_bytes()
    machine = Machine(
        timeout=300.0,
        memory=200 << 20,
        cores=2,
        disks=(ExtraDisk(size=1 << 20, bus="ide"), ExtraDisk(size=1 << 20)),
        nics=(Nic(), Nic(model="none"), Nic(model="e1000", mac="52:54:00:aa:bb:cc")),
    )
    wanted: tuple[Check, ...] = (
        ConsoleCheck(console=r"Run /init as \w+ process$", regex=True, name="init runs"),
        ConsoleCheck(console="box login: "),
        LoginCheck(login=Login(user="admin", password="wrong", refused=True)),
        LoginCheck(login=Login(user="admin", password="secret")),
        CommandCheck(command="id -u", output="^1000$"),
        CommandCheck(command="cd /tmp; false", exit=1),
        CommandCheck(command="pwd; nproc", output=r"^/tmp\n2$"),
        CommandCheck(command=ODD, output=r"a\tb\nit's 100% \$HOME ! é\nx{1500}\nlast"),
        CommandCheck(command="if true", exit=2),
        FileCheck(file="/etc/passwd", content="^admin:", owner="root"),
        LoginCheck(login=Login(user="root")),
        CommandCheck(command="echo 'on one' > '/www/a  $HOME'; chmod 4751 /www/a*"),
        FileCheck.model_validate({"file": "/www/a  $HOME", "content": "^on one$", "mode": "4751"}),
        CommandCheck(command="cat /sys/bus/pci/devices/*/device", output="(?s)0x100e.*0x1001|0x1001.*0x100e"),
        PortCheck(port=80),
        HttpCheck(http=Http(body="It works")),
        HttpCheck(http=Http(path="/missing", status=404)),
        PoweroffCheck(poweroff="poweroff -f"),
        ConsoleCheck(console="Power down"),
    )
    verdict = verify(
        "box",
        arch="x86_64",
        machine=machine,
        images=[box],
        wanted=wanted,
        folder=tmp_path / "out",
        report=seen.append,
    )
    assert [result for result in verdict.boots[0].results if not result.passed] == []
    assert Path(box.file).read_bytes() == before
    checked = [event.name for event in seen if isinstance(event, events.Checked)]
    assert len(checked) == len(wanted)
    assert {event.image for event in seen if isinstance(event, events.Checked)} == {verdict.boots[0].kind}
    log = verdict.boots[0].log.read_text()
    assert log == "".join(event.text for event in seen if isinstance(event, events.Console))
    assert "\x1b" not in log
    assert "\r" not in log

    suite = ET.fromstring(verdict.junit.read_bytes())[0]
    assert suite.get("tests") == str(len(wanted))
    assert suite.get("failures") == "0"
    assert [case.get("name") for case in suite.iter("testcase")] == checked
    summary = json.loads(verdict.summary.read_text())
    times = summary["boots"][0]["times"]
    assert summary["passed"] is True
    assert 0 < times["kernel"] <= times["init"] <= times["login"]
    assert times["init_kernel"] > 0
    assert times["up"] == times["login"]


def test_failed_checks_say_why_and_the_others_go_on(image: MakeImage, tmp_path: Path) -> None:
    verdict = check(
        image(NETWORK, LOGIN),
        LoginCheck(login=Login(user="admin")),
        LoginCheck(login=Login(user="root", refused=True)),
        CommandCheck(command="echo seen; exit_status() { return 7; }; exit_status"),
        CommandCheck(command="echo this", output="that"),
        CommandCheck(command="echo before; sleep 1000", within=3.0),
        CommandCheck(command="cat", within=3.0),
        ConsoleCheck(console="never shown", within=1.0),
        PortCheck(port=81, within=3.0),
        HttpCheck(http=Http(path="/missing"), within=1.0),
        HttpCheck(http=Http(body="It fails"), within=1.0),
        HttpCheck(http=Http(port=82), within=1.0),
        PoweroffCheck(poweroff="true", within=1.0),
        CommandCheck(command="exit", within=100.0),
        CommandCheck(command="echo logged in again", output="logged in"),
        folder=tmp_path,
    )
    results = verdict.boots[0].results
    details = [result.detail for result in results]
    assert [result.passed for result in results] == [False] * 13 + [True]
    assert "the system asks for a password, and the check gives none" in details[0]
    assert "should have been refused" in details[1]
    assert details[2].startswith("exit status 7, not 0: seen")
    assert "'that'" in details[3]
    assert "before" in details[4]
    assert "did not finish" in details[5]
    assert "never shown" in details[6]
    assert "port 81" in details[7]
    assert "404" in details[8]
    assert "It works" in details[9]
    assert "port 82" in details[10]
    assert "still on" in details[11]
    assert "the shell ended" in details[12]
    failures = list(ET.fromstring(verdict.junit.read_bytes()).iter("failure"))
    assert len(failures) == 13


def test_a_shell_without_login_is_taken_as_it_is(image: MakeImage, tmp_path: Path) -> None:
    verdict = check(
        image("exec setsid cttyhack sh"),
        CommandCheck(command="echo $$", output=r"^\d+$", within=100.0),
        PortCheck(port=80),
        folder=tmp_path,
        machine=Machine(timeout=300.0, nics=()),
    )
    shell, port = verdict.boots[0].results
    assert shell.passed, shell.detail
    assert "no network card" in port.detail


def test_without_checks_the_start_itself_is_checked(image: MakeImage, tmp_path: Path) -> None:
    verdict = check(image("sleep 10000"), folder=tmp_path)
    assert [(result.name, result.passed) for result in verdict.boots[0].results] == [("starts", True)]
