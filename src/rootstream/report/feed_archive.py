"""Reads the JSON files in a ZIP archive, of which OSV's have hundreds of thousands.

zipfile reads the directory; opening each file by it takes three times as long as unpacking the file. What is
stored or deflated is therefore unpacked here, checked as zipfile does; other methods are left to it.
"""

from __future__ import annotations

import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

MOST_RECORD = 16 << 20  # bytes of a file in an archive
MOST_RECORDS = 5_000_000
MOST_UNPACKED = 16 << 30  # bytes of all of them
_LOCAL = struct.Struct("<26xHH")
_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED = 1


class TooMuchError(ValueError):
    """An archive unpacks to more than is read."""


def texts(path: Path) -> Iterator[bytes]:
    """Give the content of each `.json` file of an archive.

    Raises TooMuchError, and for what is damaged what zipfile and zlib raise.
    """
    unpacked = 0
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        members = archive.infolist()
        if len(members) > MOST_RECORDS:
            raise TooMuchError(f"has more than {MOST_RECORDS} files")
        for member in members:
            if not member.filename.endswith(".json"):
                continue
            text = _content(archive, member, file.fileno())
            unpacked += len(text)
            if len(text) > MOST_RECORD or unpacked > MOST_UNPACKED:
                raise TooMuchError(f"unpacks to too much: {member.filename!r:.100}")
            yield text


def _content(archive: zipfile.ZipFile, member: zipfile.ZipInfo, handle: int) -> bytes:
    """Return what a file holds, at most a byte more than is allowed."""
    plain = member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
    if not plain or member.flag_bits & _ENCRYPTED:
        with archive.open(member) as file:
            return file.read(MOST_RECORD + 1)
    packed = _packed(member, handle)
    if member.compress_type == zipfile.ZIP_STORED:
        text, whole = packed, True
    else:
        unpacking = zlib.decompressobj(-zlib.MAX_WBITS)
        text = unpacking.decompress(packed, MOST_RECORD + 1)
        whole = unpacking.eof
    if len(text) <= MOST_RECORD and (not whole or zlib.crc32(text) != member.CRC):
        raise zipfile.BadZipFile(f"{member.filename!r:.100} is damaged")
    return text


def _packed(member: zipfile.ZipInfo, handle: int) -> bytes:
    """Return what is in an archive of a file, at most a byte more than is allowed."""
    size = min(member.compress_size, MOST_RECORD + 1)
    guessed = _LOCAL.size + len(member.orig_filename) + len(member.extra)  # its copy may be of another length
    data = os.pread(handle, guessed + size, member.header_offset)
    if len(data) < _LOCAL.size or not data.startswith(_SIGNATURE):
        raise zipfile.BadZipFile(f"{member.filename!r:.100} is not where the directory says")
    name, extra = _LOCAL.unpack_from(data)
    begin = _LOCAL.size + name + extra
    packed = data[begin : begin + size]
    return packed if len(packed) == size else os.pread(handle, size, member.header_offset + begin)
