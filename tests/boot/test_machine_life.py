"""The life of a machine: how it starts, that disks stay as they are, and that nothing of it is left over."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from boxes import LOGIN, NETWORK

from rootstream import events
from rootstream.boot import accel
from rootstream.boot.machine import prepare, run_host, start
from rootstream.boot.qemu import Host
from rootstream.boot.verify import Verdict, verify
from rootstream.description.checks.command import CommandCheck
from rootstream.description.checks.console import ConsoleCheck
from rootstream.description.checks.http import Http, HttpCheck
from rootstream.description.machine import BootImage, Machine, Nic
from rootstream.errors import UserError

QEMU = "qemu-system-x86_64"
pytestmark = [pytest.mark.boot, pytest.mark.skipif(not shutil.which(QEMU), reason=f"{QEMU} is not installed")]

MakeImage = Callable[..., BootImage]
ENDS = 60.0

# A boot sector (x86, real mode) that writes itself over the second sector of the disk and then says so on COM1
SECTOR = bytes.fromhex(
    "31c0 8ed8 8ec0"  # segments are 0
    "b80103 b90200 b600 bb007c cd13"  # BIOS: write one sector from 0x7c00 to cylinder 0, head 0, sector 2
    "be307c"  # the text, at the end
    "ac 84c0 7412"  # its next character; at its end go to the hlt
    "88c4 bafd03 eca82074fb"  # wait until the port can send
    "baf803 88e0 ee ebe9"  # send it
    "f4 ebfd"  # hlt
)
HOLD = """
import sys, time
from rootstream.boot.machine import prepare, run_host, start
from rootstream.description.machine import BootImage, Machine
image = BootImage(kind="disk", kernel=None, file=sys.argv[1], name="held")
with prepare(Machine(), image, arch="x86_64", host=run_host("tcg")) as prepared, start(prepared) as guest:
    sys.stdout.write(f"{guest.pid} {prepared.folder}\\n")
    sys.stdout.flush()
    time.sleep(1000)
"""
HOLD_TWO = """
import sys
from pathlib import Path
from rootstream.boot.verify import verify
from rootstream.description.checks.console import ConsoleCheck
from rootstream.description.machine import BootImage, Machine
images = [BootImage(kind="disk", kernel=None, file=sys.argv[1], name=name) for name in ("one", "two")]
machine = Machine(accelerator="tcg", timeout=1000.0)
wanted = [ConsoleCheck(console="never", within=1000.0)]
verify("held", arch="x86_64", machine=machine, images=images, wanted=wanted, folder=Path(sys.argv[2]))
"""


@pytest.fixture
def disk(tmp_path: Path) -> BootImage:
    """A disk that starts by itself, which needs no kernel."""
    path = tmp_path / "disk.img"
    path.write_bytes((SECTOR + b"written\n\0").ljust(510, b"\0") + b"\x55\xaa" + b"\0" * (1 << 20))
    return BootImage(kind="disk", kernel=None, file=str(path), name="disk")


def test_a_disk_starts_by_its_own_loader_and_stays_as_it_is(disk: BootImage, tmp_path: Path) -> None:
    before = Path(disk.file).read_bytes()
    verdict = verify(
        "disk",
        arch="x86_64",
        machine=Machine(nics=()),
        images=[disk],
        wanted=[ConsoleCheck(console="written")],
        folder=tmp_path,
    )
    assert verdict.passed, verdict.boots[0].console
    assert Path(disk.file).read_bytes() == before


def test_a_disk_that_cannot_start_is_noticed_at_once(disk: BootImage) -> None:
    Path(disk.file).write_bytes(b"\0" * (1 << 20))
    with (
        prepare(Machine(nics=()), disk, arch="x86_64", host=run_host("tcg")) as prepared,
        start(prepared) as guest,
        pytest.raises(UserError) as caught,
    ):
        guest.console.wait(re.compile("never"), start=0, deadline=time.monotonic() + 100_000)
    assert caught.value.reason == "no-bootable-device"


def test_port_of_the_host_in_use(disk: BootImage) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        machine = Machine(nics=(Nic(forward={port: 22}),))
        with (
            prepare(machine, disk, arch="x86_64", host=Host()) as prepared,
            pytest.raises(UserError) as caught,
            start(prepared),
        ):
            pass
    assert caught.value.reason == "port-in-use"
    assert str(port) in caught.value.message


def test_arguments_that_qemu_does_not_know(disk: BootImage) -> None:
    machine = Machine(extra_args=("-no-such-option",))
    with (
        prepare(machine, disk, arch="x86_64", host=Host()) as prepared,
        pytest.raises(UserError) as caught,
        start(prepared),
    ):
        pass
    assert caught.value.reason == "qemu-failed"
    assert "no-such-option" in (caught.value.detail or "")
    assert caught.value.hint is not None
    assert QEMU in caught.value.hint


def test_two_machines_at_once(image: MakeImage, tmp_path: Path) -> None:
    verdicts: dict[str, Verdict] = {}

    def boot(name: str) -> None:
        verdicts[name] = verify(
            name,
            arch="x86_64",
            machine=Machine(timeout=300.0, nics=(Nic(forward={2222: 22}),)),
            images=[image(NETWORK, f"echo {name} > /www/name", LOGIN, name=name)],
            wanted=[HttpCheck(http=Http(path="/name", body=name)), CommandCheck(command="true", within=100.0)],
            folder=tmp_path / name,
        )

    threads = [threading.Thread(target=boot, args=(name,)) for name in ("one", "two")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: verdict.passed for name, verdict in verdicts.items()} == {"one": True, "two": True}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_no_qemu_is_left_when_the_tool_is_ended(disk: BootImage, number: signal.Signals) -> None:
    argv = [sys.executable, "-c", HOLD, disk.file]
    env = {**os.environ, "TMPDIR": str(Path(disk.file).parent)}
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=env) as tool:
        assert tool.stdout is not None
        pid, folder = tool.stdout.readline().split()
        assert alive(int(pid))
        tool.send_signal(number)
        tool.wait(ENDS)
    until(lambda: not alive(int(pid)))
    if number == signal.SIGINT:
        assert not Path(folder).exists()


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor boots one machine at a time")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_images_boot_at_once_and_end_at_once(disk: BootImage, number: signal.Signals, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", HOLD_TWO, disk.file, str(tmp_path / "verify")]
    pids: list[int] = []

    def both() -> bool:
        pids[:] = [pid for pid in below(tool.pid) if Path(f"/proc/{pid}/comm").read_text().startswith("qemu")]
        return len(pids) == 2

    with subprocess.Popen(argv) as tool:
        until(both)
        tool.send_signal(number)
        tool.wait(ENDS)
    until(lambda: not any(alive(pid) for pid in pids))


def test_no_qemu_is_left_after_an_error(disk: BootImage) -> None:
    pids: list[int] = []

    def fail() -> None:
        with prepare(Machine(), disk, arch="x86_64", host=run_host("tcg")) as prepared, start(prepared) as guest:
            pids.append(guest.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not alive(pids[0])


def test_the_proof_sector_runs_where_guests_run(tmp_path: Path) -> None:
    sector = tmp_path / "sector"
    sector.write_bytes(accel.boot_sector())
    assert accel.run_proof(QEMU, sector, accelerator="tcg", env=os.environ).works


def test_the_proof_is_remembered_and_decides(tmp_path: Path) -> None:
    seen: list[events.Event] = []
    first = accel.prove("x86_64", cache=tmp_path, env=os.environ)
    assert accel.prove("x86_64", cache=tmp_path, env=os.environ) == first
    chosen = accel.choose(Machine(), "x86_64", report=seen.append, cache=tmp_path)
    assert chosen == ("kvm" if first.works else "tcg")
    assert len(seen) == (0 if first.works else 1)
    if not first.works:
        with pytest.raises(UserError) as caught:
            accel.choose(Machine(accelerator="kvm"), "x86_64", cache=tmp_path)
        assert caught.value.reason == "kvm-unusable"


def below(pid: int) -> list[int]:
    lists = (path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children"))
    return [int(word) for text in lists for word in text.split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + ENDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
