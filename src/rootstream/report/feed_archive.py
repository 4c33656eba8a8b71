"""Reads the JSON files in a ZIP or tar archive, of which OSV's have hundreds of thousands.

zipfile reads the directory; opening each file by it takes three times as long as unpacking the file. What is
stored or deflated is therefore unpacked here, checked as zipfile does; other methods are left to it.
"""

from __future__ import annotations

import os
import re
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rootstream.archives import compression, tar_stream

MOST_RECORD = 16 << 20  # bytes of a file in an archive
MOST_RECORDS = 5_000_000
MOST_UNPACKED = 16 << 30  # bytes of all of them
_LOCAL = struct.Struct("<26xHH")
_SIGNATURE = b"PK\x03\x04"
_ENCRYPTED = 1
_MAGIC, _MAGIC_AT = b"ustar", 257  # of a tar archive (POSIX.1-2001)
_UNPUBLISHED = re.compile(r"(?:^|/)cve/(?!published/)")


class TooMuchError(ValueError):
    """An archive unpacks to more than is read."""


def texts(path: Path, take: Callable[[bytes], None]) -> None:
    """Hand the content of each record in an archive to `take`: of each `.json` file that is one.

    Raises TooMuchError, Fault, and for what is damaged what zipfile and zlib raise.
    """
    counted = _Counted(take=take)
    if zipfile.is_zipfile(path):
        _zip(path, counted)
    else:
        _tar(path, counted)


def is_tar(path: Path) -> bool:
    """Say whether a file is a tar archive or compressed, which JSON is not."""
    with path.open("rb") as file:
        if compression.suffix_of(file):
            return True
        file.seek(_MAGIC_AT)
        return file.read(len(_MAGIC)) == _MAGIC


def is_record(name: str) -> bool:
    """Say whether a file is a record: of the repository of the kernel's CNA, only published ones are."""
    return name.endswith(".json") and not _UNPUBLISHED.search(name)


@dataclass(slots=True, kw_only=True)
class _Counted:
    """Records that are handed on, with their number and size as far as they are allowed."""

    take: Callable[[bytes], None]
    records: int = 0
    unpacked: int = 0

    def one(self, name: str, text: bytes) -> None:
        self.records += 1
        self.unpacked += len(text)
        if len(text) > MOST_RECORD or self.unpacked > MOST_UNPACKED or self.records > MOST_RECORDS:
            raise TooMuchError(f"unpacks to too much: {name!r:.100}")
        self.take(text)


def _zip(path: Path, counted: _Counted) -> None:
    with zipfile.ZipFile(path) as archive, path.open("rb") as file:
        members = archive.infolist()
        if len(members) > MOST_RECORDS:
            raise TooMuchError(f"has more than {MOST_RECORDS} files")
        for member in members:
            if is_record(member.filename):
                counted.one(member.filename, _content(archive, member, file.fileno()))


def _tar(path: Path, counted: _Counted) -> None:
    def take(member: tar_stream.Member, content: Iterator[memoryview]) -> None:
        if member.kind is tar_stream.MemberKind.FILE and is_record(member.name):
            if member.size > MOST_RECORD:
                raise TooMuchError(f"unpacks to too much: {member.name!r:.100}")
            counted.one(member.name, b"".join(content))

    with path.open("rb") as file:
        blocks = compression.blocks(file.read, compression.suffix_of(file))
        tar_stream.members(tar_stream.Stream(blocks, most=MOST_UNPACKED), take, most=MOST_RECORDS)


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
