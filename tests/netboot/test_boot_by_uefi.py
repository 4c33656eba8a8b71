"""A machine with UEFI: its own PXE, its own HTTP boot, and QEMU's iPXE ROM."""

from __future__ import annotations

import pytest
from tests.netboot.lab import Make

MACHINE = """
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    address: 10.0.2.15
    firmware: uefi
    system: hello
    ipxe: {ipxe}
    power: {{qemu: {{bridge: br0, {words}}}}}
"""


@pytest.mark.parametrize(
    ("words", "ipxe", "sent"),
    [
        ("rom: firmware", "any", "snponly.efi"),
        ("rom: firmware, http: true", "any", None),
        ("rom: ipxe", "any", None),
        ("rom: ipxe", "own", "snponly.efi"),
    ],
    ids=["pxe", "http", "rom", "own"],
)
def test_from_power_on_to_the_last_check(make_lab: Make, words: str, ipxe: str, sent: str | None) -> None:
    lab = make_lab(MACHINE.format(words=words, ipxe=ipxe))
    lab.serve()
    done = lab.rootstream("boot", "box", "--verify", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr + lab.said()
    (boot,) = lab.boots()
    assert boot["outcome"] == "passed"
    assert {"dhcp", "script", "kernel", "initramfs"} <= boot["stages"].keys()
    assert boot["stages"].get("tftp", {}).get("detail") == sent
