"""The configuration of dnsmasq, which does DHCP and TFTP, and what its log says. Pure.

Words of the configuration are those of dnsmasq(8); numbers of options and architectures are those of RFC 2132,
RFC 4578 and RFC 5970, and of iPXE (options 175 and, in it, 176: no waiting for a proxy).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rootstream.architectures import ARCHITECTURES
from rootstream.description.machines import NetMachine, Serve
from rootstream.errors import UserError
from rootstream.netboot.dhcp.interface import Link

Mode = Literal["full", "proxy", "none"]
SCRIPT = "/boot.ipxe"
PROGRAMS = "/ipxe/"  # where the HTTP server has iPXE itself
CLIENTS = tuple(client for row in ARCHITECTURES.values() for client in row.netboot)


@dataclass(frozen=True, slots=True, kw_only=True)
class DnsmasqFiles:
    """What dnsmasq works with: files and folders that its own user can reach."""

    hosts: Path
    leases: Path
    pid: Path
    tftp: Path
    user: str


def configuration(link: Link, port: int, serve: Serve, files: DnsmasqFiles, *, mode: Mode) -> str:
    """Return the text of a dnsmasq.conf.

    Raises `UserError` address-outside for a range that is not in the interface's network.
    """
    base = f"http://{link.address}:{port}"
    lines = [
        "port=0",
        f"interface={link.name}",
        *([] if link.name == "lo" else ["except-interface=lo"]),
        "bind-interfaces",
        f"user={files.user}",
        *(["group=root"] if files.user == "root" else []),
        f"pid-file={files.pid}",
        "enable-tftp",
        f"tftp-root={files.tftp}",
        "tftp-no-fail",
    ]
    if mode == "none":
        return "\n".join(lines) + "\n"
    lines += ["log-dhcp", f"dhcp-leasefile={files.leases}", f"dhcp-hostsfile={files.hosts}"]
    lines += ["dhcp-vendorclass=set:pxe,PXEClient", "dhcp-vendorclass=set:pxe,HTTPClient"]
    lines += ["dhcp-match=set:ipxe,175"]
    for client in CLIENTS:
        lines += [f"dhcp-match=set:{client.tag},option:client-arch,{number}" for number in client.numbers]
    lines += _proxy(link, base) if mode == "proxy" else _full(link, base, serve)
    return "\n".join(lines) + "\n"


def _full(link: Link, base: str, serve: Serve) -> list[str]:
    for address in (serve.range.first, serve.range.last) if serve.range else ():
        if ipaddress.IPv4Address(address) not in link.network:
            raise UserError(
                "address-outside",
                f"range: {address} is not in {link.network}, the network of {link.name}",
                hint="Correct `serve:`, or serve on another interface.",
            )
    lease = max(120, int(serve.lease))
    mask = link.network.netmask
    span = (serve.range.first, serve.range.last) if serve.range else (link.network.network_address, "static")
    lines = [
        f"dhcp-range={span[0]},{span[1]},{mask},{lease}",
        "dhcp-authoritative",
        "dhcp-no-override",
        "no-ping",
        f"dhcp-option=option:router{f',{serve.router}' if serve.router else ''}",
        "dhcp-option=option:dns-server" + "".join(f",{each}" for each in serve.dns),
        "dhcp-option=encap:175,176,1b",
    ]
    if serve.domain:
        lines.append(f"domain={serve.domain}")
    for client in CLIENTS:
        if client.http:
            lines.append(f"dhcp-boot=tag:{client.tag},tag:!ipxe,{base}{PROGRAMS}{client.program}")
            lines.append(f"dhcp-option-force=tag:{client.tag},60,HTTPClient")
        else:
            lines.append(f"dhcp-boot=tag:{client.tag},tag:!ipxe,{client.program},,{link.address}")
    return [*lines, f"dhcp-boot=tag:ipxe,{base}{SCRIPT}"]


def _proxy(link: Link, base: str) -> list[str]:
    """Return what answers beside another DHCP server, which gives the addresses."""
    lines = [f"dhcp-range={link.network.network_address},proxy,{link.network.netmask}"]
    for client in CLIENTS:
        lines += [
            f'pxe-service=tag:{client.tag},tag:!ipxe,{service},"Rootstream",{client.program},{link.address}'
            for service in client.services
        ]
    return [*lines, f"dhcp-boot=tag:ipxe,{base}{SCRIPT},,{link.address}"]


def hosts(machines: Mapping[str, NetMachine], link: Link) -> str:
    """Return the text of the hosts file: the addresses of machines that have some.

    Raises `UserError` address-outside for an address that is not in the interface's network.
    """
    lines: list[str] = []
    for name, machine in machines.items():
        for address in (machine.address, machine.system_address):
            if address and not _inside(address, link):
                raise UserError(
                    "address-outside",
                    f"{name}: {address} is not a machine's address in {link.network}, the network of {link.name}",
                    hint="Correct `machines:`, or serve on another interface.",
                )
        lines += _lines(name, machine)
    return "".join(f"{line}\n" for line in lines)


def _inside(address: str, link: Link) -> bool:
    mine = ipaddress.IPv4Address(address)
    taken = (link.network.network_address, link.network.broadcast_address, link.address)
    return mine in link.network and mine not in taken


def host_name(name: str, suffix: str = "") -> str:
    """Return the host name of a machine as `dhcp-host` takes it.

    The dot at its end, which dnsmasq leaves out of the name, keeps it from being a keyword (`ignore`) or a lease
    time (`12h`, `infinite`).
    """
    return re.sub(r"[^A-Za-z0-9-]", "-", name).strip("-") + suffix + "."


def _lines(name: str, machine: NetMachine) -> list[str]:
    called = host_name(name)
    ours = ",".join(machine.macs)
    first, second = machine.address, machine.system_address
    if machine.system_mac is None:
        if second is None:
            return [f"{ours},{first},{called}"] if first else [f"{ours},{called}"]
        # one card, two addresses: that of the firmware, known by its vendor class, and that of the system
        before = [f"{ours},tag:pxe,{first},{called}"] if first else []
        return [*before, f"{ours},tag:!pxe,{second},{called}"]
    if second is None:
        return [f"{ours},{machine.system_mac},{first},{called}"] if first else [f"{ours},{called}"]
    before = [f"{ours},{first},{host_name(name, '-firmware')}"] if first else []
    return [*before, f"{machine.system_mac},{second},{called}"]


# --- the log ---------------------------------------------------------------------------------------------------

_MAC = r"(?P<mac>[0-9a-f]{2}(?::[0-9a-f]{2}){5})"
_IP = r"(?P<ip>\d+\.\d+\.\d+\.\d+)"
_TIME = r"(?:[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d )?"  # with --no-daemon
_LOG = re.compile(
    rf"{_TIME}dnsmasq-dhcp(?:\[\d+\])?: (?P<xid>\d+ )?(?:"
    rf"(?P<verb>DHCP(?:DISCOVER|OFFER|REQUEST|ACK|NAK|DECLINE|RELEASE|INFORM)|PXE)\((?P<interface>[^)]+)\) "
    rf"(?:{_IP} )?{_MAC}|(?P<vendor>vendor class: .*))"
)
_SENT = re.compile(rf"{_TIME}dnsmasq-tftp(?:\[\d+\])?: sent (?P<path>.+) to {_IP}$")


@dataclass(frozen=True, slots=True, kw_only=True)
class DhcpMessage:
    """A DHCP message: `verb` such as DHCPACK; `address` where it has one."""

    verb: str
    mac: str
    address: str | None
    xid: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TftpTransfer:
    """A file that was sent by TFTP."""

    name: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorClass:
    """What a client says that it is."""

    name: str
    xid: str


def understood(line: str) -> DhcpMessage | TftpTransfer | VendorClass | None:
    """Return what a line of the log tells, or None."""
    match = _LOG.match(line)  # at its beginning: what follows may be what a client says
    if match and match["vendor"]:
        return VendorClass(name=match["vendor"].removeprefix("vendor class: "), xid=(match["xid"] or "").strip())
    if match:
        return DhcpMessage(
            verb=match["verb"], mac=match["mac"], address=match["ip"], xid=(match["xid"] or "").strip()
        )
    match = _SENT.match(line)
    if match:
        return TftpTransfer(name=match["path"].rpartition("/")[2], address=match["ip"])
    return None


def complaint(line: str) -> str | None:
    """Return what of a line of the log is a warning for people, or None."""
    text = line.partition(": ")[2]
    if "cannot access" in line or "failed sending" in line or "error 8" in line or "error 0" in line:
        return None  # the size probe of UEFI firmware
    wrong = re.search(r"(?i)\b(failed|bad|unknown interface|no address range|not giving|file .* not found)", text)
    return text if wrong else None
