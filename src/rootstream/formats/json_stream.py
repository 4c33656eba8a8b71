"""Reads a JSON file of any size a value at a time: what is in its outermost object or list, decoded one by one.

The decoder is json's own. The text in memory is bounded by the longest single value, not by the file.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

CHUNK = 1 << 20
_DECODER = json.JSONDecoder()
_BEHIND = frozenset(" \t\r\n,:]}")
_SPACE = re.compile(r"[ \t\r\n]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamEntry:
    """A value in the outermost object (`key` is its name) or list (None); `item` if it is one of a list there."""

    key: str | None
    value: Any
    item: bool = False


class StreamReader:
    """A JSON file that is being read; `sha256` is right once `entries` has given the last one."""

    def __init__(self, file: BinaryIO, lists: frozenset[str] = frozenset()) -> None:
        """Read a file; lists in the outermost object that have one of the names `lists` are given item by item."""
        self._file = file
        self._lists = lists
        self._digest = hashlib.sha256()
        self._decode = codecs.getincrementaldecoder("utf-8-sig")()
        self._text = ""
        self._at = 0

    @property
    def sha256(self) -> str:
        """Return the SHA-256 of what has been read."""
        return self._digest.hexdigest()

    def entries(self) -> Iterator[StreamEntry]:
        """Give what the file holds; a file that is neither object nor list is one entry.

        Raises ValueError where it is not JSON in UTF-8, and RecursionError.
        """
        begin = self._peek()
        if begin == "[":
            yield from (StreamEntry(key=None, value=value) for value in self._items())
        elif begin == "{":
            yield from self._members()
        else:
            yield StreamEntry(key=None, value=self._value())
        if self._peek():
            raise ValueError("there is something after the end of the JSON")

    def _members(self) -> Iterator[StreamEntry]:
        for _ in self._separated("}"):
            key = self._value()
            if not isinstance(key, str) or self._peek() != ":":
                raise ValueError("expected a name and a colon")
            self._at += 1
            if key in self._lists and self._peek() == "[":
                yield StreamEntry(key=key, value=[])
                yield from (StreamEntry(key=key, value=value, item=True) for value in self._items())
            else:
                yield StreamEntry(key=key, value=self._value())

    def _items(self) -> Iterator[Any]:
        for _ in self._separated("]"):
            yield self._value()

    def _separated(self, end: str) -> Iterator[None]:
        """Step into an object or list; stop before each of its parts, and behind its end."""
        self._at += 1
        if self._peek() == end:
            self._at += 1
            return
        while True:
            yield
            found = self._peek()
            self._at += 1
            if found == end:
                return
            if found != ",":
                raise ValueError(f"expected a comma or {end}")

    def _peek(self) -> str:
        """Return the next character that is no space, or nothing at the end of the file."""
        while True:
            self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]  # it matches nothing, too
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more():
                return ""

    def _value(self) -> Any:  # noqa: ANN401  (JSON)
        self._peek()
        while True:
            try:
                found, end = _DECODER.raw_decode(self._text, self._at)
            except ValueError:
                if not self._more():
                    raise
                continue
            # A number may go on behind the end of the text: `1` is all that can be read of `1.`, too.
            length = end - self._at
            if self._text[end : end + 1] in _BEHIND or not self._more():
                self._at += length
                return found

    def _more(self) -> bool:
        """Read on, as much as is left over at least; say whether there was anything."""
        data = self._file.read(max(CHUNK, len(self._text) - self._at))
        self._digest.update(data)
        self._text = self._text[self._at :] + self._decode.decode(data, final=not data)
        self._at = 0
        return bool(data)
