"""What a file of a plan holds: bytes or, where they are many, a file without a name, read piece by piece."""

from __future__ import annotations

import os
import tempfile
import weakref
from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import IO

CHUNK = 1 << 20
LARGE = 16 << 20  # what is longer is not kept in memory


class Spooled:
    """The bytes of a file without a name, which goes when nobody has it any more."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._descriptor = descriptor
        self._size = size
        weakref.finalize(self, os.close, descriptor)

    def __len__(self) -> int:
        return self._size

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, bytes | Spooled) or len(other) != len(self):
            return False
        return all(one == two for one, two in zip_longest(self.chunks(), chunks(other)))

    def __hash__(self) -> int:
        return hash(self._size)

    def chunks(self) -> Iterator[bytes]:
        """Give the bytes, piece by piece."""
        for place in range(0, self._size, CHUNK):
            yield os.pread(self._descriptor, CHUNK, place)


class Program(bytes):
    """The bytes of a file that may be executed."""

    __slots__ = ()


Content = bytes | Spooled


def chunks(content: Content) -> Iterator[bytes]:
    """Give the bytes of a content, piece by piece, all but the last of the same length."""
    if isinstance(content, Spooled):
        yield from content.chunks()
    else:
        yield from (content[at : at + CHUNK] for at in range(0, len(content), CHUNK))


def written(write: Callable[[IO[bytes]], object]) -> Content:
    """Return what a function writes."""
    with tempfile.SpooledTemporaryFile(max_size=LARGE, prefix="rootstream-") as file:
        write(file)
        size = file.tell()
        if size > LARGE:
            file.flush()
            return Spooled(os.dup(file.fileno()), size)
        file.seek(0)
        return file.read()
