"""What QEMU has for each architecture: program, machine, processor, console, buses. A table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

from rootstream.description.system import Architecture

KernelKind = Literal["bzImage", "Image", "vmlinux", "uImage"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A machine of QEMU and what Linux calls its parts.

    `buses` are those that a disk can be attached to, the first is taken where the description names none;
    `has_ahci` says whether the machine has an AHCI controller of its own. `cpu` is for emulation; `bios` says
    whether a disk starts without UEFI, `uefi` is the board that UEFI starts it on, where that is another one.
    `package` and `uefi_package` are Debian's names for where the program and the firmware come from; without the
    latter there is no UEFI. `kernels` are the kinds of kernel file that QEMU starts here, `ram` is where a vmlinux
    that is linked to physical address 0 must be put.
    """

    program: str
    machine: str
    cpu: str
    console: str
    buses: tuple[str, ...]
    bios: bool
    package: str
    uefi_package: str | None
    kernels: tuple[KernelKind, ...]
    ram: int = 0
    has_ahci: bool = False
    uefi: Board | None = None


_OLDER_PC = Board(
    program="qemu-system-x86_64",
    machine="pc",
    # QEMU 7 leaves garbage in the flags after cmpxchg16b: a kernel that is interrupted there may die of it
    cpu="max,cx16=off",
    console="ttyS0",
    buses=("ide", "virtio", "ahci"),
    bios=True,
    package="qemu-system-x86",
    uefi_package="ovmf",
    kernels=("bzImage", "vmlinux"),  # a vmlinux needs CONFIG_PVH
)
# On the older PC EDK2 spends 0.6 s, emulated, on the IDE controller.
_PC = replace(_OLDER_PC, uefi=replace(_OLDER_PC, machine="q35", buses=("ahci", "virtio"), has_ahci=True))

BOARDS: Mapping[Architecture, Board] = MappingProxyType(
    {
        "x86_64": _PC,
        "aarch64": Board(
            program="qemu-system-aarch64",
            machine="virt",
            cpu="max,pauth-impdef=on",  # QEMU, docs/system/arm/cpu-features: the architected algorithm is slow
            console="ttyAMA0",
            buses=("virtio", "ahci"),
            bios=False,
            package="qemu-system-arm",
            uefi_package="qemu-efi-aarch64",
            kernels=("Image", "uImage"),
        ),
        "riscv64": Board(
            program="qemu-system-riscv64",
            machine="virt",
            cpu="rv64",
            console="ttyS0",
            buses=("virtio", "ahci"),
            bios=False,
            package="qemu-system-misc",
            uefi_package="u-boot-qemu",
            kernels=("Image", "vmlinux", "uImage"),
            ram=0x80200000,  # after OpenSBI; Linux, Documentation/arch/riscv/boot.rst: aligned to 2 MiB
        ),
        "riscv32": Board(
            program="qemu-system-riscv32",
            machine="virt",
            cpu="rv32",
            console="ttyS0",
            buses=("virtio", "ahci"),
            bios=False,
            package="qemu-system-misc",
            uefi_package=None,
            kernels=("Image", "vmlinux", "uImage"),
            ram=0x80400000,  # the same, aligned to 4 MiB
        ),
        "powerpc": Board(
            program="qemu-system-ppc",
            machine="bamboo",
            cpu="440epb",
            console="ttyS0",
            buses=("virtio", "ahci"),
            bios=False,
            package="qemu-system-ppc",
            uefi_package=None,
            kernels=("uImage", "vmlinux"),
        ),
    }
)
