"""Kernels: what they are, and what is made of them where QEMU could not start them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from rootstream.architectures import Architecture
from rootstream.boot.kernelfile import kind_of, load_segments, prepared
from rootstream.boot.media import look
from rootstream.description.machine import BootImage
from rootstream.errors import UserError


def elf(*addresses: int, bits: int = 64, order: str = "<") -> bytes:
    """Return the headers of a kernel with a segment at each physical address, and one that is not loaded."""
    wide = bits == 64
    head, size = (64, 56) if wide else (52, 32)
    ident = b"\x7fELF" + bytes((2 if wide else 1, 1 if order == "<" else 2, 1)).ljust(12, b"\0")
    form = f"{order}HHI{'QQQ' if wide else 'III'}IHHHHHH"
    start = ident + struct.pack(form, 2, 0, 1, 0, head, 0, 0, head, size, len(addresses) + 1, 0, 0, 0)
    kinds = [(1, address) for address in addresses] + [(4, 0)]
    if wide:
        table = [struct.pack(f"{order}IIQQQQQQ", kind, 5, 0, 0xC0, address, 0, 0, 0) for kind, address in kinds]
    else:
        table = [struct.pack(f"{order}IIIIIIII", kind, 0, 0xC0, address, 0, 0, 5, 0) for kind, address in kinds]
    return start + b"".join(table)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"\0" * 0x202 + b"HdrS", "bzImage"),
        (b"MZ".ljust(56, b"\0") + b"RSC\x05", "Image"),
        (b"MZ".ljust(56, b"\0") + b"ARM\x64", "Image"),
        (b"\0" * 0x24 + b"\x18\x28\x6f\x01", "zImage"),
        (b"\x27\x05\x19\x56", "uImage"),
        (elf(0), "vmlinux"),
        (b"\x1f\x8b", None),
        (b"", None),
    ],
)
def test_a_kernel_is_told_by_its_first_bytes(head: bytes, kind: str | None) -> None:
    assert kind_of(head) == kind


@pytest.mark.parametrize(("arch", "bits", "ram"), [("riscv64", 64, 0x80200000), ("riscv32", 32, 0x80400000)])
def test_a_vmlinux_at_address_0_is_moved_to_where_the_memory_is(
    tmp_path: Path, arch: Architecture, bits: int, ram: int
) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(elf(0, 0x1000, bits=bits) + b"code")
    run = tmp_path / "run"
    run.mkdir()
    place = prepared(kernel, arch, run)
    assert place.parent == run
    assert [address for _, address, _ in load_segments(place.read_bytes())] == [ram, ram + 0x1000]
    assert place.read_bytes().endswith(b"code")
    assert kernel.read_bytes() == elf(0, 0x1000, bits=bits) + b"code"
    assert prepared(place, arch, tmp_path) == place


def test_other_kernels_are_given_as_they_are(tmp_path: Path) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(elf(0, bits=32, order=">"))
    assert prepared(kernel, "powerpc", tmp_path) == kernel
    assert load_segments(kernel.read_bytes()) == [(64, 0, ">I")]
    kernel.write_bytes(b"\x1f\x8b an Image, gzip'd")
    assert prepared(kernel, "aarch64", tmp_path) == kernel


@pytest.mark.parametrize(
    ("head", "arch", "reason"),
    [
        (b"\0" * 0x202 + b"HdrS", "riscv64", "kernel-not-startable"),
        (elf(0), "aarch64", "kernel-not-startable"),
        (b"\x27\x05\x19\x56", "x86_64", "kernel-not-startable"),
        (b"\x7fELF" + b"\x09" * 60, "riscv64", "image-broken"),
        (elf(0)[:70], "riscv64", "image-broken"),
        (b"\x7fELF", "riscv64", "image-broken"),
        (elf(*[0] * 300), "riscv64", "image-broken"),
    ],
)
def test_kernels_that_cannot_start(tmp_path: Path, head: bytes, arch: Architecture, reason: str) -> None:
    kernel = tmp_path / "kernel"
    kernel.write_bytes(head)
    with pytest.raises(UserError) as caught:
        prepared(kernel, arch, tmp_path)
    assert caught.value.reason == reason


def test_a_capsule_is_no_ramdisk(tmp_path: Path) -> None:
    kernel = tmp_path / "supervisor"
    kernel.write_bytes(elf(0))
    assert look(BootImage(kind="capsule", kernel=str(kernel), file=str(kernel), name="x")).ramdisk is False
