"""ELF files: what they are made for, where their segments are loaded, and the same moved elsewhere.

System V ABI, "ELF Header" and "Program Header" (gabi 4+, chapters 4 and 5).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

MAGIC = b"\x7fELF"
EXECUTABLE = (2, 3)  # ET_EXEC, ET_DYN
PT_LOAD = 1
MOST_SEGMENTS = 256
MACHINES = {"powerpc": 20, "x86_64": 62, "aarch64": 183, "riscv64": 243, "riscv32": 243}
BITS = {"powerpc": 32, "x86_64": 64, "aarch64": 64, "riscv64": 64, "riscv32": 32}


class NotElf(ValueError):  # noqa: N818  (what it is, not what went wrong)
    """The file is no ELF file, or not a whole one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A loaded part; `at` is where its header is in the file, the rest in bytes and as the ABI calls it."""

    at: int
    offset: int
    virtual: int
    physical: int
    filesz: int
    memsz: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Elf:
    """The header of an ELF file and its loaded segments; `flags` are the processor's (the ABI of RISC-V)."""

    bits: int
    order: str
    type: int
    machine: int
    entry: int
    flags: int
    segments: tuple[Segment, ...]

    @property
    def lowest(self) -> int:
        """Return the lowest physical address that is loaded to."""
        return min(segment.physical for segment in self.segments)

    def physical_entry(self) -> int:
        """Return where in memory it begins; the entry may be a virtual address or be physical already.

        Raises `NotElf` for one that is in no segment.
        """
        for segment in self.segments:
            for begin in (segment.virtual, segment.physical):
                if begin <= self.entry < begin + segment.memsz:
                    return self.entry - begin + segment.physical
        raise NotElf(f"its entry point, {self.entry:#x}, is not in any segment")


def read(data: bytes) -> Elf:
    """Return what an ELF file says of itself; raises `NotElf`."""
    try:
        return _read(data)
    except OverflowError as error:
        raise NotElf("broken headers: an offset beyond any file") from error
    except (struct.error, IndexError, KeyError) as error:
        raise NotElf(f"broken headers: {error}") from error


def _read(data: bytes) -> Elf:
    if not data.startswith(MAGIC):
        raise NotElf("it is not an ELF file")
    bits, order = {1: 32, 2: 64}[data[4]], {1: "<", 2: ">"}[data[5]]
    word = "Q" if bits == 64 else "I"  # noqa: PLR2004
    kind, machine = struct.unpack_from(f"{order}HH", data, 16)
    entry, table, _ = struct.unpack_from(f"{order}3{word}", data, 24)
    after = 24 + 3 * struct.calcsize(f"{order}{word}")
    flags, _, size, count = struct.unpack_from(f"{order}IHHH", data, after)
    if count > MOST_SEGMENTS or size != (56 if bits == 64 else 32):  # noqa: PLR2004
        raise NotElf(f"{count} segments of {size} bytes")
    found = (_segment(data, table + number * size, bits, order) for number in range(count))
    segments = tuple(segment for segment in found if segment is not None)
    if not segments:
        raise NotElf("it has no loadable segments")
    return Elf(bits=bits, order=order, type=kind, machine=machine, entry=entry, flags=flags, segments=segments)


def _segment(data: bytes, at: int, bits: int, order: str) -> Segment | None:
    if struct.unpack_from(f"{order}I", data, at)[0] != PT_LOAD:
        return None
    if bits == 64:  # noqa: PLR2004
        offset, virtual, physical, filesz, memsz = struct.unpack_from(f"{order}5Q", data, at + 8)
    else:
        offset, virtual, physical, filesz, memsz = struct.unpack_from(f"{order}5I", data, at + 4)
    if offset + filesz > len(data) or filesz > memsz:
        raise NotElf("a segment extends beyond the end of the file")
    return Segment(at=at, offset=offset, virtual=virtual, physical=physical, filesz=filesz, memsz=memsz)


def moved(data: bytes, by: int, *, entry: int) -> bytes:
    """Return the file with every segment loaded `by` bytes higher, and another entry; raises `NotElf`."""
    elf = read(data)
    word = "Q" if elf.bits == 64 else "I"  # noqa: PLR2004
    inner = 24 if elf.bits == 64 else 12  # noqa: PLR2004
    changed = bytearray(data)
    try:
        for segment in elf.segments:
            struct.pack_into(f"{elf.order}{word}", changed, segment.at + inner, segment.physical + by)
        struct.pack_into(f"{elf.order}{word}", changed, 24, entry)
    except struct.error as error:
        raise NotElf(f"a segment cannot be moved {by:#x} bytes up: {error}") from error
    return bytes(changed)


def flat(data: bytes) -> bytes:
    """Return the memory that an ELF file is loaded to, from its lowest address on, as `objcopy -O binary` does.

    Raises `NotElf`, also where the segments are further apart than the file is long.
    """
    elf = read(data)
    end = max(segment.physical + segment.filesz for segment in elf.segments)
    if end - elf.lowest > 4 * len(data):
        raise NotElf("its segments are too far apart")
    memory = bytearray(end - elf.lowest)
    for segment in elf.segments:
        begin = segment.physical - elf.lowest
        memory[begin : begin + segment.filesz] = data[segment.offset : segment.offset + segment.filesz]
    return bytes(memory)
