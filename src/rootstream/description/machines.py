"""The part of the description that says which machines boot over the network, and how they are served."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from rootstream.architectures import HOST, Architecture
from rootstream.description.power import Power
from rootstream.description.power.base import Command
from rootstream.description.power.none import NoPower
from rootstream.description.system import Duration, KernelArgs, Means, Model, Port, ProjectFile, Terminal

# What kernel arguments may name in braces.
PLACEHOLDERS = ("name", "mac", "address", "system_mac", "system_address", "server", "system", "build")
PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
MOST_MACHINES = 1000


def _mac(value: str) -> str:
    if int(value[:2], 16) & 1 or not int(value.replace(":", ""), 16):
        raise ValueError(f"{value!r} is not a unicast MAC address")
    return value.lower()


def _ipv4(value: str) -> str:
    try:
        return str(ipaddress.IPv4Address(value))
    except ValueError as error:
        raise ValueError(f"{value!r} is not an IPv4 address such as 10.8.30.13") from error


Mac = Annotated[
    str,
    Field(pattern=r"^[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}$"),
    AfterValidator(_mac),
    Means("a MAC address such as 52:54:00:12:34:56"),
]
Ipv4 = Annotated[str, AfterValidator(_ipv4), Means("an IPv4 address such as 10.8.30.13")]
Target = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}(@[a-z0-9][a-z0-9._-]{0,62})?$"),
    Means("a system of the project, or SYSTEM@VARIANT"),
]
BuildId = Annotated[
    str, Field(pattern=r"^[0-9]{8}-[0-9]{6}-[0-9a-f]{8}$"), Means("the ID of a build that is kept")
]
Domain = Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,250}$"), Means("a domain name such as lab.example")]


class Ssh(Model):
    """SSH login with a private key that has no passphrase."""

    key_file: ProjectFile
    """File with the private key; keep it out of version control."""
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$"), Means("the name of a user")] = "root"
    """User to log in as."""
    port: Port = 22
    """Port of the SSH server."""
    known_hosts: ProjectFile | None = None
    """File with the machine's host key, in the format of ssh's known_hosts; without it, the host key is not
    verified."""


class NetMachine(Model):
    """A machine that boots over the network."""

    macs: Annotated[tuple[Mac, ...], Field(min_length=1, max_length=16)]
    """MAC addresses that the firmware uses, one per network card; the first is the card to boot from, where that
    matters."""
    system_mac: Mac | None = None
    """MAC address that the booted system sets on the card, if it differs."""
    address: Ipv4 | None = None
    """Its IPv4 address; by default any free one from `serve: {range: ...}`."""
    system_address: Ipv4 | None = None
    """IPv4 address of the booted system, if it differs."""
    arch: Architecture = HOST
    """Processor architecture."""
    firmware: Literal["bios", "uefi"] = "bios"
    """Type of its firmware."""
    ipxe: Literal["any", "own"] = "any"
    """If the firmware is iPXE already: use it as it is (`any`), or have it chain-load ours first (`own`)."""
    system: Target
    """System, or SYSTEM@VARIANT, that it boots."""
    build: BuildId | None = None
    """Build to boot; by default the current one: the newest, or the one that `rootstream rollback` selected."""
    kernel_args: KernelArgs = ""
    """Kernel arguments, appended to those of the system's `machine:`. Placeholders are substituted: `{name}`,
    `{mac}`, `{address}`, `{system_mac}`, `{system_address}`, `{server}`, `{system}`, `{build}`."""
    console: Terminal | None = None
    """Serial console of the system; by default the usual one of the architecture."""
    console_command: Command | None = None
    """Command that connects its standard input and output to the serial console, such as
    `[ipmitool, ..., sol, activate]`."""
    ssh: Ssh | None = None
    """SSH access for checks on a machine without a serial console; `console` and `login` checks are then
    skipped."""
    power: Power = NoPower()
    """How to switch it on and off."""
    phone_home: bool = False
    """Have the system report to the server when it is up, authenticated by a token that is valid for this one
    boot."""
    timeout: Duration = 300.0
    """Time limit for a boot with all its checks; the default is five times as long in QEMU without KVM."""


class AddressRange(Model):
    """Address range for machines without an `address` of their own."""

    first: Ipv4
    """First address."""
    last: Ipv4
    """Last address."""


class Serve(Model):
    """Settings of `rootstream serve`."""

    unknown: Literal["local", "menu", "refuse"] = "local"
    """What machines that are not listed boot: their first disk (`local`), a system chosen from a menu (`menu`), or
    the next boot device of their firmware (`refuse`)."""
    range: AddressRange | None = None
    """Address range for machines without an `address`."""
    router: Ipv4 | None = None
    """Default gateway sent to machines; by default none."""
    dns: Annotated[tuple[Ipv4, ...], Field(max_length=3)] = ()
    """DNS servers sent to machines."""
    domain: Domain | None = None
    """Domain name sent to machines."""
    lease: Duration = 3600.0
    """DHCP lease time."""
    keep: Annotated[int, Field(ge=2, le=1000)] = 5
    """Number of builds to keep per system."""
    menu_timeout: Duration = 30.0
    """Time before the menu gives up and boots the machine's own disk."""


def not_for_ipxe(args: str) -> str | None:
    """Return a word of kernel arguments that means something to iPXE's shell, which can quote nothing; or None.

    Those are the words between commands, the beginning of a comment, and that of a setting
    (https://ipxe.org/scripting).
    """
    for each in args.split():
        if each in ("||", "&&", ";") or each.startswith("#") or "${" in each or not each.isprintable():
            return each
    return None


def commands_of(machines: Mapping[str, NetMachine]) -> str:
    """Return in a sentence which power controls start programs that the description names; empty if none does."""
    found: dict[str, list[str]] = {}
    for name, machine in machines.items():
        if machine.power.programs:
            found.setdefault(machine.power.programs, []).append(name)
    what = "; ".join(f"`{word}` of {', '.join(names)}" for word, names in found.items())
    return f"system.yaml runs programs of its own on this host, with your permissions: {what}" if what else ""
