"""A unified kernel image: an EFI program that holds kernel, arguments and initramfs as sections of its own.

The sections are those of the UAPI group's "Unified Kernel Image"; the stub that starts them is systemd's. Run as
`python3 -m rootstream.sandbox.images.uki --stub STUB --kernel K [--initramfs I] --arguments FILE -o FILE`.
"""

from __future__ import annotations

import argparse
import struct
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rootstream.sandbox.program import Mistake, run_main, whole_file
from rootstream.sandbox.tree import Content, Literal, Slice

GRAIN = 4096  # sections begin at such places of the file: whole sectors of a disk and of a CD
# What UEFI calls the architectures (PE format, "Machine Types"): the name of a medium's program is BOOT*.EFI.
MACHINES = {0x8664: "X64", 0xAA64: "AA64", 0x5064: "RISCV64", 0x014C: "IA32", 0x01C2: "ARM"}
FLAGS = 0x40000040  # initialized data, readable
SECTION = 40
LARGEST = 1 << 31
OPTIONAL = {0x10B, 0x20B}
SIGNATURES = 4  # number of the data directory for signatures


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a PE header says; places are offsets in the file."""

    machine: str
    coff: int
    optional: int
    table: int
    sections: int
    file_grain: int
    memory_grain: int
    headers: int
    first: int
    memory_end: int


def program(data: bytes, what: str) -> Program:
    """Read the header of an EFI program (Microsoft's "PE Format"); `Mistake` if it is none."""
    try:
        return _program(data)
    except (ValueError, struct.error) as error:
        raise Mistake(f"{what} is not an EFI executable: {error}") from error


def _program(data: bytes) -> Program:
    if data[:2] != b"MZ":
        raise ValueError("it does not begin with MZ")
    coff = struct.unpack_from("<I", data, 0x3C)[0] + 4
    if data[coff - 4 : coff] != b"PE\0\0":
        raise ValueError("it has no PE header")
    machine, sections, size = struct.unpack_from("<HH12xH", data, coff)
    optional = coff + 20
    if machine not in MACHINES or struct.unpack_from("<H", data, optional)[0] not in OPTIONAL:
        raise ValueError(f"its machine {machine:#x} or its header is unknown")
    memory_grain, file_grain = struct.unpack_from("<II", data, optional + 32)
    headers = struct.unpack_from("<I", data, optional + 60)[0]
    table = optional + size
    ends, begins = [headers], [len(data)]
    for number in range(sections):
        length, address, _, raw = struct.unpack_from("<IIII", data, table + number * SECTION + 8)
        ends.append(address + length)
        begins += [raw] if raw else []
    if not file_grain or GRAIN % file_grain or not memory_grain:
        raise ValueError(f"its alignments {file_grain} and {memory_grain} are unusual")
    return Program(
        machine=MACHINES[machine],
        coff=coff,
        optional=optional,
        table=table,
        sections=sections,
        file_grain=file_grain,
        memory_grain=memory_grain,
        headers=headers,
        first=min(begins),
        memory_end=max(ends),
    )


def efi_name(stub: bytes) -> str:
    """Return the path of the program that UEFI starts from a medium without being told (UEFI, 3.5.1.1)."""
    return f"EFI/BOOT/BOOT{program(stub, 'the stub').machine}.EFI"


def write_uki(output: IO[bytes], stub: bytes, parts: Sequence[tuple[str, Content]]) -> dict[str, tuple[int, int]]:
    """Write the stub with sections added, and return where each came to lie: offset and size in bytes."""
    head = program(stub, "the stub")
    if head.table + (head.sections + len(parts)) * SECTION > min(head.headers, head.first):
        raise Mistake("the stub's header has no room for the sections of a unified kernel image")
    made = bytearray(stub)
    rows: list[tuple[str, int, int, int]] = []
    place, address = _up(len(stub), GRAIN), _up(head.memory_end, head.memory_grain)
    for name, content in parts:
        rows.append((name, content.size, address, place))
        address = _up(address + content.size, head.memory_grain)
        place = _up(place + content.size, GRAIN)
    if max(place, address) > LARGEST:
        sizes = ", ".join(f"{name} {content.size}" for name, content in parts)
        raise Mistake(
            f"a unified kernel image can have {LARGEST} bytes and would have {max(place, address)}: {sizes}"
        )
    for number, (name, size, at, raw) in enumerate(rows):
        entry = struct.pack("<8sIIII12xI", name.encode(), size, at, _up(size, head.file_grain), raw, FLAGS)
        start = head.table + (head.sections + number) * SECTION
        made[start : start + SECTION] = entry
    struct.pack_into("<H", made, head.coff + 2, head.sections + len(parts))
    struct.pack_into("<I", made, head.optional + 56, address)
    struct.pack_into("<I", made, head.optional + 64, 0)  # the checksum, which UEFI does not look at
    output.write(made)
    written = len(made)
    for (_, size, _, raw), (_, content) in zip(rows, parts, strict=True):
        output.write(bytes(raw - written))
        for piece in content.chunks():
            output.write(piece)
        written = raw + size
    output.write(bytes(_up(written, GRAIN) - written))
    return {name: (raw, size) for name, size, _, raw in rows}


def _up(value: int, grain: int) -> int:
    return -(-value // grain) * grain


def parts(
    *, stub: bytes, kernel: Content, initramfs: Content | None, arguments: str, name: str
) -> list[tuple[str, Content]]:
    """Return the sections of a unified kernel image; `Mistake` if the kernel is not for UEFI or other machines."""
    first = next(kernel.chunks(), b"")
    try:
        found = _program(first).machine
    except (ValueError, struct.error) as error:
        raise Mistake(
            f"the kernel cannot be started by UEFI ({error}): it needs CONFIG_EFI=y and CONFIG_EFI_STUB=y"
        ) from error
    wanted = program(stub, "the stub").machine
    if found != wanted:
        raise Mistake(f"the kernel is for {found} machines, the stub for {wanted}")
    made: list[tuple[str, Content]] = [
        (".osrel", Literal(f'ID=rootstream\nNAME="{name}"\nPRETTY_NAME="{name}"\n'.encode())),
        (".cmdline", Literal(arguments.encode())),
    ]
    if initramfs is not None:
        made.append((".initrd", initramfs))
    return [*made, (".linux", kernel)]


def whole(path: Path) -> Slice:
    """Return a file as contents."""
    return Slice(path, 0, path.stat().st_size)


def _main(options: argparse.Namespace) -> None:
    stub = options.stub.read_bytes()
    sections = parts(
        stub=stub,
        kernel=whole(options.kernel),
        initramfs=whole(options.initramfs) if options.initramfs else None,
        arguments=options.arguments.read_text().strip("\n"),
        name=options.name,
    )
    with whole_file(options.output) as draft, draft.open("wb") as file:
        write_uki(file, stub, sections)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="uki", description=__doc__)
    parser.add_argument("--stub", type=Path, required=True)
    parser.add_argument("--kernel", type=Path, required=True)
    parser.add_argument("--initramfs", type=Path)
    parser.add_argument("--arguments", type=Path, required=True, help="file with the kernel's arguments")
    parser.add_argument("--name", default="Linux", help="what boot menus call it")
    parser.add_argument("-o", "--output", type=Path, required=True)
    return parser


if __name__ == "__main__":
    sys.exit(run_main(_main, _parser()))
