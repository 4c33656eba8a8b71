"""A machine with a BIOS, from power-on to its last check: the ROM's iPXE, and undionly.kpxe loaded by it."""

from __future__ import annotations

import json
from xml.etree import ElementTree as ET

from tests.netboot.lab import Make

MACHINE = """
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    address: 10.0.2.15
    system: hello
    phone_home: true
    power: {qemu: {bridge: br0, memory: 256M}}
"""


def test_from_power_on_to_the_last_check(make_lab: Make) -> None:
    lab = make_lab(MACHINE)
    lab.serve()
    done = lab.rootstream("boot", "box", "--verify")
    assert done.returncode == 0, done.stdout + done.stderr + lab.said()
    (boot,) = lab.boots()
    assert (boot["outcome"], boot["system"], boot["address"]) == ("passed", "hello", "10.0.2.15")
    stages = boot["stages"]
    order = ["power-on", "dhcp", "script", "kernel", "initramfs", "system-dhcp", "phone-home"]
    assert [name for name in stages if name != "checks"] == order
    assert all(stage["ended"] is not None for stage in stages.values())
    build = json.loads(next((lab.kept / "builds/hello").glob("2*/build.json")).read_text())
    sizes = {item["kind"]: item["size"] for item in build["files"]}
    assert {kind: stages[kind]["bytes"] for kind in sizes} == sizes
    (suite,) = ET.parse(lab.kept / "machines/box/junit.xml").getroot()
    assert (suite.get("failures"), suite.get("tests")) == ("0", "8")


def test_firmware_that_loads_our_ipxe(make_lab: Make) -> None:
    lab = make_lab(MACHINE.replace("system: hello", "system: hello\n    ipxe: own").replace("true", "false"))
    lab.serve()
    done = lab.rootstream("boot", "box", "--verify")
    assert done.returncode == 0, done.stdout + done.stderr + lab.said()
    (boot,) = lab.boots()
    assert boot["stages"]["tftp"]["detail"] == "undionly.kpxe"
