"""The headers of POSIX tar archives (pax(1)) as bytes, the same from every version of Python."""

from __future__ import annotations

BLOCK = 512
RECORD = 20 * BLOCK
LARGEST_NAME = 100
LARGEST_ID = 8**7 - 1
LARGEST_SIZE = 8**11 - 1


def ustar_header(
    name: bytes,
    *,
    flag: bytes = b"0",
    mode: int = 0o644,
    owner: tuple[int, int] = (0, 0),
    size: int = 0,
    mtime: int = 0,
    target: bytes = b"",
    device: tuple[int, int] = (0, 0),
) -> bytes:
    """Return one header block; what does not fit into its fields has to be in pax records before it."""
    uid, gid = (number if number <= LARGEST_ID else 0 for number in owner)
    fields = (
        name[:LARGEST_NAME].ljust(LARGEST_NAME, b"\0"),
        b"%07o\0%07o\0%07o\0" % (mode, uid, gid),
        b"%011o\0%011o\0" % (size if size <= LARGEST_SIZE else 0, mtime),
        b" " * 8,
        flag,
        target[:LARGEST_NAME].ljust(LARGEST_NAME, b"\0"),
        b"ustar\0" + b"00",
        bytes(64),
        b"%07o\0%07o\0" % device,
        bytes(167),
    )
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def pax_header(records: dict[bytes, bytes], mtime: int = 0) -> bytes:
    """Return an extended header with the records in the order that they have."""
    body = b"".join(_pax_record(key, value) for key, value in records.items())
    head = ustar_header(b"./PaxHeaders", flag=b"x", size=len(body), mtime=mtime)
    return head + body + bytes(-len(body) % BLOCK)


def _pax_record(key: bytes, value: bytes) -> bytes:
    rest = b" %b=%b\n" % (key, value)
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return b"%d" % length + rest
