"""What dnsmasq is told, and what its log tells."""

from __future__ import annotations

import ipaddress
import shutil
import subprocess
from pathlib import Path

import pytest

from rootstream.description.machines import AddressRange, NetMachine, Serve
from rootstream.errors import UserError
from rootstream.netboot.dhcp.advertise import asker
from rootstream.netboot.dhcp.dnsmasq import (
    DhcpMessage,
    DnsmasqFiles,
    Mode,
    TftpTransfer,
    VendorClass,
    complaint,
    configuration,
    hosts,
    understood,
)
from rootstream.netboot.dhcp.interface import Link

LINK = Link(
    name="br0", index=3, address=ipaddress.IPv4Address("10.0.2.1"), network=ipaddress.IPv4Network("10.0.2.0/24")
)
RUN = Path("/run/x")
FILES = DnsmasqFiles(
    hosts=RUN / "hosts", leases=RUN / "leases", pid=RUN / "pid", tftp=RUN / "tftp", user="dnsmasq"
)
MAC, OTHER = "52:54:00:12:34:56", "52:54:00:12:34:57"


def lines(mode: Mode = "full", serve: Serve | None = None) -> list[str]:
    return configuration(LINK, 8080, serve or Serve(), FILES, mode=mode).splitlines()


@pytest.mark.parametrize("mode", ["full", "proxy", "none"])
def test_it_listens_on_one_interface_and_is_no_name_server(mode: Mode) -> None:
    words = lines(mode)
    assert {"port=0", "interface=br0", "bind-interfaces", "user=dnsmasq"} <= set(words)
    assert [word for word in words if word.startswith("interface=")] == ["interface=br0"]


def test_only_declared_machines_get_addresses_unless_there_is_a_range() -> None:
    assert "dhcp-range=10.0.2.0,static,255.255.255.0,3600" in lines()
    serve = Serve(range=AddressRange(first="10.0.2.100", last="10.0.2.110"), lease=7200.0, router="10.0.2.254")
    words = lines(serve=serve)
    assert "dhcp-range=10.0.2.100,10.0.2.110,255.255.255.0,7200" in words
    assert "dhcp-option=option:router,10.0.2.254" in words


def test_a_proxy_gives_no_addresses() -> None:
    words = lines("proxy")
    assert [word for word in words if word.startswith("dhcp-range")] == ["dhcp-range=10.0.2.0,proxy,255.255.255.0"]
    assert "dhcp-authoritative" not in words


def test_without_dhcp_there_is_only_tftp() -> None:
    assert not [word for word in lines("none") if word.startswith("dhcp")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ({"address": "10.0.2.15"}, [f"{MAC},10.0.2.15,box."]),
        ({}, [f"{MAC},box."]),
        ({"address": "10.0.2.15", "system_mac": OTHER}, [f"{MAC},{OTHER},10.0.2.15,box."]),
        (
            {"address": "10.0.2.15", "system_mac": OTHER, "system_address": "10.0.2.16"},
            [f"{MAC},10.0.2.15,box-firmware.", f"{OTHER},10.0.2.16,box."],
        ),
        (
            {"address": "10.0.2.15", "system_address": "10.0.2.16"},
            [f"{MAC},tag:pxe,10.0.2.15,box.", f"{MAC},tag:!pxe,10.0.2.16,box."],
        ),
    ],
)
def test_hosts(words: dict[str, str], expected: list[str]) -> None:
    machine = NetMachine.model_validate({"macs": (MAC,), "system": "it", **words})
    assert hosts({"box": machine}, LINK).splitlines() == expected


NAMES = (
    *(
        "ignore",
        "infinite",
        "12h",
        "12",
        "1",
        "7d",
        "5m",
        "30s",
        "2w",
        "h",
        "d0",
        "set",
        "tag",
        "id",
        "net",
        "host",
    ),
    *("52-54-00-12-34-56", "525400123456", "10.0.2.99", "1.2.3.4", "0x10", "deadbeef", "x.y_z", "a" * 63),
)


def test_a_name_means_nothing_to_dnsmasq(tmp_path: Path) -> None:
    """Every name is a host name to the real program, which says what is none."""
    if shutil.which("dnsmasq") is None:
        pytest.skip("dnsmasq is not installed")
    machines = {
        name: NetMachine.model_validate(
            {"macs": (f"52:54:00:00:01:{number:02x}",), "system": "it", "address": f"10.0.2.{number + 10}"}
        )
        for number, name in enumerate(NAMES)
    }
    text = hosts(machines, LINK)
    (tmp_path / "conf").write_text(
        "port=0\ndhcp-range=10.0.2.0,static\n" + "".join(f"dhcp-host={line}\n" for line in text.splitlines())
    )
    argv = ["dnsmasq", "--test", f"--conf-file={tmp_path}/conf"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=30)
    assert done.returncode == 0, done.stderr
    for name, line in zip(NAMES, text.splitlines(), strict=True):
        words = line.split(",")
        assert len(words) == 3
        assert words[-1] == name.replace(".", "-").replace("_", "-") + "."


@pytest.mark.parametrize("address", ["10.0.3.15", "10.0.2.1", "10.0.2.0", "10.0.2.255"])
def test_an_address_that_no_machine_can_have_here(address: str) -> None:
    machine = NetMachine(macs=(MAC,), system="it", address=address)
    with pytest.raises(UserError) as caught:
        hosts({"box": machine}, LINK)
    assert caught.value.reason == "address-outside"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "dnsmasq-dhcp: 3312415 DHCPDISCOVER(br0) 52:54:00:12:34:56 ",
            DhcpMessage(verb="DHCPDISCOVER", mac=MAC, address=None, xid="3312415"),
        ),
        (
            "dnsmasq-dhcp: 77 DHCPACK(br0) 10.0.2.15 52:54:00:12:34:56 box",
            DhcpMessage(verb="DHCPACK", mac=MAC, address="10.0.2.15", xid="77"),
        ),
        (
            "dnsmasq-dhcp: 77 PXE(br0) 52:54:00:12:34:56 proxy",
            DhcpMessage(verb="PXE", mac=MAC, address=None, xid="77"),
        ),
        (
            "dnsmasq-dhcp: 77 vendor class: PXEClient:Arch:00000:UNDI:002001",
            VendorClass(name="PXEClient:Arch:00000:UNDI:002001", xid="77"),
        ),
        (
            "Nov  7 23:31:26 dnsmasq-dhcp[15222]: 77 DHCPACK(br0) 10.0.2.15 52:54:00:12:34:56 ",
            DhcpMessage(verb="DHCPACK", mac=MAC, address="10.0.2.15", xid="77"),
        ),
        (
            "Nov 27 23:31:26 dnsmasq-tftp[9]: sent /x/a.efi to 10.0.2.15",
            TftpTransfer(name="a.efi", address="10.0.2.15"),
        ),
        (
            "dnsmasq-tftp: sent /run/x/tftp/snponly.efi to 10.0.2.15",
            TftpTransfer(name="snponly.efi", address="10.0.2.15"),
        ),
        ("dnsmasq-dhcp: DHCP, static leases only on 10.0.2.0, lease time 1h", None),
        ("dnsmasq: started, version 2.90 DNS disabled", None),
        ("dnsmasq-dhcp: 7 client provides name: dnsmasq-dhcp: 7 DHCPACK(br0) 10.0.2.15 52:54:00:12:34:56", None),
        ("dnsmasq-tftp: file dnsmasq-tftp: sent /x/undionly.kpxe to 10.0.2.15 not found for 10.0.2.9", None),
    ],
)
def test_the_log(line: str, expected: object) -> None:
    assert understood(line) == expected


def test_a_range_outside_of_the_network() -> None:
    serve = Serve(range=AddressRange(first="10.0.3.5", last="10.0.3.9"))
    with pytest.raises(UserError) as caught:
        lines(serve=serve)
    assert caught.value.reason == "address-outside"
    assert lines("proxy", serve)


def test_complaints_of_the_log() -> None:
    assert complaint("dnsmasq-tftp: error 8 User aborted the transfer received from 10.0.2.15") is None
    assert complaint("dnsmasq-dhcp: bad hex constant at line 1 of /run/x/hosts")
    assert complaint("dnsmasq-tftp: file /run/x/tftp/nothing not found for 10.0.2.15")


def test_who_asks_for_a_router() -> None:
    own = bytes([1, 1]) + bytes.fromhex("525400123456")
    assert asker(bytes([133, 0, 0, 0, 0, 0, 0, 0]) + own) == MAC
    assert asker(bytes([133, 0, 0, 0, 0, 0, 0, 0]) + bytes([14, 1, 0, 0, 0, 0, 0, 0]) + own) == MAC
    for message in (b"", b"\x85", bytes(8), bytes([133]) + bytes(7), bytes([133]) + bytes(30), bytes([134]) + own):
        assert asker(message) is None
