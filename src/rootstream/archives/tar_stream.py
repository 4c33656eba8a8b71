"""Read a compressed tar from front to back with bounds on memory, members and size.

The standard library's reader is not used: its memory follows sizes that an archive claims. Formats: v7, ustar,
GNU (long names) and pax (POSIX.1-2001).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum

from rootstream.formats.faults import Fault

BLOCK = 512
MAX_HEADER = 1 << 20  # bytes of a long name or a pax header
MAX_REST = 1 << 24  # bytes of padding behind the last member
MAX_PATH, MAX_NAME = 4095, 255  # bytes of a path and of a name in it (Linux: PATH_MAX, NAME_MAX)
MAX_HEADERS = 16  # long names and pax headers before one member
MAX_MEMBERS = 4_000_000
MAX_BYTES = 1 << 37  # 128 GiB unpacked


class MemberKind(Enum):
    """What a member is; devices and pipes are `OTHER`."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    OTHER = "other"


KINDS = {
    b"0": MemberKind.FILE,
    b"\0": MemberKind.FILE,
    b"7": MemberKind.FILE,
    b"1": MemberKind.HARDLINK,
    b"2": MemberKind.SYMLINK,
    b"5": MemberKind.DIRECTORY,
    b"3": MemberKind.OTHER,
    b"4": MemberKind.OTHER,
    b"6": MemberKind.OTHER,
}


@dataclass(frozen=True, slots=True)
class Member:
    """One entry of an archive; size in bytes, target of a link as written, `mode` the permission bits."""

    name: str
    kind: MemberKind
    mode: int
    size: int
    target: str
    uid: int = 0
    gid: int = 0

    @property
    def executable(self) -> bool:
        """Tell whether its owner may execute it."""
        return bool(self.mode & 0o100)


class Stream:
    """The unpacked bytes of an archive, taken in order."""

    def __init__(self, blocks: Iterator[bytes], *, most: int = MAX_BYTES) -> None:
        self._blocks = blocks
        self._most = most
        self._view = memoryview(b"")
        self._seen = 0

    def _more(self) -> bool:
        """Have the next block; False if there is none."""
        block = next(self._blocks, b"")
        self._seen += len(block)
        if self._seen > self._most:
            raise Fault("unsafe-archive", f"the unpacked archive exceeds {self._most} bytes")
        self._view = memoryview(block)
        return bool(block)

    def chunks(self, size: int) -> Iterator[memoryview]:
        """Yield the next `size` bytes in pieces."""
        while size:
            if not self._view and not self._more():
                raise Fault("broken-archive", "the archive ends in the middle of a member")
            piece = self._view[:size]
            self._view = self._view[len(piece) :]
            size -= len(piece)
            yield piece

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        if len(self._view) >= size:
            piece = bytes(self._view[:size])
            self._view = self._view[size:]
            return piece
        return b"".join(self.chunks(size))

    def skip(self, size: int) -> None:
        """Pass over `size` bytes."""
        for _ in self.chunks(size):
            pass

    def drain(self) -> None:
        """Read what follows the end of the archive, so that data cut off are noticed."""
        rest = len(self._view)
        for block in self._blocks:
            rest += len(block)
            if rest > MAX_REST:
                raise Fault("unsafe-archive", f"more than {MAX_REST} bytes follow the archive")

    def ended(self) -> bool:
        """Tell whether nothing is left."""
        return not self._view and not self._more()


def _number(field: bytes) -> int:
    if field[0] & 0x80:  # GNU's base 256
        value = int.from_bytes(field, "big") - (0x80 << (8 * (len(field) - 1)))
    else:
        text = field.split(b"\0", 1)[0].strip()
        try:
            value = int(text or b"0", 8)
        except ValueError as error:
            raise Fault("broken-archive", f"a tar header contains {field!r} for a number") from error
    if not 0 <= value <= MAX_BYTES:
        raise Fault("unsafe-archive", f"a tar header claims {value} bytes")
    return value


def _text(field: bytes) -> str:
    return field.split(b"\0", 1)[0].decode("utf-8", "surrogateescape")


_LENGTH = 12  # bytes of the length of a pax record, with the space behind it
_RECORDS = ("path", "linkpath", "size")
_SPARSE = "GNU.sparse"
_DIGITS = re.compile(r"[0-9]{1,15}")


def _bytes(name: str) -> bytes:
    return name.encode("utf-8", "surrogateescape")


def _pax(data: bytes) -> dict[str, str]:
    """Return the records of a pax header, `length key=value` and a newline each (POSIX.1-2001)."""
    records: dict[str, str] = {}
    at, end = 0, len(data.rstrip(b"\0"))
    while at < end:
        length, space, _ = data[at : at + _LENGTH].partition(b" ")
        size = int(length) if space and length.isdigit() else 0
        if not len(length) + 1 < size <= len(data) - at:
            raise Fault("broken-archive", "a pax header is malformed")
        key, _, value = data[at + len(length) + 1 : at + size - 1].partition(b"=")
        name = key.decode("utf-8", "replace")
        if name in _RECORDS or name.startswith(_SPARSE):
            records[name] = value.decode("utf-8", "surrogateescape")
        at += size
    return records


def _size(text: str) -> int:
    if not _DIGITS.fullmatch(text) or int(text) > MAX_BYTES:
        raise Fault("unsafe-archive", f"a pax header claims {text[:40]!r} bytes")
    return int(text)


def _check(header: bytes) -> None:
    blank = header[:148] + b" " * 8 + header[156:]
    if _number(header[148:156]) != sum(blank):
        raise Fault("broken-archive", "a tar header has a wrong checksum")


class _Extra:
    """Long names and pax records that belong to the next member."""

    def __init__(self) -> None:
        self.records: dict[str, str] = {}
        self._headers = 0

    def read(self, kind: bytes, size: int, stream: Stream) -> bool:
        """Take a header that describes the next one; False if it is a member of its own."""
        if kind not in b"LKxgX":
            return False
        self._headers += 1
        if self._headers > MAX_HEADERS:
            raise Fault("unsafe-archive", f"more than {MAX_HEADERS} headers describe one member")
        if size > MAX_HEADER:
            raise Fault("unsafe-archive", f"a long name or pax header claims {size} bytes")
        data = stream.take(size)
        stream.skip(-size % BLOCK)
        if kind == b"L":
            self.records["path"] = _text(data)
        elif kind == b"K":
            self.records["linkpath"] = _text(data)
        elif kind != b"g":  # global records say nothing that concerns a tree
            self.records.update(_pax(data))
        return True


def _member(header: bytes, records: dict[str, str]) -> Member:
    kind = header[156:157]
    name = _text(header[:100])
    if header[257:263] == b"ustar\0" and header[345]:
        name = f"{_text(header[345:500])}/{name}"
    name = records.get("path", name)
    if kind not in KINDS or any(key.startswith(_SPARSE) for key in records):
        raise Fault("unsupported-archive", f"member {name[:200]!r} has type {kind!r}, which is not supported")
    if len(_bytes(name)) > MAX_PATH or any(len(part) > MAX_NAME for part in _bytes(name).split(b"/")):
        raise Fault("unsafe-archive", f"the name {name[:40]!r}... is too long for a file system")
    form = KINDS[kind]
    if form is MemberKind.FILE and name.endswith("/"):
        form = MemberKind.DIRECTORY
    size = _size(records["size"]) if "size" in records else _number(header[124:136])
    return Member(
        name=name,
        kind=form,
        mode=_number(header[100:108]) & 0o7777,
        size=size if form is MemberKind.FILE else 0,
        target=records.get("linkpath", _text(header[157:257])),
        uid=_number(header[108:116]),
        gid=_number(header[116:124]),
    )


def members(
    stream: Stream, take: Callable[[Member, Iterator[memoryview]], None], *, most: int = MAX_MEMBERS
) -> None:
    """Hand every member with its content to `take`, in order.

    What `take` leaves of the content is skipped. Raises `Fault` broken-archive, unsupported-archive or
    unsafe-archive.
    """
    extra = _Extra()
    count = 0
    while not stream.ended():
        header = stream.take(BLOCK)
        if not header.strip(b"\0"):
            stream.drain()
            return
        _check(header)
        if extra.read(header[156:157], _number(header[124:136]), stream):
            continue
        count += 1
        if count > most:
            raise Fault("unsafe-archive", f"more than {most} members")
        member = _member(header, extra.records)
        extra = _Extra()
        content = stream.chunks(member.size)
        take(member, content)
        for _ in content:
            pass
        stream.skip(-member.size % BLOCK)
