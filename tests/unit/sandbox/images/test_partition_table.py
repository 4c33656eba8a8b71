"""Partition tables: what sfdisk is told, and the bytes that it writes, read by the specifications."""

from __future__ import annotations

import shutil
import struct
import uuid
import zlib
from pathlib import Path
from typing import Literal

import pytest

from rootstream.architectures import ARCHITECTURES
from rootstream.sandbox.images.partition_table import EFI_SYSTEM, LINUX, Entry, script, write
from rootstream.sandbox.program import Mistake

MIB = 1 << 20
MBR = (
    Entry(start=MIB, size=16 * MIB, type="e", active=True),
    Entry(start=17 * MIB, size=4096 * MIB, type="83"),
)
ROOT = str(ARCHITECTURES["x86_64"].uefi.root_type)  # type: ignore[union-attr]
FIRST, SECOND, DISK = (uuid.UUID(int=number) for number in (1, 2, 3))
GPT = (
    Entry(start=MIB, size=64 * MIB, type=EFI_SYSTEM, uuid=FIRST, name="boot"),
    Entry(start=65 * MIB, size=8 * MIB, type=ROOT, uuid=SECOND, name="root"),
)
needs_sfdisk = pytest.mark.skipif(shutil.which("sfdisk") is None, reason="sfdisk (fdisk) is not installed")


def written(
    folder: Path, table: Literal["mbr", "gpt"], identity: str, entries: tuple[Entry, ...], *, size: int
) -> bytes:
    """Return a disk on which there was something before, with its table."""
    image = folder / "disk.img"
    image.write_bytes(b"\xfa" * 440)
    with image.open("r+b") as file:
        file.truncate(size)
        file.seek(entries[0].start)
        file.write(b"a file system")
    write(image, script(table, identity, entries, 512), 512, epoch=0)
    assert image.stat().st_size == size
    with image.open("rb") as file:
        head = file.read(MIB + 13)
        file.seek(-34 * 512, 2)
        return head + file.read()


@needs_sfdisk
def test_an_mbr(tmp_path: Path) -> None:
    block = written(tmp_path, "mbr", "0x12345678", MBR, size=4113 * MIB)
    assert block[440:444] == b"\x78\x56\x34\x12"
    assert block[510:512] == b"\x55\xaa"
    first, second = block[446:462], block[462:478]
    assert (first[0], first[4], second[0], second[4]) == (0x80, 0x0E, 0, 0x83)
    assert struct.unpack("<II", first[8:]) == (2048, 32768)
    assert struct.unpack("<II", second[8:]) == (34816, 8388608)
    assert block[478:510] == bytes(32)
    assert block[MIB : MIB + 13] == b"a file system"


@needs_sfdisk
def test_both_tables_of_a_gpt_say_the_same(tmp_path: Path) -> None:
    block = written(tmp_path, "gpt", str(DISK), GPT, size=80 * MIB)
    last = 80 * MIB // 512 - 1
    assert block[450] == 0xEE
    head, tail = block[512:1024], block[-512:]
    assert head[:8] == tail[:8] == b"EFI PART"
    assert struct.unpack_from("<QQ", head, 24) == (1, last)
    assert struct.unpack_from("<QQ", tail, 24) == (last, 1)
    assert head[56:72] == DISK.bytes_le
    rows = block[1024 : 1024 + 128 * 128]
    assert rows == block[-33 * 512 : -512]
    assert struct.unpack_from("<I", head, 88)[0] == zlib.crc32(rows)
    for number, (kind, guid, first, name) in enumerate(
        ((EFI_SYSTEM, FIRST, 2048, "boot"), (ROOT, SECOND, 133120, "root"))
    ):
        row = rows[128 * number : 128 * (number + 1)]
        assert row[:16] == uuid.UUID(kind).bytes_le
        assert row[16:32] == guid.bytes_le
        assert struct.unpack_from("<Q", row, 32)[0] == first
        assert row[56:].decode("utf-16-le").rstrip("\0") == name
    assert block[MIB : MIB + 13] == b"a file system"


@needs_sfdisk
def test_the_same_table_is_the_same_bytes(tmp_path: Path) -> None:
    made = set()
    for name in "ab":
        (tmp_path / name).mkdir()
        made.add(written(tmp_path / name, "gpt", str(DISK), GPT, size=80 * MIB))
    assert len(made) == 1


def test_what_a_table_cannot_say() -> None:
    large = (Entry(start=MIB, size=1 << 41, type="83"),)
    with pytest.raises(Mistake, match="too large for an MBR"):
        script("mbr", "0x1", large, 512)
    assert "start=256, size=536870912" in script("mbr", "0x1", large, 4096)
    huge = (Entry(start=MIB, size=1 << 41, type=LINUX, uuid=FIRST),)
    assert "start=2048" in script("gpt", str(DISK), huge, 512)
