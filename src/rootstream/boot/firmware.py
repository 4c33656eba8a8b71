"""Finds the firmware that distributions install for QEMU, and gives a machine its own variables of UEFI."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

from rootstream.architectures import ARCHITECTURES, Architecture
from rootstream.errors import UserError

_AUTOBOOT = re.compile(rb"\0bootdelay=\d\0")  # U-Boot, doc/usage/environment.rst: seconds it waits for a key


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmwareFiles:
    """UEFI firmware: its code, and the file that holds its variables; None for one that is started as a kernel."""

    code: Path
    variables: Path | None


def uefi(arch: Architecture, *, share: Path = Path("/usr/share")) -> FirmwareFiles:
    """Return the firmware installed, its variables a template. Raises `UserError` firmware-missing."""
    row = ARCHITECTURES[arch].uefi
    if row is None:
        message = f"there is no UEFI firmware for {arch}"
        raise UserError("firmware-missing", message, hint="Remove `machine: {firmware: ...}`.")
    if row.uboot and (share.parent / row.uboot).is_file():
        return FirmwareFiles(code=share.parent / row.uboot, variables=None)
    for code, variables in row.files:
        if (share / code).is_file() and (share / variables).is_file():
            return FirmwareFiles(code=share / code, variables=share / variables)
    raise UserError(
        "firmware-missing",
        f"no UEFI firmware for {arch} is installed in {share}",
        hint=f"Install it (Debian: `apt install {row.package}`), or set `machine: {{firmware: bios}}`.",
    )


def sbi(arch: Architecture, *, usr: Path = Path("/usr")) -> Path | None:
    """Return the OpenSBI that QEMU must be given; None where it brings one, or is left to say what is missing."""
    found = opensbi(arch, usr=usr)
    return found if found and found != usr / str(ARCHITECTURES[arch].board.opensbi) else None


def opensbi(arch: Architecture, *, usr: Path = Path("/usr")) -> Path | None:
    """Return the OpenSBI that starts a kernel, QEMU's own or the one installed.

    None where there is neither, or where every QEMU has it.
    """
    row = ARCHITECTURES[arch]
    if row.board.opensbi is None:
        return None
    places = (row.board.opensbi, row.opensbi)
    return next((usr / path for path in places if path and (usr / path).is_file()), None)


def private(firmware: FirmwareFiles, folder: Path) -> FirmwareFiles:
    """Return the firmware with variables of its own in `folder`: a boot leaves the template as it was.

    U-Boot's are text within its code: of that a copy is made, which waits for no key before it boots.
    """
    if firmware.variables is None:
        code = folder / firmware.code.name
        code.write_bytes(_AUTOBOOT.sub(b"\0bootdelay=0\0", firmware.code.read_bytes()))
        return FirmwareFiles(code=code, variables=None)
    variables = folder / "variables.fd"
    shutil.copyfile(firmware.variables, variables)
    return FirmwareFiles(code=firmware.code, variables=variables)
