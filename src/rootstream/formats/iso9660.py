"""An ISO 9660 volume (ECMA-119) with a boot catalog (El Torito 1.0), as bytes. Pure; plain names, two levels.

Contents need not be written by it: a file may lie anywhere in the image, also inside of another one.
"""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass

SECTOR = 2048
VOLUME = 16  # sector of the volume descriptor
PATH_L, PATH_M, ROOT = 19, 20, 21
NAME = re.compile(r"[A-Z0-9_]{1,8}(\.[A-Z0-9_]{1,3})?")
BIOS, EFI = 0x00, 0xEF
BOOTABLE = 0x88
MOST_COUNT = 0xFFFF


@dataclass(frozen=True, slots=True, kw_only=True)
class PlacedFile:
    """Where a file lies in the image, in bytes; it begins at a whole sector."""

    start: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BootEntry:
    """What firmware of a platform starts: `count` sectors of 512 bytes from a byte on, 0 for all there are."""

    platform: int
    start: int
    count: int


def first_free(folders: int) -> int:
    """Return the byte behind the descriptors, path tables, folders and the boot catalog."""
    return (ROOT + folders + 2) * SECTOR


def head(
    files: Mapping[str, PlacedFile], boots: tuple[BootEntry, ...], *, label: str, size: int, epoch: int
) -> bytes:
    """Return the image up to `first_free`, without its first 16 sectors; `size` is that of the whole, in bytes.

    `files` have names such as BOOT/VMLINUZ; every folder must fit into one sector.
    """
    folders = sorted({name.partition("/")[0] for name in files})
    for name in files:
        folder, slash, inner = name.partition("/")
        if not slash or not NAME.fullmatch(folder) or not NAME.fullmatch(inner):
            raise ValueError(f"{name!r} is not a file name")
    places: dict[str, int] = {folder: ROOT + 1 + number for number, folder in enumerate(folders)}
    catalog = ROOT + 1 + len(folders)
    root = _folder(ROOT, ROOT, {name: (place, SECTOR, 2) for name, place in places.items()}, epoch)
    below = b"".join(
        _folder(
            places[folder],
            ROOT,
            {
                _versioned(name.partition("/")[2]): (placed.start // SECTOR, placed.size, 0)
                for name, placed in files.items()
                if name.startswith(f"{folder}/")
            },
            epoch,
        )
        for folder in folders
    )
    tables = [_path_table(places, order) for order in "<>"]
    volume = _volume(label, size // SECTOR, len(tables[0]), _record(b"\0", ROOT, SECTOR, 2, epoch), epoch)
    record = b"\0CD001\x01" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", catalog)
    padded = [piece.ljust(SECTOR, b"\0") for piece in (volume, record, b"\xffCD001\x01", *tables, root)]
    return b"".join(padded) + below + _catalog(boots).ljust(SECTOR, b"\0")


def _versioned(name: str) -> str:
    return f"{name};1" if "." in name else f"{name}.;1"


def _both(value: int) -> bytes:
    return struct.pack("<I", value) + struct.pack(">I", value)


def _both_short(value: int) -> bytes:
    return struct.pack("<H", value) + struct.pack(">H", value)


def _record(name: bytes, place: int, size: int, flags: int, epoch: int) -> bytes:
    """Return a directory record (9.1)."""
    now = time.gmtime(epoch)
    date = bytes([now.tm_year - 1900, now.tm_mon, now.tm_mday, now.tm_hour, now.tm_min, now.tm_sec, 0])
    tail = bytes([flags, 0, 0]) + _both_short(1) + bytes([len(name)]) + name
    made = b"\0" + _both(place) + _both(size) + date + tail
    made += bytes((len(made) + 1) % 2)
    return bytes([len(made) + 1]) + made


def _folder(here: int, above: int, entries: Mapping[str, tuple[int, int, int]], epoch: int) -> bytes:
    made = _record(b"\0", here, SECTOR, 2, epoch) + _record(b"\x01", above, SECTOR, 2, epoch)
    for name in sorted(entries):
        made += _record(name.encode(), *entries[name], epoch)
    if len(made) > SECTOR:
        raise ValueError("too many files in a folder")
    return made.ljust(SECTOR, b"\0")


def _path_table(places: Mapping[str, int], order: str) -> bytes:
    made = struct.pack(f"{order}BBIH", 1, 0, ROOT, 1) + b"\0\0"
    for name in sorted(places):
        made += struct.pack(f"{order}BBIH", len(name), 0, places[name], 1) + name.encode() + bytes(len(name) % 2)
    return made


def _volume(label: str, sectors: int, table: int, root: bytes, epoch: int) -> bytes:
    """Return the primary volume descriptor (8.4)."""
    date = time.strftime("%Y%m%d%H%M%S00", time.gmtime(epoch)).encode() + b"\0"
    made = b"\x01CD001\x01\0" + b" " * 32 + label.encode().ljust(32) + bytes(8) + _both(sectors) + bytes(32)
    made += _both_short(1) + _both_short(1) + _both_short(SECTOR) + _both(table)
    made += struct.pack("<II", PATH_L, 0) + struct.pack(">II", PATH_M, 0) + root
    made += b" " * (4 * 128 + 3 * 37) + date + date + b"0" * 16 + b"\0" + date
    return made + b"\x01\0"


def _catalog(boots: tuple[BootEntry, ...]) -> bytes:
    """Return the boot catalog: the first entry, and a section for each other."""
    start = struct.pack("<BBH24sHBB", 1, boots[0].platform, 0, b"", 0, 0x55, 0xAA)
    total = sum(struct.unpack("<16H", start)) & 0xFFFF
    made = start[:28] + struct.pack("<H", -total & 0xFFFF) + start[30:] + _entry(boots[0])
    for number, boot in enumerate(boots[1:], 2):
        more = 0x91 if number == len(boots) else 0x90
        made += struct.pack("<BBH28x", more, boot.platform, 1) + _entry(boot)
    return made


def _entry(boot: BootEntry) -> bytes:
    count = boot.count if boot.count <= MOST_COUNT else 0
    return struct.pack("<BBHBBHI20x", BOOTABLE, 0, 0, 0, 0, count, boot.start // SECTOR)
