"""Programs and libraries whose shared libraries were dropped from a root: they end before they begin.

System V ABI, "Dynamic Section" (gabi 4+, chapter 5).
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Collection, Iterator

from rootstream.formats.elf import MAGIC, MOST_SEGMENTS
from rootstream.sandbox.tree import InodeKind, Slice, Tree, shown

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NEEDED, DT_STRTAB, DT_STRSZ = 1, 5, 10
HEADER, SEGMENT = 64, 32  # the header of 64 bits is the longer, the segment of 32 the shorter
LARGEST = 1 << 20  # of a dynamic section or its strings
LONGEST = 255  # of a file's name, in bytes
MOST_TOLD = 10
Read = Callable[[int, int], bytes]  # offset, size


def libraries(tree: Tree) -> frozenset[str]:
    """Return the names that shared libraries have, wherever they are."""
    names = (path.rpartition("/")[2] for path, _, _ in tree.walk())
    return frozenset(name for name in names if name.endswith(".so") or ".so." in name)


def lacking(tree: Tree, gone: Collection[str]) -> tuple[str, ...]:
    """Return, for people, what is linked with libraries that are gone."""
    found = []
    for path, _, inode in tree.walk() if gone else ():
        if inode.kind is InodeKind.FILE and isinstance(inode.content, Slice):
            found += [
                f"{shown(path)} needs {name}, which is dropped" for name in _needed(inode.content) if name in gone
            ]
    more = len(found) - MOST_TOLD
    return (*found[:MOST_TOLD], *([f"{more} more need dropped files"] if more > 0 else []))


def _needed(content: Slice) -> tuple[str, ...]:
    handle = os.open(content.path, os.O_RDONLY | os.O_CLOEXEC)
    try:

        def read(offset: int, size: int) -> bytes:
            inside = max(0, min(size, content.size - offset))
            return os.pread(handle, inside, content.offset + offset) if inside else b""

        return tuple(needed(read))
    except (struct.error, KeyError, OverflowError):
        return ()  # whatever it is, nothing can start it
    finally:
        os.close(handle)


def needed(read: Read) -> Iterator[str]:
    """Yield the names of the libraries that an ELF file is linked with; none for another file."""
    head = read(0, HEADER)
    if not head.startswith(MAGIC) or len(head) < HEADER:
        return
    wide, order = {1: False, 2: True}[head[4]], {1: "<", 2: ">"}[head[5]]
    (table,) = struct.unpack_from(f"{order}{'Q' if wide else 'I'}", head, 32 if wide else 28)
    size, count = struct.unpack_from(f"{order}HH", head, 54 if wide else 42)
    if size < SEGMENT:
        return
    rows = read(table, size * min(count, MOST_SEGMENTS))
    segments = [_segment(rows, at, order, wide=wide) for at in range(0, len(rows) - size + 1, size)]
    for kind, offset, _, length in segments:
        if kind == PT_DYNAMIC:
            entries = _entries(read(offset, min(length, LARGEST)), order, wide=wide)
            told = dict(entries)
            strings = _at(segments, told.get(DT_STRTAB, 0))
            text = read(strings, min(told.get(DT_STRSZ, 0), LARGEST)) if strings is not None else b""
            for tag, value in entries:
                end = text.find(b"\0", value, value + LONGEST + 1) if value < len(text) else -1
                if tag == DT_NEEDED and end > value:
                    yield text[value:end].decode("utf-8", "replace")
            return  # there is one such segment


def _segment(rows: bytes, at: int, order: str, *, wide: bool) -> tuple[int, int, int, int]:
    """Return kind, offset, address and length in the file."""
    (kind,) = struct.unpack_from(f"{order}I", rows, at)
    form, start = ("4Q", at + 8) if wide else ("4I", at + 4)
    offset, address, _, length = struct.unpack_from(f"{order}{form}", rows, start)
    return kind, offset, address, length


def _entries(data: bytes, order: str, *, wide: bool) -> list[tuple[int, int]]:
    form = f"{order}2{'Q' if wide else 'I'}"
    whole = len(data) - len(data) % struct.calcsize(form)
    return [(tag, value) for tag, value in struct.iter_unpack(form, data[:whole])]


def _at(segments: list[tuple[int, int, int, int]], address: int) -> int | None:
    """Return where in the file an address is."""
    for kind, offset, begin, length in segments:
        if kind == PT_LOAD and begin <= address < begin + length:
            return address - begin + offset
    return None
