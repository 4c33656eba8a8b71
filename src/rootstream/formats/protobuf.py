"""Protocol buffers on the wire: fields of a message by their numbers, without a schema.

https://protobuf.dev/programming-guides/encoding/
"""

from __future__ import annotations

from collections.abc import Iterator

_VARINT, _I64, _LEN, _I32 = 0, 1, 2, 5
_MOST_SHIFT = 63  # a varint has at most ten bytes


def varint(value: int) -> bytes:
    """Return a whole number that is not negative."""
    found = bytearray()
    while value > 0x7F:  # noqa: PLR2004
        found.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes((*found, value))


def number(field: int, value: int) -> bytes:
    """Return a field with a number; one that is 0 is left out, as the standard has it."""
    return varint(field << 3 | _VARINT) + varint(value) if value else b""


def text(field: int, value: str | bytes) -> bytes:
    """Return a field with text, bytes or a message; an empty one is left out."""
    data = value.encode() if isinstance(value, str) else value
    return message(field, data) if data else b""


def message(field: int, data: bytes) -> bytes:
    """Return a field with a message, also an empty one."""
    return varint(field << 3 | _LEN) + varint(len(data)) + data


def fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield number and value of each field. Raises `ValueError` for bytes that are no message."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        kind = tag & 7
        if kind == _VARINT:
            value, at = _varint(data, at)
            yield tag >> 3, value
            continue
        if kind == _LEN:
            size, at = _varint(data, at)
        elif kind in (_I64, _I32):
            size = 8 if kind == _I64 else 4
        else:
            raise ValueError(f"a protocol buffer with a field of type {kind}")
        if at + size > len(data):
            raise ValueError("a protocol buffer ends early")
        yield tag >> 3, data[at : at + size]
        at += size


def first(data: bytes, *path: int) -> bytes:
    """Return the bytes at a path of fields, empty where there are none; of a repeated one, the first."""
    for field in path:
        data = next((value for each, value in fields(data) if each == field and isinstance(value, bytes)), b"")
    return data


def first_number(data: bytes, field: int) -> int:
    """Return a number, 0 where there is none."""
    return next((value for each, value in fields(data) if each == field and isinstance(value, int)), 0)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > _MOST_SHIFT:
            raise ValueError("a protocol buffer with a number that does not end")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if not byte & 0x80:
            return value, at
