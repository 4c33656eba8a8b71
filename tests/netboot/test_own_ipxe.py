"""An iPXE that somebody built for himself, as docs/how-to/netboot.md says: a folder that ROOTSTREAM_IPXE names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.netboot.lab import Make

MACHINE = """
machines:
  box:
    macs: ["52:54:00:12:34:56"]
    address: 10.0.2.15
    firmware: {firmware}
    ipxe: own
    system: hello
    power: {{qemu: {{bridge: br0, rom: {rom}}}}}
"""


@pytest.mark.parametrize(
    ("firmware", "rom", "program"),
    [("bios", "ipxe", "undionly.kpxe"), ("uefi", "firmware", "snponly.efi")],
    ids=["bios", "uefi"],
)
def test_it_is_loaded_and_boots_the_system(make_lab: Make, firmware: str, rom: str, program: str) -> None:
    own = Path(os.environ.get("ROOTSTREAM_IPXE", "/nowhere")) / program
    if not own.is_file():
        pytest.skip(f"ROOTSTREAM_IPXE names no folder with a {program} of one's own")
    lab = make_lab(MACHINE.format(firmware=firmware, rom=rom))
    lab.serve("--ipxe", str(own.parent))
    done = lab.rootstream("boot", "box", "--verify", timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr + lab.said()
    (boot,) = lab.boots()
    sent = boot["stages"]["tftp"]
    assert (boot["outcome"], sent["detail"]) == ("passed", program)
