"""JSON a value at a time: the same as json reads it, wherever the file is cut into pieces."""

from __future__ import annotations

import hashlib
import io
import json
from typing import Any

import pytest

from rootstream.formats import json_stream
from rootstream.formats.json_stream import StreamEntry, StreamReader

OBJECT = {"a": 1, "b": [1, {"x": "é€\U0001f600"}], "rows": [{"id": 1}, 2, "three", [4]], "c": {}, "d": -1.5e3}


def entries(data: bytes, *lists: str) -> list[StreamEntry]:
    return list(StreamReader(io.BytesIO(data), frozenset(lists)).entries())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1 << 20])
@pytest.mark.parametrize("indent", [None, 2])
def test_an_object_is_read_by_its_names(monkeypatch: pytest.MonkeyPatch, size: int, indent: int | None) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", size)
    data = b"\xef\xbb\xbf" + json.dumps(OBJECT, ensure_ascii=False, indent=indent).encode() + b"\n"
    reader = StreamReader(io.BytesIO(data), frozenset({"rows"}))
    found = list(reader.entries())
    assert [each.value for each in found if each.item] == OBJECT["rows"]
    told = {each.key: each.value for each in found if not each.item}
    assert told == {**OBJECT, "rows": []}
    assert reader.sha256 == hashlib.sha256(data).hexdigest()


@pytest.mark.parametrize("value", [[], [1, 2], ["a", {"b": [3]}], [12345, 678]])
@pytest.mark.parametrize("size", [1, 4, 1 << 20])
def test_a_list_is_read_by_its_items(monkeypatch: pytest.MonkeyPatch, value: list[Any], size: int) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", size)
    assert [each.value for each in entries(json.dumps(value).encode())] == value
    assert all(each.key is None for each in entries(json.dumps(value).encode()))


@pytest.mark.parametrize("text", ["{}", '"a"', "12", " null "])
def test_what_has_no_parts(text: str) -> None:
    assert [each.value for each in entries(text.encode())] == ([] if text == "{}" else [json.loads(text)])


@pytest.mark.parametrize(
    "data",
    [
        *(b"", b"{", b"[1", b"[1,]", b"[1 2]", b"[1]]", b'{"a"}', b'{"a":}', b"{1: 2}", b'{"a": 1,}', b"{} {}"),
        *(b"nul", b"\xff\xfe{}", b'{"rows": [1}', b'{"rows": [', b"[1.]", b"[1x]"),
    ],
)
@pytest.mark.parametrize("size", [1, 1 << 20])
def test_what_is_not_json(monkeypatch: pytest.MonkeyPatch, data: bytes, size: int) -> None:
    monkeypatch.setattr(json_stream, "CHUNK", size)
    with pytest.raises(ValueError):  # noqa: PT011  (json's own)
        entries(data, "rows")


def test_what_is_nested_too_deeply() -> None:
    with pytest.raises(RecursionError):
        entries(b"[" * 100_000)
