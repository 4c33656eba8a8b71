"""Memory of a machine follows from what its image unpacks to, whatever packed it."""

from __future__ import annotations

import gzip
import io
import lzma
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from rootstream.boot.memory import Ramdisk, ramdisk, sized
from rootstream.description.machine import USUAL_MEMORY, BootFrom, BootImage, Machine
from rootstream.errors import UserError
from rootstream.netboot.power import qemu as netboot_qemu
from rootstream.sandbox.images.compress import compressor
from rootstream.sandbox.images.cpio import ALIGNMENT, cpio_size, write_cpio
from rootstream.sandbox.tree import Tree, text_file

MIB = 1 << 20
needs_zstd = pytest.mark.skipif(shutil.which("zstd") is None, reason="zstd is in the build base, not here")


def archive(size: int = 300_001) -> bytes:
    tree = Tree()
    tree.put("init", text_file(b"x" * size, 0o755))
    tree.put("etc/motd", text_file(b"hello\n"))
    output = io.BytesIO()
    write_cpio(tree, output, 0)
    data = output.getvalue()
    assert cpio_size(tree) == len(data)
    return data


@cache
def packed(size: int) -> bytes:
    """Return an archive of many megabytes, compressed."""
    return gzip.compress(archive(size), 1)


def zstd(data: bytes, *, noted: bool) -> bytes:
    argv = compressor("zstd", 3, kernel=True, size=len(data) if noted else None)
    return subprocess.run(argv, input=data, stdout=subprocess.PIPE, check=True).stdout


def sizes(folder: Path, *pieces: bytes) -> Ramdisk:
    path = folder / "initramfs"
    path.write_bytes(b"".join(pieces))
    return ramdisk(path)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, lzma.compress])
def test_archives_one_after_the_other(tmp_path: Path, pack: Callable[[bytes], bytes]) -> None:
    data, second = archive(), archive(10)
    found = sizes(tmp_path, pack(data), bytes(512), pack(second), bytes(4), second)
    assert found.exact
    assert found.unpacked == pytest.approx(len(data) + 2 * len(second), abs=3 * ALIGNMENT)
    assert found.packed == (tmp_path / "initramfs").stat().st_size


@needs_zstd
def test_zstd_notes_what_it_packed(tmp_path: Path) -> None:
    data, second = archive(), archive(10)
    found = sizes(tmp_path, zstd(data, noted=True), second, zstd(second, noted=True))
    assert found.exact
    assert found.unpacked == pytest.approx(len(data) + 2 * len(second), abs=ALIGNMENT)


@needs_zstd
def test_zstd_that_did_not_know_is_guessed(tmp_path: Path) -> None:
    data = archive()
    found = sizes(tmp_path, zstd(data, noted=False), data)
    assert not found.exact
    assert found.unpacked > len(data)


@pytest.mark.parametrize(
    "data",
    [b"\x04\x22\x4d\x18" + b"lz4" * 100, archive()[:-600], gzip.compress(archive())[:-9], b"\x28\xb5\x2f\xfd\x00"],
)
def test_what_cannot_be_read_is_guessed(tmp_path: Path, data: bytes) -> None:
    found = sizes(tmp_path, data)
    assert not found.exact
    assert found.unpacked == 4 * len(data)


def image(path: Path, kind: BootFrom = "initramfs", ramdisk: str | None = None) -> BootImage:
    return BootImage(kind=kind, kernel="bzImage", file=str(path), name="it", ramdisk=ramdisk)


def test_a_small_root_has_the_usual_memory(tmp_path: Path) -> None:
    path = tmp_path / "initramfs"
    path.write_bytes(archive())
    assert sized(Machine(), image(path)).memory == USUAL_MEMORY


@pytest.mark.parametrize("kind", ["initramfs", "iso", "uki"])
def test_memory_follows_from_the_root(tmp_path: Path, kind: BootFrom) -> None:
    path = tmp_path / "initramfs"
    path.write_bytes(packed(100 * MIB))
    found = sized(Machine(), image(path, kind, ramdisk=str(path))).memory
    assert found is not None
    assert 2 * 100 * MIB + 128 * MIB <= found < 400 * MIB


def test_memory_that_cannot_hold_the_root_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "initramfs"
    path.write_bytes(packed(100 * MIB))
    with pytest.raises(UserError) as caught:
        sized(Machine(memory=100 * MIB), image(path))
    assert caught.value.reason == "not-enough-memory"
    assert sized(Machine(memory=128 * MIB), image(path)).memory == 128 * MIB


def test_a_disk_needs_no_more(tmp_path: Path) -> None:
    assert sized(Machine(), image(tmp_path / "disk.img", "disk")).memory == USUAL_MEMORY


def test_a_machine_on_the_network_has_room_for_what_it_boots(tmp_path: Path) -> None:
    path = tmp_path / "initramfs"
    path.write_bytes(packed(260 * MIB))
    most = netboot_qemu.memory(path)
    assert most > 520 * MIB
    path.write_bytes(archive())
    assert netboot_qemu.memory(path) == netboot_qemu.memory(None) == netboot_qemu.memory(tmp_path / "gone")
    assert netboot_qemu.memory(None) < most
