"""A rack that boots at once as far as the network is concerned: the real DHCP, TFTP and HTTP, and no QEMU."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.netboot.lab import FILES, SERVER, Make, neighbour, simulated

# All but the first are words of dnsmasq's configuration, or look like a time, a number or an address there.
NAMES = ("box", "ignore", "infinite", "12h", "12", "7d", "5m", "525400123456", "10.0.2.99", "tag", "set", "net")
COUNT = len(NAMES)
ORDER = ["dhcp", "tftp", "script", "kernel", "initramfs", "system-dhcp", "phone-home"]


def mac(number: int, *, system: bool = False) -> str:
    return f"52:54:00:12:{'01' if system else '00'}:{number:02x}"


MACHINES = "machines:\n" + "".join(
    f"  '{NAMES[number]}':\n    macs: ['{mac(number)}']\n    address: 10.0.2.{100 + number}\n"
    f"    system_mac: '{mac(number, system=True)}'\n    system_address: 10.0.2.{200 + number}\n"
    "    system: hello\n    phone_home: true\n"
    for number in range(COUNT)
)


def boot(namespace: str, number: int) -> dict[str, Any]:
    return simulated(namespace, mac(number), mac(number, system=True))


def test_every_stage_of_every_machine_is_seen(make_light: Make) -> None:
    lab = make_light(MACHINES)
    lab.serve()
    with neighbour(lab, dhcp=False) as log, ThreadPoolExecutor(COUNT) as pool:
        found = list(pool.map(lambda number: boot(log.stem, number), range(COUNT)))
    hashes = [hashlib.sha256(data).hexdigest() for data in FILES.values()]
    boots = {record["machine"]: record for record in lab.boots()}
    assert len(lab.boots()) == COUNT
    for number, each in enumerate(found):
        first, second = f"10.0.2.{100 + number}", f"10.0.2.{200 + number}"
        assert each["addresses"] == [first, first, second]
        assert each["hashes"] == hashes
        assert each["loaded"] > 10_000
        assert f"rootstream.mac={mac(number, system=True)}" in each["script"]
        record = boots[NAMES[number]]
        assert each["home"] == {"machine": NAMES[number], "boot": record["id"]}
        assert (record["outcome"], record["address"]) == ("up", second)
        assert sorted(record["stages"], key=ORDER.index) == ORDER
        assert all(stage["ended"] is not None for stage in record["stages"].values())
        assert record["stages"]["initramfs"]["bytes"] == len(FILES["initramfs.cpio"])
        assert record["stages"]["tftp"]["detail"] == "undionly.kpxe"


def test_each_firmware_is_offered_its_program(make_light: Make) -> None:
    lab = make_light(MACHINES)
    lab.serve()
    with neighbour(lab, dhcp=False) as log:
        found = {int(kind): tuple(offer) for kind, offer in simulated(log.stem, mac(0)).items()}
    http = f"http://{SERVER}:8080/ipxe/"
    wanted = {
        0: ("undionly.kpxe", ""),
        7: ("snponly.efi", ""),
        9: ("snponly.efi", ""),
        16: (f"{http}snponly.efi", "HTTPClient"),
        10: ("ipxe-arm32.efi", ""),
        18: (f"{http}ipxe-arm32.efi", "HTTPClient"),
        11: ("ipxe-arm64.efi", ""),
        19: (f"{http}ipxe-arm64.efi", "HTTPClient"),
        27: ("ipxe-riscv64.efi", ""),
        28: (f"{http}ipxe-riscv64.efi", "HTTPClient"),
    }
    assert {kind: offer for kind, offer in found.items() if offer[0]} == wanted
    status, head = lab.curl("/ipxe/snponly.efi", method="HEAD")
    assert (status, f"Content-Length: {Path('/usr/lib/ipxe/snponly.efi').stat().st_size}" in head) == (200, True)
    assert lab.curl("/ipxe/ipxe-arm64.efi", method="HEAD")[0] in (200, 404)
