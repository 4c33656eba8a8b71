"""Finds the firmware that distributions install for QEMU, and gives a machine its own variables of UEFI."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from rootstream.boot.boards import BOARDS
from rootstream.description.system import Architecture
from rootstream.errors import UserError

# Code and template of variables, below /usr/share: Debian, Fedora, Arch
_PLACES: Mapping[Architecture, tuple[tuple[str, str], ...]] = MappingProxyType(
    {
        "x86_64": (
            ("OVMF/OVMF_CODE.fd", "OVMF/OVMF_VARS.fd"),  # 2 MiB: without KVM it is unpacked 0.6 s faster
            ("OVMF/OVMF_CODE_4M.fd", "OVMF/OVMF_VARS_4M.fd"),
            ("edk2/ovmf/OVMF_CODE.fd", "edk2/ovmf/OVMF_VARS.fd"),
            ("edk2/x64/OVMF_CODE.4m.fd", "edk2/x64/OVMF_VARS.4m.fd"),
        ),
        "aarch64": (
            ("AAVMF/AAVMF_CODE.fd", "AAVMF/AAVMF_VARS.fd"),
            ("edk2/aarch64/QEMU_EFI-pflash.raw", "edk2/aarch64/vars-template-pflash.raw"),
            ("edk2/aarch64/QEMU_CODE.fd", "edk2/aarch64/QEMU_VARS.fd"),
        ),
        "riscv64": (("qemu-efi-riscv64/RISCV_VIRT_CODE.fd", "qemu-efi-riscv64/RISCV_VIRT_VARS.fd"),),
    }
)
# U-Boot knows UEFI, too; OpenSBI starts it. It is there for older QEMUs, which EDK2 does not run on.
_UBOOT: Mapping[Architecture, str] = MappingProxyType({"riscv64": "lib/u-boot/qemu-riscv64_smode/uboot.elf"})
_AUTOBOOT = re.compile(rb"\0bootdelay=\d\0")  # U-Boot, doc/usage/environment.rst: seconds it waits for a key
# OpenSBI, which starts a kernel on RISC-V: QEMU's own, and Debian's, which QEMU must be told of.
_SBI: Mapping[Architecture, tuple[str, str]] = MappingProxyType(
    {
        "riscv32": (
            "share/qemu/opensbi-riscv32-generic-fw_dynamic.bin",
            "lib/riscv32-linux-gnu/opensbi/generic/fw_dynamic.bin",
        ),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Firmware:
    """UEFI firmware: its code, and the file that holds its variables; None for one that is started as a kernel."""

    code: Path
    variables: Path | None


def uefi(arch: Architecture, *, share: Path = Path("/usr/share")) -> Firmware:
    """Return the firmware installed, its variables a template. Raises `UserError` firmware-missing."""
    uboot = share.parent / _UBOOT.get(arch, "")
    if uboot.is_file():
        return Firmware(code=uboot, variables=None)
    for code, variables in _PLACES.get(arch, ()):
        if (share / code).is_file() and (share / variables).is_file():
            return Firmware(code=share / code, variables=share / variables)
    package = BOARDS[arch].uefi_package
    if package is None:
        message = f"there is no UEFI firmware for {arch}"
        raise UserError("firmware-missing", message, hint="Leave `machine: {firmware: ...}` out.")
    raise UserError(
        "firmware-missing",
        f"no UEFI firmware for {arch} is installed below {share}",
        hint=f"Install it (Debian: `apt install {package}`), or set `machine: {{firmware: bios}}`.",
    )


def sbi(arch: Architecture, *, usr: Path = Path("/usr")) -> Path | None:
    """Return the OpenSBI that QEMU must be given; None where it brings one, or is left to say what is missing."""
    own, packaged = _SBI.get(arch, ("", ""))
    return usr / packaged if own and not (usr / own).is_file() and (usr / packaged).is_file() else None


def opensbi(arch: Architecture, *, usr: Path = Path("/usr")) -> Path | None:
    """Return the OpenSBI that starts a kernel, QEMU's own or the one installed; None where there is neither."""
    return next((usr / path for path in _SBI.get(arch, ()) if (usr / path).is_file()), None)


def private(firmware: Firmware, folder: Path) -> Firmware:
    """Return the firmware with variables of its own in `folder`: a boot leaves the template as it was.

    U-Boot's are text within its code: of that a copy is made, which waits for no key before it boots.
    """
    if firmware.variables is None:
        code = folder / firmware.code.name
        code.write_bytes(_AUTOBOOT.sub(b"\0bootdelay=0\0", firmware.code.read_bytes()))
        return Firmware(code=code, variables=None)
    variables = folder / "variables.fd"
    shutil.copyfile(firmware.variables, variables)
    return Firmware(code=firmware.code, variables=variables)
