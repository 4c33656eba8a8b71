"""The structures of a CD, read back field by field as ECMA-119 has them."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from rootstream.formats.iso9660 import BIOS, SECTOR, VOLUME, BootEntry, PlacedFile, first_free, head

EPOCH = 1735789262  # 2025-01-02 03:41:02
FREE = first_free(3)
FILES = {
    "A/B.TXT": PlacedFile(start=FREE, size=1),
    "BOOT/VMLINUZ": PlacedFile(start=FREE + SECTOR, size=5000),
    "EFI/X.IMG": PlacedFile(start=FREE + 4 * SECTOR, size=SECTOR),
}
GOLDEN = "6e51d724bc5a245dbb8c368983b3b26300ab5b95b554931b7d3caaf82092ce68"
BOOTS = (BootEntry(platform=BIOS, start=FREE, count=4),)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """An entry of a folder (9.1)."""

    name: bytes
    start: int
    size: int
    flags: int
    date: bytes


def records(data: bytes) -> Iterator[Record]:
    at = 0
    while at < len(data) and data[at]:
        length = data[at]
        start, start_big = *struct.unpack_from("<I", data, at + 2), *struct.unpack_from(">I", data, at + 6)
        size, size_big = *struct.unpack_from("<I", data, at + 10), *struct.unpack_from(">I", data, at + 14)
        assert (start, size) == (start_big, size_big)
        assert length % 2 == 0
        name = data[at + 33 : at + 33 + data[at + 32]]
        assert struct.unpack_from("<H", data, at + 28) + struct.unpack_from(">H", data, at + 30) == (1, 1)
        assert data[at + 26 : at + 28] == b"\0\0"  # neither a unit nor a gap
        yield Record(name=name, start=start, size=size, flags=data[at + 25], date=data[at + 18 : at + 25])
        at += length


def folder(data: bytes, record: Record) -> list[Record]:
    return list(records(data[record.start * SECTOR : record.start * SECTOR + record.size]))


@pytest.fixture
def data() -> bytes:
    made = head(FILES, BOOTS, label="LABEL", size=FREE + 8 * SECTOR, epoch=EPOCH)
    return bytes(VOLUME * SECTOR) + made


def root(data: bytes) -> Record:
    return next(records(data[VOLUME * SECTOR + 156 : VOLUME * SECTOR + 190]))


def test_folders_lead_to_files_and_back(data: bytes) -> None:
    top = root(data)
    here, above, *entries = folder(data, top)
    assert (here.name, above.name, here.start, above.start) == (b"\0", b"\x01", top.start, top.start)
    assert [each.name for each in entries] == [b"A", b"BOOT", b"EFI"]
    assert [each.flags for each in (here, above, *entries)] == [2] * 5
    for entry, (path, placed) in zip(entries, sorted(FILES.items()), strict=True):
        inner, outer, file = folder(data, entry)
        assert (inner.name, outer.name, inner.start, outer.start) == (b"\0", b"\x01", entry.start, top.start)
        assert (inner.flags, outer.flags, inner.size, outer.size) == (2, 2, SECTOR, SECTOR)
        name = path.partition("/")[2]
        assert file.name.decode() == (f"{name};1" if "." in name else f"{name}.;1")
        assert (file.start * SECTOR, file.size, file.flags) == (placed.start, placed.size, 0)
        dates = {each.date for each in (here, above, *entries, inner, outer, file)}
        assert dates == {bytes([125, 1, 2, 3, 41, 2, 0])}


@pytest.mark.parametrize(("order", "at"), [("<", 140), (">", 148)])
def test_path_tables_of_both_orders(data: bytes, order: str, at: int) -> None:
    volume = data[VOLUME * SECTOR :]
    size, same = struct.unpack_from("<I", volume, 132) + struct.unpack_from(">I", volume, 136)
    assert size == same
    (sector,) = struct.unpack_from(f"{order}I", volume, at)
    table, found, place = data[sector * SECTOR :][:size], [], 0
    while place < size:
        length, extended, start, parent = struct.unpack_from(f"{order}BBIH", table, place)
        found.append((table[place + 8 : place + 8 + length], extended, start, parent))
        place += 8 + length + length % 2
    assert place == size
    folders = {each.name: each.start for each in folder(data, root(data)) if each.flags == 2}
    assert found == [
        (b"\0", 0, root(data).start, 1),
        (b"A", 0, folders[b"A"], 1),
        (b"BOOT", 0, folders[b"BOOT"], 1),
        (b"EFI", 0, folders[b"EFI"], 1),
    ]


def test_the_volume(data: bytes) -> None:
    volume = data[VOLUME * SECTOR :]
    sectors = FREE // SECTOR + 8
    assert struct.unpack_from("<I", volume, 80) + struct.unpack_from(">I", volume, 84) == (sectors, sectors)
    for at, value in ((120, 1), (124, 1), (128, SECTOR)):
        assert struct.unpack_from("<H", volume, at) + struct.unpack_from(">H", volume, at + 2) == (value, value)
    assert volume[8:40] == b" " * 32
    assert (volume[72:80], volume[88:120]) == (bytes(8), bytes(32))
    assert struct.unpack_from("<I", volume, 144) == struct.unpack_from(">I", volume, 152) == (0,)
    assert volume[190:813] == b" " * 623
    assert volume[813:830] == volume[830:847] == volume[864:881] == b"2025010203410200\0"
    assert volume[847:864] == b"0" * 16 + b"\0"
    assert volume[881:883] == b"\x01\0"
    assert data[(VOLUME + 2) * SECTOR :][:7] == b"\xffCD001\x01"


def test_too_many_files_in_a_folder() -> None:
    files = {f"A/F{number}.TXT": PlacedFile(start=FREE, size=1) for number in range(60)}
    with pytest.raises(ValueError, match="too many files"):
        head(files, BOOTS, label="X", size=FREE + SECTOR, epoch=EPOCH)


def test_the_same_files_are_the_same_bytes(data: bytes) -> None:
    """The bytes are those of the first version: an image that nobody changed does not change."""
    assert hashlib.sha256(data).hexdigest() == GOLDEN
