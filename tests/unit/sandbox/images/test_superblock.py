"""The field of an ext superblock that would differ from folder to folder."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from rootstream.sandbox.images.superblock import copies, crc32c, forget_written, without_written
from rootstream.sandbox.program import Mistake

WRITTEN = slice(0x178, 0x180)


def superblock(*, blocks: int, checksummed: bool = True) -> bytes:
    found = bytearray(1024)
    struct.pack_into("<IxxxxI", found, 0x04, blocks, 0)
    struct.pack_into("<II4xI", found, 0x14, 0, 2, 32768)
    found[0x38:0x3A] = b"\x53\xef"
    found[WRITTEN] = b"\x01\x02\x03\x04\x05\x06\x07\x08"
    if checksummed:
        struct.pack_into("<I", found, 0x64, 0x400)
        struct.pack_into("<I", found, 0x3FC, crc32c(bytes(found[:0x3FC])))
    return bytes(found)


def test_the_checksum_is_castagnolis() -> None:
    assert crc32c(b"123456789") ^ 0xFFFFFFFF == 0xE3069283


@pytest.mark.parametrize("checksummed", [True, False])
def test_the_field_is_zeroed_and_the_checksum_right(checksummed: bool) -> None:
    before = superblock(blocks=1000, checksummed=checksummed)
    after = without_written(before)
    assert after[WRITTEN] == bytes(8)
    assert without_written(after) == after
    assert (struct.unpack_from("<I", after, 0x3FC)[0] == crc32c(after[:0x3FC])) == checksummed


def test_a_wrong_checksum_is_not_made_right() -> None:
    damaged = bytearray(superblock(blocks=1000))
    damaged[0x80] ^= 1
    with pytest.raises(Mistake, match="wrong checksum"):
        without_written(bytes(damaged))


def test_copies_are_in_the_groups_of_powers() -> None:
    group = 32768 * 4096
    assert copies(superblock(blocks=32768)) == ()
    assert copies(superblock(blocks=32768 * 30)) == tuple(number * group for number in (1, 3, 5, 7, 9, 25, 27))


def test_what_is_no_file_system_is_refused(tmp_path: Path) -> None:
    image = tmp_path / "image"
    image.write_bytes(bytes(8192))
    with pytest.raises(Mistake, match="no superblock at byte 1024"):
        forget_written(image, offset=0)


@pytest.mark.skipif(shutil.which("mke2fs") is None, reason="mke2fs is not installed")
@pytest.mark.parametrize("kind", ["ext2", "ext4"])
def test_all_copies_of_a_real_one_are_changed_and_sound(tmp_path: Path, kind: str) -> None:
    image, offset = tmp_path / "image", 1 << 20
    with image.open("wb") as file:
        file.truncate(601 << 20)
    argv = ["mke2fs", "-q", "-F", "-t", kind, "-b", "4096", "-E", f"offset={offset}", str(image), "600M"]
    subprocess.run(argv, check=True, capture_output=True, timeout=60)
    forget_written(image, offset=offset)
    with image.open("rb") as file:
        for start in (1024, 32768 * 4096, 3 * 32768 * 4096):
            file.seek(offset + start)
            found = file.read(1024)
            assert found[0x38:0x3A] == b"\x53\xef"
            assert found[WRITTEN] == bytes(8)
    subprocess.run(["e2fsck", "-fn", f"{image}?offset={offset}"], check=True, capture_output=True, timeout=60)
