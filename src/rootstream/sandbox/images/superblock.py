"""The count of bytes ever written, taken out of the superblocks of an ext file system.

mke2fs counts what it wrote, and that depends on whether holes can be punched where the image lies: the one field
that differs from folder to folder. Offsets are those of `struct ext4_super_block` in the kernel.
"""

from __future__ import annotations

import struct
from pathlib import Path

from rootstream.sandbox.program import Mistake

PLACE, LENGTH = 1024, 1024
MAGIC = b"\x53\xef"
MAGIC_AT, WRITTEN_AT, CHECKSUM_AT, READ_ONLY_FEATURES_AT = 0x38, 0x178, 0x3FC, 0x64
METADATA_CSUM = 0x400
LARGEST_SCALE = 6  # blocks of 64 KiB
CASTAGNOLI = 0x82F63B78


def forget_written(image: Path, *, offset: int) -> None:
    """Zero the field in the superblock, and the copies of it, of a file system at an offset in bytes."""
    size = image.stat().st_size
    with image.open("r+b") as file:
        file.seek(offset + PLACE)
        first = file.read(LENGTH)
        for start in (PLACE, *copies(first)):
            found = b""
            if offset + start + LENGTH <= size:
                file.seek(offset + start)
                found = file.read(LENGTH)
            if len(found) != LENGTH or found[MAGIC_AT : MAGIC_AT + 2] != MAGIC:
                message = f"there is no superblock at byte {start} of the file system that mke2fs made"
                raise Mistake(f"{image.name}: {message}")
            file.seek(offset + start)
            file.write(without_written(found))


def copies(superblock: bytes) -> tuple[int, ...]:
    """Return where `sparse_super` keeps copies, in bytes: in the groups 1 and the powers of 3, 5 and 7.

    Raises `Mistake` for what is no superblock.
    """
    if len(superblock) != LENGTH or superblock[MAGIC_AT : MAGIC_AT + 2] != MAGIC:
        raise Mistake("there is no superblock at byte 1024 of the file system that mke2fs made")
    low, high = struct.unpack_from("<I", superblock, 0x04), struct.unpack_from("<I", superblock, 0x150)
    first, scale, group = struct.unpack_from("<II4xI", superblock, 0x14)
    if scale > LARGEST_SCALE or not group:
        raise Mistake("the superblock that mke2fs made has blocks of no possible size, or none in a group")
    groups = -(-((high[0] << 32 | low[0]) - first) // group)
    numbers = {1} | {base**power for base in (3, 5, 7) for power in range(1, 32)}
    return tuple((number * group + first) * (1024 << scale) for number in sorted(numbers) if number < groups)


def without_written(found: bytes) -> bytes:
    """Return a superblock with the field zeroed, its checksum right again if it has one."""
    zeroed = found[:WRITTEN_AT] + bytes(8) + found[WRITTEN_AT + 8 :]
    if not struct.unpack_from("<I", found, READ_ONLY_FEATURES_AT)[0] & METADATA_CSUM:
        return zeroed
    if struct.unpack_from("<I", found, CHECKSUM_AT)[0] != crc32c(found[:CHECKSUM_AT]):
        raise Mistake("the superblock that mke2fs made has a wrong checksum")
    return zeroed[:CHECKSUM_AT] + struct.pack("<I", crc32c(zeroed[:CHECKSUM_AT]))


def crc32c(data: bytes) -> int:
    """Return the checksum as ext4 has it: begun with all ones, not inverted at the end."""
    value = 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (CASTAGNOLI if value & 1 else 0)
    return value
