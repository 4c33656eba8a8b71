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
        raise ValueError(f"{value!r} is not the address of a single machine")
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
    Means("an address such as 52:54:00:12:34:56"),
]
Ipv4 = Annotated[str, AfterValidator(_ipv4), Means("an IPv4 address such as 10.8.30.13")]
Target = Annotated[
    str,
    Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}(@[a-z0-9][a-z0-9._-]{0,62})?$"),
    Means("a system of the project, or SYSTEM@VARIANT"),
]
BuildId = Annotated[str, Field(pattern=r"^[0-9]{8}-[0-9]{6}-[0-9a-f]{8}$"), Means("a build that is kept")]
Domain = Annotated[str, Field(pattern=r"^[A-Za-z0-9.-]{1,250}$"), Means("a domain such as lab.example")]


class Ssh(Model):
    """Logging in by SSH with a key, which asks for no passphrase."""

    key_file: ProjectFile
    """File with the private key; keep it out of version control."""
    user: Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_-]{0,31}$"), Means("the name of a user")] = "root"
    """Who logs in."""
    port: Port = 22
    """The port of the SSH server."""
    known_hosts: ProjectFile | None = None
    """File with the machine's host key, as ssh writes it; without one, any machine at the address is believed."""


class NetMachine(Model):
    """A machine that boots over the network."""

    macs: Annotated[tuple[Mac, ...], Field(min_length=1, max_length=16)]
    """Addresses of its network cards as its firmware has them; the first is that of the boot, if it matters."""
    system_mac: Mac | None = None
    """Address that the booted system gives the card, where that is another."""
    address: Ipv4 | None = None
    """Its IPv4 address; without one it gets any of `serve: {range: ...}`."""
    system_address: Ipv4 | None = None
    """IPv4 address of the booted system, where that is another."""
    arch: Architecture = HOST
    """Processor architecture."""
    firmware: Literal["bios", "uefi"] = "bios"
    """Its firmware."""
    ipxe: Literal["any", "own"] = "any"
    """Firmware that is an iPXE itself is used as it is (`any`), or loads ours first (`own`)."""
    system: Target
    """What it boots: a system of this project, or SYSTEM@VARIANT."""
    build: BuildId | None = None
    """Build that it is pinned to; by default the newest, or what was rolled back to."""
    kernel_args: KernelArgs = ""
    """Kernel arguments after those of the system's `machine:`. Words in braces are filled in: `{name}`, `{mac}`,
    `{address}`, `{system_mac}`, `{system_address}`, `{server}`, `{system}`, `{build}`."""
    console: Terminal | None = None
    """Serial console of the system; by default the architecture's usual one."""
    console_command: Command | None = None
    """Command whose standard input and output are the serial console, such as `[ipmitool, ..., sol, activate]`."""
    ssh: Ssh | None = None
    """How checks log in where there is no serial console: console texts and logins are then left out."""
    power: Power = NoPower()
    """How it is switched on and off."""
    phone_home: bool = False
    """The system tells the server that it is up, with a token made for this one boot."""
    timeout: Duration = 300.0
    """How long a boot with all its checks may take; five times as long in QEMU without KVM, where nothing is
    written."""


class AddressRange(Model):
    """Addresses for machines that have none of their own."""

    first: Ipv4
    """The first."""
    last: Ipv4
    """The last."""


class Serve(Model):
    """How `rootstream serve` serves."""

    unknown: Literal["local", "menu", "refuse"] = "local"
    """What other machines get: a boot from their first disk, a menu of the systems, or what their firmware boots
    next."""
    range: AddressRange | None = None
    """Addresses for machines without one."""
    router: Ipv4 | None = None
    """Default gateway that machines are told; by default none."""
    dns: Annotated[tuple[Ipv4, ...], Field(max_length=3)] = ()
    """Name servers that machines are told."""
    domain: Domain | None = None
    """Domain that machines are told."""
    lease: Duration = 3600.0
    """How long an address is lent."""
    keep: Annotated[int, Field(ge=2, le=1000)] = 5
    """How many builds of a system are kept to go back to."""
    menu_timeout: Duration = 30.0
    """How long the menu waits before it boots from the machine's own disk."""


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
    return f"system.yaml has programs of its own run on this host, as you: {what}" if what else ""
