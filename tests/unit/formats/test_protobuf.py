"""Protocol buffers, against the encodings in their documentation and against themselves."""

from __future__ import annotations

import pytest

from rootstream.formats import protobuf


def test_the_examples_of_the_documentation() -> None:
    # https://protobuf.dev/programming-guides/encoding/
    assert protobuf.number(1, 150) == bytes.fromhex("089601")
    assert protobuf.text(2, "testing") == bytes.fromhex("120774657374696e67")
    assert protobuf.message(3, protobuf.number(1, 150)) == bytes.fromhex("1a03089601")
    assert list(protobuf.fields(bytes.fromhex("089601120774657374696e67"))) == [(1, 150), (2, b"testing")]


def test_what_is_nothing_is_left_out_but_an_empty_message() -> None:
    assert protobuf.number(1, 0) == protobuf.text(1, "") == b""
    assert protobuf.message(1, b"") == b"\x0a\x00"


def test_paths() -> None:
    inner = protobuf.message(2, protobuf.text(1, "a") + protobuf.number(2, 1 << 40)) + protobuf.text(2, "b")
    assert protobuf.first(inner, 2, 1) == b"a"
    assert protobuf.first(inner, 7) == b""
    assert protobuf.first_number(protobuf.first(inner, 2), 2) == 1 << 40
    assert protobuf.first_number(inner, 9) == 0


def test_fields_of_fixed_size_are_passed_over() -> None:
    data = b"\x09" + bytes(8) + b"\x15" + bytes(4) + protobuf.number(3, 7)
    assert [number for number, _ in protobuf.fields(data)] == [1, 2, 3]


@pytest.mark.parametrize("data", [b"\x08", b"\x12\x05ab", b"\x0b", b"\x08" + b"\xff" * 11, b"\x09\x01"])
def test_what_is_none(data: bytes) -> None:
    with pytest.raises(ValueError, match="protocol buffer"):
        list(protobuf.fields(data))
