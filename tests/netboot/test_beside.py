"""Beside another DHCP server, which gives the addresses and knows nothing of booting."""

from __future__ import annotations

import pytest
from tests.netboot.lab import Make, neighbour

MACHINE = """
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    firmware: {firmware}
    system: hello
    phone_home: true
    power: {{qemu: {{bridge: br0, {words}}}}}
"""


@pytest.mark.parametrize(
    ("firmware", "words"), [("bios", "memory: 256M"), ("uefi", "rom: firmware")], ids=["bios", "uefi"]
)
def test_the_other_gives_addresses_and_we_say_what_to_boot(make_lab: Make, firmware: str, words: str) -> None:
    lab = make_lab(MACHINE.format(firmware=firmware, words=words))
    with neighbour(lab) as other:
        lab.serve("--proxy")
        done = lab.rootstream("boot", "box", "--verify", timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr + lab.said() + other.read_text()
        assert "DHCPACK" in other.read_text()
    (boot,) = lab.boots()
    assert boot["outcome"] == "passed"
    assert boot["address"].startswith("10.0.2.5")
    assert {"dhcp", "script", "kernel", "initramfs", "phone-home"} <= boot["stages"].keys()
