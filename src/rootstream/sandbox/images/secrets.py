"""Keeps placeholders of secrets as they are in whatever packs an image, so that an export can replace them.

Compressors are led around them: what holds one goes into the stream uncompressed. The stream unpacks to the same
bytes as any other, with ordinary programs.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Container, Iterator
from functools import partial
from pathlib import Path
from typing import IO

from rootstream.sandbox.images.compress import compressor
from rootstream.sandbox.program import CHUNK, feed
from rootstream.sandbox.tree import InodeKind, Tree

PLACEHOLDER = re.compile(rb"\$rssecret\$[0-9a-f]+")
LARGEST = 128 << 10  # no file with a placeholder is larger
PIECE = 65535
STORED = 32 << 10


def bearing(tree: Tree, among: Container[str] | None = None) -> tuple[str, ...]:
    """Return the files (those `among` some, if given) that hold a placeholder, by their literal paths."""
    found = []
    for path, _, inode in tree.walk():
        if among is not None and path not in among:
            continue
        content = inode.content
        small = inode.kind is InodeKind.FILE and content is not None and content.size <= LARGEST
        if small and content is not None and PLACEHOLDER.search(b"".join(content.chunks())):
            found.append(path)
    return tuple(found)


def write_around(kind: str, level: int | None, path: Path, output: IO[bytes], epoch: int) -> None:
    """Write a file compressed, placeholders as they are; `kind` is gzip, xz or zstd."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        spans = [match.span() for match in PLACEHOLDER.finditer(data)]
        if kind == "gzip":
            _gzip(data, spans, output, 9 if level is None else level)
            return
        raw = {"xz": raw_xz, "zstd": raw_zstd}[kind]
        at = 0
        for start, end in [*spans, (len(data), len(data))]:
            if start > at:
                argv = compressor(kind, level, size=start - at)
                feed(list(argv), partial(_copy, data, at, start), epoch=epoch, stdout=output)
            output.seek(0, 2)
            for piece in _pieces(data, start, end, STORED):
                output.write(raw(piece))
            output.flush()
            at = end


def _copy(data: mmap.mmap, start: int, end: int, pipe: IO[bytes]) -> None:
    for piece in _pieces(data, start, end, CHUNK):
        pipe.write(piece)


def _pieces(data: mmap.mmap, start: int, end: int, size: int) -> Iterator[bytes]:
    for place in range(start, end, size):
        yield data[place : min(end, place + size)]


def _gzip(data: mmap.mmap, spans: list[tuple[int, int]], output: IO[bytes], level: int) -> None:
    """Write one member (RFC 1952) whose deflate stream (RFC 1951) has stored blocks where placeholders are."""
    output.write(b"\x1f\x8b\x08\0\0\0\0\0\x02\x03")
    state, at = 0, 0
    for start, end in [*spans, (len(data), len(data))]:
        packer = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS, 9)
        for piece in _pieces(data, at, start, CHUNK):
            state = zlib.crc32(piece, state)
            output.write(packer.compress(piece))
        output.write(packer.flush(zlib.Z_SYNC_FLUSH))
        for piece in _pieces(data, start, end, PIECE):
            state = zlib.crc32(piece, state)
            output.write(b"\0" + struct.pack("<HH", len(piece), len(piece) ^ 0xFFFF) + piece)
        at = end
    output.write(b"\x01\0\0\xff\xff" + struct.pack("<II", state, len(data) & 0xFFFFFFFF))


def raw_zstd(data: bytes) -> bytes:
    """Return a frame of one raw block, without a checksum (RFC 8878)."""
    return (
        b"\x28\xb5\x2f\xfd\xa0" + struct.pack("<I", len(data)) + struct.pack("<I", len(data) << 3 | 1)[:3] + data
    )


def raw_xz(data: bytes) -> bytes:
    """Return a stream of one block with one uncompressed chunk of LZMA2 and a CRC32 ("The .xz File Format")."""
    flags = b"\0\x01"
    header = b"\x02\0\x21\x01\x08\0\0\0"
    chunk = b"\x01" + struct.pack(">H", len(data) - 1) + data + b"\0"
    block = header + _crc(header) + chunk
    unpadded = len(block) + 4
    index = b"\0\x01" + _varint(unpadded) + _varint(len(data))
    index += bytes(-len(index) % 4)
    tail = struct.pack("<I", (len(index) + 4) // 4 - 1) + flags
    whole = b"\xfd7zXZ\0" + flags + _crc(flags) + block + bytes(-len(block) % 4) + _crc(data)
    return whole + index + _crc(index) + _crc(tail) + tail + b"YZ"


def _crc(data: bytes) -> bytes:
    return struct.pack("<I", zlib.crc32(data))


def _varint(value: int) -> bytes:
    made = bytearray()
    while value > 127:  # noqa: PLR2004
        made.append(value & 127 | 128)
        value >>= 7
    return bytes([*made, value])
