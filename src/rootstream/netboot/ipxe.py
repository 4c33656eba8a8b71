"""iPXE's programs: which there are on this host, and which one a machine needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from rootstream.architectures import ARCHITECTURES
from rootstream.description.machines import NetMachine
from rootstream.errors import UserError
from rootstream.netboot.dhcp.dnsmasq import CLIENTS

FOLDER = Path("/usr/lib/ipxe")


def programs(place: Path | None) -> dict[str, Path]:
    """Return iPXE's programs by name: those of a folder, or of the distribution.

    Raises `UserError` ipxe-missing if there is none at all.
    """
    folder = place or FOLDER
    names = dict.fromkeys([*(client.program for client in CLIENTS), "ipxe.efi"])
    found = {name: folder / name for name in names if (folder / name).is_file()}
    if not found:
        hint = "Install it (Debian: `apt install ipxe`), or use your own with `--ipxe DIR`."
        raise UserError("ipxe-missing", f"no iPXE binaries in {folder}", hint=hint)
    return found


def program(machine: NetMachine) -> str | None:
    """Return the name of the program that a machine's firmware is given; None if there is none for it."""
    clients = ARCHITECTURES[machine.arch].netboot
    return next((client.program for client in clients if client.firmware == machine.firmware), None)


def lacking(machines: Mapping[str, NetMachine], have: Collection[str]) -> dict[str, list[str]]:
    """Return the programs that machines need and that are not there, each with the names of its machines."""
    found: dict[str, list[str]] = {}
    for name, machine in machines.items():
        wanted = program(machine)
        if wanted is not None and wanted not in have:
            found.setdefault(wanted, []).append(name)
    return found
