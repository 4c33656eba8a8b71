"""iPXE's programs: which there are on this host, and which one a machine needs."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from rootstream.description.machines import NetMachine
from rootstream.errors import UserError
from rootstream.netboot.dhcp.dnsmasq import ARCHITECTURES

FOLDER = Path("/usr/lib/ipxe")
_TAGS = {"x86_64": "efi64", "aarch64": "arm64", "riscv64": "riscv64"}


def programs(place: Path | None) -> dict[str, Path]:
    """Return iPXE's programs by name: those of a folder, or of the distribution.

    Raises `UserError` ipxe-missing if there is none at all.
    """
    folder = place or FOLDER
    names = dict.fromkeys([*(each[2] for each in ARCHITECTURES), "ipxe.efi"])
    found = {name: folder / name for name in names if (folder / name).is_file()}
    if not found:
        hint = "Install it (Debian: `apt install ipxe`), or name the folder of your own with `--ipxe`."
        raise UserError("ipxe-missing", f"no program of iPXE in {folder}", hint=hint)
    return found


def program(machine: NetMachine) -> str | None:
    """Return the name of the program that a machine's firmware is given; None if there is none for it."""
    tag = "bios" if machine.firmware == "bios" else _TAGS.get(machine.arch)
    return next((name for each, _, name, _ in ARCHITECTURES if each == tag), None)


def lacking(machines: Mapping[str, NetMachine], have: Collection[str]) -> dict[str, list[str]]:
    """Return the programs that machines need and that are not there, each with the names of its machines."""
    found: dict[str, list[str]] = {}
    for name, machine in machines.items():
        wanted = program(machine)
        if wanted is not None and wanted not in have:
            found.setdefault(wanted, []).append(name)
    return found
