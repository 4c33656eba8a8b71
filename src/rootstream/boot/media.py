"""What an exported image holds, told by its first bytes: the kernel must be given the right root=."""

from __future__ import annotations

import gzip
import shutil
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rootstream.architectures import ARCHITECTURES
from rootstream.description.images import KINDS
from rootstream.description.machine import BootImage
from rootstream.errors import UserError, Where

Filesystem = Literal["ext2", "ext4", "squashfs", "erofs"]

_GZIP = b"\x1f\x8b"
_SQUASHFS = b"hsqs"
_EROFS = b"\xe2\xe1\xf5\xe0"
_EXT_SUPER = 1024
_EXT_MAGIC = b"\x53\xef"
_EXT_HAS_JOURNAL = 0x4  # feature_compat
_EXT_EXTENTS = 0x40  # feature_incompat
_GPT = b"EFI PART"
_HEAD = 2048
# PE format, "Machine Types"
_EFI = {row.uefi.machine.to_bytes(2, "little"): row.uefi.program for row in ARCHITECTURES.values() if row.uefi}


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image as the kernel will find it: its file system, if any, and whether it is a compressed ramdisk.

    `size` is that of the file system in bytes, uncompressed (gzip counts it modulo 4 GiB), `sector` that of the
    sectors that a disk is made for.
    """

    filesystem: Filesystem | None = None
    ramdisk: bool = False
    size: int = 0
    sector: Literal[512, 4096] = 512


def look(image: BootImage) -> Media:
    """Read what the image is. Raises `UserError` image-missing, kernel-missing."""
    kind = KINDS[image.kind]
    if not kind.by_firmware:
        _expect_file(image.kernel, reason="kernel-missing", what="the kernel")
    path = _expect_file(image.file, reason="image-missing", what=f"the {image.kind} image")
    if kind.by_firmware or kind.in_memory:
        return Media(size=path.stat().st_size, sector=_sector(path) if kind.by_firmware else 512)
    with path.open("rb") as file:
        ramdisk = file.read(2) == _GZIP
        if not ramdisk:
            file.seek(0)
            return Media(filesystem=filesystem(file.read(_HEAD)), size=path.stat().st_size)
        file.seek(max(0, file.seek(0, 2) - 4))
        size = int.from_bytes(file.read(4), "little")
    try:
        with gzip.open(path) as unpacked:
            head = unpacked.read(_HEAD)
    except (OSError, EOFError, zlib.error, struct.error) as error:
        message = f"the gzip-compressed image cannot be read: {error}"
        raise UserError("image-broken", message, where=Where(path=path)) from error
    return Media(filesystem=filesystem(head), ramdisk=True, size=size)


def _sector(path: Path) -> Literal[512, 4096]:
    """Tell the size of a disk's sectors by where its GUID table begins; without one it is 512."""
    with path.open("rb") as file:
        head = file.read(4096 + len(_GPT))
    return 4096 if head[4096:] == _GPT and head[512 : 512 + len(_GPT)] != _GPT else 512


def esp(program: Path, folder: Path) -> Path:
    """Return a new folder in `folder` that has a program where UEFI starts it from; QEMU shows it as a disk.

    Raises `UserError` image-broken.
    """
    with program.open("rb") as file:
        head = file.read(_HEAD)
    start = struct.unpack_from("<I", head, 0x3C)[0] if head.startswith(b"MZ") and len(head) == _HEAD else 0
    name = _EFI.get(head[start + 4 : start + 6]) if head[start : start + 4] == b"PE\0\0" else None
    if name is None:
        raise UserError(
            "image-broken", "is not an EFI executable for a known machine type", where=Where(path=program)
        )
    place = folder / "esp"
    (place / "EFI" / "BOOT").mkdir(parents=True)
    shutil.copyfile(program, place / "EFI" / "BOOT" / f"BOOT{name}.EFI")
    return place


def filesystem(head: bytes) -> Filesystem | None:
    """Tell a file system by its first 2048 bytes (Linux: fs/squashfs, fs/erofs, Documentation/filesystems)."""
    if head.startswith(_SQUASHFS):
        return "squashfs"
    superblock = head[_EXT_SUPER:]
    if superblock.startswith(_EROFS):
        return "erofs"
    if superblock[56:58] != _EXT_MAGIC or len(head) < _HEAD:
        return None
    compat, incompat = struct.unpack_from("<II", superblock, 92)
    return "ext4" if compat & _EXT_HAS_JOURNAL or incompat & _EXT_EXTENTS else "ext2"


def _expect_file(name: str | None, *, reason: str, what: str) -> Path:
    if name is None:
        raise UserError(
            reason,
            f"{what} to boot is not among the exported images",
            hint="Add `- kernel` to the system's images, then `rootstream build`.",
        )
    path = Path(name)
    if not path.is_file():
        raise UserError(
            reason,
            f"{what} is not there",
            where=Where(path=path),
            hint="Run `rootstream build` to create it.",
        )
    return path
