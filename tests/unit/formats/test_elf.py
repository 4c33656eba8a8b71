"""ELF files as capsules and uImages need them, on files made here word by word."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from rootstream.formats import elf
from rootstream.sandbox.images import capsule
from rootstream.sandbox.program import Mistake

VIRTUAL = 0xFFFFFFFF80000000


def made(
    *,
    bits: int = 64,
    order: str = "<",
    machine: int = 243,
    entry: int = VIRTUAL,
    kind: int = 2,
    segments: tuple[tuple[int, int, bytes, int], ...] = ((VIRTUAL, 0, b"text", 8),),
) -> bytes:
    """Return an ELF file with segments of (virtual address, physical address, bytes, size in memory)."""
    word = "Q" if bits == 64 else "I"
    head, size = (64, 56) if bits == 64 else (52, 32)
    mask = (1 << bits) - 1
    ident = elf.MAGIC + bytes([bits // 32, 1 if order == "<" else 2, 1]) + bytes(9)
    rest = struct.pack(f"{order}HHI", kind, machine, 1) + struct.pack(f"{order}3{word}", entry & mask, head, 0)
    rest += struct.pack(f"{order}I6H", 5, head, size, len(segments), 0, 0, 0)
    table, data = b"", b""
    begin = head + size * len(segments)
    for virtual, physical, content, memory in segments:
        places = (begin + len(data), virtual & mask, physical, len(content), memory)
        if bits == 64:
            table += struct.pack(f"{order}2I5QQ", 1, 5, *places, 4096)
        else:
            table += struct.pack(f"{order}6I2I", 1, *places, 5, 4096)
        data += content
    return ident + rest + table + data


@pytest.mark.parametrize(("bits", "order"), [(64, "<"), (32, "<"), (32, ">"), (64, ">")])
def test_what_a_file_says_of_itself(bits: int, order: str) -> None:
    found = elf.read(made(bits=bits, order=order, entry=0x1004, segments=((0x1000, 0x20, b"abcd", 8),)))
    assert (found.bits, found.order, found.machine, found.type, found.flags) == (bits, order, 243, 2, 5)
    assert (found.lowest, found.entry, found.physical_entry()) == (0x20, 0x1004, 0x24)


@pytest.mark.parametrize(
    "broken",
    [
        b"",
        b"\x7fELF",
        b"MZ" + bytes(100),
        made()[:70],
        made(segments=()),
        made().replace(b"text", b""),
        made(segments=((0, 0, b"longer", 2),)),
        elf.MAGIC + bytes([9]) + made()[5:],
    ],
)
def test_what_is_no_whole_elf_file(broken: bytes) -> None:
    with pytest.raises(elf.NotElf):
        elf.read(broken)


def test_an_entry_outside_of_all_segments() -> None:
    with pytest.raises(elf.NotElf, match="not in any segment"):
        elf.read(made(entry=0x5000)).physical_entry()


def test_a_file_as_it_lies_in_memory() -> None:
    data = made(segments=((0x1000, 0x1000, b"one", 16), (0x1010, 0x1010, b"two", 3)))
    assert elf.flat(data) == b"one" + bytes(13) + b"two"


def test_segments_too_far_apart_to_be_one_file() -> None:
    with pytest.raises(elf.NotElf, match="far apart"):
        elf.flat(made(segments=((0, 0, b"one", 3), (1 << 30, 1 << 30, b"two", 3))))


def test_a_capsule_is_loaded_and_entered_where_memory_is() -> None:
    data = made(segments=((VIRTUAL, 0, b"text", 8), (VIRTUAL + 0x1000, 0x1000, b"archive", 7)))
    found = elf.read(capsule.checked(data, "riscv64", 0x80200000, b"archive", physical=True))
    assert [segment.physical for segment in found.segments] == [0x80200000, 0x80201000]
    assert [segment.virtual for segment in found.segments] == [VIRTUAL, VIRTUAL + 0x1000]
    assert found.entry == 0x80200000
    linked = elf.read(capsule.checked(data, "riscv64", 0x80200000, b"archive", physical=False))
    assert linked.entry == VIRTUAL


def test_a_capsule_as_it_is_linked() -> None:
    data = made(segments=((VIRTUAL, 0, b"archive", 8),))
    assert capsule.checked(data, "riscv64", 0, b"archive", physical=False) == data


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            {"bits": 32, "entry": 0, "segments": ((0, 0, b"archive", 8),)},
            "32 bits for machine 243, not for riscv64",
        ),
        ({"machine": 62}, "machine 62, not for riscv64"),
        ({"kind": 1}, "not an executable"),
        ({"entry": 0x10}, "not in any segment"),
        ({"segments": ((VIRTUAL, 0, b"other", 8),)}, "does not contain the initramfs"),
    ],
)
def test_what_is_no_capsule(words: dict[str, object], said: str) -> None:
    data = made(**{"segments": ((VIRTUAL, 0, b"archive", 8),), **words})  # type: ignore[arg-type]
    with pytest.raises(Mistake, match=said):
        capsule.checked(data, "riscv64", 0x80200000, b"archive", physical=True)


def test_how_the_kernel_linked(tmp_path: Path) -> None:
    (tmp_path / "link.env").write_text("CC=gcc -a\0LD=ld\0KBUILD_LDS=a=b\0")
    (tmp_path / "link.args").write_text("ld\0-m x -z y\0\0")
    assert capsule.settings(tmp_path) == (
        {"CC": "gcc -a", "LD": "ld", "KBUILD_LDS": "a=b"},
        ["ld", "-m x -z y", ""],
    )
