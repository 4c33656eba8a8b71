"""examples/ipa over the network, its address by a second hardware address; and arm64 by UEFI."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from tests.conftest import rootstream
from tests.netboot.lab import Lab, network
from tests.systems.conftest import Example

from rootstream.netboot import ipxe

MAC, OTHER = "52:54:00:12:34:56", "52:54:00:12:34:57"
MACHINE = """
machines:
  box:
    macs: ["{mac}"]
    address: 10.0.2.202
    system_mac: "{other}"
    system_address: 10.0.2.13
    system: {system}
    phone_home: true
    timeout: 600s
    power: {{qemu: {{bridge: br0, memory: 640M, nic: {nic}}}}}
"""
# A virtual machine of ours has one card.
SECOND_CARD = """\
      - console: "inet 10.0.3."
        within: 120s
        name: an address by DHCP, e1000
"""


@contextlib.contextmanager
def lab_of(project: Path, machines: str) -> Iterator[Lab]:
    with network() as name:
        path = project / "system.yaml"
        before = path.read_text()
        path.write_text(before.replace(SECOND_CARD, "") + machines)
        lab = Lab(name, project, project)
        try:
            yield lab
        finally:
            lab.end()
            path.write_text(before)


def stages(lab: Lab) -> dict[str, dict[str, Any]]:
    boot = lab.boots()[-1]
    assert boot["outcome"] == "passed"
    assert all(stage["ended"] is not None for stage in boot["stages"].values()), boot
    found: dict[str, dict[str, Any]] = boot["stages"]
    return found


@pytest.mark.parametrize("nic", ["virtio", "e1000"])
def test_ipa_from_power_on_to_the_agent_that_answers(example: Example, nic: str) -> None:
    project = example("ipa", "ipa")
    with lab_of(project, MACHINE.format(mac=MAC, other=OTHER, system="ipa", nic=nic)) as lab:
        lab.serve()
        done = lab.rootstream("boot", "box", "--verify", timeout=700)
        assert done.returncode == 0, done.stdout + done.stderr + lab.said()
        found = stages(lab)
        order = ["power-on", "dhcp", "script", "kernel", "initramfs", "system-dhcp", "phone-home"]
        assert [name for name in found if name != "checks"] == order
        assert lab.boots()[-1]["address"] == "10.0.2.13"
        console = (lab.kept / "machines/box/console.log").read_text(errors="replace")
        assert "inet 10.0.2.13/24" in console
        assert f"rootstream.mac={OTHER}" in console


def test_checks_over_ssh(example: Example) -> None:
    project = example("ipa", "ipa")
    (project / "keys").mkdir()
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(project / "keys/me")], check=True)
    path = project / "system.yaml"
    text = path.read_text()
    locked, checks = "- root_login: {password: locked}", "\n    checks:\n"
    assert locked in text
    text = text.replace(locked, "- root_login: {authorized_keys: [keys/me.pub]}", 1)
    path.write_text(text.replace(checks, f"{checks}      - command: id -un; hostname\n        output: ^ipa$\n", 1))
    rootstream("build", "ipa", cwd=project, check=True)
    words = MACHINE.format(mac=MAC, other=OTHER, system="ipa", nic="virtio") + "    ssh: {key_file: keys/me}\n"
    with lab_of(project, words) as lab:
        lab.serve()
        done = lab.rootstream("boot", "box", "--verify", timeout=700)
        assert done.returncode == 0, done.stdout + done.stderr + lab.said()
        assert "not checked over SSH: console" in done.stderr
        stages(lab)
        (suite,) = ET.parse(lab.kept / "machines/box/junit.xml").getroot()
        names = [case.get("name") for case in suite.iter("testcase")]
        assert names[:2] == ["ssh: root", "command: id -un; hostname"]
        assert suite.get("failures") == "0"


ARM = """
machines:
  board:
    macs: ["52:54:00:12:34:58"]
    address: 10.0.2.16
    arch: aarch64
    firmware: uefi
    system: hello@aarch64
    phone_home: true
    timeout: 600s
    power: {{qemu: {{bridge: br0, memory: 512M, rom: firmware, http: {http}}}}}
"""


@pytest.mark.parametrize("http", ["false", "true"], ids=["pxe", "http"])
def test_arm64_by_uefi(example: Example, http: str) -> None:
    folder = Path(os.environ.get("ROOTSTREAM_IPXE", ipxe.FOLDER))
    if not (folder / "ipxe-arm64.efi").is_file():
        pytest.skip("no ipxe-arm64.efi here: Debian 13 has it; ROOTSTREAM_IPXE may name its folder")
    project = example("hello", "hello@aarch64")
    with lab_of(project, ARM.format(http=http)) as lab:
        lab.serve("--ipxe", str(folder))
        done = lab.rootstream("boot", "board", "--verify", timeout=700)
        assert done.returncode == 0, done.stdout + done.stderr + lab.said()
        found = stages(lab)
        assert found.get("tftp", {}).get("detail") == (None if http == "true" else "ipxe-arm64.efi")
