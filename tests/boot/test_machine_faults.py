"""Machines that go wrong: each ends the waiting at once, with its reason and what the console showed last."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from boxes import LOGIN

from rootstream.boot.machine import Guest, prepare, run_host, start
from rootstream.boot.transcript import LIMIT
from rootstream.boot.verify import verify
from rootstream.description.checks.command import CommandCheck
from rootstream.description.checks.console import ConsoleCheck
from rootstream.description.checks.http import Http, HttpCheck
from rootstream.description.checks.login import Login, LoginCheck
from rootstream.description.checks.poweroff import PoweroffCheck
from rootstream.description.machine import BootImage, Machine
from rootstream.errors import UserError

pytestmark = pytest.mark.boot

MakeImage = Callable[..., BootImage]
NEVER = re.compile("this is never printed")
# Without an end of the waiting, a test would take longer than anybody waits
LONG = 100_000.0


@contextmanager
def running(image: BootImage, machine: Machine, log: Path | None = None) -> Iterator[Guest]:
    with (
        prepare(machine, image, arch="x86_64", host=run_host("tcg")) as prepared,
        start(prepared, log=log) as guest,
    ):
        yield guest


def fault(image: BootImage, machine: Machine | None = None) -> UserError:
    with running(image, machine or Machine()) as guest, pytest.raises(UserError) as caught:
        guest.console.wait(NEVER, start=0, deadline=time.monotonic() + LONG)
    return caught.value


def test_kernel_without_init_panics(image: MakeImage) -> None:
    error = fault(image())
    assert error.reason == "kernel-panic"
    assert error.detail is not None
    assert "Unable to mount root fs" in error.detail


def test_init_that_ends_takes_the_kernel_with_it(image: MakeImage) -> None:
    error = fault(image("exit 3"))
    assert error.reason == "kernel-panic"
    assert "Attempted to kill init" in (error.detail or "")


def test_root_on_a_file_system_is_told_to_the_kernel(image: MakeImage, tmp_path: Path) -> None:
    path = tmp_path / "root, with a comma.ext2"
    path.write_bytes((b"\0" * 1080 + b"\x53\xef").ljust(1 << 20, b"\0"))
    box = BootImage(kind="ext", kernel=image("exit").kernel, file=str(path), name="box")
    with running(box, Machine(), log=tmp_path / "log") as guest, pytest.raises(UserError) as caught:
        guest.console.wait(NEVER, start=0, deadline=time.monotonic() + LONG)
    assert caught.value.reason == "kernel-panic"  # this kernel has no driver for the disk in itself
    assert "root=/dev/sda rootfstype=ext2 rw" in (tmp_path / "log").read_text()


def test_machine_that_ends_early(image: MakeImage) -> None:
    error = fault(image("echo good bye; poweroff -f"))
    assert error.reason == "machine-exited"
    assert "switched itself off" in error.message
    assert "good bye" in (error.detail or "")


def test_machine_that_restarts(image: MakeImage) -> None:
    error = fault(image("reboot -f"))
    assert error.reason == "machine-exited"
    assert "restarted itself" in error.message


def test_panic_while_checks_run_fails_the_rest_at_once(image: MakeImage, tmp_path: Path) -> None:
    verdict = verify(
        "box",
        arch="x86_64",
        machine=Machine(timeout=LONG),
        images=[image(LOGIN)],
        wanted=[
            CommandCheck(command="echo c > /proc/sysrq-trigger", within=LONG),
            LoginCheck(login=Login(user="root"), within=LONG),
            HttpCheck(http=Http(), within=LONG),
            PoweroffCheck(poweroff="poweroff -f", within=LONG),
            ConsoleCheck(console="sysrq triggered crash", within=LONG),
        ],
        folder=tmp_path,
    )
    results = verdict.boots[0].results
    assert [result.passed for result in results] == [False, False, False, False, True]
    assert "panicked" in results[0].detail
    assert "sysrq triggered crash" in results[0].detail
    assert all("panicked" in result.detail for result in results[1:4])


def test_machine_that_hangs_runs_into_the_deadline(image: MakeImage, tmp_path: Path) -> None:
    verdict = verify(
        "box",
        arch="x86_64",
        machine=Machine(timeout=6.0),
        images=[image("while :; do :; done")],
        wanted=[LoginCheck(login=Login()), ConsoleCheck(console="anything else")],
        folder=tmp_path,
    )
    results = verdict.boots[0].results
    assert [result.passed for result in results] == [False, False]
    assert "no login prompt appeared" in results[0].detail
    assert "time limit for the whole boot is over" in results[0].detail


def test_console_that_is_flooded_stays_within_bounds(image: MakeImage, tmp_path: Path) -> None:
    verdict = verify(
        "box",
        arch="x86_64",
        machine=Machine(timeout=LONG),
        images=[image("yes 'a flood of text' > /dev/console")],
        wanted=[ConsoleCheck(console="a flood"), ConsoleCheck(console="the end", within=2.0)],
        folder=tmp_path,
    )
    first, second = verdict.boots[0].results
    assert first.passed, first.detail
    assert not second.passed
    assert verdict.boots[0].log.stat().st_size <= LIMIT


def report_of(folder: Path) -> ET.Element:
    return ET.fromstring((folder / "junit.xml").read_bytes())


def test_a_machine_that_does_not_start_leaves_its_report(image: MakeImage, tmp_path: Path) -> None:
    (tmp_path / "junit.xml").write_text("a report of an earlier run")
    with pytest.raises(UserError) as caught:
        verify(
            "box",
            arch="x86_64",
            machine=Machine(extra_args=("-no-such-option",)),
            images=[image(LOGIN), image(LOGIN, name="other")],
            wanted=[ConsoleCheck(console="never")],
            folder=tmp_path,
        )
    assert caught.value.reason == "qemu-failed"
    report = report_of(tmp_path)
    assert (report.get("tests"), report.get("failures"), report.get("errors")) == ("1", "0", "1")
    error = report.find("testsuite/testcase/error")
    assert error is not None
    assert error.get("type") == "not-started"
    assert "no-such-option" in (error.text or "")


def test_a_later_image_that_does_not_start_keeps_what_was_found(image: MakeImage, tmp_path: Path) -> None:
    first = image(LOGIN)
    second = BootImage(kind="ext", kernel=first.kernel, file=str(tmp_path / "gone.ext4"), name="box")
    with pytest.raises(UserError) as caught:
        verify(
            "box",
            arch="x86_64",
            machine=Machine(timeout=LONG),
            images=[first, second],
            wanted=[LoginCheck(login=Login(user="root"), within=LONG)],
            folder=tmp_path,
        )
    assert caught.value.reason == "image-missing"
    report = report_of(tmp_path)
    assert (report.get("tests"), report.get("failures"), report.get("errors")) == ("2", "0", "1")
    assert [suite.get("name") for suite in report] == ["box.initramfs", "box.ext"]
    told = json.loads((tmp_path / "boot.json").read_text())
    assert [boot["passed"] for boot in told["boots"]] == [True, False]
    assert "gone.ext4" in told["boots"][1]["fault"]


def test_an_accelerator_that_cannot_be_had_is_reported(image: MakeImage, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        verify(
            "box",
            arch="aarch64",
            machine=Machine(accelerator="kvm"),
            images=[image(LOGIN)],
            wanted=[],
            folder=tmp_path,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache")},
        )
    assert caught.value.reason == "kvm-unusable"
    assert report_of(tmp_path).get("errors") == "1"
