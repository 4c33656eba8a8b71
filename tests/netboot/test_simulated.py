"""A rack that boots at once as far as the network is concerned: the real DHCP, TFTP and HTTP, and no QEMU."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tests.netboot.lab import SERVER, Lab, neighbour, network

COUNT = 12
KERNEL, RAMDISK = b"kernel" * 100_000, b"ramdisk" * 1_000_000
ORDER = ["dhcp", "tftp", "script", "kernel", "initramfs", "system-dhcp", "phone-home"]


def mac(number: int, *, system: bool = False) -> str:
    return f"52:54:00:12:{'01' if system else '00'}:{number:02x}"


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    machines = "".join(
        f"  box{number}:\n    macs: ['{mac(number)}']\n    address: 10.0.2.{100 + number}\n"
        f"    system_mac: '{mac(number, system=True)}'\n    system_address: 10.0.2.{200 + number}\n"
        "    system: it\n    phone_home: true\n"
        for number in range(COUNT)
    )
    system = "systems:\n  it: {root: busybox, kernel: {}, images: [kernel, initramfs]}\n"
    (tmp_path / "system.yaml").write_text(f"{system}machines:\n{machines}")
    out = tmp_path / "out/it"
    out.mkdir(parents=True)
    items = []
    for kind, name, data in (("kernel", "bzImage", KERNEL), ("initramfs", "initramfs.cpio", RAMDISK)):
        (out / name).write_bytes(data)
        digest = hashlib.sha256(data).hexdigest()
        items.append({"name": name, "kind": kind, "size": len(data), "sha256": digest})
    (out / "manifest.json").write_text(json.dumps({"arch": "x86_64", "files": items}))
    with network() as name:
        made = Lab(name, tmp_path, tmp_path)
        try:
            yield made
        finally:
            made.end()


def boot(namespace: str, number: int) -> dict[str, Any]:
    return machine(namespace, mac(number), mac(number, system=True))


def machine(namespace: str, *words: str) -> dict[str, Any]:
    program = str(Path(__file__).with_name("machine.py"))
    argv = ["ip", "netns", "exec", namespace, sys.executable, program, *words]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_every_stage_of_every_machine_is_seen(lab: Lab) -> None:
    lab.serve()
    with neighbour(lab, dhcp=False) as log, ThreadPoolExecutor(COUNT) as pool:
        found = list(pool.map(lambda number: boot(log.stem, number), range(COUNT)))
    hashes = [hashlib.sha256(data).hexdigest() for data in (KERNEL, RAMDISK)]
    boots = {record["machine"]: record for record in lab.boots()}
    assert len(lab.boots()) == COUNT
    for number, each in enumerate(found):
        first, second = f"10.0.2.{100 + number}", f"10.0.2.{200 + number}"
        assert each["addresses"] == [first, first, second]
        assert each["hashes"] == hashes
        assert each["loaded"] > 10_000
        assert f"rootstream.mac={mac(number, system=True)}" in each["script"]
        record = boots[f"box{number}"]
        assert each["home"] == {"machine": f"box{number}", "boot": record["id"]}
        assert (record["outcome"], record["address"]) == ("up", second)
        assert sorted(record["stages"], key=ORDER.index) == ORDER
        assert all(stage["ended"] is not None for stage in record["stages"].values())
        assert record["stages"]["initramfs"]["bytes"] == len(RAMDISK)
        assert record["stages"]["tftp"]["detail"] == "undionly.kpxe"


def test_each_firmware_is_offered_its_program(lab: Lab) -> None:
    lab.serve()
    with neighbour(lab, dhcp=False) as log:
        found = {int(kind): tuple(offer) for kind, offer in machine(log.stem, mac(0)).items()}
    http = f"http://{SERVER}:8080/ipxe/"
    wanted = {
        0: ("undionly.kpxe", ""),
        7: ("snponly.efi", ""),
        9: ("snponly.efi", ""),
        16: (f"{http}snponly.efi", "HTTPClient"),
        11: ("ipxe-arm64.efi", ""),
        19: (f"{http}ipxe-arm64.efi", "HTTPClient"),
        27: ("ipxe-riscv64.efi", ""),
        28: (f"{http}ipxe-riscv64.efi", "HTTPClient"),
    }
    assert {kind: offer for kind, offer in found.items() if offer[0]} == wanted
    status, head = lab.curl("/ipxe/snponly.efi", method="HEAD")
    assert (status, f"Content-Length: {Path('/usr/lib/ipxe/snponly.efi').stat().st_size}" in head) == (200, True)
    assert lab.curl("/ipxe/ipxe-arm64.efi", method="HEAD")[0] in (200, 404)
