"""Whether files that are named by their SHA-256 have that content: the blobs of a cache, here or of a server."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """How many blobs were read, their bytes, and the files that are damaged."""

    count: int
    size: int
    damaged: tuple[Path, ...]


def check(objects: Path, tell: Callable[[int, int], None] = lambda _count, _size: None) -> Checked:
    """Read all blobs below a folder; `tell` gets count and bytes so far. What vanishes meanwhile is left out."""
    count = size = 0
    damaged = []
    for path, wanted in _blobs(objects):
        try:
            with path.open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
                size += file.tell()
        except FileNotFoundError:
            continue
        except OSError:
            found = ""  # a disk that cannot read it
        count += 1
        if found != wanted:
            damaged.append(path)
        tell(count, size)
    return Checked(count=count, size=size, damaged=tuple(damaged))


def _blobs(objects: Path) -> Iterator[tuple[Path, str]]:
    """Yield files of the form ab/cdef... with the hash that is their name."""
    for folder in sorted(objects.iterdir()):
        if len(folder.name) == 2 and folder.is_dir():  # noqa: PLR2004
            for path in folder.iterdir():
                name = folder.name + path.name
                if len(name) == 64 and set(name) <= _HEX and path.is_file():  # noqa: PLR2004
                    yield path, name
