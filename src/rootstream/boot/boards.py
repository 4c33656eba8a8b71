"""What QEMU has for each architecture: program, machine, processor, console, buses. A table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rootstream.system import Architecture


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A machine of QEMU and what Linux calls its parts.

    `buses` are those that a disk can be attached to, the first is taken where the description names none;
    `cpu` is for emulation; `bios` says whether a disk starts without UEFI. `package` and `uefi_package` are
    Debian's names for where the program and the firmware come from.
    """

    program: str
    machine: str
    cpu: str
    console: str
    buses: tuple[str, ...]
    bios: bool
    package: str
    uefi_package: str


BOARDS: Mapping[Architecture, Board] = MappingProxyType(
    {
        "x86_64": Board(
            program="qemu-system-x86_64",
            machine="pc",
            cpu="max",
            console="ttyS0",
            buses=("ide", "virtio", "ahci"),
            bios=True,
            package="qemu-system-x86",
            uefi_package="ovmf",
        ),
        "aarch64": Board(
            program="qemu-system-aarch64",
            machine="virt",
            cpu="max,pauth-impdef=on",  # QEMU, docs/system/arm/cpu-features: the architected algorithm is slow
            console="ttyAMA0",
            buses=("virtio", "ahci"),
            bios=False,
            package="qemu-system-arm",
            uefi_package="qemu-efi-aarch64",
        ),
        "riscv64": Board(
            program="qemu-system-riscv64",
            machine="virt",
            cpu="rv64",
            console="ttyS0",
            buses=("virtio", "ahci"),
            bios=False,
            package="qemu-system-misc",
            uefi_package="qemu-efi-riscv64",
        ),
    }
)
