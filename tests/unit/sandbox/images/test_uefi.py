"""GUID partition tables and unified kernel images: bytes that other programs read."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from rootstream.sandbox.handover import data_of
from rootstream.sandbox.images.disk_layout import DiskSpec, filesystem_uuid, mounts, partition_uuid
from rootstream.sandbox.images.fat import auto_size, fat_bits
from rootstream.sandbox.images.uki import efi_name, parts, program, write_uki
from rootstream.sandbox.program import Mistake
from rootstream.sandbox.tree import Content, Literal, Tree

MIB = 1 << 20
DISK: dict[str, object] = {
    "name": "disk.img",
    "seed": "box/disk.img",
    "table": "gpt",
    "bootloader": "uki",
    "root_type": "4f68bce3-e8cd-4db1-96e7-fbcaf984b709",
    "partitions": [
        {"filesystem": "vfat", "mount": "/boot"},
        {"filesystem": "ext4", "mount": "/"},
        {"filesystem": "swap", "size": 64 * MIB},
    ],
}


def test_partitions_are_found_by_identities_of_their_own() -> None:
    spec = data_of(DiskSpec, DISK)
    assert (spec.device, spec.bootloader) == (None, "uki")
    assert [mount.source for mount in mounts(spec)] == [
        f"UUID={filesystem_uuid('box/disk.img', number, kind)}"
        for number, kind in ((2, "ext4"), (1, "vfat"), (3, "swap"))
    ]
    named = [mount.source for mount in mounts(data_of(DiskSpec, {**DISK, "device": "/dev/vda"}))]
    assert named == ["/dev/vda2", "/dev/vda1", "/dev/vda3"]
    ours, other = partition_uuid("box/disk.img", 1), partition_uuid("other/disk.img", 1)
    assert len({ours, other, partition_uuid("box/disk.img", 2)}) == 3


def test_a_system_partition_is_fat32_where_that_fits() -> None:
    assert auto_size(Tree(), esp=True) == 64 * MIB
    assert fat_bits(64 * MIB, 512, esp=True) == 32
    assert fat_bits(32 * MIB, 512, esp=True) == 16
    assert fat_bits(64 * MIB, 4096, esp=True) == 12


def stub(machine: int = 0x8664, room_for: int = 8) -> bytes:
    """Return a PE program with one section, as small as can be."""
    headers = 0x40 + 24 + 240 + 40 * (1 + room_for)
    headers += -headers % 512
    optional = struct.pack("<H", 0x20B).ljust(32, b"\0") + struct.pack("<II", 4096, 512)
    optional = optional.ljust(56, b"\0") + struct.pack("<II", 0x2000, headers)
    coff = struct.pack("<HH12xHH", machine, 1, 240, 0)
    section = struct.pack("<8sIIII16x", b".text", 100, 0x1000, 512, headers)
    head = b"MZ".ljust(0x3C, b"\0") + struct.pack("<I", 0x40) + b"PE\0\0" + coff + optional.ljust(240, b"\0")
    return (head + section).ljust(headers, b"\0") + bytes(512)


def sections(data: bytes) -> dict[str, bytes]:
    head = program(data, "it")
    found = {}
    for number in range(head.sections):
        name, size, _, _, raw = struct.unpack_from("<8sIIII", data, head.table + 40 * number)
        found[name.rstrip(b"\0").decode()] = data[raw : raw + size]
    return found


def made(initramfs: Content | None) -> bytes:
    out = io.BytesIO()
    kernel = Literal(stub() + b"kernel")
    wanted = parts(stub=stub(), kernel=kernel, initramfs=initramfs, arguments="quiet", name="Box")
    places = write_uki(out, stub(), wanted)
    assert all(offset % 4096 == 0 for offset, _ in places.values())
    return out.getvalue()


def test_a_unified_kernel_image_holds_its_parts() -> None:
    found = sections(made(Literal(b"root" * 5000)))
    assert list(found) == [".text", ".osrel", ".cmdline", ".initrd", ".linux"]
    assert found[".cmdline"] == b"quiet"
    assert found[".initrd"] == b"root" * 5000
    assert found[".linux"].endswith(b"kernel")
    assert b'PRETTY_NAME="Box"' in found[".osrel"]
    assert list(sections(made(None))) == [".text", ".osrel", ".cmdline", ".linux"]
    assert made(None) == made(None)


def test_objdump_agrees_about_the_sections(tmp_path: Path) -> None:
    if not shutil.which("objdump"):
        pytest.skip("objdump (binutils) is not installed")
    image = tmp_path / "uki.efi"
    image.write_bytes(made(Literal(b"root")))
    said = subprocess.run(["objdump", "-h", str(image)], capture_output=True, text=True, check=True).stdout
    assert all(name in said for name in (".cmdline", ".initrd", ".linux"))


@pytest.mark.parametrize(("machine", "name"), [(0x8664, "X64"), (0xAA64, "AA64"), (0x5064, "RISCV64")])
def test_the_program_has_the_name_that_uefi_looks_for(machine: int, name: str) -> None:
    assert efi_name(stub(machine)) == f"EFI/BOOT/BOOT{name}.EFI"


def test_what_uefi_cannot_start_is_refused() -> None:
    def joined(kernel: bytes, with_stub: bytes) -> None:
        wanted = parts(stub=with_stub, kernel=Literal(kernel), initramfs=Literal(b"x"), arguments="", name="x")
        write_uki(io.BytesIO(), with_stub, wanted)

    with pytest.raises(Mistake, match="CONFIG_EFI_STUB=y"):
        joined(b"MZ" + bytes(4000), stub())
    with pytest.raises(Mistake, match="CONFIG_EFI_STUB=y"):
        joined(b"", stub())
    with pytest.raises(Mistake, match="for AA64 machines, the stub for X64"):
        joined(stub(0xAA64), stub())
    with pytest.raises(Mistake, match="the stub is not an EFI executable"):
        joined(stub(), b"\x7fELF" + bytes(100))
    with pytest.raises(Mistake, match="no room"):
        joined(stub(), stub(room_for=0)[:-1])
