"""How much memory a machine needs for a root that is unpacked into it, read from the image itself.

A root of 250 MB in a machine with 256 MB ends in a kernel panic that does not say why.
"""

from __future__ import annotations

import lzma
import re
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from rootstream.description.machine import USUAL_MEMORY, BootImage, Machine
from rootstream.errors import UserError, Where
from rootstream.formats.units import show_size

_KERNEL = 128 << 20  # beside the root: kernel, its tables, programs
_GRAIN = 64 << 20
_GUESS = 4  # how much is usually packed into a byte
_PIECE = 1 << 20
_STREAM_PIECE = 1 << 14  # of what may unpack to thousands of times as much
_NEWC, _NEWC_HEAD = (b"070701", b"070702"), 110
_HEX = re.compile(rb"[0-9A-Fa-f]{104}")
_DICTIONARY = 256 << 20  # bytes of memory that unpacking may take
_GZIP, _XZ, _ZSTD = b"\x1f\x8b", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"


class _Unpacker(Protocol):
    """What unpacks a stream, of zlib or of lzma."""

    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, /) -> bytes: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ramdisk:
    """Sizes in bytes of an initramfs; `exact` is whether `unpacked` is known and not guessed."""

    packed: int
    unpacked: int
    exact: bool

    @property
    def least(self) -> int:
        """Return what it takes while it is unpacked: both forms are in memory then."""
        return self.packed + self.unpacked

    @property
    def wanted(self) -> int:
        """Return what lets it run: Linux's tmpfs takes up to half of the memory (tmpfs(5))."""
        return max(USUAL_MEMORY, -(-(2 * self.unpacked + self.packed + _KERNEL) // _GRAIN) * _GRAIN)


def sized(machine: Machine, image: BootImage) -> Machine:
    """Return a machine with its memory settled for an image, which is there.

    Raises `UserError` not-enough-memory for one whose description gives less than the image surely needs.
    """
    path = image.file if image.kind == "initramfs" else image.ramdisk
    found = ramdisk(Path(path)) if path else None
    if machine.memory is None:
        return machine.model_copy(update={"memory": found.wanted if found else USUAL_MEMORY})
    if found and found.exact and machine.memory < found.least:
        raise UserError(
            "not-enough-memory",
            f"the root takes {show_size(_rounded(found.unpacked))} of memory unpacked and "
            f"{show_size(_rounded(found.packed))} packed, and the machine has {show_size(machine.memory)}",
            where=Where(path=Path(path)) if path else None,
            hint=f"Set `machine: {{memory: {show_size(found.wanted)}}}`, or remove `memory`.",
        )
    return machine


def _rounded(size: int) -> int:
    return -(-size >> 20 << 20) if size >= 1 << 20 else size


def ramdisk(path: Path) -> Ramdisk:
    """Return the sizes of an initramfs: archives, packed or not, one after the other.

    The format is that of Documentation/driver-api/early-userspace/buffer-format.rst in the kernel.
    """
    packed = path.stat().st_size
    unpacked, exact = 0, True
    with path.open("rb") as file:
        while (head := _skip_padding(file)) is not None:
            start = file.tell()
            try:
                size, known = _piece(file, head)
            except (zlib.error, lzma.LZMAError, ValueError, EOFError, IndexError):
                size, known = None, False
            if size is None or file.tell() <= start:
                return Ramdisk(packed=packed, unpacked=unpacked + (packed - start) * _GUESS, exact=False)
            unpacked, exact = unpacked + size, exact and known
    return Ramdisk(packed=packed, unpacked=unpacked, exact=exact)


def _skip_padding(file: IO[bytes]) -> bytes | None:
    """Go on to the next byte that is not zero; return it with those behind it, None at the end."""
    while data := file.read(_PIECE):
        rest = data.lstrip(b"\0")
        if rest:
            file.seek(-len(rest), 1)
            head = file.read(8)
            file.seek(-len(head), 1)
            return head
    return None


def _piece(file: IO[bytes], head: bytes) -> tuple[int | None, bool]:
    """Read one archive or packed stream; return its size unpacked (None if it is of no known kind)."""
    if head.startswith(_NEWC):
        return _newc(file), True
    if head.startswith(_ZSTD):
        return _zstd(file)
    if head.startswith(_GZIP):
        return _unpacked(file, zlib.decompressobj(zlib.MAX_WBITS | 16)), True
    if head.startswith(_XZ):
        return _unpacked(file, lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_DICTIONARY)), True
    return None, False


def _newc(file: IO[bytes]) -> int:
    """Go over an archive up to its trailer, which is its last entry."""
    start = file.tell()
    while True:
        head = file.read(_NEWC_HEAD)
        if not head.startswith(_NEWC) or len(head) < _NEWC_HEAD:
            raise ValueError("not an entry of an archive")
        if not _HEX.fullmatch(head[6:]):
            raise ValueError("not an entry of an archive")
        size, length = int(head[54:62], 16), int(head[94:102], 16)
        name = file.read(min(length, 4096))
        file.seek(-(_NEWC_HEAD + length) % 4 + length - len(name) + size + -size % 4, 1)
        if name.rstrip(b"\0") == b"TRAILER!!!":
            return file.tell() - start


def _unpacked(file: IO[bytes], packer: _Unpacker) -> int:
    """Unpack a stream and count; go to its end."""
    size = 0
    while not packer.eof:
        data = file.read(_STREAM_PIECE)
        if not data:
            raise EOFError
        size += len(packer.decompress(data))
    file.seek(-len(packer.unused_data), 1)
    return size


def _zstd(file: IO[bytes]) -> tuple[int, bool]:
    """Go over a frame; its size is in its header, if who packed it knew it (RFC 8878, 3.1.1)."""
    start = file.tell()
    file.seek(4, 1)
    flags = file.read(1)[0]
    single = flags >> 5 & 1
    file.seek((0 if single else 1) + (0, 1, 2, 4)[flags & 3], 1)
    length = (single, 2, 4, 8)[flags >> 6]
    size = int.from_bytes(file.read(length), "little") + (256 if length == 2 else 0)  # noqa: PLR2004
    while True:
        block = file.read(3)
        if len(block) < 3:  # noqa: PLR2004
            raise EOFError
        number = int.from_bytes(block, "little")
        file.seek(1 if number >> 1 & 3 == 1 else number >> 3, 1)  # one that repeats a byte holds it once
        if number & 1:
            break
    file.seek(4 if flags >> 2 & 1 else 0, 1)
    return (size, True) if length else ((file.tell() - start) * _GUESS, False)
