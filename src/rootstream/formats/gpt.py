"""A GUID partition table as bytes (UEFI specification, chapter 5). Pure; every GUID comes from a seed."""

from __future__ import annotations

import struct
import uuid
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

ENTRIES, ENTRY = 128, 128
MOST_NAME = 36
MBR_MOST = (1 << 32) - 1
EFI_SYSTEM = uuid.UUID("c12a7328-f81f-11d2-ba4b-00a0c93ec93b")
LINUX = uuid.UUID("0fc63daf-8483-4772-8e79-3d69d8477de4")
SWAP = uuid.UUID("0657fd6d-a4ab-43c4-84e5-0933c84b4f4f")
BASIC = uuid.UUID("ebd0a0a2-b9e5-4433-87c0-68b6b72699c7")
# The UAPI group's "Discoverable Partitions": a root says for which architecture it is.
ROOTS = {
    "x86_64": uuid.UUID("4f68bce3-e8cd-4db1-96e7-fbcaf984b709"),
    "aarch64": uuid.UUID("b921b045-1df0-41c3-af44-4c6f280d3fae"),
    "riscv64": uuid.UUID("72ec70a6-cf74-40e6-bd49-4bda08e8f224"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class GptEntry:
    """A partition: where it lies in bytes, what it is, its own GUID, its name."""

    start: int
    size: int
    type: uuid.UUID
    guid: uuid.UUID
    name: str


def room(sector_size: int) -> int:
    """Return how many bytes the table takes at the beginning of a disk, protective MBR included."""
    return 2 * sector_size + ENTRIES * ENTRY


def gpt(entries: Sequence[GptEntry], *, size: int, sector_size: int, guid: uuid.UUID) -> tuple[bytes, bytes]:
    """Return the bytes at the beginning of a disk of `size` bytes and those at its end."""
    last = size // sector_size - 1
    rows = b"".join(_entry(entry, sector_size) for entry in entries).ljust(ENTRIES * ENTRY, b"\0")
    table = ENTRIES * ENTRY // sector_size
    usable = (2 + table, last - 1 - table)
    first = _header(rows, here=1, other=last, usable=usable, rows_at=2, guid=guid)
    second = _header(rows, here=last, other=1, usable=usable, rows_at=last - table, guid=guid)
    head = protective_mbr(last).ljust(sector_size, b"\0") + first.ljust(sector_size, b"\0") + rows
    return head, rows + second.ljust(sector_size, b"\0")


def protective_mbr(last: int) -> bytes:
    """Return the MBR that tells old programs that the whole disk, up to its last sector, is in use."""
    entry = b"\0" + b"\x00\x02\x00" + b"\xee" + b"\xff\xff\xff" + struct.pack("<II", 1, min(last, MBR_MOST))
    return bytes(446) + entry.ljust(64, b"\0") + b"\x55\xaa"


def _entry(entry: GptEntry, sector_size: int) -> bytes:
    first, count = entry.start // sector_size, entry.size // sector_size
    name = entry.name[:MOST_NAME].encode("utf-16-le")
    places = struct.pack("<QQQ", first, first + count - 1, 0)
    return entry.type.bytes_le + entry.guid.bytes_le + places + name.ljust(2 * MOST_NAME, b"\0")


def _header(
    rows: bytes, *, here: int, other: int, usable: tuple[int, int], rows_at: int, guid: uuid.UUID
) -> bytes:
    places = struct.pack("<QQQQ", here, other, *usable) + guid.bytes_le
    tail = places + struct.pack("<QIII", rows_at, ENTRIES, ENTRY, zlib.crc32(rows))
    start = b"EFI PART" + struct.pack("<II", 0x10000, 92)
    crc = zlib.crc32(start + bytes(8) + tail)
    return start + struct.pack("<II", crc, 0) + tail
