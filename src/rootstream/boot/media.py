"""What an exported image holds, told by its first bytes: the kernel must be given the right root=."""

from __future__ import annotations

import gzip
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from rootstream.errors import UserError, Where
from rootstream.machine import BootImage

Filesystem = Literal["ext2", "ext4", "squashfs"]

_GZIP = b"\x1f\x8b"
_SQUASHFS = b"hsqs"
_EXT_SUPER = 1024
_EXT_MAGIC = b"\x53\xef"
_EXT_HAS_JOURNAL = 0x4  # feature_compat
_EXT_EXTENTS = 0x40  # feature_incompat
_HEAD = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image as the kernel will find it: its file system, if any, and whether it is a compressed ramdisk.

    `size` is that of the file system in bytes, uncompressed (gzip counts it modulo 4 GiB).
    """

    filesystem: Filesystem | None = None
    ramdisk: bool = False
    size: int = 0


def look(image: BootImage) -> Media:
    """Read what the image is. Raises `UserError` image-missing, kernel-missing."""
    if image.kind != "disk":
        _expect_file(image.kernel, reason="kernel-missing", what="the kernel")
    path = _expect_file(image.file, reason="image-missing", what=f"the {image.kind} image")
    if image.kind in ("disk", "initramfs", "capsule"):
        return Media(size=path.stat().st_size)
    with path.open("rb") as file:
        ramdisk = file.read(2) == _GZIP
        if not ramdisk:
            file.seek(0)
            return Media(filesystem=filesystem(file.read(_HEAD)), size=path.stat().st_size)
        file.seek(-4, 2)
        size = int(struct.unpack("<I", file.read(4))[0])
    try:
        with gzip.open(path) as unpacked:
            head = unpacked.read(_HEAD)
    except (OSError, EOFError) as error:
        message = f"the gzip'd image cannot be read: {error}"
        raise UserError("image-broken", message, where=Where(path=path)) from error
    return Media(filesystem=filesystem(head), ramdisk=True, size=size)


def filesystem(head: bytes) -> Filesystem | None:
    """Tell a file system by its first 2048 bytes (Linux: Documentation/filesystems/ext4, fs/squashfs)."""
    if head.startswith(_SQUASHFS):
        return "squashfs"
    superblock = head[_EXT_SUPER:]
    if superblock[56:58] != _EXT_MAGIC:
        return None
    compat, incompat = struct.unpack_from("<II", superblock, 92)
    return "ext4" if compat & _EXT_HAS_JOURNAL or incompat & _EXT_EXTENTS else "ext2"


def _expect_file(name: str | None, *, reason: str, what: str) -> Path:
    if name is None:
        raise UserError(
            reason,
            f"{what} to boot with is not among the exported images",
            hint="Add `- kernel` to the system's images, then `rootstream build`.",
        )
    path = Path(name)
    if not path.is_file():
        raise UserError(
            reason,
            f"{what} is not there",
            where=Where(path=path),
            hint="`rootstream build` makes and exports it.",
        )
    return path
