"""CD images: the structures that firmware, boot loaders and kernels read."""

from __future__ import annotations

import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from rootstream.boot.media import esp
from rootstream.errors import UserError
from rootstream.formats.iso9660 import BIOS, EFI, SECTOR, VOLUME, BootEntry, PlacedFile, first_free, head
from rootstream.sandbox.images.iso import with_boot_info

EPOCH = 1735689600
FREE = first_free(2)
FILES = {
    "ISOLINUX/ISOLINUX.BIN": PlacedFile(start=FREE, size=3000),
    "BOOT/EFI.IMG": PlacedFile(start=FREE + 2 * SECTOR, size=8 * SECTOR),
    "BOOT/VMLINUZ": PlacedFile(start=FREE + 4 * SECTOR, size=5000),
}
BOOTS = (
    BootEntry(platform=BIOS, start=FREE, count=4),
    BootEntry(platform=EFI, start=FREE + 2 * SECTOR, count=32),
)


def image(boots: tuple[BootEntry, ...] = BOOTS) -> bytes:
    size = FREE + 10 * SECTOR
    data = bytes(VOLUME * SECTOR) + head(FILES, boots, label="TEST", size=size, epoch=EPOCH)
    assert len(data) == FREE
    return data + b"".join(bytes([65 + number]) * SECTOR for number in range(10))


def test_the_volume_says_what_it_is() -> None:
    volume = image()[VOLUME * SECTOR :]
    assert volume[:8] == b"\x01CD001\x01\0"
    assert volume[40:72] == b"TEST".ljust(32)
    assert struct.unpack_from("<I", volume, 80)[0] * SECTOR == len(image())
    assert volume[813:829] == b"2025010100000000"
    assert (volume[156], volume[881]) == (34, 1)


def catalog(data: bytes) -> bytes:
    record = data[(VOLUME + 1) * SECTOR :]
    assert record[7:30] == b"EL TORITO SPECIFICATION"
    start = struct.unpack_from("<I", record, 71)[0] * SECTOR
    return data[start : start + SECTOR]


def test_the_catalog_has_an_entry_for_each_platform() -> None:
    found = catalog(image())
    assert sum(struct.unpack_from("<16H", found)) & 0xFFFF == 0
    assert found[30:32] == b"\x55\xaa"
    assert (found[1], found[32], struct.unpack_from("<HI", found, 38)) == (BIOS, 0x88, (4, FREE // SECTOR))
    assert (found[64], found[65], found[96]) == (0x91, EFI, 0x88)
    assert struct.unpack_from("<HI", found, 102) == (32, FREE // SECTOR + 2)
    alone = catalog(image((BootEntry(platform=EFI, start=FREE, count=1 << 20),)))
    assert (alone[1], struct.unpack_from("<H", alone, 38)[0], alone[64]) == (EFI, 0, 0)


def test_another_program_reads_the_files(tmp_path: Path) -> None:
    if not shutil.which("bsdtar"):
        pytest.skip("bsdtar (libarchive-tools) is not installed")
    path = tmp_path / "cd.iso"
    path.write_bytes(image())
    subprocess.run(["bsdtar", "-xf", str(path), "-C", str(tmp_path)], check=True)
    for name, placed in FILES.items():
        expected = image()[placed.start : placed.start + placed.size]
        assert (tmp_path / name).read_bytes() == expected, name


@pytest.mark.parametrize("name", ["vmlinuz", "BOOT/vmlinuz", "A/B/C", "BOOT/../X", "TOOLONGNAME/X"])
def test_other_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="is not a file name"):
        head({name: PlacedFile(start=FREE, size=1)}, BOOTS, label="X", size=FREE, epoch=EPOCH)


def test_isolinux_is_told_where_it_is() -> None:
    loader = bytes(64) + struct.pack("<III", 1, 2, 0xFFFFFFFF) + b"\x07"
    told = with_boot_info(loader, 25 * SECTOR)
    assert struct.unpack_from("<IIII", told, 8) == (VOLUME, 25, len(loader), (1 + 2 + 0xFFFFFFFF + 7) & 0xFFFFFFFF)
    assert (len(told), told[64:]) == (len(loader), loader[64:])


def test_a_program_gets_a_disk_for_its_boot(tmp_path: Path) -> None:
    program = tmp_path / "linux.efi"
    program.write_bytes((b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 64) + b"PE\0\0\x64\xaa").ljust(3000, b"x"))
    place = esp(program, tmp_path)
    assert (place / "EFI/BOOT/BOOTAA64.EFI").read_bytes() == program.read_bytes()
    for content in (b"MZ", b"MZ".ljust(4000, b"\xff"), b"\x7fELF".ljust(4000, b"\0")):
        program.write_bytes(content)
        with pytest.raises(UserError) as caught:
            esp(program, tmp_path)
        assert caught.value.reason == "image-broken"
