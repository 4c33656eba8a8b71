"""Puts secrets into exported images, each in the place of what stood for it while they were built.

Images are made so that placeholders lie in them as they are: see `sandbox/secrets.py`. What has a checksum over
them (gzip, xz) gets it anew.
"""

from __future__ import annotations

import errno
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from rootstream.errors import UserError, Where
from rootstream.project.placeholders import MARKER, MOST, Secret

CHUNK = 4 << 20
GZIP, XZ = b"\x1f\x8b\x08", b"\xfd7zXZ\0"
XZ_BLOCK = 15  # bytes of a block of xz before the data of its one uncompressed chunk
MOST_PARTS = 16  # of a uImage
UIMAGE, UIMAGE_HEADER, UIMAGE_TYPE, UIMAGE_MULTI = b"\x27\x05\x19\x56", 64, 30, 4


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    """A part of a file: where it begins and ends, and its first bytes."""

    begin: int
    end: int
    head: bytes


def fill(path: Path, secrets: Sequence[Secret], times: int) -> None:
    """Put the secrets into a file that holds each placeholder so many times.

    Raises `UserError` secret-not-placed, image-broken.
    """
    try:
        places = _filled(path, secrets)
    except (ValueError, zlib.error, struct.error, OverflowError) as error:
        message = f"the secrets cannot be injected: {error}"
        raise UserError("image-broken", message, where=Where(path=path)) from error
    for what, count in places.items():
        if count != times:
            raise UserError(
                "secret-not-placed",
                f"{what} should be in the image {times} times, but its placeholder was found {count} times",
                where=Where(path=path),
                hint="Nothing was exported. A file that another layer replaces cannot hold a secret.",
            )


def _filled(path: Path, secrets: Sequence[Secret]) -> dict[str, int]:
    """Put the secrets into a file and return how often each was."""
    with path.open("r+b", buffering=0) as file:  # it is sought through beside Python, too
        places = {secret.what: 0 for secret in secrets}
        pieces = _pieces(file)
        found = list(_markers(file))
        for place in found:
            secret = _at(file, place, secrets)
            if secret is not None:
                file.seek(place)
                file.write(secret.content)
                places[secret.what] += 1
                if any(piece.head == XZ and piece.begin <= place < piece.end for piece in pieces):
                    _refresh_xz(file, place, secret.content)
        for piece in pieces if found else ():
            if piece.head.startswith(GZIP) and any(piece.begin <= place < piece.end for place in found):
                _refresh_gzip(file, piece)
        if found:
            _refresh_uimage(file)
    return places


def _markers(file: IO[bytes]) -> Iterator[int]:
    """Give every place where a placeholder may begin; holes are not read."""
    size = os.fstat(file.fileno()).st_size
    at = 0
    while at < size:
        try:
            start = os.lseek(file.fileno(), at, os.SEEK_DATA)
            end = os.lseek(file.fileno(), start, os.SEEK_HOLE)
        except OSError as error:
            if error.errno == errno.ENXIO:
                return
            raise
        yield from _within(file, start, end)
        at = end


def _within(file: IO[bytes], start: int, end: int) -> Iterator[int]:
    at = start
    while at < end:
        file.seek(at)
        data = file.read(min(CHUNK, end - at) + len(MARKER) - 1)
        place = data.find(MARKER)
        while place >= 0:
            yield at + place
            place = data.find(MARKER, place + 1)
        at += CHUNK


def _at(file: IO[bytes], place: int, secrets: Sequence[Secret]) -> Secret | None:
    file.seek(place)
    data = file.read(MOST)
    return next((secret for secret in secrets if data.startswith(secret.placeholder)), None)


def _pieces(file: IO[bytes]) -> tuple[_Piece, ...]:
    """Return the parts of a file: those of a uImage (U-Boot, include/image.h), or all of it."""
    size = os.fstat(file.fileno()).st_size
    file.seek(0)
    head = file.read(UIMAGE_HEADER)
    begins = [(0, size)]
    if head.startswith(UIMAGE) and len(head) == UIMAGE_HEADER:
        begins = [(UIMAGE_HEADER, size)]
        if head[UIMAGE_TYPE] == UIMAGE_MULTI:
            begins = []
            sizes = list(islice(iter(lambda: int.from_bytes(file.read(4), "big"), 0), MOST_PARTS))
            at = file.tell()
            for each in sizes:
                begins.append((at, at + each))
                at += each + -each % 4
    found = []
    for begin, end in begins:
        file.seek(begin)
        found.append(_Piece(begin=begin, end=end, head=file.read(6)))
    return tuple(found)


def _refresh_uimage(file: IO[bytes]) -> None:
    """Write the checksums of a uImage anew, that of the data and then that of the header."""
    file.seek(0)
    head = bytearray(file.read(UIMAGE_HEADER))
    if not head.startswith(UIMAGE):
        return
    state = 0
    while data := file.read(CHUNK):
        state = zlib.crc32(data, state)
    struct.pack_into(">I", head, 24, state)
    struct.pack_into(">I", head, 4, 0)
    struct.pack_into(">I", head, 4, zlib.crc32(head))
    file.seek(0)
    file.write(head)


def _refresh_gzip(file: IO[bytes], piece: _Piece) -> None:
    """Write the checksum of what is packed (RFC 1952) anew."""
    file.seek(piece.begin + 10)
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    state = 0
    while not unpacker.eof:
        data = unpacker.unconsumed_tail or file.read(CHUNK)
        if not data:
            raise ValueError("a gzip-compressed image is truncated")
        state = zlib.crc32(unpacker.decompress(data, CHUNK), state)
    file.seek(piece.end - 8)
    file.write(struct.pack("<I", state))


def _refresh_xz(file: IO[bytes], place: int, content: bytes) -> None:
    """Write the checksum of a block that holds nothing but the secret (The .xz File Format, 3.4)."""
    length = XZ_BLOCK + len(content) + 1
    file.seek(place - XZ_BLOCK + length + -length % 4)
    file.write(struct.pack("<I", zlib.crc32(content)))
