"""The scripts that iPXE runs: for a machine, for one that is not known, and the menu. Pure.

The language is iPXE's (https://ipxe.org/scripting); `netX` is the card that was booted from.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from rootstream.description.machines import PLACEHOLDER, NetMachine, not_for_ipxe
from rootstream.errors import UserError
from rootstream.netboot.store.builds import Build

SEARCH = "platform=${platform}&chip=${netX/chip}&arch=${buildarch}"
_HEAD = "#!ipxe\n"
_RETRY = 5  # seconds
_LOCAL = (
    # BIOS: the first disk, or whatever comes next in the firmware's order; UEFI: that order
    "iseq ${platform} pcbios && sanboot --no-describe --drive 0x80 || exit 1\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Who serves: the address of the machine's HTTP server, and its beginning of every URL."""

    server: str
    base: str


def first(served: Served) -> str:
    """Return the script that all get: it says to the server who asks."""
    return (
        f"{_HEAD}:again\n"
        f"chain --replace --autofree {served.base}/machines/${{netX/mac:hexhyp}}.ipxe?{SEARCH} || goto failed\n"
        f"exit\n"
        f":failed\n"
        f"echo Rootstream: {served.base} does not respond; trying again in {_RETRY} seconds\n"
        f"sleep {_RETRY}\n"
        f"goto again\n"
    )


def filled(template: str, values: dict[str, str]) -> str:
    """Return kernel arguments with the words in braces filled in; what is not known stays."""
    return PLACEHOLDER.sub(lambda match: values.get(match[1], match[0]), template)


def kernel_args(
    name: str, machine: NetMachine, build: Build, served: Served, *, console: str, home: Sequence[str]
) -> str:
    """Return the arguments of the kernel; `home` are those that tell the system where to report that it is up.

    Raises `UserError` not-for-ipxe, which a description that was read is checked for, and a build may not be.
    """
    values = {
        "name": name,
        "mac": machine.macs[0],
        "address": machine.address or "",
        "system_mac": machine.system_mac or machine.macs[0],
        "system_address": machine.system_address or machine.address or "",
        "server": served.server,
        "system": build.target,
        "build": build.id,
    }
    words = own_args(build)
    words += filled(machine.kernel_args, values).split()
    if not any(word.startswith("console=") for word in words):
        words.append(f"console={machine.console or console}")
    if machine.system_mac:
        words.append(f"rootstream.mac={machine.system_mac}")
    return " ".join([*words, *home, "BOOTIF=01-${netX/mac:hexhyp}"])


def own_args(build: Build) -> list[str]:
    """Return the arguments of a build as words. Raises `UserError` not-for-ipxe."""
    word = not_for_ipxe(build.args)
    if word is not None:
        message = f"a kernel argument of build {build.id} has a special meaning in iPXE scripts: {word!r}"
        raise UserError("not-for-ipxe", message, hint="Change `kernel_args`, and build again.")
    return build.args.split()


def start(title: str, build: Build, served: Served, *, args: str, boot: int | None, efi: bool) -> str | None:
    """Return the script that starts a build; None if it has nothing for the machine."""
    kernel, initramfs, uki = (build.file(kind) for kind in ("kernel", "initramfs", "uki"))
    query = f"?boot={boot}" if boot is not None else ""
    base = f"{served.base}/builds/{build.target}/{build.id}/"
    capsule = build.file("capsule")
    lines = [f"echo Rootstream: {_plain(title)} boots {build.target}, build {build.id}"]
    if kernel and initramfs:
        name = re.sub(r"[^A-Za-z0-9._-]", "_", initramfs.name.rpartition("/")[2])
        lines += [
            f"kernel {base}{quote(kernel.name)}{query} initrd={name} {args} || goto failed",
            f"initrd --name {name} {base}{quote(initramfs.name)}{query} || goto failed",
        ]
    elif capsule or (kernel and not uki):
        one = capsule or kernel
        lines.append(f"kernel {base}{quote(one.name) if one else ''}{query} {args} || goto failed")
    elif uki and efi:
        lines.append(f"kernel {base}{quote(uki.name)}{query} || goto failed")
    else:
        return None
    return (
        _HEAD
        + "\n".join(lines)
        + "\nboot || goto failed\n:failed\n"
        + f"echo Rootstream: this did not work; trying again in {_RETRY} seconds\n"
        + f"sleep {_RETRY}\nimgfree\nchain --replace --autofree {served.base}/boot.ipxe\n"
    )


def own(served: Served, program: str) -> str:
    """Return the script that starts our own iPXE in place of the firmware's."""
    return f"{_HEAD}chain --replace --autofree tftp://{served.server}/{program}\n"


def local() -> str:
    """Return the script that boots the machine from its own disk."""
    return f"{_HEAD}echo Rootstream: unknown machine; booting from its local disk\n{_LOCAL}"


def refusal() -> str:
    """Return the script that leaves the machine to its firmware, which goes on to what it boots next."""
    return f"{_HEAD}echo Rootstream: this machine is not served\nexit 1\n"


def wait(text: str, served: Served) -> str:
    """Return the script that says what is missing, and asks again."""
    return (
        f"{_HEAD}echo Rootstream: {_plain(text)}\n"
        f"sleep {_RETRY}\nchain --replace --autofree {served.base}/boot.ipxe\n"
    )


def menu(targets: Sequence[str], served: Served, *, timeout: float) -> str:
    """Return the menu of systems; after `timeout` seconds it boots from the machine's own disk."""
    items = "".join(f"item {number} {target}\n" for number, target in enumerate(targets))
    labels = "".join(
        f":{number}\nchain --replace --autofree {served.base}/menu/{target}.ipxe?{SEARCH} || goto local\n"
        for number, target in enumerate(targets)
    )
    return (
        f"{_HEAD}menu Rootstream\nitem local Boot from the local disk\n{items}"
        f"choose --timeout {int(timeout * 1000)} --default local chosen || goto local\n"
        f"goto ${{chosen}}\n:local\n{_LOCAL}{labels}"
    )


def _plain(text: str) -> str:
    """Return text as iPXE's shell takes it: without what has a meaning there."""
    return re.sub(r"[^A-Za-z0-9 .,:@_/-]", " ", text)
