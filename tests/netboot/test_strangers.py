"""Machines that nobody described: their own disk, a menu, or nothing, as system.yaml says."""

from __future__ import annotations

import re

import pytest
from tests.netboot.lab import Make

MACHINES = """
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    system: hello
serve: {{unknown: {unknown}, menu_timeout: 20s, range: {{first: 10.0.2.100, last: 10.0.2.120}}}}
"""
STRANGER = "52:54:00:99:99:99"


@pytest.mark.parametrize("keys", [b"", b"\x1b[B\r"], ids=["left-alone", "chosen"])
def test_a_menu(make_lab: Make, keys: bytes) -> None:
    lab = make_lab(MACHINES.format(unknown="menu").replace("20s", "20s" if keys else "2s"))
    lab.serve()
    console = lab.project / "console"
    machine = lab.machine(STRANGER, console)
    assert machine.stdin
    lab.until(lambda: "Boot from the local disk" in console.read_text(errors="replace"), patience=180)
    machine.stdin.write(keys)
    machine.stdin.flush()
    # there is no disk: the firmware says so
    wanted = "Hello World!" if keys else r"(?i)no more network devices|no bootable device|could not boot"
    lab.until(lambda: re.search(wanted, console.read_text(errors="replace")), patience=180)
    assert STRANGER in lab.said()
    assert lab.boots() == []


@pytest.mark.parametrize("unknown", ["local", "refuse"])
def test_its_own_disk(make_lab: Make, unknown: str) -> None:
    lab = make_lab(MACHINES.format(unknown=unknown))
    lab.serve()
    console = lab.project / "console"
    disk = f"file={lab.built}/out/hello/disk.img,format=raw,if=none,id=disk,snapshot=on"
    lab.machine(STRANGER, console, "-drive", disk, "-device", "ide-hd,drive=disk,bus=ide.0,bootindex=2")
    said = "booting from its local disk" if unknown == "local" else "this machine is not served"
    lab.until(lambda: "Hello World!" in console.read_text(errors="replace"), patience=180)
    assert said in console.read_text(errors="replace")
    assert STRANGER in lab.said()
