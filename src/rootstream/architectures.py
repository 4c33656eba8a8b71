"""The architectures that systems are built for and booted on: one row each, with all that others call it.

Whoever needs something of an architecture indexes or goes through `ARCHITECTURES`; how to add one is told in
docs/contributing/adding-an-architecture.md. Programs of the sandbox do not import it: a new row would make every
image anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from types import MappingProxyType
from typing import Literal

Architecture = Literal["x86_64", "aarch64", "riscv64", "riscv32", "powerpc", "armv7"]
Isa = Literal["gc", "imac"]
KernelKind = Literal["bzImage", "Image", "zImage", "vmlinux", "uImage"]
HOST: Architecture = "x86_64"
"""What the build base and its compilers run on, and what a system is for that says nothing of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """A machine of QEMU and what Linux calls its parts.

    `buses` are those that a disk can be attached to, the first is taken where the description names none;
    `has_ahci` says whether the machine has an AHCI controller of its own. `cpu` is for emulation; with
    `one_thread` its cores share one. `bios` says whether a disk starts without UEFI, `uefi` is the board that UEFI
    starts it on, where that is another one. `package` is Debian's name for where the program comes from. `kernels`
    are the kinds of kernel file that QEMU starts here. `opensbi` is QEMU's own OpenSBI below /usr, where not every
    QEMU has it.
    """

    program: str
    machine: str
    cpu: str
    console: str
    buses: tuple[str, ...] = ("virtio", "ahci")
    bios: bool = False
    package: str
    kernels: tuple[KernelKind, ...]
    has_ahci: bool = False
    one_thread: bool = False
    opensbi: str | None = None
    uefi: Board | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Uefi:
    """UEFI of an architecture: the name of its programs (UEFI, 3.5.1.1) and Microsoft's number for it in them.

    `root_type` is the type of its root partition in a GPT (the UAPI group's "Discoverable Partitions").
    `package` is Debian's with the firmware for QEMU; `files` are its code and the template of its variables, below
    /usr/share: Debian, Fedora, Arch. `uboot` is U-Boot with UEFI, below /usr. `fragment` is what its kernel needs
    for UEFI beside the built-in one.
    """

    program: str
    machine: int
    root_type: str
    package: str
    files: tuple[tuple[str, str], ...]
    uboot: str | None = None
    fragment: str | None = None

    @property
    def stub(self) -> str:
        """Return the file of systemd that a kernel is joined with to be a program for UEFI."""
        return f"linux{self.program.lower()}.efi.stub"


@dataclass(frozen=True, slots=True, kw_only=True)
class NetbootClient:
    """A firmware that boots from a network: dnsmasq's tag for it, and iPXE's program that it is given.

    `numbers` are its client architectures (RFC 4578, RFC 5970), `http` says whether it asks by HTTP instead of
    TFTP, `services` are its words for dnsmasq's pxe-service.
    """

    tag: str
    numbers: tuple[int, ...]
    program: str
    firmware: Literal["bios", "uefi"] = "uefi"
    http: bool = False
    services: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class InstructionSet:
    """What programs for an architecture are compiled with: flags for gcc, where it compiles or links.

    `label` names the architecture with it; `name` is the description's word, where there is a choice.
    `fragments` are for the kernel, over the architecture's. `libgcc` is the folder of multilib to take libgcc.a
    from, instead of the compiler's own. `cpu` is for QEMU, after the board's: a processor without what programs
    must not use proves that they do not. `rust` and `go` are their words for it, none where Debian has no such
    compiler.
    """

    label: str
    name: Isa | None = None
    fragments: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    libgcc: str | None = None
    cpu: str = ""
    rust: str | None = None
    go: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An architecture.

    `isas` are its instruction sets, the first is the default. `triplet` names Debian's compiler for it, `debian`
    is its name in a release of Debian, `kernel_package` the kernel that Debian has built for it.

    `linux` is the kernel's word for it (ARCH=), `kernel` the path of the file that its make makes for `target`;
    `load` is where QEMU's machine has memory for it. A vmlinux that is `linked_to_0` (physical addresses) must be
    moved there. `busybox_fragments` are for BusyBox, over the default.

    `uname` is what `uname -m` says, by which Python's wheels are named, `meson` its CPU family, `uboot`
    mkimage's word. `opensbi` is Debian's OpenSBI for it, below /usr; `capsules` says whether a kernel for it can
    have its root inside. `netboot` are its firmwares that boot from a network. `buildroot` is the symbol that is
    set for it where Buildroot's BR2_ARCH is not its name.
    """

    name: Architecture
    board: Board
    isas: tuple[InstructionSet, ...]
    triplet: str
    linux: str
    target: KernelKind
    kernel: str
    load: int = 0
    linked_to_0: bool = False
    debian: str | None = None
    kernel_package: str | None = None
    busybox_fragments: tuple[str, ...] = ("no-hwaccel",)
    uname: str
    meson: str
    uboot: str
    endian: Literal["little", "big"] = "little"
    uefi: Uefi | None = None
    opensbi: str | None = None
    capsules: bool = False
    netboot: tuple[NetbootClient, ...] = ()
    buildroot: str | None = None

    @property
    def kernel_file(self) -> str:
        """Return the name of the kernel's file."""
        return PurePosixPath(self.kernel).name

    @property
    def has_isas(self) -> bool:
        """Say whether a description can choose among instruction sets."""
        return self.isas[0].name is not None

    def isa(self, name: Isa | None) -> InstructionSet:
        """Return the instruction set of a name, the default for none."""
        return next((each for each in self.isas if each.name == name), self.isas[0])

    @property
    def debian_word(self) -> str:
        """Return Debian's name. Raises `ValueError` where it has none, which the description's rules exclude."""
        if self.debian is None:
            raise ValueError(f"Debian has no {self.name}")
        return self.debian


_OLDER_PC = Board(
    program="qemu-system-x86_64",
    machine="pc",
    # QEMU 7 leaves garbage in the flags after cmpxchg16b: a kernel that is interrupted there may die of it
    cpu="max,cx16=off",
    console="ttyS0",
    buses=("ide", "virtio", "ahci"),
    bios=True,
    package="qemu-system-x86",
    kernels=("bzImage", "vmlinux"),  # a vmlinux needs CONFIG_PVH
    # With a thread each, a core may still run the translation of an instruction that another one has just patched
    # (Linux, arch/x86/kernel/alternative.c, text_poke_bp): the kernel then dies of a breakpoint that nobody set.
    one_thread=True,
)
_X86_64 = Row(
    name="x86_64",
    # On the older PC EDK2 spends 0.6 s, emulated, on the IDE controller.
    board=replace(_OLDER_PC, uefi=replace(_OLDER_PC, machine="q35", buses=("ahci", "virtio"), has_ahci=True)),
    isas=(InstructionSet(label="x86_64", rust="x86_64-unknown-linux-gnu", go="amd64"),),
    triplet="x86_64-linux-gnu",
    linux="x86",
    target="bzImage",
    kernel="arch/x86/boot/bzImage",
    load=0x1000000,
    debian="amd64",
    kernel_package="linux-image-amd64",
    busybox_fragments=(),
    uname="x86_64",
    meson="x86_64",
    uboot="x86_64",
    uefi=Uefi(
        program="X64",
        machine=0x8664,
        root_type="4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
        package="ovmf",
        files=(
            ("OVMF/OVMF_CODE.fd", "OVMF/OVMF_VARS.fd"),  # 2 MiB: without KVM it is unpacked 0.6 s faster
            ("OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"),
            ("edk2/ovmf/OVMF_CODE.fd", "edk2/ovmf/OVMF_VARS.fd"),
            ("edk2/x64/OVMF_CODE.4m.fd", "edk2/x64/OVMF_VARS.4m.fd"),
        ),
    ),
    netboot=(
        NetbootClient(tag="bios", numbers=(0,), program="undionly.kpxe", firmware="bios", services=("X86PC",)),
        NetbootClient(tag="efi64", numbers=(7, 9), program="snponly.efi", services=("BC_EFI", "X86-64_EFI")),
        NetbootClient(tag="efi64http", numbers=(16,), program="snponly.efi", http=True),
    ),
)
_AARCH64 = Row(
    name="aarch64",
    board=Board(
        program="qemu-system-aarch64",
        machine="virt",
        cpu="max,pauth-impdef=on",  # QEMU, docs/system/arm/cpu-features: the architected algorithm is slow
        console="ttyAMA0",
        package="qemu-system-arm",
        kernels=("Image", "uImage"),
    ),
    isas=(InstructionSet(label="aarch64", rust="aarch64-unknown-linux-gnu", go="arm64"),),
    triplet="aarch64-linux-gnu",
    linux="arm64",
    target="Image",
    kernel="arch/arm64/boot/Image",
    load=0x40200000,
    debian="arm64",
    kernel_package="linux-image-arm64",
    uname="aarch64",
    meson="aarch64",
    uboot="arm64",
    uefi=Uefi(
        program="AA64",
        machine=0xAA64,
        root_type="b921b045-1df0-41c3-af44-4c6f280d3fae",
        package="qemu-efi-aarch64",
        files=(
            ("AAVMF/AAVMF_CODE.fd", "AAVMF/AAVMF_VARS.fd"),
            ("edk2/aarch64/QEMU_EFI-pflash.raw", "edk2/aarch64/vars-template-pflash.raw"),
            ("edk2/aarch64/QEMU_CODE.fd", "edk2/aarch64/QEMU_VARS.fd"),
        ),
        fragment="efi-aarch64",
    ),
    netboot=(
        NetbootClient(tag="arm64", numbers=(11,), program="ipxe-arm64.efi", services=("ARM64_EFI",)),
        NetbootClient(tag="arm64http", numbers=(19,), program="ipxe-arm64.efi", http=True),
    ),
)
_RISCV64 = Row(
    name="riscv64",
    board=Board(
        program="qemu-system-riscv64",
        machine="virt",
        cpu="rv64",
        console="ttyS0",
        package="qemu-system-misc",
        kernels=("Image", "vmlinux", "uImage"),
    ),
    isas=(
        InstructionSet(label="riscv64gc", name="gc", rust="riscv64gc-unknown-linux-gnu", go="riscv64"),
        InstructionSet(
            label="riscv64imac",
            name="imac",
            fragments=("riscv-imac",),
            cpu=",f=off,d=off",
            flags=("-march=rv64imac_zicsr_zifencei", "-mabi=lp64"),
            libgcc="rv64imac/lp64",
        ),
    ),
    triplet="riscv64-linux-gnu",
    linux="riscv",
    target="Image",
    kernel="arch/riscv/boot/Image",
    load=0x80200000,  # after OpenSBI; Linux, Documentation/arch/riscv/boot.rst: aligned to 2 MiB
    linked_to_0=True,
    debian="riscv64",
    kernel_package="linux-image-riscv64",
    uname="riscv64",
    meson="riscv64",
    uboot="riscv",
    uefi=Uefi(
        program="RISCV64",
        machine=0x5064,
        root_type="72ec70a6-cf74-40e6-bd49-4bda08e8f224",
        package="u-boot-qemu",
        files=(("qemu-efi-riscv64/RISCV_VIRT_CODE.fd", "qemu-efi-riscv64/RISCV_VIRT_VARS.fd"),),
        # U-Boot knows UEFI, too; OpenSBI starts it. It is there for older QEMUs, which EDK2 does not run on.
        uboot="lib/u-boot/qemu-riscv64_smode/uboot.elf",
        fragment="efi",
    ),
    opensbi="lib/riscv64-linux-gnu/opensbi/generic/fw_dynamic.bin",
    capsules=True,
    netboot=(
        NetbootClient(tag="riscv64", numbers=(27,), program="ipxe-riscv64.efi", services=("27",)),
        NetbootClient(tag="riscv64http", numbers=(28,), program="ipxe-riscv64.efi", http=True),
    ),
)
_RISCV32 = Row(
    name="riscv32",
    board=replace(
        _RISCV64.board,
        program="qemu-system-riscv32",
        cpu="rv32",
        opensbi="share/qemu/opensbi-riscv32-generic-fw_dynamic.bin",
    ),
    # gcc for riscv64 compiles for riscv32, too, but its linker has to be told.
    isas=(
        InstructionSet(
            label="riscv32gc",
            name="gc",
            flags=("-march=rv32imafdc_zicsr_zifencei", "-mabi=ilp32d", "-Wl,-melf32lriscv"),
            libgcc="rv32imafdc/ilp32d",
        ),
        InstructionSet(
            label="riscv32imac",
            name="imac",
            fragments=("riscv-imac",),
            cpu=",f=off,d=off",
            flags=("-march=rv32imac_zicsr_zifencei", "-mabi=ilp32", "-Wl,-melf32lriscv"),
            libgcc="rv32imac/ilp32",
        ),
    ),
    triplet=_RISCV64.triplet,
    linux=_RISCV64.linux,
    target=_RISCV64.target,
    kernel=_RISCV64.kernel,
    load=0x80400000,  # as for riscv64, aligned to 4 MiB
    linked_to_0=True,
    busybox_fragments=("no-hwaccel", "riscv32"),
    uname="riscv32",
    meson="riscv32",
    uboot=_RISCV64.uboot,
    opensbi="lib/riscv32-linux-gnu/opensbi/generic/fw_dynamic.bin",
    capsules=True,
)
_POWERPC = Row(
    name="powerpc",
    board=Board(
        program="qemu-system-ppc",
        machine="bamboo",
        cpu="440epb",
        console="ttyS0",
        package="qemu-system-ppc",
        kernels=("uImage", "vmlinux"),
    ),
    # musl knows no long double of 128 bits in IBM's form, which is the compiler's default.
    isas=(InstructionSet(label="powerpc", flags=("-mcpu=440fp", "-mlong-double-64")),),
    triplet="powerpc-linux-gnu",
    linux="powerpc",
    target="vmlinux",
    kernel="vmlinux",
    uname="ppc",
    meson="ppc",
    uboot="powerpc",
    endian="big",
)
_ARMV7 = Row(
    name="armv7",
    board=Board(
        program="qemu-system-arm",
        # Without highmem=off PCI lies beyond 4 GiB, where only a kernel with LPAE finds it.
        machine="virt,highmem=off",
        cpu="cortex-a15",  # `max` is an ARMv8, which calls itself armv8l
        console="ttyAMA0",
        package="qemu-system-arm",
        kernels=("zImage", "uImage"),
    ),
    isas=(InstructionSet(label="armv7", rust="armv7-unknown-linux-gnueabihf", go="arm"),),
    triplet="arm-linux-gnueabihf",
    linux="arm",
    target="zImage",
    kernel="arch/arm/boot/zImage",
    load=0x41000000,
    debian="armhf",
    kernel_package="linux-image-armmp",
    uname="armv7l",
    meson="arm",
    uboot="arm",
    buildroot="BR2_ARM_CPU_ARMV7A",
    uefi=Uefi(
        program="ARM",
        machine=0x01C2,
        root_type="69dad710-2ce4-4e3c-b16c-21a1d49abed3",
        package="u-boot-qemu",
        files=(),  # EDK2 (qemu-efi-arm) starts some kernels, others not: a data abort where boot services end
        uboot="lib/u-boot/qemu_arm/uboot.elf",
        fragment="efi",
    ),
    netboot=(
        NetbootClient(tag="arm32", numbers=(10,), program="ipxe-arm32.efi", services=("ARM32_EFI",)),
        NetbootClient(tag="arm32http", numbers=(18,), program="ipxe-arm32.efi", http=True),
    ),
)
ARCHITECTURES: Mapping[Architecture, Row] = MappingProxyType(
    {row.name: row for row in (_X86_64, _AARCH64, _RISCV64, _RISCV32, _POWERPC, _ARMV7)}
)
UEFI = tuple(name for name, row in ARCHITECTURES.items() if row.uefi)


def of_buildroot(symbols: Mapping[str, str]) -> Architecture | None:
    """Return the architecture that a configuration of Buildroot is for; None for one that is not here."""
    named = (
        name
        for name, row in ARCHITECTURES.items()
        if symbols.get("BR2_ARCH") == f'"{name}"' or symbols.get(row.buildroot or "") == "y"
    )
    return next(named, None)
